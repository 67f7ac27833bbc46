"""What the tokens of the embedded registry are good for, and who gets one (threats T-61, T-67)."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from lading._io.base import step
from lading._io.blocking import BlockingIO
from lading._wire.messages import Request
from lading.headers import Headers
from lading.server.access_control import AccessControl, Bearer
from lading.server.token_server import TokenRules, TokenServer
from lading.testing import Setup, TestRegistry
from lading.testing.body_helpers import BufferedBody, read_answer
from tests.threats.access import ORIGIN, PASSWORD, PRIVATE, PUBLIC, SECRET, Answer, Caller, basic


def test_a_token_is_good_for_what_was_asked_for_only(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE))
    authorization = f"Bearer {caller.token('owner', 'repository:acme/app:pull')}"
    assert caller.ask("GET", "/v2/acme/app/manifests/1", Authorization=authorization).status == 200
    for method, target in (("POST", "/v2/acme/app/blobs/uploads/"), ("GET", f"/v2/acme/private/blobs/{SECRET}")):
        answer = caller.ask(method, target, Authorization=authorization)
        assert answer.status == 401
        assert answer.challenge.get("error") == "insufficient_scope"


def test_a_token_expires(root: Path) -> None:
    clock = [1000.0]
    tokens = TokenServer(PRIVATE, lambda: clock[0], TokenRules(lifetime=60))
    guarded = AccessControl(
        TestRegistry(root, BlockingIO(), ORIGIN, Setup()), Bearer(tokens, "https://registry.example/token")
    )
    question = Request("GET", ORIGIN, "/token?service=registry", Headers([("Authorization", basic("owner"))]))
    given = json.loads(read_answer(step(tokens.handle(question, BufferedBody(b""))).body))
    assert given["expires_in"] == 60
    request = Request("GET", ORIGIN, "/v2/", Headers([("Authorization", f"Bearer {given['token']}")]))
    statuses: list[int] = []
    for clock[0] in (1000.0, 1059.9, 1060.0, 2000.0):
        statuses.append(step(guarded.handle(request, BufferedBody(b""))).status)  # the clock goes along
    assert statuses == [200, 200, 401, 401]


def form(caller: Caller, **fields: str) -> Answer:
    body = "&".join(f"{name}={quote(value)}" for name, value in {"service": "registry", **fields}.items())
    return caller.ask("POST", "/token", body.encode(), Content_Type="application/x-www-form-urlencoded")


def test_a_password_buys_an_identity_token_and_that_a_token(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE))
    first = form(caller, grant_type="password", username="reader", password=PASSWORD, access_type="offline")
    identity = json.loads(first.body)["refresh_token"]
    second = form(caller, grant_type="refresh_token", refresh_token=identity, scope="repository:acme/app:pull,push")
    given = json.loads(second.body)
    assert given["scope"] == "repository:acme/app:pull"
    assert "refresh_token" not in given
    authorization = f"Bearer {given['access_token']}"
    assert caller.ask("GET", "/v2/acme/app/manifests/1", Authorization=authorization).status == 200
    assert caller.ask("POST", "/v2/acme/app/blobs/uploads/", Authorization=authorization).status == 403


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"grant_type": "password", "username": "owner", "password": "wrong"}, 401),
        ({"grant_type": "password"}, 401),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401),
        ({"grant_type": "refresh_token"}, 401),
        ({"grant_type": "client_credentials"}, 400),
        ({}, 400),
        ({"grant_type": "password", "username": "owner", "password": PASSWORD, "service": "another"}, 400),
    ],
)
def test_a_token_is_not_given_away(root: Path, fields: dict[str, str], status: int) -> None:
    answer = form(Caller(root, Setup(access=PRIVATE)), **fields)
    assert answer.status == status
    assert b"token" not in answer.body.replace(b"password or token", b"").replace(b"refresh_token", b"")


def test_a_token_is_not_given_for_a_wrong_password_where_the_public_gets_one(root: Path) -> None:
    caller = Caller(root, Setup(access=PUBLIC))
    assert caller.ask("GET", "/token?service=registry").status == 200
    assert caller.ask("GET", "/token?service=registry", Authorization=basic("owner", "wrong")).status == 401


def test_a_token_server_may_take_an_action_for_a_mistake_and_say_what_it_wants_instead(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE, rules=TokenRules(refuses=frozenset({"delete"}))))
    asked = caller.ask("GET", "/token?service=registry&scope=repository:acme/app:delete", Authorization=basic("owner"))
    assert asked.status == 400
    assert caller.ask("DELETE", "/v2/acme/app/manifests/1").challenge.get("scope") == "repository:acme/app:*"
    assert caller.ask_as("owner", "DELETE", "/v2/acme/app/manifests/1").status == 202


def test_a_scope_of_another_kind_is_granted_to_nobody(root: Path) -> None:
    query = "service=registry&scope=plugin:acme/app:pull&scope=repository:acme/app:pull"
    answer = Caller(root, Setup(access=PRIVATE)).ask("GET", f"/token?{query}", Authorization=basic("owner"))
    assert json.loads(answer.body)["scope"] == "repository:acme/app:pull"


def test_a_form_is_not_read_without_end(root: Path) -> None:
    answer = Caller(root, Setup(access=PRIVATE)).ask("POST", "/token", b"x" * (64 * 1024 + 1))
    assert answer.status == 413


def test_a_token_server_may_know_one_method_only(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE, rules=TokenRules(methods=frozenset({"POST"}))))
    answer = caller.ask("GET", "/token?service=registry")
    assert (answer.status, answer.headers.get("Allow")) == (405, "POST")


def test_there_is_nothing_else_on_the_token_server(root: Path) -> None:
    tokens = TokenServer(PRIVATE, lambda: 0.0)
    assert step(tokens.handle(Request("GET", ORIGIN, "/v2/"), BufferedBody(b""))).status == 404


def test_tokens_that_are_too_many_make_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.server.token_server._MOST_TOKENS", 2)
    tokens = TokenServer(PRIVATE, lambda: 0.0)
    request = Request("GET", ORIGIN, "/token?service=registry")
    given = [json.loads(read_answer(step(tokens.handle(request, BufferedBody(b""))).body))["token"] for _ in range(3)]
    assert [tokens.find(token) is None for token in given] == [True, False, False]
