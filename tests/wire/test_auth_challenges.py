from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lading._wire.auth_challenges import Challenge, challenges
from tests.support.hostile import much


def bearer(**parameters: str) -> Challenge:
    return Challenge("bearer", tuple(parameters.items()))


def basic(**parameters: str) -> Challenge:
    return Challenge("basic", tuple(parameters.items()))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            ['Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"'],
            [bearer(realm="https://auth.example/token", service="registry.example", scope="repository:a/b:pull,push")],
            id="token-server",
        ),
        pytest.param(['Basic realm="x"'], [basic(realm="x")], id="basic"),
        pytest.param(["Basic"], [basic()], id="scheme-alone"),
        pytest.param(["Basic "], [basic()], id="scheme-and-blank"),
        pytest.param(["Negotiate abc=="], [Challenge("negotiate", token68="abc==")], id="token68"),
        pytest.param(
            ["Negotiate abc== , Basic"], [Challenge("negotiate", token68="abc=="), basic()], id="after-token68"
        ),
        pytest.param(["Negotiate, Basic realm=x"], [Challenge("negotiate"), basic(realm="x")], id="after-scheme-alone"),
        pytest.param(
            ["Negotiate , Basic realm=x"], [Challenge("negotiate"), basic(realm="x")], id="after-scheme-and-blank"
        ),
        pytest.param(
            ['Basic realm="x", Bearer realm="y", service="z"'],
            [basic(realm="x"), bearer(realm="y", service="z")],
            id="two-in-a-field",
        ),
        pytest.param(['Basic realm="x"', 'Bearer realm="y"'], [basic(realm="x"), bearer(realm="y")], id="two-fields"),
        pytest.param(
            ['Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"'],
            [
                Challenge("newauth", (("realm", "apps"), ("type", "1"), ("title", 'Login to "apps"'))),
                basic(realm="simple"),
            ],
            id="rfc-9110",
        ),
        pytest.param(['BEARER REALM="X"'], [bearer(realm="X")], id="upper-case"),
        pytest.param(
            ['Bearer realm = "x" , service= "y"'], [bearer(realm="x", service="y")], id="blanks-around-equals"
        ),
        pytest.param([' ,, Bearer  realm="x",,service="y",'], [bearer(realm="x", service="y")], id="empty-elements"),
        pytest.param(['Bearer realm="x" service="y"'], [bearer(realm="x", service="y")], id="no-commas"),
        pytest.param(
            ["Bearer realm=https://a/t?x=1,service=y"], [bearer(realm="https://a/t?x=1", service="y")], id="unquoted"
        ),
        pytest.param(['Bearer realm="", service="y"'], [bearer(realm="", service="y")], id="empty-value"),
        pytest.param(['Bearer a=b, realm=, service="y"'], [bearer(a="b", realm="", service="y")], id="no-value"),
        pytest.param(['Bearer realm="x", realm="y"'], [bearer(realm="x")], id="first-of-two"),
        pytest.param(['Bearer realm="x", REALM="y"'], [bearer(realm="x")], id="first-of-two-spellings"),
        pytest.param(['Bearer\trealm="x"'], [bearer(realm="x")], id="tab"),
        pytest.param(['Bearer realm="a\\\\b\\"c"'], [bearer(realm='a\\b"c')], id="escapes"),
        pytest.param(['Bearer realm="caf\xe9"'], [bearer(realm="caf\xe9")], id="latin-1"),
        pytest.param(['Bearer realm="x, Basic realm=y'], [bearer()], id="open-quote"),
        pytest.param(['Bearer service="y", realm="x'], [bearer(service="y")], id="open-quote-later"),
        pytest.param(['Bearer realm="x"; service="y"'], [bearer(realm="x")], id="semicolon"),
        pytest.param(['Bearer realm=a"b"'], [bearer()], id="quote-inside"),
        pytest.param(['realm="x"'], [], id="no-scheme"),
        pytest.param(["", ",", '"', "=", "\xe9"], [], id="nonsense"),
        pytest.param(["@ Bearer realm=x", "Basic"], [basic()], id="nonsense-ends-its-field-only"),
        pytest.param([], [], id="none"),
    ],
)
def test_challenges(values: list[str], expected: list[Challenge]) -> None:
    assert challenges(values) == tuple(expected)


def test_a_parameter_is_found_by_name() -> None:
    (challenge,) = challenges(['Bearer realm="x", error="insufficient_scope"'])
    assert challenge.get("error") == "insufficient_scope"
    assert challenge.get("scope") is None


@pytest.mark.parametrize(
    ("challenge", "text"),
    [
        (basic(realm='a "b" \\c'), 'basic realm="a \\"b\\" \\\\c"'),
        (bearer(realm="x", service="y"), 'bearer realm="x", service="y"'),
        (Challenge("negotiate", token68="abc=="), "negotiate abc=="),
        (Challenge("negotiate"), "negotiate"),
    ],
)
def test_a_challenge_is_written(challenge: Challenge, text: str) -> None:
    assert str(challenge) == text


_TOKENS = st.text("abcxyz0189!#$%&'*+-.^_`|~", min_size=1, max_size=8)
_CHALLENGES = st.builds(
    Challenge,
    _TOKENS,
    st.dictionaries(_TOKENS, st.text(max_size=12), max_size=4).map(lambda items: tuple(items.items())),
) | st.builds(Challenge, _TOKENS, st.just(()), st.from_regex(r"[A-Za-z0-9._~+/-]+=*", fullmatch=True))


@given(st.lists(_CHALLENGES, max_size=4))
def test_what_is_written_is_read_back(written: list[Challenge]) -> None:
    assert challenges([", ".join(map(str, written))]) == tuple(written)
    assert challenges(map(str, written)) == tuple(written)


@given(st.text())
def test_no_text_makes_the_reader_fail(text: str) -> None:
    challenges([text, f"Bearer {text}", f'Bearer realm="{text}'])


@pytest.mark.parametrize(
    ("opening", "unit", "closing"),
    [
        ("Bearer ", 'a="', ""),
        ("Bearer ", 'a="\\"', ""),
        ('Bearer a="', "\\", ""),
        ('Bearer a="', '\\"', ""),
        ("Bearer ", "a=b, ", ""),
        ("", "a ", ""),
        ("", "a, ", ""),
        ("", ",", ""),
        ("", " ", ""),
        ("", "a", ""),
        ("a ", "b", "!"),
        ("a ", "=", ""),
        ("a b", " ", "c"),
        ("a b=", "c", '"'),
        ("a b=", " ", '"'),
    ],
    ids=repr,
)
def test_hostile_challenges_cost_linear_time(opening: str, unit: str, closing: str) -> None:
    challenges([opening + much(unit) + closing])
