from __future__ import annotations

import json
import math
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, strategies as st

from lading._wire.auth_challenges import Challenge, challenges
from lading._wire.messages import Origin, Request
from lading.auth.credentials import Credential, Secret
from lading.auth.scopes import CATALOG, DELETE, PULL, PUSH, Scope
from lading.auth.token_cache import TokenCache, TokenKey
from lading.auth.tokens import LONGEST_REPLY, Token, TokenRequest
from lading.errors import AuthError, TokenError

REALM = Origin("https", "auth.example", 443)
REGISTRY = Origin("https", "registry.example", 443)
APP = Scope("repository:acme/app", PULL)
ALICE = Credential("alice", "sesame")
[CHALLENGE] = challenges(
    ['Bearer realm="https://auth.example/token",service="registry.example",scope="repository:acme/app:pull"']
)


def made(credential: Credential | None = None, *wanted: Scope) -> TokenRequest:
    return TokenRequest.answering(CHALLENGE, wanted or (APP,), credential)


def query(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(request.target.partition("?")[2], keep_blank_values=True)


def form(request: Request) -> dict[str, str]:
    assert isinstance(request.body, bytes)
    assert request.headers.get("Content-Type") == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.body.decode("ascii"), strict_parsing=True, keep_blank_values=True))


def test_an_anonymous_request_is_a_get_without_account() -> None:
    request = made().request("GET", REALM, "/token")
    assert made().methods == ("GET",)
    assert request.target == "/token?service=registry.example&scope=repository:acme/app:pull&client_id=lading"
    assert (request.method, request.origin, len(request.headers)) == ("GET", REALM, 0)


def test_a_password_goes_as_basic() -> None:
    asked = made(ALICE, APP, CATALOG)
    request = asked.request("GET", REALM, "/token?a=%2f")
    assert asked.methods == ("GET", "POST")
    assert request.target.startswith("/token?a=%2f&")
    assert query(request)[1:] == [
        ("service", "registry.example"),
        ("scope", "repository:acme/app:pull"),
        ("scope", "registry:catalog:*"),
        ("account", "alice"),
        ("client_id", "lading"),
    ]
    authorization = request.headers.get("Authorization") or ""
    assert b64decode(authorization.removeprefix("Basic ")) == b"alice:sesame"


def test_a_password_without_a_user_name_has_no_account() -> None:
    request = made(Credential("", "sesame")).request("GET", REALM, "/token")
    assert "account" not in dict(query(request))
    assert b64decode((request.headers.get("Authorization") or "").removeprefix("Basic ")) == b":sesame"


def test_a_user_name_alone_is_nobody() -> None:
    asked = made(Credential("alice"))
    assert asked.methods == ("GET",)
    assert "Authorization" not in asked.request("GET", REALM, "/token").headers


def test_a_password_in_the_form_of_oauth2() -> None:
    request = made(Credential("al ice", "s&same+="), APP, CATALOG).request("POST", REALM, "/token?x")
    assert (request.method, request.target) == ("POST", "/token?x")
    assert form(request) == {
        "grant_type": "password",
        "username": "al ice",
        "password": "s&same+=",
        "access_type": "online",
        "service": "registry.example",
        "client_id": "lading",
        "scope": "repository:acme/app:pull registry:catalog:*",
    }
    assert "Authorization" not in request.headers


def test_an_identity_token_goes_by_oauth2_only() -> None:
    asked = made(Credential("alice", "sesame", identity_token="refresh"))
    assert asked.methods == ("POST",)
    assert form(asked.request("POST", REALM, "/token")) == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh",
        "service": "registry.example",
        "client_id": "lading",
        "scope": "repository:acme/app:pull",
    }


def test_what_is_empty_is_left_out() -> None:
    asked = TokenRequest.answering(Challenge("bearer"), ())
    assert asked.request("GET", REALM, "/token").target == "/token?client_id=lading"
    assert form(asked.request("POST", REALM, "/token")).keys() == {"grant_type", "access_type", "client_id"}


def test_what_a_challenge_says_cannot_break_the_request() -> None:
    challenge = Challenge("bearer", (("service", 'x&y=z #\r\n"\xe9'), ("scope", "a&b=c")))
    asked = TokenRequest.answering(challenge, (APP,), ALICE)
    assert dict(query(asked.request("GET", REALM, "/token")))["service"] == 'x&y=z #\r\n"\xe9'
    assert form(asked.request("POST", REALM, "/token"))["service"] == 'x&y=z #\r\n"\xe9'
    with pytest.raises(TokenError, match="a token service of 1001 characters"):
        TokenRequest.answering(Challenge("bearer", (("service", "x" * 1001),)), (APP,))


@pytest.mark.parametrize(
    "credential",
    [Credential("a:b", "sesame"), Credential("a\nb", "sesame"), Credential("a", "sesame\udcff")],
    ids=["colon", "line-end", "surrogate"],
)
def test_what_basic_cannot_carry_is_refused(credential: Credential) -> None:
    with pytest.raises(AuthError) as raised:
        made(credential).request("GET", REALM, "/token")
    assert "sesame" not in str(raised.value)


def reply(*, to: TokenRequest | None = None, **fields: Any) -> Token:
    return (to or made()).token(json.dumps(fields).encode(), received_at=100.0, realm=REALM)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"token": "a"}, "a"),
        ({"access_token": "b"}, "b"),
        ({"token": "a", "access_token": "b"}, "a"),
        ({"token": "", "access_token": "b"}, "b"),
        ({"token": None, "access_token": "b"}, "b"),
        ({"token": "x" * 65536}, "x" * 65536),
    ],
    ids=["token", "access-token", "both", "empty", "null", "longest"],
)
def test_a_token_has_two_names(fields: dict[str, Any], value: str) -> None:
    token = reply(**fields)
    assert token.value == Secret(value)
    assert token.bearer() == f"Bearer {value}"
    assert token.scopes == (APP,)


@pytest.mark.parametrize(
    ("life", "seconds"),
    [
        (300, 300.0),
        (59.9, 60.0),
        (1800.5, 1800.5),
        (-1, 60.0),
        (0, 60.0),
        ("300", 60.0),
        (True, 60.0),
        (None, 60.0),
        ([], 60.0),
        (10**30, 86400.0),
    ],
    ids=repr,
)
def test_a_life_is_counted_from_here_and_within_reason(life: object, seconds: float) -> None:
    token = reply(token="a", expires_in=life, issued_at="1970-01-01T00:00:00Z")
    assert token.expires_at == pytest.approx(100 + seconds)
    assert token.refresh_at == pytest.approx(100 + 0.9 * seconds)


def test_a_life_beyond_all_numbers_is_a_day() -> None:
    token = made().token(b'{"token": "a", "expires_in": 1e400}', received_at=0.0, realm=REALM)
    assert token.expires_at == 86400.0


@pytest.mark.parametrize(("value", "expected"), [("r", "r"), (None, ""), (5, ""), ("a\nb", ""), ("", "")], ids=repr)
def test_a_refresh_token_is_kept_if_it_can_be_one(value: object, expected: str) -> None:
    assert reply(token="a", refresh_token=value).refresh_token == Secret(expected)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"sesame"',
        b'{"token": 5}',
        b'{"token": ["sesame"]}',
        b'{"token": ""}',
        b'{"token": "sesame\\r\\nX-Evil: 1"}',
        b'{"token": "sesame sesame"}',
        b'{"token": "sesam\xc3\xa9"}',
        b'{"token": "sesam\xe9"}',
        b'{"token": "sesame"',
        b'{"token": "sesame", "token": "sesame"}',
        b'{"token": "sesame", "expires_in": NaN}',
        b'{"token": "' + b"x" * 65537 + b'"}',
        b'{"token": ' * 5000,
        b"<html>sesame</html>",
    ],
    ids=lambda content: repr(content[:30]),
)
def test_a_hostile_answer_is_an_error_that_shows_nothing_of_it(content: bytes) -> None:
    with pytest.raises(TokenError) as raised:
        made().token(content, received_at=0.0, realm=REALM)
    assert str(REALM) in str(raised.value)
    assert "sesam" not in repr(raised.value)
    assert raised.value.__context__ is None


@given(st.binary(max_size=300) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(
    lambda value: json.dumps({"token": "a", "expires_in": value}).encode()
))  # fmt: skip
def test_no_answer_makes_the_reader_fail(content: bytes) -> None:
    try:
        token = made().token(content, received_at=0.0, realm=REALM)
    except TokenError:
        return
    assert 60.0 <= token.expires_at <= 86400.0
    assert math.isfinite(token.refresh_at)


def test_the_answer_has_a_bound() -> None:
    assert LONGEST_REPLY == 256 << 10


def test_a_token_is_good_for_what_was_wanted_however_it_was_asked_for() -> None:
    [challenge] = challenges(['Bearer realm="x",scope="repository:acme/app:push"'])
    delete = Scope("repository:acme/app", DELETE)
    asked = TokenRequest.answering(challenge, (delete,), ALICE)
    assert asked.asked == (Scope("repository:acme/app", frozenset({"push"})),)
    assert reply(to=asked, token="a").covers((delete,))


KEY = TokenKey(REGISTRY, "registry.example", ALICE)


def test_t_12_a_token_is_found_for_its_registry_service_and_account_only() -> None:
    cache, token = TokenCache(), reply(token="a")
    cache.add(KEY, token)
    assert cache.find(KEY, (APP,), 100.0) is token
    for other in (
        TokenKey(Origin("http", "registry.example", 80), "registry.example", ALICE),
        TokenKey(REGISTRY, "other", ALICE),
        TokenKey(REGISTRY, "registry.example", Credential("alice", "other")),
        TokenKey(REGISTRY, "registry.example", None),
    ):
        assert cache.find(other, (APP,), 100.0) is None


def test_t_15_a_token_for_one_repository_or_action_is_not_used_for_another() -> None:
    cache, token = TokenCache(), reply(to=made(ALICE, Scope("repository:acme/app", PUSH)), token="a")
    cache.add(KEY, token)
    assert cache.find(KEY, (), 0.0) is token
    assert cache.find(KEY, (APP,), 0.0) is token
    assert cache.find(KEY, (Scope("repository:acme/app", DELETE),), 0.0) is None
    assert cache.find(KEY, (APP, Scope("repository:acme/base", PULL)), 0.0) is None


def test_r_38_a_token_is_no_longer_found_when_a_tenth_of_its_life_is_left() -> None:
    cache, token = TokenCache(), reply(token="a", expires_in=1000)
    cache.add(KEY, token)
    assert cache.find(KEY, (APP,), 999.0) is token
    assert cache.find(KEY, (APP,), 1000.0) is None


def test_a_refused_token_is_dropped_and_a_newer_one_stays() -> None:
    cache, old, new = TokenCache(), reply(token="a"), reply(token="b")
    cache.add(KEY, old)
    cache.add(KEY, new)
    assert cache.drop(old.bearer(), (APP,))
    assert cache.find(KEY, (APP,), 100.0) is new
    assert cache.drop(new.bearer(), (APP,))
    assert cache.find(KEY, (APP,), 100.0) is None


def test_the_token_that_was_not_used_for_longest_goes_first() -> None:
    cache = TokenCache()
    scopes = [Scope(f"repository:app{number}", PULL) for number in range(257)]
    for scope in scopes[:256]:
        cache.add(KEY, reply(to=made(ALICE, scope), token="a"))
    assert cache.find(KEY, (scopes[0],), 100.0)
    cache.add(KEY, reply(to=made(ALICE, scopes[256]), token="a"))
    assert [number for number, scope in enumerate(scopes) if not cache.find(KEY, (scope,), 100.0)] == [1]
