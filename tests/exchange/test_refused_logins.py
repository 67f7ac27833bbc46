"""Credentials that a token server or a registry refuses: what the caller is told, and what goes on without them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from lading import (
    AsyncClient,
    Digest,
    Event,
    ManifestUnknownError,
    NotFoundError,
    Request,
    Response,
    TokenError,
    UnauthorizedError,
    Warned,
)
from lading._io.base import IO
from lading.auth.credentials import Credential, Found
from tests.support.flows import MakeClient
from tests.support.transports import Clockwork, Recording, Scripted, answer

HOST = "registry.example.com"
NAME = f"{HOST}/acme/app"
USER = {HOST: ("ann", "correct horse")}
PAGE = {"name": "acme/app", "tags": ["v1"]}
SOURCE = f"the credentials given for {HOST}"
BY_TOKEN_SERVER = (
    f"{HOST}: login refused: the token server https://auth.example.com did not accept the credentials ({SOURCE}): "
)
BY_REGISTRY = f"{HOST}: login refused: the registry did not accept the credentials ({SOURCE}): "
HINT = f"check the user name and the password or token, and log in again: lading login {HOST}"
DENIED = {"errors": [{"code": "DENIED", "message": "this user may not do that"}]}


def challenge() -> Response:
    return answer(401, WWW_Authenticate='Bearer realm="https://auth.example.com/token",service="registry"')


def basic() -> Response:
    return answer(401, WWW_Authenticate='Basic realm="r"')


def token(value: str = "t") -> Response:
    return answer(200, {"token": value})


async def tags(client: AsyncClient, name: str = NAME) -> list[str]:
    return [tag async for tag in client.repository(name).tags.list()]


def warnings(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Warned)]


VERBS: dict[str, Callable[[AsyncClient], Awaitable[object]]] = {
    "tags": tags,
    "resolve": lambda client: client.repository(NAME).manifests.resolve("v1"),
    "exists": lambda client: client.repository(NAME).manifests.exists("v1"),
    "pull": lambda client: client.repository(NAME).manifests.pull("v1"),
    "blob": lambda client: client.repository(NAME).blobs.pull(Digest.of(b"x")),
    "push": lambda client: client.repository(NAME).blobs.push(b"x"),
    "delete": lambda client: client.repository(NAME).manifests.delete(Digest.of(b"x")),
    "mount": lambda client: client.repository(NAME).blobs.mount(Digest.of(b"x"), "acme/base"),
    "ping": lambda client: client.registry(HOST).ping(),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("anonymous", ["no token", "no rights", "no access"])
async def test_a_login_that_the_token_server_refuses_is_the_error(
    make_client: MakeClient, verb: str, status: int, anonymous: str
) -> None:
    """Whatever happens to an anonymous request, which pulls go on with."""

    def servers(request: Request) -> Response:
        authorization = request.headers.get("Authorization")
        if request.origin.host == "auth.example.com":
            return answer(status) if authorization or anonymous == "no token" else token()
        if authorization is None:
            return challenge()
        return answer(403, DENIED) if anonymous == "no rights" else challenge()

    with pytest.raises(UnauthorizedError) as caught:
        await VERBS[verb](make_client(Recording(rule=servers), credentials=USER))
    assert str(caught.value).startswith(BY_TOKEN_SERVER)
    assert caught.value.status == status
    assert caught.value.__notes__ == [HINT]


async def test_what_hides_behind_a_404_is_told_in_a_note(make_client: MakeClient, events: list[Event]) -> None:
    wire = Scripted(challenge(), answer(401), token(), answer(404))
    with pytest.raises(ManifestUnknownError) as caught:
        await make_client(wire, credentials=USER).repository(NAME).manifests.pull("v1")
    assert f"this is the response to an anonymous request: {BY_TOKEN_SERVER}401" in caught.value.__notes__[-1]
    said = f"{BY_TOKEN_SERVER.removeprefix(f'{HOST}: ')}401: authentication required"
    assert warnings(events) == [f"{said}; continuing anonymously"]


async def test_an_anonymous_request_that_the_token_server_refuses_is_advised_to_log_in(make_client: MakeClient) -> None:
    with pytest.raises(
        UnauthorizedError, match=r"auth\.example\.com refused an anonymous request: 403 DENIED"
    ) as caught:
        await tags(make_client(Scripted(challenge(), answer(403, DENIED)), credentials={}))
    assert caught.value.__notes__ == [f"log in (lading login {HOST}), and check the name: it may not exist"]


async def test_a_403_of_the_token_server_is_about_one_repository(make_client: MakeClient) -> None:
    """GitHub and GitLab respond so to a user without rights, who may have them elsewhere."""

    def servers(request: Request) -> Response:
        authorization = request.headers.get("Authorization")
        if request.origin.host == "auth.example.com":
            return token() if authorization and "acme/app" in request.target else answer(403, DENIED)
        return answer(200, PAGE) if authorization else challenge()

    client = make_client(Recording(rule=servers), credentials=USER)
    with pytest.raises(UnauthorizedError):
        await tags(client, f"{HOST}/other/app")
    assert await tags(client) == ["v1"]
    with pytest.raises(UnauthorizedError, match="login refused"):
        await tags(client, f"{HOST}/other/app")


async def test_a_401_of_the_token_server_is_about_the_registry(make_client: MakeClient, events: list[Event]) -> None:
    wire = Scripted(challenge(), answer(401), token("a"), answer(200, PAGE), token("b"), answer(200, PAGE))
    client = make_client(wire, credentials=USER)
    await tags(client)
    await tags(client, f"{HOST}/other/app")
    assert len(warnings(events)) == 1


@pytest.mark.parametrize(
    ("status", "body"), [(401, b""), (400, b'{"error":"invalid_grant","error_description":"expired"}')]
)
async def test_an_identity_token_that_is_refused_is_a_refused_login(
    make_client: MakeClient, status: int, body: bytes
) -> None:
    """RFC 6749, section 5.2: a refresh token that has expired or was revoked is a 400."""
    credentials = {HOST: Credential(identity_token="id-1")}
    wire = Scripted(challenge(), answer(status, body), answer(401))
    with pytest.raises(UnauthorizedError) as caught:
        await tags(make_client(wire, credentials=credentials))
    assert str(caught.value).startswith(BY_TOKEN_SERVER)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error": "invalid_scope"}', b"[" * 10_000])
async def test_another_400_of_the_token_server_is_not(make_client: MakeClient, body: bytes) -> None:
    wire = Scripted(challenge(), answer(400, body))
    with pytest.raises(TokenError) as caught:
        await make_client(wire, credentials=USER).repository(NAME).uploads.start()
    assert "login refused" not in str(caught.value)


@pytest.mark.parametrize("kind", ["password", "registry token"])
@pytest.mark.parametrize("verb", VERBS)
async def test_credentials_that_the_registry_itself_refuses_are_the_error(
    make_client: MakeClient, kind: str, verb: str
) -> None:
    credential = Credential("ann", "wrong") if kind == "password" else Credential(registry_token="wrong")
    refusal = basic if kind == "password" else challenge

    def servers(request: Request) -> Response:
        assert request.origin.host == HOST
        return refusal()

    with pytest.raises(UnauthorizedError) as caught:
        await VERBS[verb](make_client(Recording(rule=servers), credentials={HOST: credential}))
    assert str(caught.value).startswith(BY_REGISTRY)
    assert caught.value.__notes__ == [HINT]


async def test_a_pull_goes_on_without_a_password_that_the_registry_refuses(
    make_client: MakeClient, events: list[Event]
) -> None:
    """The password was asked for by another repository; this one is public."""

    def servers(request: Request) -> Response:
        private, authorization = "/private/" in request.target, request.headers.get("Authorization")
        return basic() if private or authorization else answer(200, PAGE)

    client = make_client(Recording(rule=servers), credentials=USER)
    with pytest.raises(UnauthorizedError):
        await tags(client, f"{HOST}/private/app")
    assert warnings(events) == []
    assert await tags(client) == await tags(client) == ["v1"]
    assert len(warnings(events)) == 1
    with pytest.raises(UnauthorizedError, match="login refused"):
        await client.repository(NAME).uploads.start()


class Helper:
    """Source with a new credential after each login; like a helper, it keeps nothing itself."""

    def __init__(self) -> None:
        self.login = 1
        self.asked = 0

    def find(self, registry: str, repository: str, /) -> Found | None:
        self.asked += 1
        return Found(Credential("ann", f"password-{self.login}"), "a helper")


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
async def test_a_refused_credential_is_looked_up_again(make_client: MakeClient, io: IO, scheme: str) -> None:
    """A password of ECR's helper is good for 12 hours, and the program runs longer."""
    source, clock = Helper(), Clockwork(io)

    def servers(request: Request) -> Response:
        valid = Credential("ann", f"password-{source.login}").basic()
        authorization = request.headers.get("Authorization")
        if request.origin.host == "auth.example.com":
            return token(f"t{source.login}") if authorization == valid else answer(401)
        if authorization in {valid, f"Bearer t{source.login}"}:
            return answer(202, Location="/v2/acme/app/blobs/uploads/1")
        return challenge() if scheme == "bearer" else basic()

    uploads = make_client(Recording(rule=servers), credentials=source, _io=clock).repository(NAME).uploads
    await uploads.start()
    source.login = 2
    await uploads.start()
    assert source.asked == 2
    await clock.sleep(2)
    source.login = 3
    await uploads.start()
    assert source.asked == 3


async def test_a_source_that_has_no_better_credential_is_asked_once_for_many(make_client: MakeClient, io: IO) -> None:
    source = Helper()
    client = make_client(Recording(rule=lambda _: basic()), credentials=source, _io=Clockwork(io))

    async def fail(_: int) -> None:
        with pytest.raises(UnauthorizedError, match=r"login refused: .* \(a helper\)"):
            await tags(client)

    await io.map(fail, range(20), limit=8)
    assert source.asked == 2


async def test_a_404_of_who_is_logged_in_has_no_such_note(make_client: MakeClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        await tags(make_client(Scripted(challenge(), token(), answer(404)), credentials=USER))
    assert not any("anonymous" in note for note in getattr(caught.value, "__notes__", ()))
