from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from lading.errors import InvalidReferenceError, InvalidTagError
from lading.names import is_port, name_fault, registry_fault, tag_fault
from lading.reference import check_name, check_tag
from tests.support.hostile import much

# As distribution-spec prints them.
NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"


@pytest.mark.parametrize(
    "name", ["a", "0", "alpine", "acme/app", "a.b_c__d-e---f/g/h", "catalog", "x" * 255, "a/b/c/d/e/f/g/h"]
)
def test_name_of_the_grammar_is_returned(name: str) -> None:
    assert check_name(name) is name


@pytest.mark.parametrize(
    ("name", "position", "why"),
    [
        pytest.param("", 0, "missing", id="empty"),
        pytest.param("Acme/app", 0, "lower case, not 'A'", id="upper-case-first"),
        pytest.param("acme/App", 5, "lower case, not 'A'", id="upper-case-later"),
        pytest.param("acme//app", 5, "before '/'", id="empty-part"),
        pytest.param("/acme", 0, "before '/'", id="slash-first"),
        pytest.param("acme/", 5, "ends with", id="slash-last"),
        pytest.param("..", 0, "before '.'", id="parent"),
        pytest.param("acme/../app", 5, "before '.'", id="parent-inside"),
        pytest.param("a..b", 2, "before '.'", id="two-dots"),
        pytest.param("a___b", 3, "before '_'", id="three-underscores"),
        pytest.param("a._b", 2, "before '_'", id="two-separators"),
        pytest.param("-a", 0, "before '-'", id="dash-first"),
        pytest.param("a-", 2, "ends with", id="dash-last"),
        pytest.param("a-/b", 2, "before '/'", id="dash-before-slash"),
        pytest.param("_catalog", 0, "before '_'", id="catalog"),
        pytest.param("a\n", 1, r"'\\n' cannot stand", id="newline"),
        pytest.param("a\0b", 1, r"'\\x00' cannot stand", id="nul"),
        pytest.param("a b", 1, "' ' cannot stand", id="space"),
        pytest.param("a%2fb", 1, "'%' cannot stand", id="percent"),
        pytest.param("a?b", 1, r"'\?' cannot stand", id="query"),
        pytest.param("a#b", 1, "'#' cannot stand", id="fragment"),
        pytest.param("a\\b", 1, "cannot stand", id="backslash"),
        pytest.param("a:b", 1, "':' cannot stand", id="colon"),
        pytest.param("é", 0, "cannot stand", id="accent"),
        pytest.param("a/É", 2, "cannot stand", id="upper-case-accent"),
        pytest.param("a\u0661", 1, "cannot stand", id="arabic-digit"),
        pytest.param("\u212a", 0, "cannot stand", id="kelvin-sign"),
        pytest.param("\ud800", 0, "cannot stand", id="lone-surrogate"),
        pytest.param("x" * 256, 255, "255 characters at most", id="too-long"),
    ],
)
def test_name_outside_the_grammar_is_refused_where_it_goes_wrong(name: str, position: int, why: str) -> None:
    with pytest.raises(InvalidReferenceError, match=why) as caught:
        check_name(name)
    assert (caught.value.text, caught.value.position) == (name, position)
    assert str(caught.value).startswith("invalid repository name ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tag", ["latest", "v1.2.3", "_", "_._-", "A", "0", "x" * 128, "sha256-" + "a" * 64])
def test_tag_of_the_grammar_is_returned(tag: str) -> None:
    assert check_tag(tag) is tag


@pytest.mark.parametrize(
    ("tag", "position", "why"),
    [
        pytest.param("", 0, "missing", id="empty"),
        pytest.param(".", 0, "starts with", id="dot-first"),
        pytest.param("-v", 0, "starts with", id="dash-first"),
        pytest.param("x" * 129, 128, "128 characters at most", id="too-long"),
        pytest.param("v1\r\nX: y", 2, r"'\\r' cannot stand", id="header-injection"),
        pytest.param("v1\n", 2, r"'\\n' cannot stand", id="newline-at-the-end"),
        pytest.param("v1/..", 2, "'/' cannot stand", id="slash"),
        pytest.param("v1%2f", 2, "'%' cannot stand", id="percent"),
        pytest.param("v1:2", 2, "':' cannot stand", id="colon"),
        pytest.param("v+1", 1, r"'\+' cannot stand", id="plus"),
        pytest.param("v1 ", 2, "' ' cannot stand", id="space"),
        pytest.param("v\u0661", 1, "cannot stand", id="arabic-digit"),
    ],
)
def test_tag_outside_the_grammar_is_refused_where_it_goes_wrong(tag: str, position: int, why: str) -> None:
    with pytest.raises(InvalidTagError, match=why) as caught:
        check_tag(tag)
    assert (caught.value.text, caught.value.position) == (tag, position)
    assert "\n" not in str(caught.value)


@pytest.mark.spec("name.client", "name.registry")
@given(st.one_of(st.text(alphabet="a0._-/A\n", max_size=20), st.from_regex(NAME, fullmatch=True)))
def test_name_fault_agrees_with_the_specification(text: str) -> None:
    fault = name_fault(text)
    assert (fault is None) is (re.fullmatch(NAME, text, re.ASCII) is not None and len(text) <= 255)
    assert fault is None or 0 <= fault[0] <= len(text)


@pytest.mark.spec("tag.client", "tag.registry")
@given(st.one_of(st.text(alphabet="aZ0._-/\n", max_size=20), st.from_regex(TAG, fullmatch=True)))
def test_tag_fault_agrees_with_the_specification(text: str) -> None:
    fault = tag_fault(text)
    assert (fault is None) is (re.fullmatch(TAG, text, re.ASCII) is not None)
    assert fault is None or 0 <= fault[0] <= len(text)


@pytest.mark.parametrize(
    "registry",
    ["a", "ghcr.io", "a-b.c--d", "127.0.0.1:80", "x:65535", "[::1]", "[2001:db8::1]:5000", "[::ffff:1.2.3.4]"],
)
def test_registry_of_the_grammar_has_no_fault(registry: str) -> None:
    assert registry_fault(registry) is None


@pytest.mark.parametrize(
    ("registry", "position"),
    [
        pytest.param("", 0, id="empty"),
        pytest.param(":80", 0, id="no-host"),
        pytest.param("a.", 1, id="trailing-dot"),
        pytest.param("a..b", 1, id="empty-label"),
        pytest.param("-a.b", 0, id="dash-first"),
        pytest.param("a-.b", 1, id="dash-last"),
        pytest.param("a_b", 1, id="underscore"),
        pytest.param("a b", 1, id="space"),
        pytest.param("a/b", 1, id="slash"),
        pytest.param("ghcr.io\n", 7, id="newline"),
        pytest.param("b\u00fccher.example", 1, id="idn"),
        pytest.param("\u0440\u0430.io", 0, id="homograph"),
        pytest.param("a:", 2, id="empty-port"),
        pytest.param("a:0", 2, id="port-zero"),
        pytest.param("a:080", 2, id="port-with-zeros"),
        pytest.param("a:65536", 2, id="port-too-large"),
        pytest.param("a:8o", 2, id="port-not-a-number"),
        pytest.param("a:80:80", 2, id="two-ports"),
        pytest.param("a:\u0661", 2, id="arabic-port"),
        pytest.param("::1", 0, id="ipv6-without-brackets"),
        pytest.param("[::1", 0, id="ipv6-open"),
        pytest.param("[]", 0, id="ipv6-empty"),
        pytest.param("[1:2]", 1, id="ipv6-too-short"),
        pytest.param("[:::]", 1, id="ipv6-not-an-address"),
        pytest.param("[fe80::1%eth0]", 0, id="ipv6-zone"),
        pytest.param("[::1]5000", 5, id="ipv6-port-without-colon"),
        pytest.param("x" * 256, 255, id="too-long"),
    ],
)
def test_registry_fault_is_where_it_goes_wrong(registry: str, position: int) -> None:
    fault = registry_fault(registry)
    assert fault is not None
    assert fault[0] == position


def test_port_is_decimal() -> None:
    assert [text for text in ("1", "65535", "0", "65536", "", "+1", "1_0", "80\n") if is_port(text)] == ["1", "65535"]


def test_note_points_under_the_character() -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        check_name("acme/é\nApp")
    assert caught.value.__notes__ == ["  acme/\\xe9\\nApp\n       ^"]


@pytest.mark.parametrize("position", [0, 49, 50, 500, 949, 999])
def test_error_for_a_long_text_shows_the_place_only(position: int) -> None:
    text = "x" * position + "%" + "x" * (999 - position)
    with pytest.raises(InvalidReferenceError, match=f"at character {position + 1}: '%' cannot stand") as caught:
        check_name(text)
    assert len(str(caught.value)) < 220
    shown, caret = caught.value.__notes__[0].splitlines()
    assert shown[caret.index("^")] == "%"
    assert len(shown) < 110
    assert caught.value.text == text


@pytest.mark.parametrize("unit", ["a", "a-", "-", "a.", "a/", "_", "a__", "\n", "A", "é", "/", "[", ":"])
def test_checks_take_linear_time(unit: str) -> None:
    text = much(unit) + "!"
    with pytest.raises(InvalidReferenceError):
        check_name(text)
    with pytest.raises(InvalidTagError):
        check_tag(text)
    assert registry_fault(text) is not None
