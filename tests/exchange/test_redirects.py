from __future__ import annotations

import io

import pytest
from msgspec.structs import replace

from lading import (
    AsyncClient,
    Digest,
    Event,
    ForbiddenRedirectError,
    Gate,
    Headers,
    Redirected,
    RegistryError,
    Request,
    Response,
    UnauthorizedError,
)
from lading._io.base import Cancellation
from lading._wire.private_addresses import is_public
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "registry.example/acme/app"
STORE = "https://cdn.example/blobs/x?X-Amz-Signature=a%2Fb+c&empty="
CONTENT = b"cargo"
DIGEST = Digest.of(CONTENT)
SECRET = "s3cret-value"
OWN = {"X-Key": SECRET}


async def pull(client: AsyncClient) -> bytes:
    return await client.repository(NAME).blobs.pull(DIGEST)


def to(location: str, status: int = 307) -> Response:
    return answer(status, Location=location)


def names(wire: Scripted) -> list[set[str]]:
    return [{name.lower() for name, _ in request.headers} for request in wire.requests]


@pytest.mark.spec("http.redirects", "http.redirect-authorization")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_pull_follows_a_redirect_with_its_query_byte_for_byte_and_without_secrets(
    make_client: MakeClient, events: list[Event], status: int
) -> None:
    wire = Scripted(to(STORE, status), answer(200, CONTENT))
    assert await pull(make_client(wire, headers=OWN)) == CONTENT
    first, second = wire.requests
    assert first.headers.get("X-Key") == SECRET
    assert (str(second.origin), second.target) == ("https://cdn.example", "/blobs/x?X-Amz-Signature=a%2Fb+c&empty=")
    assert names(wire)[1] == set()
    assert events == [Redirected(f"GET registry.example/acme/app blobs/{DIGEST}", "https://cdn.example")]


@pytest.mark.spec("http.redirect-authorization")
@pytest.mark.parametrize(
    "location",
    [
        "https://registry.example:8443/x",
        "https://registry.example./x",
        "https://other.registry.example/x",
        "//cdn.example/x",
    ],
    ids=["port", "trailing dot", "subdomain", "network path"],
)
async def test_another_origin_is_another_origin_however_near(make_client: MakeClient, location: str) -> None:
    wire = Scripted(to(location), answer(200, CONTENT))
    await pull(make_client(wire, headers=OWN))
    assert "x-key" not in names(wire)[1]


@pytest.mark.parametrize(
    "location", ["/elsewhere", "https://registry.example:443/elsewhere", "https://REGISTRY.example/e"]
)
async def test_the_own_origin_keeps_what_is_its_own(make_client: MakeClient, location: str) -> None:
    wire = Scripted(to(location), answer(200, CONTENT))
    await pull(make_client(wire, headers=OWN))
    assert "x-key" in names(wire)[1]


@pytest.mark.spec("http.redirect-authorization")
async def test_a_way_back_to_the_registry_does_not_bring_the_secrets_back(make_client: MakeClient) -> None:
    wire = Scripted(to(STORE), to("https://registry.example/back"), answer(200, CONTENT))
    await pull(make_client(wire, headers=OWN))
    assert ["x-key" in sent for sent in names(wire)] == [True, False, False]


@pytest.mark.parametrize(
    "location",
    [
        "http://registry.example/x",
        "http://cdn.example/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:169.254.169.254]/",
        "https://2852039166/",
        "https://0xA9FEA9FE/",
        "https://127.1/",
        "https://[::1]/",
        "https://localhost/",
        "https://metadata.google.internal/",
        "https://10.1.2.3/x",
        "https://user:pw@cdn.example/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_to_where_nothing_may_go_is_refused_before_anything_is_sent(
    make_client: MakeClient, location: str
) -> None:
    wire = Scripted(to(location))
    with pytest.raises(ForbiddenRedirectError) as caught:
        await pull(make_client(wire, headers=OWN))
    assert len(wire.requests) == 1
    assert "pw" not in str(caught.value)


async def test_a_registry_on_loopback_may_name_private_places(make_client: MakeClient) -> None:
    wire = Scripted(to("http://127.0.0.1:9000/bucket"), answer(200, CONTENT))
    assert await make_client(wire).repository("localhost:5000/app").blobs.pull(DIGEST) == CONTENT
    assert [request.public_only for request in wire.requests] == [False, False]


async def test_names_are_left_for_the_transport_to_check_where_they_lead(make_client: MakeClient) -> None:
    wire = Scripted(to(STORE), answer(200, CONTENT))
    await pull(make_client(wire))
    assert [request.public_only for request in wire.requests] == [False, True]


async def test_a_registry_that_was_dialled_at_a_private_address_may_name_private_places(
    make_client: MakeClient,
) -> None:
    first = Response(307, Headers([("Location", "https://10.0.0.2/x")]), io.BytesIO(), peer="10.0.0.1")
    wire = Scripted(first, answer(200, CONTENT))
    assert await pull(make_client(wire)) == CONTENT


async def test_strict_lets_nothing_leave_the_registry(make_client: MakeClient) -> None:
    wire = Scripted(to(STORE))
    with pytest.raises(ForbiddenRedirectError, match="a different origin"):
        await pull(make_client(wire, gate=Gate(strict=True)))
    assert len(wire.requests) == 1


async def test_ten_redirects_are_followed_and_not_eleven(make_client: MakeClient) -> None:
    hops = [to(f"https://cdn{number}.example/") for number in range(10)]
    assert await pull(make_client(Scripted(*hops, answer(200, CONTENT)))) == CONTENT
    hops = [to(f"https://cdn{number}.example/") for number in range(11)]
    with pytest.raises(ForbiddenRedirectError, match="more than 10 times"):
        await pull(make_client(Scripted(*hops)))


@pytest.mark.spec("http.redirects", "http.client")
async def test_a_push_is_sent_again_where_307_and_308_say_so(make_client: MakeClient) -> None:
    for status in (307, 308):
        there = to("https://store.example/put?sig=1", status)
        wire = Scripted(
            answer(404), answer(202, Location="/upload"), there, answer(201), answer(200, Content_Length="9")
        )
        await make_client(wire, headers=OWN).repository(NAME).blobs.push(CONTENT)
        sent, looked = wire.requests[-2:]
        assert (sent.method, str(sent.origin), sent.body) == ("PUT", "https://store.example", CONTENT)
        assert "x-key" not in names(wire)[-2]
        assert (looked.method, str(looked.origin)) == ("HEAD", "https://registry.example")


@pytest.mark.spec("http.client")
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_push_is_not_sent_again_where_the_method_may_change(make_client: MakeClient, status: int) -> None:
    wire = Scripted(answer(404), answer(202, Location="/upload"), to("https://store.example/put", status))
    with pytest.raises(ForbiddenRedirectError, match=f"redirected by {status}, which is not for PUT"):
        await make_client(wire).repository(NAME).blobs.push(CONTENT)


async def test_a_401_of_the_store_is_its_own_affair(make_client: MakeClient) -> None:
    challenge = 'Bearer realm="https://auth.registry.example/token",service="s",scope="x"'
    wire = Scripted(to(STORE), answer(401, WWW_Authenticate=challenge))
    with pytest.raises(UnauthorizedError):
        await pull(make_client(wire))
    assert len(wire.requests) == 2


class Rebinding:
    """Transport whose name server leads to another address each time, and which dials as the one over sockets does."""

    def __init__(self, *peers: str) -> None:
        self.peers = list(peers)
        self.sent: list[tuple[str, str | None]] = []

    def send(self, request: Request, _cancellation: Cancellation) -> Response:
        peer = self.peers.pop(0)
        if request.public_only and not is_public(peer):
            raise ForbiddenRedirectError(f"{request.origin}: host has only private addresses: not dialled")
        authorization = request.headers.get("Authorization")
        self.sent.append((peer, authorization))
        headers = {} if authorization else {"WWW-Authenticate": "Basic realm=r"}
        return Response(200 if authorization else 401, Headers(headers.items()), io.BytesIO(), peer=peer)

    def close(self) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("private", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "fc00::1", "::ffff:10.0.0.1"])
async def test_t_02_a_registry_that_was_public_gets_no_password_inside(
    make_client: MakeClient, scheme: str, private: str
) -> None:
    wire = Rebinding("8.8.8.8", private)
    registry = make_client(wire, credentials={"registry.example": ("ann", "pw")}).registry(
        f"{scheme}://registry.example"
    )
    with pytest.raises(ForbiddenRedirectError) as caught:
        await registry.ping()
    assert wire.sent == [("8.8.8.8", None)]
    assert caught.value.__notes__ == ["it was at a public address before: if it has moved on purpose, start again"]


@pytest.mark.parametrize("later", ["10.0.0.1", "10.0.0.2", "8.8.8.8"])
async def test_a_registry_that_was_private_from_the_start_stays_in_use(make_client: MakeClient, later: str) -> None:
    wire = Rebinding("10.0.0.1", later, "8.8.8.8")
    registry = make_client(wire, credentials={"registry.example": ("ann", "pw")}).registry("http://registry.example")
    await registry.ping()
    await registry.ping()
    assert [peer for peer, _ in wire.sent] == ["10.0.0.1", later, "8.8.8.8"]


async def test_t_02_a_token_server_that_was_public_gets_no_password_inside(make_client: MakeClient) -> None:
    """Also that of a registry which is private itself, and may name private places."""
    peers = {"registry.example": ["10.0.0.1"] * 9, "auth.example": ["8.8.8.8", "10.0.0.2"]}
    passwords: list[str] = []

    def servers(request: Request) -> Response:
        peer = peers[request.origin.host].pop(0)
        if request.public_only and not is_public(peer):
            raise ForbiddenRedirectError("host has only private addresses: not dialled")
        if request.origin.host == "auth.example":
            passwords.append(peer)
            return replace(answer(200, {"token": "t", "expires_in": 60}), peer=peer)
        if request.headers.get("Authorization"):
            return replace(answer(202, Location="/x"), peer=peer)
        challenge = 'Bearer realm="https://auth.example/token",service="r"'
        return replace(answer(401, WWW_Authenticate=challenge), peer=peer)

    gate = Gate(trusted_realms=frozenset({"auth.example"}))
    client = make_client(Recording(rule=servers), credentials={"registry.example": ("ann", "pw")}, gate=gate)
    await client.repository("registry.example/acme/app").uploads.start()
    with pytest.raises(ForbiddenRedirectError):
        await client.repository("registry.example/acme/other").uploads.start()
    assert passwords == ["8.8.8.8"]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_a_refusal_of_the_store_names_what_was_asked_of_the_registry(
    make_client: MakeClient, status: int
) -> None:
    wire = Scripted(to(STORE), answer(status))
    with pytest.raises(RegistryError, match=f"^GET {NAME} blobs/{DIGEST} was redirected: .*cdn.example"):
        await pull(make_client(wire))
