from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from lading import (
    AsyncClient,
    AsyncRepository,
    AuthError,
    Authorized,
    DeniedError,
    Digest,
    Event,
    ForbiddenRedirectError,
    Gate,
    LadingError,
    Request,
    Response,
    ServerError,
    TokenError,
    UnauthorizedError,
    Warned,
)
from lading._io.base import IO
from lading.auth.credentials import Credential, Found
from lading.testing import Access, Setup, User, direct
from tests.support.flows import MakeClient
from tests.support.transports import Clockwork, Recording, Scripted, answer

HOST = "registry.example.com"
NAME = f"{HOST}/acme/app"
REALM = "https://auth.example.com/token"
PASSWORD = "correct horse"
USER = {HOST: ("ann", PASSWORD)}
BASIC = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
PAGE = {"name": "acme/app", "tags": ["v1"]}
DIGEST = Digest.of(b"content")
LOGIN_REFUSED = (
    rf"^{HOST}: login refused: the token server https://auth\.example\.com did not accept the credentials "
    rf"\(the credentials given for {HOST}\): 40[0-9]: "
)


def challenge(realm: str = REALM, scope: str = "repository:acme/app:pull") -> Response:
    return answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="registry",scope="{scope}"')


def token(value: str = "t1", **fields: object) -> Response:
    return answer(200, {"token": value, **fields})


async def tags(client: AsyncClient) -> list[str]:
    return [tag async for tag in client.repository(NAME).tags.list()]


def sent(wire: Scripted) -> list[str | None]:
    return [request.headers.get("Authorization") for request in wire.requests]


def query(request: Request) -> Mapping[str, list[str]]:
    return parse_qs(request.target.partition("?")[2])


async def test_nothing_is_sent_before_it_is_asked_for(make_client: MakeClient) -> None:
    wire = Scripted(answer(200, PAGE))
    await tags(make_client(wire, credentials=USER))
    assert sent(wire) == [None]


async def test_a_bearer_challenge_is_met_with_a_token_that_is_kept(
    make_client: MakeClient, events: list[Event]
) -> None:
    wire = Scripted(challenge(), token(), answer(200, PAGE), answer(200, PAGE))
    client = make_client(wire, credentials=USER)
    assert await tags(client) == await tags(client) == ["v1"]
    assert sent(wire) == [None, BASIC, "Bearer t1", "Bearer t1"]
    assert str(wire.requests[1].origin) == "https://auth.example.com"
    asked = query(wire.requests[1])
    assert (asked["service"], asked["scope"]) == (["registry"], ["repository:acme/app:pull"])
    assert events == [Authorized(HOST, "https://auth.example.com", ("repository:acme/app:pull",), "ann")]


async def test_without_credentials_the_token_is_a_strangers(make_client: MakeClient) -> None:
    wire = Scripted(challenge(), token(), answer(200, PAGE))
    assert await tags(make_client(wire, credentials={})) == ["v1"]
    assert sent(wire) == [None, None, "Bearer t1"]


async def test_a_basic_challenge_is_met_and_remembered(make_client: MakeClient) -> None:
    wire = Scripted(answer(401, WWW_Authenticate='Basic realm="r"'), answer(200, PAGE), answer(200, PAGE))
    client = make_client(wire, credentials=USER)
    await tags(client)
    await tags(client)
    assert sent(wire) == [None, BASIC, BASIC]


async def test_a_token_is_preferred_to_a_password(make_client: MakeClient) -> None:
    both = f'Basic realm="r", Bearer realm="{REALM}",service="registry"'
    wire = Scripted(answer(401, WWW_Authenticate=both), token(), answer(200, PAGE))
    await tags(make_client(wire, credentials=USER))
    assert sent(wire)[2] == "Bearer t1"


async def test_another_repository_needs_another_token(make_client: MakeClient) -> None:
    wire = Scripted(challenge(), token("a"), answer(200, PAGE), token("b"), answer(404))
    client = make_client(wire, credentials=USER)
    await tags(client)
    assert not await client.repository(f"{HOST}/other/app").manifests.exists("v1")
    assert query(wire.requests[3])["scope"] == ["repository:other/app:pull"]
    assert sent(wire)[4] == "Bearer b"


async def test_a_push_asks_for_push_and_a_pull_does_not(make_client: MakeClient) -> None:
    done = answer(201, Docker_Content_Digest=Digest.of(b"{}"))
    wire = Scripted(challenge(), token("r"), answer(404), token("w"), answer(202, Location="/other/place"), done)
    await make_client(wire, credentials=USER).repository(NAME).blobs.push(b"{}")
    assert [query(wire.requests[place])["scope"] for place in (1, 3)] == [
        ["repository:acme/app:pull"],
        ["repository:acme/app:pull,push"],
    ]
    assert sent(wire)[4:] == ["Bearer w", "Bearer w"]


async def test_t_15_another_repository_that_the_challenge_states_is_asked_for_no_more_than_the_need(
    make_client: MakeClient,
) -> None:
    stated = "repository:acme/app:pull,push repository:behind/app:pull,push,delete"
    wire = Scripted(challenge(scope=stated), token(), answer(202, Location="/x"))
    await make_client(wire, credentials=USER).repository(NAME).uploads.start()
    assert query(wire.requests[1])["scope"] == ["repository:acme/app:pull,push", "repository:behind/app:pull,push"]


async def test_what_the_registry_requires_for_an_endpoint_is_asked_for_from_then_on(make_client: MakeClient) -> None:
    everything, done = challenge(scope="repository:acme/app:*"), answer(202)
    wire = Scripted(everything, token(), done, token("b"), answer(202))
    client = make_client(wire, credentials=USER)
    await client.repository(NAME).tags.delete("v1")
    await client.repository(f"{HOST}/other/app").tags.delete("v1")
    assert query(wire.requests[3])["scope"] == ["repository:other/app:*"]


async def test_a_mount_asks_for_the_source_too(make_client: MakeClient) -> None:
    wire = Scripted(challenge(scope="repository:acme/app:pull,push"), token(), answer(201), answer(404))
    await make_client(wire, credentials=USER).repository(NAME).blobs.mount(Digest.of(b"x"), "acme/base")
    assert query(wire.requests[1])["scope"] == ["repository:acme/app:pull,push", "repository:acme/base:pull"]


async def test_an_expired_token_is_replaced_before_it_is_sent(make_client: MakeClient, io: IO) -> None:
    clock = Clockwork(io)
    wire = Scripted(challenge(), token("old", expires_in=100), answer(200, PAGE), token("new"), answer(200, PAGE))
    client = make_client(wire, credentials=USER, _io=clock)
    await tags(client)
    await clock.sleep(91)
    await tags(client)
    assert sent(wire)[-1] == "Bearer new"


async def test_a_token_that_is_refused_is_replaced_once(make_client: MakeClient) -> None:
    wire = Scripted(challenge(), token("a"), challenge(), token("b"), challenge())
    with pytest.raises(UnauthorizedError):
        await tags(make_client(wire, credentials=USER))
    assert sent(wire) == [None, BASIC, "Bearer a", BASIC, "Bearer b"]


async def test_a_token_that_is_refused_is_replaced_where_another_one_would_do_as_well(
    make_client: MakeClient, tmp_path: Path
) -> None:
    """One for pulls has expired, and the one that is at hand for pushes is good for pulls too."""
    setup = Setup(access=Access(users=(User("ann", PASSWORD),)))
    registry, wire = direct(tmp_path, setup, url=f"https://{HOST}")
    repository = make_client(wire, credentials=USER).repository(NAME)
    assert not await repository.blobs.exists(Digest.of(b"x"))
    await repository.uploads.start()
    registry.expire_tokens()
    await repository.uploads.start()
    assert not await repository.blobs.exists(Digest.of(b"x"))


async def test_a_token_is_sent_for_no_more_than_it_was_asked_for(make_client: MakeClient, tmp_path: Path) -> None:
    """The registry's challenge names less than a push needs; what it leaves out is asked for, or asked for later."""
    setup = Setup(access=Access(users=(User("ann", PASSWORD),)))
    wire = Recording(direct(tmp_path, setup, url=f"https://{HOST}")[1])
    repository = make_client(wire, credentials=USER).repository(NAME)
    await repository.uploads.start()
    assert not await repository.blobs.exists(Digest.of(b"x"))
    assert sum(request.method == "HEAD" for request in wire.requests) == 1


async def test_a_password_that_is_refused_is_not_sent_again(make_client: MakeClient) -> None:
    basic = answer(401, WWW_Authenticate='Basic realm="r"')
    wire = Scripted(basic, answer(401, WWW_Authenticate='Basic realm="r"'))
    with pytest.raises(UnauthorizedError):
        await tags(make_client(wire, credentials=USER))


async def test_a_401_without_a_challenge_is_looked_up_at_the_front_door(make_client: MakeClient) -> None:
    wire = Scripted(answer(401), challenge(), token(), answer(200, PAGE))
    assert await tags(make_client(wire, credentials=USER)) == ["v1"]
    assert wire.requests[1].target == "/v2/"
    assert sent(wire) == [None, None, BASIC, "Bearer t1"]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_public_pull_goes_on_without_credentials_that_are_refused(
    make_client: MakeClient, events: list[Event], status: int
) -> None:
    wire = Scripted(challenge(), answer(status), token("anyone"), answer(200, PAGE), answer(200, PAGE))
    client = make_client(wire, credentials=USER)
    await tags(client)
    await tags(client)
    assert sent(wire) == [None, BASIC, None, "Bearer anyone", "Bearer anyone"]
    told = [event.text for event in events if isinstance(event, Warned)]
    assert len(told) == 1
    assert "continuing anonymously" in told[0]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_push_does_not(make_client: MakeClient, status: int) -> None:
    wire = Scripted(challenge(scope="repository:acme/app:pull,push"), answer(status))
    with pytest.raises(UnauthorizedError, match=LOGIN_REFUSED) as caught:
        await make_client(wire, credentials=USER).repository(NAME).uploads.start()
    assert caught.value.status == status
    assert f"lading login {HOST}" in caught.value.__notes__[0]


@pytest.mark.parametrize("status", [404, 405, 415])
async def test_a_token_server_without_get_is_asked_by_post_and_so_from_then_on(
    make_client: MakeClient, status: int
) -> None:
    wire = Scripted(challenge(), answer(status), token("a"), answer(200, PAGE), token("b"), answer(404))
    client = make_client(wire, credentials=USER)
    await tags(client)
    await client.repository(f"{HOST}/other/app").manifests.exists("v1")
    assert [wire.requests[place].method for place in (1, 2, 4)] == ["GET", "POST", "POST"]
    form = parse_qs(bytes(wire.requests[2].body).decode())  # type: ignore[arg-type]  # bytes, not a source
    assert (form["grant_type"], form["password"]) == (["password"], [PASSWORD])


ASKED: dict[str, Callable[[AsyncRepository], Awaitable[object]]] = {
    "manifest exists": lambda repository: repository.manifests.exists("v1"),
    "blob exists": lambda repository: repository.blobs.exists(DIGEST),
    "blob": lambda repository: repository.blobs.pull(DIGEST),
    "referrers": lambda repository: anext(repository.referrers.list(DIGEST), None),
    "tags": lambda repository: anext(repository.tags.list(), None),
    "tag deletion": lambda repository: repository.tags.delete("v1"),
    "push": lambda repository: repository.blobs.push(b"content", mount_from="acme/base"),
}


@pytest.mark.parametrize("is_known", [False, True], ids=["challenge", "known challenge"])
@pytest.mark.parametrize("status", [201, 302, 400, 404, 405, 416])
@pytest.mark.parametrize("act", ASKED)
async def test_a_token_server_does_not_respond_for_the_registry(
    *, make_client: MakeClient, act: str, status: int, is_known: bool
) -> None:
    """Its 404 is not that of a manifest, its 405 not that of an endpoint, its 416 not that of a range."""
    given = iter([token()] if is_known else [])

    def reply(request: Request) -> Response:
        if request.target.startswith("/v2/"):
            return answer(200, PAGE) if request.headers.get("Authorization") else challenge()
        return next(given, answer(status))

    client = make_client(Recording(rule=reply), credentials=USER)
    if is_known:
        assert await tags(client) == ["v1"]
    with pytest.raises(TokenError, match=rf"^{HOST}: its token server gave no token: .*: {status}"):
        await ASKED[act](client.repository(f"{HOST}/acme/other"))


async def test_an_identity_token_goes_by_post(make_client: MakeClient) -> None:
    wire = Scripted(challenge(), answer(200, {"access_token": "t2"}), answer(200, PAGE))
    await tags(make_client(wire, credentials={HOST: Credential("ann", identity_token="id-1")}))
    form = parse_qs(bytes(wire.requests[1].body).decode())  # type: ignore[arg-type]  # bytes, not a source
    assert (form["grant_type"], form["refresh_token"]) == (["refresh_token"], ["id-1"])
    assert sent(wire) == [None, None, "Bearer t2"]


async def test_a_registry_token_is_sent_as_it_is(make_client: MakeClient) -> None:
    wire = Scripted(challenge(), answer(200, PAGE))
    await tags(make_client(wire, credentials={HOST: Credential(registry_token="mine")}))
    assert sent(wire) == [None, "Bearer mine"]


@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.example.com/token",
        "https://169.254.169.254/token",
        "https://[::ffff:169.254.169.254]/",
        "https://2852039166/",
        "https://localhost/",
        "file:///etc/passwd",
        "null://x/token",
        "//evil.example/token",
        "https://user:pw@registry.example.com/token",
        "https://registry.example.com#@evil.example/",
        "",
    ],
)
async def test_a_realm_that_may_not_be_asked_is_not_asked(make_client: MakeClient, realm: str) -> None:
    wire = Scripted(challenge(realm))
    with pytest.raises((TokenError, ForbiddenRedirectError)) as caught:
        await tags(make_client(wire, credentials=USER))
    assert "pw" not in str(caught.value)
    assert len(wire.requests) == 1


async def test_a_strange_realm_gets_no_password_unless_it_is_trusted(make_client: MakeClient) -> None:
    strange = "https://auth.evil.example/token"
    wire = Scripted(challenge(strange))
    with pytest.raises(AuthError, match=r"trusted_realms=\{'auth\.evil\.example'\}"):
        await tags(make_client(wire, credentials=USER))
    assert len(wire.requests) == 1
    wire = Scripted(challenge(strange), token(), answer(200, PAGE))
    await tags(make_client(wire, credentials=USER, gate=Gate(trusted_realms=frozenset({"auth.evil.example"}))))
    assert sent(wire)[1] == BASIC
    wire = Scripted(challenge(strange), token(), answer(200, PAGE))
    await tags(make_client(wire, credentials={}))
    assert sent(wire) == [None, None, "Bearer t1"]


async def test_a_realm_that_changes_passes_the_gate_again(make_client: MakeClient) -> None:
    wire = Scripted(challenge(), token("a"), challenge("https://auth.evil.example/token"))
    with pytest.raises(AuthError):
        await tags(make_client(wire, credentials=USER))
    assert len(wire.requests) == 3


async def test_a_redirect_of_the_token_server_loses_the_password(make_client: MakeClient) -> None:
    away = answer(302, Location="https://login.example.com/token?x=1")
    wire = Scripted(challenge(), away, token(), answer(200, PAGE))
    await tags(make_client(wire, credentials=USER))
    assert sent(wire) == [None, BASIC, None, "Bearer t1"]


async def test_a_redirect_within_the_token_server_keeps_it(make_client: MakeClient) -> None:
    """Headers stay when the origin does, as in RFC 9110, section 15.4."""
    wire = Scripted(challenge(), answer(302, Location="/v2/token"), token(), answer(200, PAGE))
    await tags(make_client(wire, credentials=USER))
    assert sent(wire) == [None, BASIC, BASIC, "Bearer t1"]


@pytest.mark.parametrize("location", ["https://169.254.169.254/", "http://auth.example.com/token"])
async def test_a_redirect_of_the_token_server_passes_the_gate(make_client: MakeClient, location: str) -> None:
    wire = Scripted(challenge(), answer(302, Location=location))
    with pytest.raises(ForbiddenRedirectError):
        await tags(make_client(wire, credentials=USER))
    assert len(wire.requests) == 2


async def test_a_posted_secret_is_not_sent_on(make_client: MakeClient) -> None:
    wire = Scripted(challenge(), answer(307, Location="https://login.example.com/token"))
    with pytest.raises(ForbiddenRedirectError, match="redirected to another host, which gets no password"):
        await tags(make_client(wire, credentials={HOST: Credential("ann", identity_token="id-1")}))
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"token":""}', b'{"token":"a\\r\\nX: y"}', b'{"token":1}', b"<html>", b"{" * 100_000],
    ids=["empty", "array", "none", "empty token", "line break", "number", "HTML", "deep"],
)
async def test_an_answer_without_a_usable_token_is_a_token_error(make_client: MakeClient, body: bytes) -> None:
    with pytest.raises(TokenError):
        await tags(make_client(Scripted(challenge(), answer(200, body)), credentials=USER))


async def test_a_password_that_was_made_anew_is_tried_after_a_403(make_client: MakeClient) -> None:
    class Renewing:
        """Has a password made whenever it has none: the ways of a cloud."""

        made = 0
        kept: Credential | None = None

        def find(self, registry: str, repository: str, /) -> Found | None:
            if self.kept is None:
                self.made += 1
                self.kept = Credential("AWS", f"password-{self.made}")
            return Found(self.kept, "the cloud")

        def forget(self, credential: Credential, /) -> None:
            if self.kept == credential:
                self.kept = None

    source = Renewing()
    wire = Scripted(answer(401, WWW_Authenticate="Basic realm=r"), answer(200, PAGE), answer(403), answer(200, PAGE))
    client = make_client(wire, credentials=source)
    await tags(client)
    await tags(client)
    assert source.made == 2
    assert len({*sent(wire)}) == 3


async def test_fifty_cold_requests_make_one_token_request(make_client: MakeClient, io: IO) -> None:
    def registry(request: Request) -> Response:
        if request.origin.host == "auth.example.com":
            return token()
        return answer(200, PAGE) if request.headers.get("Authorization") == "Bearer t1" else challenge()

    wire = Recording(rule=registry)
    client = make_client(wire, credentials=USER)
    pages = await io.map(lambda _: tags(client), range(50), limit=8)
    assert pages == [["v1"]] * 50
    assert [request.origin.host for request in wire.requests].count("auth.example.com") == 1


async def test_secrets_are_in_no_repr(make_client: MakeClient) -> None:
    wire = Scripted(challenge(), token("very-secret"), answer(200, PAGE))
    client = make_client(wire, credentials=USER)
    await tags(client)
    shown = "".join([repr(client), *map(repr, wire.requests), repr(vars(client))])
    for secret in (PASSWORD, "very-secret", BASIC):
        assert secret not in shown


async def test_a_token_server_that_knows_another_word_is_asked_with_the_registrys(make_client: MakeClient) -> None:
    """Quay takes `delete` for a mistake and wants `*`, as its challenge says."""
    words = challenge(scope="repository:acme/app:*")
    wire = Scripted(challenge(), token("r"), answer(200, PAGE), answer(400), words, token("w"), answer(202))
    client = make_client(wire, credentials=USER)
    await tags(client)
    await client.repository(NAME).tags.delete("v1")
    assert query(wire.requests[5])["scope"] == ["repository:acme/app:*"]
    assert sent(wire)[-1] == "Bearer w"


@pytest.mark.parametrize("status", [403, 500])
async def test_a_token_server_that_fails_on_a_known_registry_is_an_error(make_client: MakeClient, status: int) -> None:
    wire = Scripted(challenge(), token("r"), answer(200, PAGE), answer(status))
    client = make_client(wire, credentials=USER)
    await tags(client)
    with pytest.raises(LadingError):
        await client.repository(f"{HOST}/other/app").uploads.start()


async def test_a_403_of_a_password_that_nobody_can_renew_is_final(make_client: MakeClient) -> None:
    wire = Scripted(answer(401, WWW_Authenticate="Basic realm=r"), answer(200, PAGE), answer(403))
    client = make_client(wire, credentials=USER)
    await tags(client)
    with pytest.raises(DeniedError):
        await tags(client)


async def test_a_failure_is_everybodys_for_a_moment(make_client: MakeClient, io: IO) -> None:
    """Two requests one after the other, in a time that stands still: the token server is asked once."""
    wire = Scripted(challenge(), answer(401))
    client = make_client(wire, credentials=USER, _io=Clockwork(io))
    uploads = client.repository(NAME).uploads
    for _ in range(2):
        with pytest.raises(UnauthorizedError):
            await uploads.start()
    assert [request.origin.host for request in wire.requests].count("auth.example.com") == 1


async def test_a_failure_that_is_shared_says_what_each_copy_was_about(
    make_client: MakeClient, io: IO, tmp_path: Path
) -> None:
    wire = Scripted(challenge(), answer(500))
    client = make_client(wire, _io=Clockwork(io))
    for tag in ("1", "2"):
        with pytest.raises(ServerError, match=f"^cannot resolve {tag} in ") as caught:
            await client.copy(f"{NAME}:{tag}", f"oci:{tmp_path / 'layout'}")
        assert caught.value.side == "source"


async def test_a_failure_is_nobodys_after_that_or_for_other_scopes(make_client: MakeClient, io: IO) -> None:
    clock = Clockwork(io)
    wire = Scripted(challenge(), answer(401), answer(401), answer(401))
    client = make_client(wire, credentials=USER, _io=clock)
    with pytest.raises(UnauthorizedError):
        await client.repository(NAME).uploads.start()
    with pytest.raises(UnauthorizedError):
        await client.repository(f"{HOST}/acme/other").uploads.start()
    await clock.sleep(2)
    with pytest.raises(UnauthorizedError):
        await client.repository(f"{HOST}/acme/other").uploads.start()
    assert [request.origin.host for request in wire.requests].count("auth.example.com") == 3


async def test_ten_redirects_of_a_token_server_are_followed_and_not_eleven(make_client: MakeClient) -> None:
    hops = [answer(302, Location=f"https://login{number}.example.com/") for number in range(11)]
    with pytest.raises(ForbiddenRedirectError, match="more than 10 times"):
        await tags(make_client(Scripted(challenge(), *hops), credentials=USER))


async def test_warnings_of_a_source_are_told(make_client: MakeClient, events: list[Event]) -> None:
    class Careless:
        def find(self, registry: str, repository: str, /) -> Found | None:
            return Found(Credential("ann", PASSWORD), "a file", ("others may read it",))

    wire = Scripted(challenge(), token(), answer(200, PAGE))
    await tags(make_client(wire, credentials=Careless()))
    assert Warned(HOST, "others may read it") in events
