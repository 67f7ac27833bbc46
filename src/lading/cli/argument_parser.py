"""Argument parser of the command line.

The verb is found first, and only its own parser is made. Options may stand anywhere after it, between and behind the
other arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, NoReturn

from lading._version import __version__
from lading.cli.commands import VERBS

USAGE = 2

_COLUMNS = 80
_DESCRIPTION = "Push to, pull from and look into registries of the OCI Distribution API."
_EPILOG = """\
Results go to stdout, everything else to stderr. A registry on loopback is spoken to over plain HTTP.
Exit codes: 0 done, 1 refused or failed, 2 usage, 3 not found, 4 not allowed, 5 verification failed, 6 no answer.
`lading VERB --help` says more about a verb."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal. Left to itself, argparse asks `shutil`, which loads every compressor there is."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, width=_columns() - 2, **settings)


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and takes no abbreviated options."""

    def __init__(self, prog: str, **settings: object) -> None:
        super().__init__(prog, allow_abbrev=False, **settings)  # type: ignore[arg-type]  # they are argparse's to check

    def error(self, message: str) -> NoReturn:
        """Print the fault and exit."""
        self.exit(USAGE, f"{self.prog}: {_one_line(message)}\n  hint: {self.prog} --help\n")


def split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Split a command line into its verb, of one or two words, and what follows it."""
    parser = Parser(
        "lading",
        usage="lading VERB [ARGUMENT…] [OPTION…]",
        description=f"{_DESCRIPTION}\n\nverbs:\n{_listed(VERBS)}",
        epilog=_EPILOG,
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"lading {__version__}")
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    found = parser.parse_args(arguments)
    if found.verb is None:
        parser.error("a verb is missing")
    second = {verb.partition(" ")[2]: summary for verb, summary in VERBS.items() if verb.startswith(f"{found.verb} ")}
    if second:
        return _split_group(found.verb, second, found.rest)
    if found.verb not in VERBS:
        parser.error(f"there is no verb {found.verb!r}{_alternative(found.verb, VERBS)}")
    return found.verb, found.rest


def parse(verb: str, module: ModuleType, arguments: Sequence[str]) -> argparse.Namespace:
    """Read what follows a verb, as its module says. Exits when that is wrong, or when help was asked for."""
    parser = Parser(f"lading {verb}", description=module.__doc__, formatter_class=_Help)
    module.add_arguments(parser)
    _add_output_options(parser)
    return parser.parse_intermixed_args(arguments)


def _split_group(group: str, verbs: dict[str, str], arguments: Sequence[str]) -> tuple[str, list[str]]:
    parser = Parser(
        f"lading {group}",
        usage=f"lading {group} VERB [ARGUMENT…] [OPTION…]",
        description=f"verbs:\n{_listed(verbs)}",
        formatter_class=_Help,
    )
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    found = parser.parse_args(arguments)
    if found.verb not in verbs:
        parser.error(f"one of these verbs must follow: {', '.join(verbs)}")
    return f"{group} {found.verb}", found.rest


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("output")
    options.add_argument("--json", action="store_true", help="print one JSON object a line")
    options.add_argument("-q", "--quiet", action="store_true", help="no progress and no warnings")
    options.add_argument("-v", "--verbose", action="store_true", help="tell what happens, a line each")


def _columns() -> int:
    """Return the width of the terminal, or what the environment says that it is."""
    with suppress(KeyError, ValueError):
        if (columns := int(os.environ["COLUMNS"])) > 0:
            return columns
    with suppress(OSError):  # stdout is no terminal
        return os.get_terminal_size().columns or _COLUMNS
    return _COLUMNS


def _listed(verbs: dict[str, str]) -> str:
    width = max(map(len, verbs))
    return "\n".join(f"  {verb:{width}}  {summary}" for verb, summary in verbs.items())


def _alternative(verb: str, verbs: dict[str, str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(verb, {each.partition(" ")[0] for each in verbs}, 1)
    return f": did you mean {close[0]!r}?" if close else ""


def _one_line(text: str) -> str:
    from lading._wire.escaping import shown

    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    return shown(text, 1000).encode(encoding, "backslashreplace").decode(encoding)
