"""Checks of arguments: a wrong type is a `TypeError`, a wrong value a `ValueError`, each with a sentence.

A message shows the type of a wrong argument. It shows values of strings and numbers only where no secret can be given:
`one_or_many`, `items`, `choice`, `path` and the numbers; `expect` and `mapping` show types (`mapping` also keys).

Every class of the public face is checked with this module, so that it imports nothing that a start has not loaded yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import MethodType
from typing import Any, Protocol, TypeAlias, TypeVar, overload

from lading._text import elided

_T = TypeVar("_T")


class Strings(Protocol):
    """List, tuple or other collection of strings, but not a string.

    A string is an `Iterable` and a `Sequence` of strings, too. It does not match here, since `str.__contains__` takes
    nothing but strings.
    """

    def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, item: object, /) -> bool: ...


Kinds: TypeAlias = type[Any] | tuple[type[Any], ...]

# Names of types in messages: of one value, and of several.
_NOUNS: dict[type[Any], tuple[str, str]] = {
    str: ("a string", "strings"),
    bytes: ("bytes", "bytes"),
    bytearray: ("bytes", "bytes"),
    memoryview: ("bytes", "bytes"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    bool: ("True or False", "truth values"),
    type(None): ("None", "None"),
    os.PathLike: ("a path", "paths"),
    Mapping: ("a mapping", "mappings"),
    object: ("an object", "objects"),
}
# A wait that threads, sockets and event loops can still keep: about 30 years.
_LONGEST_WAIT = 1e9
_INFINITY = float("inf")
# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR of the module inspect, which takes milliseconds to import.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


def expect(value: object, kinds: Kinds, what: str, hint: str = "") -> None:
    """Raise `TypeError` for a value of another type: `retries must be a lading.Retries, not int: HINT`.

    A bool is not taken for an int. Without a hint, the usual conversion is given, if there is one.
    """
    if not _is_kind(value, kinds):
        raise _wrong_type(what, _noun(kinds), value, hint or _conversion(value, kinds))


def items(value: Iterable[_T], what: str, kinds: Kinds = str) -> tuple[_T, ...]:
    """Return the items of an iterable where one item by itself is a mistake, as a string is where a list is meant."""
    is_item = kinds is not object and _is_kind(value, kinds)
    if isinstance(value, str):
        shown = _quoted(value)
        hint = f": write [{shown}]" if is_item else ""
        raise TypeError(f"{what} must be a list of {_noun(kinds, 1)}, not the string {shown}{hint}")
    if is_item:
        raise TypeError(f"{what} must be a list of {_noun(kinds, 1)}, not one {_type_name(value)}: put it in a list")
    return _checked_items(value, what, kinds)


@overload
def one_or_many(value: str | Iterable[str], what: str) -> tuple[str, ...]: ...
@overload
def one_or_many(value: _T | Iterable[_T], what: str, kinds: Kinds) -> tuple[_T, ...]: ...
def one_or_many(value: Any, what: str, kinds: Kinds = str) -> tuple[Any, ...]:
    """Return the items of an iterable, or one item by itself."""
    return (value,) if _is_kind(value, kinds) else _checked_items(value, what, kinds, one=True)


def mapping(value: object, what: str, kinds: Kinds = str, hint: str = "", *, none: bool = False) -> None:
    """Raise `TypeError` unless a value is a mapping from strings to values of these types."""
    if value is None and none:
        return
    if not isinstance(value, Mapping):
        raise _wrong_type(what, f"a mapping of strings to {_noun(kinds, 1)}" + ", or None" * none, value, hint)
    for key, item in value.items():
        expect(key, str, f"a key of {what}")
        if not _is_kind(item, kinds):
            raise _wrong_type(f"{what}[{_quoted(key)}]", _noun(kinds), item, hint)


def number(
    value: object,
    what: str,
    *,
    unit: str = "",
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    none: bool = False,
) -> None:
    """Raise `TypeError` for a value that is not a number, and `ValueError` for NaN, infinity and what is out of range.

    A bool is not a number. `above` excludes its own value, `least` and `most` include theirs. With the unit "seconds",
    a number that the system cannot wait for is out of range too.
    """
    if value is None and none:
        return
    meant = _range("a number" + f" of {unit}" * bool(unit), above, least, most) + ", or None" * none
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(what, meant, value)
    if not _within(value, above, least, most):
        raise ValueError(f"{what} must be {meant}, not {_shown_number(value)}")
    if unit == "seconds" and value > _LONGEST_WAIT:
        raise ValueError(f"{what} must be a number of seconds up to {_LONGEST_WAIT:.0f}, not {_shown_number(value)}")


def integer(
    value: object, what: str, *, unit: str = "", least: int | None = None, most: int | None = None, none: bool = False
) -> None:
    """Raise `TypeError` for a value that is not an integer (a bool is not one), `ValueError` for one out of range."""
    if value is None and none:
        return
    noun = f"a whole number of {unit}" if unit else "an integer"
    meant = _range(noun, None, least, most) + ", or None" * none
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(what, meant, value)
    if not _within(value, None, least, most):
        raise ValueError(f"{what} must be {meant}, not {_shown_number(value)}")


def path(value: object, what: str, *, none: bool = False) -> None:
    """Raise `TypeError` for a value that is not a path, `ValueError` for one that no file can have.

    A path is a string or an `os.PathLike` of one. It is not empty, and has no NUL and no lone surrogate.
    """
    if value is None and none:
        return
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise _wrong_type(what, "a path (a string or a pathlib.Path)" + ", or None" * none, value)
    if text == "":
        raise ValueError(f"{what} must not be empty")
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError(f"{what} has characters that no path has: {_quoted(text)}") from None
    if b"\0" in encoded:
        raise ValueError(f"{what} has a NUL, which no path has: {_quoted(text)}")


def choice(value: object, what: str, choices: Iterable[str]) -> None:
    """Raise `TypeError` for a value that is not a string, `ValueError` for one that is not among the choices."""
    quoted = [repr(each) for each in choices]
    meant = " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
    if not isinstance(value, str):
        raise _wrong_type(what, meant, value)
    if repr(value) not in quoted:
        raise ValueError(f"{what} must be {meant}, not {_quoted(value)}")


def plain_function(value: object, what: str) -> None:
    """Raise `TypeError` for what cannot be called, and for a function whose call only makes a coroutine or generator.

    Such a function would never run: its result is not awaited.
    """
    if not callable(value):
        raise _wrong_type(what, "a plain function", value)
    flags = _code_flags(value)
    if flags & (_COROUTINE | _ASYNC_GENERATOR):
        raise TypeError(f"{what} must be a plain function, not 'async def'")
    if flags & _GENERATOR:
        raise TypeError(f"{what} must be a plain function, not a generator")


def methods(value: object, what: str, names: Iterable[str]) -> None:
    """Raise `TypeError` for a value without these methods, and for a class in place of an instance."""
    missing = [name for name in names if not callable(getattr(value, name, None))]
    if missing or isinstance(value, type):
        raise _wrong_type(what, f"an object with the methods {' and '.join(names)}", value)


def _code_flags(function: Callable[..., Any]) -> int:
    while isinstance(function, (partial, MethodType)):
        function = function.func if isinstance(function, partial) else function.__func__
    if not hasattr(function, "__code__"):
        function = type(function).__call__
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return flags if isinstance(flags, int) else 0


def _checked_items(value: object, what: str, kinds: Kinds, *, one: bool = False) -> tuple[Any, ...]:
    meant = f"{_noun(kinds)} or " * one + f"a list of {_noun(kinds, 1)}"
    if isinstance(value, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(value, Iterable):
        raise _wrong_type(what, meant, value)
    found = tuple(value)
    for position, item in enumerate(found):
        if not _is_kind(item, kinds):
            raise _wrong_type(f"{what}[{position}]", _noun(kinds), item)
    return found


def _range(noun: str, above: float | None, least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"{noun} from {least} to {most}"
    limits = (f" above {above}" if above is not None else "", f", at least {least}" if least is not None else "")
    return noun + "".join(limits) + (f", at most {most}" if most is not None else "")


def _within(value: float, above: float | None, least: float | None, most: float | None) -> bool:
    """Return whether a number is finite and in range. NaN is above nothing and below nothing."""
    finite = -_INFINITY < value < _INFINITY
    return (
        finite
        and (above is None or value > above)
        and (least is None or value >= least)
        and (most is None or value <= most)
    )


def _shown_number(value: object) -> str:
    # CPython refuses to write very long integers in decimal.
    return "a very large integer" if isinstance(value, int) and value.bit_length() > 256 else repr(value)


def _is_kind(value: object, kinds: Kinds) -> bool:
    if not isinstance(value, bool):
        return isinstance(value, kinds)
    return bool in kinds or object in kinds if isinstance(kinds, tuple) else kinds in {bool, object}


def _wrong_type(what: str, meant: str, value: object, hint: str = "") -> TypeError:
    return TypeError(f"{what} must be {meant}, not {_type_name(value)}{_behind_colon(hint)}")


def _conversion(value: object, kinds: Kinds) -> str:
    accepted = kinds if isinstance(kinds, tuple) else (kinds,)
    if isinstance(value, str) and bytes in accepted:
        return "encode it first"
    if isinstance(value, bytes) and str in accepted:
        return "decode it first"
    return "write str(path)" if isinstance(value, os.PathLike) and str in accepted else ""


def _behind_colon(hint: str) -> str:
    return f": {hint}" if hint else ""


def _noun(kinds: Kinds, plural: int = 0) -> str:
    nouns = [_nouns_of(kind)[plural] for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]
    return " or ".join(dict.fromkeys(nouns))


def _nouns_of(kind: type[Any]) -> tuple[str, str]:
    above = kind.__module__.split(".")
    name = kind.__name__
    if above[0] == "lading":
        name = f"lading.testing.{name}" if {"testing", "server"} & {*above} else f"lading.{name}"
    return _NOUNS.get(kind) or (f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}", name)


def _type_name(value: object) -> str:
    if value is None:
        return "None"
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _quoted(text: str) -> str:
    return repr(elided(text, 60))
