"""Measure how long the worst 100 kB that we can think of keep each parser busy.

    python -m benchmarks.hostile_inputs

Processor time of one call, the best of three, in milliseconds: what a server can send
must not cost more than it is worth.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lading import LadingError
from tests.support.parsers import CONTENTS, TEXTS

SIZE = 100_000
UNITS = [
    "a",
    "/",
    ".",
    "-",
    "_",
    ":",
    "@",
    "a/",
    "a.",
    "a-",
    "[",
    "(",
    "=",
    '"',
    "\\",
    '\\"',
    ",",
    ", ",
    'a="',
    "Bearer ",
    "<",
    "<>;",
    *["rel=next,", "%2e", "?", "&a=b", "0", "9", "é", "sha256:", "bytes ", "gzip,", " ", "\t", "a=b,"],
]
OPENINGS = ["", "Bearer ", "<", "https://", "a@sha256:", 'Basic realm="', "bytes "]
BYTES = [
    b"[",
    b"{",
    b'{"a":',
    b"[[],",
    b'"a",',
    b"0,",
    b'"\\u0000',
    b"1",
    b" ",
    b'{"a":1,"b":2},',
    b'"tags":["a"],',
    b"\0",
    b"\x1f\x8b",
]
PREFIXES = [b"", b"[", b'{"tags":[', b'{"manifests":[', b'{"layers":[', b'{"errors":[', b'{"token":"']


def seconds(function: Callable[[Any], Any], argument: Any) -> float:
    """Return the processor time of the quickest of three calls."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        with suppress(LadingError, ValueError):
            function(argument)
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    """Print the worst input of each parser, the slowest parser first."""
    rows: list[tuple[float, str, str]] = []
    for name, read in TEXTS.items():
        texts = [opening + unit * (SIZE // len(unit)) for opening in OPENINGS for unit in UNITS]
        rows.append(max((seconds(read, text), name, repr(text[:20])) for text in texts))
    for name, take in CONTENTS.items():
        contents = [prefix + unit * (SIZE // len(unit)) for prefix in PREFIXES for unit in BYTES]
        rows.append(max((seconds(take, content), name, repr(content[:20])) for content in contents))
    for worst, name, shown in sorted(rows, reverse=True):
        print(f"{worst * 1000:8.1f} ms  {name:16} {shown}…")


if __name__ == "__main__":
    main()
