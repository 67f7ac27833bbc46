"""`lading._values`: what each check accepts, and the sentence that it refuses the rest with."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lading import Platform, Retries, _values
from tests.support.systems import posix_only


class _AsyncCall:
    async def __call__(self, event: object) -> None: ...

    async def method(self, event: object) -> None: ...

    def plain(self, event: object) -> None: ...


async def _coroutine(event: object) -> None: ...


async def _async_generator(event: object) -> AsyncIterator[object]:
    yield event


def _generator(event: object) -> Iterator[object]:
    yield event


def _raises(kind: type[Exception], message: str, call: Callable[[], object]) -> None:
    with pytest.raises(kind, match=f"^{re.escape(message)}$") as raised:
        call()
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("/hello", "entrypoint must be a list of strings, not the string '/hello': write ['/hello']"),
        (b"/hello", "entrypoint must be a list of strings, not bytes"),
        (["a", 1], "entrypoint[1] must be a string, not int"),
        ([b"a"], "entrypoint[0] must be a string, not bytes"),
        ({"a": "b"}, "entrypoint must be a list of strings, not dict"),
        (3, "entrypoint must be a list of strings, not int"),
        (None, "entrypoint must be a list of strings, not None"),
        (list, "entrypoint must be a list of strings, not the class list"),
    ],
)
def test_a_list_of_strings_is_not_one_string(value: Any, message: str) -> None:
    _raises(TypeError, message, lambda: _values.items(value, "entrypoint"))


def test_a_list_may_be_any_iterable() -> None:
    assert _values.items(iter(["a", "b"]), "cmd") == ("a", "b")
    assert _values.items({"a"}, "cmd") == ("a",)
    assert _values.items((), "cmd") == ()


def test_one_item_of_another_type_is_not_a_list() -> None:
    platform: Any = Platform("arm64", "linux")
    message = "platforms must be a list of lading.Platform, not one Platform: put it in a list"
    _raises(TypeError, message, lambda: _values.items(platform, "platforms", Platform))
    one: Any = "linux"
    message = "platforms must be a list of lading.Platform, not the string 'linux'"
    _raises(TypeError, message, lambda: _values.items(one, "platforms", Platform))


def test_one_string_is_accepted_where_it_is_one_item() -> None:
    assert _values.one_or_many("a.example", "insecure") == ("a.example",)
    assert _values.one_or_many(["a", "b"], "insecure") == ("a", "b")
    assert _values.one_or_many(Path("x"), "files", (str, Path)) == (Path("x"),)
    wrong: Any = b"a"
    message = "insecure must be a string or a list of strings, not bytes"
    _raises(TypeError, message, lambda: _values.one_or_many(wrong, "insecure"))


@pytest.mark.parametrize(
    ("value", "kinds", "message"),
    [
        (3, Retries, "retries must be a lading.Retries, not int"),
        (Retries, Retries, "retries must be a lading.Retries, not the class Retries"),
        (True, int, "retries must be an integer, not bool"),
        (1, bool, "retries must be True or False, not int"),
        ("", (int, type(None)), "retries must be an integer or None, not str"),
    ],
)
def test_a_wrong_type_is_named(value: Any, kinds: Any, message: str) -> None:
    _raises(TypeError, message, lambda: _values.expect(value, kinds, "retries"))
    _raises(TypeError, f"{message}: a hint", lambda: _values.expect(value, kinds, "retries", "a hint"))


def test_a_mapping_shows_its_keys_and_no_values() -> None:
    _values.mapping({"a": "b"}, "headers")
    message = "headers must be a mapping of strings to strings, not list"
    _raises(TypeError, message, lambda: _values.mapping([("a", "b")], "headers"))
    _raises(TypeError, "headers['a'] must be a string, not bytes", lambda: _values.mapping({"a": b"secret"}, "headers"))
    _raises(TypeError, "a key of headers must be a string, not int", lambda: _values.mapping({1: "b"}, "headers"))


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        ("1", TypeError, "str"),
        (True, TypeError, "bool"),
        (-1, ValueError, "-1"),
        (0, ValueError, "0"),
        (math.nan, ValueError, "nan"),
        (math.inf, ValueError, "inf"),
        (-math.inf, ValueError, "-inf"),
    ],
)
def test_a_number_has_a_range(value: Any, kind: type[Exception], shown: str) -> None:
    message = f"timeout must be a number of seconds above 0, or None, not {shown}"
    _raises(kind, message, lambda: _values.number(value, "timeout", unit="seconds", above=0, none=True))


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            partial(_values.number, 1e30, "t", unit="seconds"),
            "t must be a number of seconds up to 1000000000, not 1e+30",
        ),
        (
            partial(_values.number, 10**5000, "wait", most=9),
            "wait must be a number, at most 9, not a very large integer",
        ),
        (
            partial(_values.number, -1, "t", unit="seconds", least=0),
            "t must be a number of seconds, at least 0, not -1",
        ),
        (partial(_values.integer, 0, "tries", least=1), "tries must be an integer, at least 1, not 0"),
        (partial(_values.integer, 17, "ranges", least=1, most=16), "ranges must be an integer from 1 to 16, not 17"),
        (
            partial(_values.integer, -1, "n", unit="bytes", least=0),
            "n must be a whole number of bytes, at least 0, not -1",
        ),
        (partial(_values.integer, -1, "n", least=0, none=True), "n must be an integer, at least 0, or None, not -1"),
        (partial(_values.choice, "c", "mode", ("a", "b")), "mode must be 'a' or 'b', not 'c'"),
        (partial(_values.path, "", "output"), "output must not be empty"),
        (partial(_values.path, "a\0b", "output"), "output has a NUL, which no path has: 'a\\x00b'"),
        pytest.param(
            partial(_values.path, "a\ud800b", "output"),
            "output has characters that no path has: 'a\\ud800b'",
            marks=posix_only("characters that are not allowed in a path because they are not UTF-8"),
        ),
    ],
)
def test_a_wrong_value_is_shown(check: Callable[[], None], message: str) -> None:
    _raises(ValueError, message, check)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (partial(_values.integer, 1.5, "tries"), "tries must be an integer, not float"),
        (partial(_values.integer, True, "tries", none=True), "tries must be an integer, or None, not bool"),
        (partial(_values.path, b"x", "output"), "output must be a path (a string or a pathlib.Path), not bytes"),
        (partial(_values.choice, 3, "mode", ("a", "b")), "mode must be 'a' or 'b', not int"),
        (partial(_values.plain_function, 3, "on_event"), "on_event must be a plain function, not int"),
    ],
)
def test_a_wrong_type_is_refused(check: Callable[[], None], message: str) -> None:
    _raises(TypeError, message, check)


def test_right_values_pass() -> None:
    _values.number(0.5, "timeout", unit="seconds", above=0)
    _values.number(None, "timeout", none=True)
    _values.integer(16, "ranges", least=1, most=16)
    _values.integer(None, "size", none=True)
    _values.path(Path("x"), "output")
    _values.path(None, "output", none=True)
    _values.choice("b", "mode", ("a", "b"))
    _values.expect(True, (int, bool), "flag")


@pytest.mark.parametrize(
    "function",
    [_coroutine, partial(_coroutine), _AsyncCall(), _AsyncCall().method, partial(_AsyncCall()), _async_generator],
)
def test_a_handler_is_not_async(function: Any) -> None:
    message = "on_event must be a plain function, not 'async def'"
    _raises(TypeError, message, lambda: _values.plain_function(function, "on_event"))


def test_a_handler_is_not_a_generator() -> None:
    message = "on_event must be a plain function, not a generator"
    _raises(TypeError, message, lambda: _values.plain_function(_generator, "on_event"))


@pytest.mark.parametrize("function", [print, [].append, list, lambda *_: None, partial(print), _AsyncCall().plain])
def test_whatever_runs_when_it_is_called_is_a_handler(function: Any) -> None:
    _values.plain_function(function, "on_event")
