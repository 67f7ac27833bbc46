"""Formatting of facts, tables and sizes for a reader, foreign text cut and escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lading import printable

_LONGEST = 200
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def facts(pairs: Iterable[tuple[str, str]], indent: str = "") -> Iterator[str]:
    """Write a line for each name and value."""
    for name, value in pairs:
        yield f"{indent}{name:13} {printable(value, _LONGEST)}"


def section(title: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Write rows of equally many cells as columns below a title; nothing without rows."""
    if not rows:
        return
    yield title
    cells = [tuple(printable(cell, _LONGEST) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def readable_size(size: int) -> str:
    """Write a number of bytes in a unit that fits: bytes, KiB, MiB, GiB or TiB."""
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    return f"{size} bytes" if power < 1 else f"{size / 1024**power:.1f} {_UNITS[power - 1]}"


def short_digest(digest: str) -> str:
    """Shorten a digest to its algorithm and 12 digits."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}:{encoded[:12]}"
