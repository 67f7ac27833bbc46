"""Who is given a password or a token, and what a token server may say (threats T-02, T-12, T-15 to T-17; 4.2)."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path

import pytest

from lading import AsyncClient, AuthError, Client, ForbiddenRedirectError, Gate, LadingError, Retries, TokenError
from lading.testing import Access, Change, LoseAnswer, Refuse, Rights, Say, TokenRules, User
from tests.support.images import Image, sha256
from tests.threats.stage import ACCESS, BASIC, PASSWORD, USER, Face, Place, registry_at, stored, write_config

PING = "GET /v2/"
SECRETS = (PASSWORD, BASIC)


def challenged(realm: str, scope: str = "repository:acme/app:pull") -> Say:
    challenge = f'Bearer realm="{realm}",service="registry",scope="{scope}"'
    return Say(401, b"", {"WWW-Authenticate": challenge})


# T-02: where the password goes.


@pytest.mark.parametrize(
    "realm",
    [
        "{evil}/token",
        "{neighbour}/token",
        "http://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://2852039166/",
        "https://0xA9FEA9FE/",
        "https://metadata.google.internal/",
        "file:///etc/passwd",
        "null://{reg_name}/token",
        "//{evil_name}/token",
        "http://user:pw@{reg_name}/token",
        "http://{reg_name}@{evil_name}/token",
        "{reg}#@{evil_name}/token",
        "{reg}\\@{evil_name}/token",
        "/token",
        "",
        "javascript:alert(1)",
        "http://",
        "http://{evil_name}:99999/",
    ],
)
def test_t02_a_realm_that_is_not_the_registrys_gets_no_password(
    *, reg: Place, evil: Place, neighbour: Place, library: Face, realm: str
) -> None:
    target = realm.format(reg=reg.url, reg_name=reg.name, evil=evil.url, evil_name=evil.name, neighbour=neighbour.url)
    reg.say((challenged(target), "* /v2/*"))
    done = library.tags(f"{reg.name}/acme/app")
    assert done.failed
    assert (evil.requests, neighbour.requests) == ([], [])
    assert reg.holds(*SECRETS) == []
    assert PASSWORD not in done.seen


def test_t02_a_realm_is_named_when_it_is_refused(reg: Place, evil: Place, face: Face) -> None:
    reg.say((challenged(f"{evil.url}/token"), "* *"))
    assert evil.name in face.tags(f"{reg.name}/acme/app").seen


def test_t02_a_realm_never_leaves_tls(secure: Place, evil: Place, face: Face) -> None:
    secure.say((challenged(f"{evil.url}/token"), "* *"))
    assert face.tags(f"https://{secure.name}/acme/app").failed
    assert evil.requests == []


def test_t02_a_realm_never_leaves_tls_on_the_own_host(secure: Place, face: Face) -> None:
    secure.say((challenged(f"http://{secure.name}/token"), "* *"))
    assert face.tags(f"https://{secure.name}/acme/app").failed
    assert [seen.target.partition("?")[0] for seen in secure.requests] == ["/v2/acme/app/tags/list"]


def test_t02_a_stranger_may_ask_any_realm(reg: Place, evil: Place, home: Path, face: Face, storage: Path) -> None:
    write_config(home, [])
    registry = registry_at(reg, storage, access=Access(anonymous=Rights(pull=("*",))), realm=f"{evil.url}/token")
    assert registry.tokens is not None
    evil.put(registry.tokens)
    assert face.tags(f"{reg.name}/acme/app").value == ["1", "2", "3"]
    [asked] = evil.requests
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_t07_a_token_server_does_not_get_the_users_headers(
    *, reg: Place, library: Face, storage: Path, method: str
) -> None:
    library.options["headers"] = {"X-Api-Key": "k3y-of-my-own"}
    registry_at(reg, storage, rules=TokenRules(methods=frozenset({method})))
    assert library.tags(f"{reg.name}/acme/app").value == ["1", "2", "3"]
    sent = {(seen.target.startswith("/v2/"), "X-Api-Key" in seen.headers) for seen in reg.requests}
    assert sent == {(True, True), (False, False)}


def test_t02_a_trusted_realm_gets_the_password(reg: Place, evil: Place, storage: Path) -> None:
    registry = registry_at(reg, storage, realm=f"{evil.url}/token")
    assert registry.tokens is not None
    evil.put(registry.tokens)
    with Client(gate=Gate(trusted_realms=frozenset({evil.name}))) as client:
        assert list(client.repository(f"{reg.name}/acme/app").tags.list()) == ["1", "2", "3"]
    assert [BASIC in str(seen.headers.get("Authorization")) for seen in evil.requests] == [True]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_t02_a_redirect_of_the_token_server_takes_no_password_along(
    *, reg: Place, evil: Place, library: Face, storage: Path, status: int
) -> None:
    registry = registry_at(reg, storage)
    registry.order(Say(status, headers={"Location": f"{evil.url}/token"}), "* /token")
    evil.say((Say(200, b'{"token":"from-evil"}'), "* *"))
    assert library.tags(f"{reg.name}/acme/app").failed
    assert evil.holds(*SECRETS) == []


def test_t02_a_realm_is_judged_anew_each_time(reg: Place, evil: Place, storage: Path) -> None:
    registry = registry_at(reg, storage)
    with Client() as client:
        tags = client.repository(f"{reg.name}/acme/app").tags
        assert list(tags.list()) == ["1", "2", "3"]
        registry.expire_tokens()
        registry.order(challenged(f"{evil.url}/token"), "GET /v2/*")
        with pytest.raises(LadingError):
            list(tags.list())
    assert evil.requests == []


# T-12: one client, several registries.


def test_t12_credentials_and_tokens_stay_with_their_registry(
    *, reg: Place, evil: Place, home: Path, storage: Path
) -> None:
    def named(password: str) -> Access:
        return Access(users=(User(USER, password),))

    first = registry_at(reg, storage, access=named("first-password"))
    second = registry_at(evil, storage, access=named("second-password"), scheme="basic")
    credentials = {reg.name: (USER, "first-password"), evil.name: (USER, "second-password")}

    async def main() -> None:
        async with AsyncClient(credentials=credentials) as client:

            async def ask(place: Place) -> None:
                found = [tag async for tag in client.repository(f"{place.name}/acme/app").tags.list()]
                assert found == ["1", "2", "3"]

            await asyncio.gather(*(ask(place) for _ in range(25) for place in (reg, evil)))

    asyncio.run(main())
    assert first.tokens is not None
    secret = base64.b64encode(f"{USER}:second-password".encode()).decode()
    assert reg.holds("second-password", secret) == []
    tokens = {str(seen.headers.get("Authorization")) for seen in reg.requests if seen.target.startswith("/v2/")}
    assert all(not token.startswith("Basic") for token in tokens)
    assert {str(seen.headers.get("Authorization")) for seen in second.requests} <= {"None", f"Basic {secret}"}


def test_r43_many_cold_requests_ask_for_one_token(reg: Place, storage: Path) -> None:
    registry_at(reg, storage)

    async def main() -> None:
        async with AsyncClient() as client:
            tags = client.repository(f"{reg.name}/acme/app").tags

            async def ask() -> None:
                assert [tag async for tag in tags.list()] == ["1", "2", "3"]

            await asyncio.gather(*(ask() for _ in range(50)))

    asyncio.run(main())
    assert len([seen for seen in reg.requests if seen.target.startswith("/token")]) == 1


# T-15: what is asked for.


def scopes(place: Place) -> list[str]:
    return [seen.target for seen in place.requests if seen.target.startswith("/token")]


def test_t15_a_pull_asks_for_a_pull(reg: Place, face: Face, storage: Path, cargo: Image) -> None:
    registry_at(reg, storage)
    assert not face.pull_blob(f"{reg.name}/acme/app", sha256(cargo.layer)).failed
    asked = "".join(scopes(reg))
    assert "acme/app:pull" in asked
    assert not {"push", "delete", "*", "catalog"} & set(asked.replace(":", ",").replace("&", ",").split(","))


def test_t15_another_repository_needs_another_token(reg: Place, storage: Path, cargo: Image) -> None:
    registry_at(reg, storage)
    with Client() as client:
        for name in ("acme/app", "acme/other"):
            client.repository(f"{reg.name}/{name}").blobs.exists(sha256(cargo.layer))
    first, second = scopes(reg)
    assert "acme/app" in first
    assert "acme/app" not in second


def test_t15_a_mount_asks_to_read_its_source(reg: Place, storage: Path, cargo: Image) -> None:
    registry_at(reg, storage)
    with Client() as client:
        assert client.repository(f"{reg.name}/acme/other").blobs.mount(sha256(cargo.layer), "acme/app")
    assert "acme/other" in scopes(reg)[-1]
    assert "acme/app:pull" in scopes(reg)[-1]


# T-16: what a token server says.

HOSTILE = {
    "negative lifetime": b'{"token":"%s","expires_in":-1}',
    "no lifetime": b'{"token":"%s","expires_in":0}',
    "endless lifetime": b'{"token":"%s","expires_in":1e400}',
    "lifetime as text": b'{"token":"%s","expires_in":"300"}',
    "lifetime as a truth value": b'{"token":"%s","expires_in":true}',
    "lifetime beyond every clock": b'{"token":"%s","expires_in":1000000000000000000000000000000}',
    "issued in the future": b'{"token":"%s","issued_at":"9999-12-31T23:59:59Z"}',
    "issued in the past": b'{"token":"%s","issued_at":"0001-01-01T00:00:00Z"}',
    "issued at no time": b'{"token":"%s","issued_at":"soon"}',
    "two tokens": b'{"token":"%s","access_token":"other"}',
    "nothing": b"",
    "no token": b"{}",
    "an empty token": b'{"token":""}',
    "null": b'{"token":null}',
    "an array": b'["%s"]',
    "a page": b"<html><title>Sign in</title></html>",
    "a line end": b'{"token":"x\\r\\nX-Evil: 1"}',
    "a zero byte": b'{"token":"x\\u0000"}',
    "a number": b'{"token":12345}',
    "a huge token": b'{"token":"' + b"x" * (1 << 20) + b'"}',
    "deep": b"[" * 100_000,
    "cut": b'{"token":"%s',
}


@pytest.mark.parametrize("reply", HOSTILE)
def test_t16_whatever_a_token_server_says_ends_in_success_or_an_error_of_ours(
    *, reg: Place, library: Face, storage: Path, reply: str
) -> None:
    registry = registry_at(reg, storage, access=Access(users=ACCESS.users, anonymous=Rights(pull=("*",))))
    assert registry.tokens is not None
    with Client() as client:
        list(client.repository(f"{reg.name}/acme/app").tags.list())
    token = str(reg.requests[-1].headers.get("Authorization"))
    reg.requests.clear()
    body = HOSTILE[reply].replace(b"%s", token.removeprefix("Bearer ").encode())
    registry.order(Say(200, body, {"Content-Type": "application/json"}), "* /token")
    done = library.tags(f"{reg.name}/acme/app")
    assert done.value == ["1", "2", "3"] or done.error is None or isinstance(done.error, LadingError)
    assert len(scopes(reg)) <= 3
    assert "X-Evil" not in "".join(name for seen in reg.requests for name, _ in seen.headers)
    assert token.removeprefix("Bearer ") not in done.seen


# T-17 and 4.2: refusals that do not end.


def test_t17_a_challenge_to_everything_ends(reg: Place, face: Face, storage: Path) -> None:
    registry = registry_at(reg, storage)
    refusal = Refuse("UNAUTHORIZED", "not with that", headers=dict(challenged(f"{reg.url}/token").headers))
    registry.order(refusal, "GET /v2/*")
    done = face.tags(f"{reg.name}/acme/app")
    assert done.failed
    assert "UNAUTHORIZED" in done.seen
    assert "not with that" in done.seen
    assert len(scopes(reg)) <= 2
    assert len(reg.requests) - len(scopes(reg)) <= 3


def test_t17_a_token_server_that_wants_a_token_ends(reg: Place, face: Face, storage: Path) -> None:
    registry = registry_at(reg, storage)
    registry.order(challenged(f"{reg.url}/token"), "* /token")
    assert face.tags(f"{reg.name}/acme/app").failed
    assert len(reg.requests) <= 6


def test_r37_a_token_that_expires_is_renewed(reg: Place, storage: Path, cargo: Image) -> None:
    registry = registry_at(reg, storage)
    with Client() as client:
        repository = client.repository(f"{reg.name}/acme/app")
        upload = repository.uploads.start()
        assert upload.patch(b"first half, ") == 12
        registry.expire_tokens()
        assert upload.patch(b"second half") == 23
        registry.expire_tokens()
        upload.finish(sha256(b"first half, second half"))
        registry.expire_tokens()
        assert repository.blobs.pull(sha256(cargo.layer)) == cargo.layer
    assert stored(storage, "acme/app", sha256(b"first half, second half")) == b"first half, second half"


def test_r98_a_clock_that_is_set_while_a_client_runs_expires_no_token(
    reg: Place, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry_at(reg, storage)
    with Client() as client:
        for now in (1e9, 4e9, 0.0):
            monkeypatch.setattr(time, "time", lambda now=now: now)
            assert list(client.repository(f"{reg.name}/acme/app").tags.list()) == ["1", "2", "3"]
    assert len(scopes(reg)) == 1


@pytest.mark.parametrize("field", ["WWW-Authenticate"])
def test_r39_a_401_without_a_challenge_is_looked_up_at_the_front_door(
    reg: Place, face: Face, storage: Path, field: str
) -> None:
    registry_at(reg, storage).order(Change(drop=(field,)), "GET /v2/acme/*")
    assert face.tags(f"{reg.name}/acme/app").value == ["1", "2", "3"]


def test_r39_a_401_without_any_challenge_is_an_error(reg: Place, face: Face, storage: Path) -> None:
    registry_at(reg, storage).order(Change(drop=("WWW-Authenticate",)))
    done = face.tags(f"{reg.name}/acme/app")
    assert done.failed
    assert "401" in done.seen
    assert len(reg.requests) <= 4


def test_r40_the_front_door_need_not_be_there(reg: Place, face: Face, storage: Path) -> None:
    registry_at(reg, storage).order(Say.page(404), PING)
    assert face.tags(f"{reg.name}/acme/app").value == ["1", "2", "3"]


@pytest.mark.parametrize("methods", ["GET", "POST"])
@pytest.mark.parametrize("status", [404, 405, 415])
def test_r41_a_token_server_may_know_one_form_only(
    *, reg: Place, library: Face, storage: Path, methods: str, status: int
) -> None:
    registry_at(reg, storage, rules=TokenRules(methods=frozenset({methods}), refusal=status))
    assert library.tags(f"{reg.name}/acme/app").value == ["1", "2", "3"]


def test_r42_a_token_server_that_fails_for_a_moment_is_asked_again(reg: Place, storage: Path) -> None:
    registry = registry_at(reg, storage)
    registry.order(Say.text(503, "busy"), "* /token", times=2)
    registry.order(LoseAnswer(), "* /token", times=1)
    with Client(retries=Retries(tries=5, first_wait=0.0)) as client:
        assert list(client.repository(f"{reg.name}/acme/app").tags.list()) == ["1", "2", "3"]


def test_a_wrong_password_is_told_and_public_content_pulled_all_the_same(
    reg: Place, home: Path, face: Face, storage: Path
) -> None:
    write_config(home, [reg.name], "a-stale-pass-word")
    registry_at(reg, storage, access=Access(users=ACCESS.users, anonymous=Rights(pull=("*",))))
    done = face.tags(f"{reg.name}/acme/app")
    assert done.value == ["1", "2", "3"]
    assert "continuing anonymously" in done.seen
    assert "a-stale-pass-word" not in done.seen


def test_a_wrong_password_is_an_error_where_nothing_is_public(
    reg: Place, home: Path, face: Face, storage: Path
) -> None:
    write_config(home, [reg.name], "a-stale-pass-word")
    registry_at(reg, storage)
    done = face.tags(f"{reg.name}/acme/app")
    assert done.failed
    assert "a-stale-pass-word" not in done.seen


def test_a_wrong_password_pushes_nothing(reg: Place, home: Path, face: Face, storage: Path) -> None:
    write_config(home, [reg.name], "a-stale-pass-word")
    registry_at(reg, storage, access=Access(users=ACCESS.users, anonymous=Rights(pull=("*",))))
    assert face.push_blob(f"{reg.name}/acme/app", b"new content").failed
    assert stored(storage, "acme/app", sha256(b"new content")) is None


def test_errors_of_the_token_server_are_errors_of_ours(reg: Place, storage: Path) -> None:
    registry_at(reg, storage).order(Say(200, b"{}"), "* /token")
    with Client() as client, pytest.raises(TokenError):
        client.registry(reg.name).ping()


def test_t02_a_refused_realm_says_how_to_trust_it(reg: Place, evil: Place) -> None:
    reg.say((challenged(f"{evil.url}/token"), "* *"))
    with Client() as client, pytest.raises((AuthError, ForbiddenRedirectError), match="trusted_realms"):
        list(client.repository(f"{reg.name}/acme/app").tags.list())
