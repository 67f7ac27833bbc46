"""Options of the verbs that edit images, and the parsers of their values.

The functions that read a text serve as `type` of an argparse argument, as those in `options` do.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from lading.cli.options import annotation, once, platform
from lading.cli.output import UsageError


def add_destination(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Add `--to`. Where it is optional, the tag of REF moves to what was made."""
    parser.add_argument(
        "--to",
        metavar="NEWREF",
        required=not optional,
        help="where the outcome goes" + (" (default: REF, whose tag moves)" if optional else "; may be REF itself"),
    )


def add_manifests(parser: argparse.ArgumentParser) -> None:
    """Add the entries that an index gets."""
    parser.add_argument(
        "manifests",
        metavar="[PLATFORM=]MANIFEST",
        nargs="+",
        type=entry,
        help="such as v1-arm64, linux/arm64=v1-arm64, or ghcr.io/acme/other:v1",
    )


def add_pairs(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """Add an option that sets KEY=VALUE, and one that takes a KEY away: `--NAME` and `--NAME-remove`."""
    parser.add_argument(
        f"--{name}",
        metavar="KEY=VALUE",
        type=annotation,
        action="append",
        default=[],
        help=f"set {what}; may be repeated",
    )
    parser.add_argument(
        f"--{name}-remove", metavar="KEY", action="append", default=[], help=f"take {what} away; may be repeated"
    )


def pairs(given: Iterable[tuple[str, str]], removed: Iterable[str], what: str) -> dict[str, str | None]:
    """Return what `add_pairs` read, with None for what is taken away. Raises `UsageError` for a key given twice."""
    changes: dict[str, str | None] = dict(once(given, what))
    for key in removed:
        if changes.get(key) is not None:
            raise UsageError(f"the {what} {key!r} is set and taken away")
        changes[key] = None
    return changes


def words(text: str) -> tuple[str, ...]:
    """Read a command line: a list in JSON, or words as a shell splits them."""
    if not text.lstrip().startswith("["):
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is no command line: {error}") from error
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} begins like a list in JSON and is none: {error}") from error
    if not all(isinstance(word, str) for word in found):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of texts")
    return tuple(found)


def time(text: str) -> datetime:
    """Read a time: RFC 3339, such as 2026-01-31T12:00:00Z, or seconds since 1970."""
    try:
        if text.isascii() and text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC)
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-01-31T12:00:00Z") from error
    if when.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone: end it in Z for UTC")
    return when


def entry(text: str) -> tuple[Any, str]:
    """Read `[PLATFORM=]MANIFEST`; no platform has a colon, as every path of a place on a disk is behind one."""
    before, equals, after = text.partition("=")
    if not equals or ":" in before:
        return None, text
    return platform(before), after
