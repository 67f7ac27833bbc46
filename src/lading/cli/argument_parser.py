"""Argument parser of the command line.

The verb is found first, and only its own parser is made. Options may stand anywhere: before the verb, after it, and
between the other arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, NoReturn

from lading import __version__
from lading.cli.commands import VERBS

USAGE = 2

_COLUMNS = 80
_DESCRIPTION = "Push to, pull from and look into registries of the OCI Distribution API."
_EPILOG = """\
Results go to stdout, everything else to stderr. A registry on loopback is contacted over plain HTTP.
Exit codes: 0 done, 1 refused or failed, 2 usage, 3 not found, 4 not allowed, 5 verification failed, 6 no answer.
`lading VERB --help` describes a verb."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal. Left to itself, argparse asks `shutil`, which loads every compressor there is."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, width=_columns() - 2, **settings)


class Parser(argparse.ArgumentParser):
    """A parser that reports a fault in one line, and takes no abbreviated options."""

    def __init__(self, prog: str, **settings: object) -> None:
        super().__init__(prog, allow_abbrev=False, **settings)  # type: ignore[arg-type]  # they are argparse's to check

    def error(self, message: str, hint: str = "") -> NoReturn:
        """Print the fault and exit."""
        self.exit(USAGE, f"{self.prog}: {_one_line(message)}\n  hint: {_one_line(hint or f'{self.prog} --help')}\n")

    @property
    def options(self) -> Mapping[str, argparse.Action]:
        """Every option by each of its names."""
        return self._option_string_actions

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Read the arguments of a verb, options and other arguments in any order."""
        self._refuse_unknown_options(arguments)
        options, extra = self.parse_known_intermixed_args(self._with_values_joined(arguments))
        if extra:
            self.error(f"unexpected argument {extra[0]!r}")
        return options

    def _refuse_unknown_options(self, arguments: Sequence[str]) -> None:
        """Report a misspelt option first: argparse would report what is missing for want of it."""
        known = self.options
        for text in arguments:
            if text == "--":
                return
            name = text.partition("=")[0]
            # argparse reads -oFILE as -o FILE, and so -output as -o utput.
            short = not text.startswith("--") and name[:2] in known and f"-{name}" not in known
            if _is_option(text) and name not in known and not short:
                from lading.cli.suggestions import option_like

                like = option_like(name, known)
                self.error(f"unknown option {name!r}" + (f": did you mean {like!r}?" if like else ""))

    def _with_values_joined(self, arguments: Sequence[str]) -> list[str]:
        """Write `--option=value` where an option can do without a value.

        Left to itself, argparse takes the next argument for its value, also where the verb needs that argument.
        """
        needed = sum(1 for action in self._actions if not action.option_strings and action.nargs in {None, "+"})
        words = _words(arguments, self.options)
        joined: list[str] = []
        taken = -1
        for position, text in enumerate(arguments):
            action = self.options.get(text)
            if position == taken:
                continue
            if action is None or action.nargs != "?":
                joined.append(text)
            elif position + 1 in words and len(words) > needed:
                taken = position + 1
                joined.append(f"{text}={arguments[taken]}")
            else:
                joined.append(f"{text}={action.const}")
        return joined


def split(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Split a command line into its verb, of one or two words, and everything else; options may stand anywhere."""
    first, rest = _split_word(arguments, {verb.partition(" ")[0] for verb in VERBS})
    if first is None or "--version" in arguments[: arguments.index(first)]:
        parser = _parser_of_all()
        parser.parse_known_args([text for text in arguments if text in {"-h", "--help", "--version"}])
        parser.error("a verb is missing")
    seconds = [verb.partition(" ")[2] for verb in VERBS if verb.startswith(f"{first} ")]
    if seconds:
        return _split_group(first, seconds, rest)
    if first not in VERBS:
        _refuse_verb(_parser_of_all(), first, _split_word(rest, set(VERBS))[0] or "")
    if first in {"repos", "tag", "tags"}:
        _refuse_doubled(first, rest)
    return first, rest


def _parser_of_all() -> Parser:
    """Return the parser of a command line without a verb."""
    parser = Parser(
        "lading",
        usage="lading VERB [ARGUMENT…] [OPTION…]",
        description=f"{_DESCRIPTION}\n\nverbs:\n{_listed(VERBS)}",
        epilog=_EPILOG,
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"lading {__version__}")
    return parser


def parse(verb: str, module: ModuleType, arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments of a verb as its module declares them. Exits if they are wrong, or to print help."""
    parser = Parser(f"lading {verb}", description=module.__doc__, formatter_class=_Help)
    module.add_arguments(parser)
    _add_output_options(parser)
    return parser.parse(arguments)


def _split_word(arguments: Sequence[str], expected: Collection[str]) -> tuple[str | None, list[str]]:
    """Take the first argument that is neither an option nor the value of one out of a command line.

    The value of an option that only some verbs have is passed over where one of the `expected` words follows.
    """
    shared = _shared_options() if arguments and _is_option(arguments[0]) else {}
    words = _words(arguments, shared)
    if not words:
        return None, list(arguments)
    position = words[0]
    before = arguments[position - 1] if position else ""
    if _is_option(before) and before not in shared and arguments[position] not in expected:
        position = next((word for word in words if arguments[word] in expected), position)
    return arguments[position], [*arguments[:position], *arguments[position + 1 :]]


def _words(arguments: Sequence[str], known: Mapping[str, argparse.Action]) -> list[int]:
    """Return the positions of the arguments that are neither options nor values of known options.

    The value of an option that can do without one counts as a word.
    """
    found: list[int] = []
    values = 0
    for position, text in enumerate(arguments):
        if values:
            values -= 1
        elif text == "--":
            return [*found, *range(position + 1, len(arguments))]
        elif not _is_option(text):
            found.append(position)
        else:
            action = known.get(text)
            values = int(action is not None and action.nargs is None)
    return found


def _shared_options() -> Mapping[str, argparse.Action]:
    from lading.cli.options import add_connection_options

    parser = Parser("lading", add_help=False)
    _add_output_options(parser)
    add_connection_options(parser)
    return parser.options


def _split_group(group: str, seconds: Sequence[str], arguments: Sequence[str]) -> tuple[str, list[str]]:
    parser = Parser(
        f"lading {group}",
        usage=f"lading {group} VERB [ARGUMENT…] [OPTION…]",
        description=f"verbs:\n{_listed({second: VERBS[f'{group} {second}'] for second in seconds})}",
        formatter_class=_Help,
    )
    second, rest = _split_word(arguments, seconds)
    if second is None:
        parser.parse_known_args([text for text in arguments if text in {"-h", "--help"}])
        parser.error(f"a verb is missing: {', '.join(seconds)}")
    if second not in seconds:
        _refuse_verb(parser, group, second)
    return f"{group} {second}", rest


def _refuse_verb(parser: Parser, first: str, second: str) -> NoReturn:
    from lading.cli.suggestions import verbs_like

    like = verbs_like(first, second)
    unknown = f"{first} {second}" if any(verb.startswith(f"{first} ") for verb in VERBS) else first
    question = f": did you mean {_alternatives(like)}?" if like else ""
    hint = f"lading {like[0].partition(' --')[0]} --help" if like and not like[0].startswith("-") else ""
    parser.error(f"unknown verb {unknown!r}{question}", hint)


def _refuse_doubled(verb: str, arguments: Sequence[str]) -> None:
    """Refuse `tags list REF`, as other programs have it, where the second word is not a reference of its own."""
    words = [arguments[position] for position in _words(arguments, {})]
    if len(words) > 1 and words[0] in {"add", "create", "del", "delete", "list", "ls", "rm"}:
        _refuse_verb(_parser_of_all(), f"{verb} {words[0]}", "")


def _alternatives(words: Sequence[str]) -> str:
    *others, last = map(repr, words)
    return f"{', '.join(others)} or {last}" if others else last


def _is_option(text: str) -> bool:
    """Return whether argparse takes an argument for an option: a negative number, or one with a space, is not."""
    return text.startswith("-") and text != "-" and " " not in text and not text[1:].replace(".", "", 1).isdecimal()


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("output")
    options.add_argument("--json", action="store_true", help="print one JSON object on each line")
    options.add_argument("-q", "--quiet", action="store_true", help="print no progress, notices or warnings")
    options.add_argument("-v", "--verbose", action="store_true", help="print each request and each blob to stderr")


def _columns() -> int:
    """Return COLUMNS, or else the width of the terminal."""
    with suppress(KeyError, ValueError):
        if (columns := int(os.environ["COLUMNS"])) > 0:
            return columns
    with suppress(OSError):  # stdout is not a terminal
        return os.get_terminal_size().columns or _COLUMNS
    return _COLUMNS


def _listed(verbs: dict[str, str]) -> str:
    width = max(map(len, verbs))
    return "\n".join(f"  {verb:{width}}  {summary}" for verb, summary in verbs.items())


def _one_line(text: str) -> str:
    from lading import printable

    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    return printable(text, 1000).encode(encoding, "backslashreplace").decode(encoding)
