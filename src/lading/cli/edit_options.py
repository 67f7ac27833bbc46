"""Options of the verbs that edit images, and the parsers of their values.

The functions that take a string serve as `type` of an argparse argument, like those in `options`.
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
    """Add `--to`. If it is optional, the default is REF, whose tag moves to the new manifest."""
    parser.add_argument(
        "--to",
        metavar="NEWREF",
        required=not optional,
        help="the destination, or a tag next to REF"
        + (" (default: REF, whose tag moves)" if optional else "; may be REF itself"),
    )


def add_manifests(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name new entries of an index."""
    parser.add_argument(
        "manifests",
        metavar="[PLATFORM=]MANIFEST",
        nargs="+",
        type=entry,
        help="such as v1-arm64, linux/arm64=v1-arm64, or ghcr.io/acme/other:v1",
    )


def add_pairs(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """Add an option that sets KEY=VALUE, and one that removes a KEY: `--NAME` and `--NAME-remove`."""
    parser.add_argument(
        f"--{name}",
        metavar="KEY=VALUE",
        type=annotation,
        action="append",
        default=[],
        help=f"set {what}; may be repeated",
    )
    parser.add_argument(
        f"--{name}-remove", metavar="KEY", action="append", default=[], help=f"remove {what}; may be repeated"
    )


def pairs(given: Iterable[tuple[str, str]], removed: Iterable[str], what: str) -> dict[str, str | None]:
    """Return the changes that `add_pairs` read, None for a removed key. Raises `UsageError` for a repeated key."""
    changes: dict[str, str | None] = dict(once(given, what))
    for key in removed:
        if changes.get(key) is not None:
            raise UsageError(f"the {what} {key!r} is set and removed")
        changes[key] = None
    return changes


def words(text: str) -> tuple[str, ...]:
    """Read a command line: a list in JSON, or words as a shell splits them."""
    if not text.lstrip().startswith("["):
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not a command line: {error}") from error
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON list: {error}") from error
    if not all(isinstance(word, str) for word in found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of strings")
    return tuple(found)


def time(text: str) -> datetime:
    """Read a time: RFC 3339, such as 2026-01-31T12:00:00Z, or seconds since 1970."""
    try:
        if text.isascii() and text.isdecimal():
            return datetime.fromtimestamp(int(text), UTC)
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-01-31T12:00:00Z") from error
    if when.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone: end it in Z for UTC")
    return when


def entry(text: str) -> tuple[Any, str]:
    """Read `[PLATFORM=]MANIFEST`. A platform has no colon, and a path on disk always follows one."""
    before, equals, after = text.partition("=")
    if not equals or ":" in before:
        return None, text
    return platform(before), after
