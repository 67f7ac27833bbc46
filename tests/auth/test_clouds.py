from __future__ import annotations

import re
import sys
from base64 import b64encode
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace

from lading._io import body_reading
from lading._io.base import RequestBody
from lading._wire.messages import Origin, Request, Response
from lading.auth import clouds
from lading.auth.clouds import AmazonECR, AzureContainerRegistry, GoogleArtifactRegistry
from lading.auth.credentials import Chain, Credential
from lading.errors import AuthError, LadingError, LimitExceededError, TimedOutError
from lading.headers import Headers
from lading.transports.direct import DirectTransport

PRIVATE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
PUBLIC = "public.ecr.aws"


class Clock:
    """The clock of the module, moved by hand; that of the process drives the event loops of servers beside the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr(clouds, "time", SimpleNamespace(monotonic=lambda: self.seconds))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Amazon:
    """The clients of boto3, as far as logins go; each login has another password."""

    def __init__(self, life: timedelta | None = timedelta(hours=12)) -> None:
        self.made: list[tuple[str, str]] = []
        self._life = life

    def __call__(self, service: str, region: str) -> Amazon:
        self.made.append((service, region))
        return self

    def get_authorization_token(self) -> dict[str, Any]:
        token = b64encode(f"AWS:sesame{len(self.made)}".encode()).decode()
        data: dict[str, Any] = {"authorizationToken": token}
        if self._life is not None:
            data["expiresAt"] = datetime.now(UTC) + self._life
        return {"authorizationData": data if self.made[-1][0] == "ecr-public" else [data]}


def password(source: clouds._Cloud, registry: str = PRIVATE) -> str:
    found = source.find(registry, "acme/app")
    assert found is not None
    assert found.credential.username == "AWS"
    return found.credential.password.reveal()


@pytest.mark.parametrize(
    ("registry", "service", "region"),
    [
        (PRIVATE, "ecr", "eu-west-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "ecr", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "ecr", "cn-north-1"),
        ("123456789012.dkr-ecr.us-west-2.on.aws", "ecr", "us-west-2"),
        (PUBLIC, "ecr-public", "us-east-1"),
    ],
)
def test_amazon_is_asked_in_the_region_of_the_registry(registry: str, service: str, region: str) -> None:
    amazon = Amazon()
    assert password(AmazonECR(client=amazon), registry) == "sesame1"
    assert amazon.made == [(service, region)]


@pytest.mark.parametrize(
    ("source", "registry"),
    [
        (AmazonECR(client=Amazon()), f"{PRIVATE}.evil.example"),
        (AmazonECR(client=Amazon()), f"evil-{PRIVATE}"),
        (AmazonECR(client=Amazon()), f"{PRIVATE}\n"),
        (AmazonECR(client=Amazon()), f"{PRIVATE}:444"),
        (AmazonECR(client=Amazon()), "123456789012.dkr.ecr.a/b.amazonaws.com"),
        (AmazonECR(client=Amazon()), "public-ecr.aws"),
        (GoogleArtifactRegistry(token=lambda: ("t", None)), "gcr.io.evil.example"),
        (GoogleArtifactRegistry(token=lambda: ("t", None)), "evilgcr.io"),
        (GoogleArtifactRegistry(token=lambda: ("t", None)), "a.b.pkg.dev"),
        (AzureContainerRegistry(token=lambda: "t"), "azurecr.io"),
        (AzureContainerRegistry(token=lambda: "t"), "acme.azurecr.io.evil.example"),
    ],
    ids=lambda value: repr(value) if isinstance(value, str) else "",
)
def test_nothing_is_given_to_the_hosts_of_others(source: clouds._Cloud, registry: str) -> None:
    assert source.find(registry, "acme/app") is None


def test_a_login_is_remembered_until_a_tenth_of_its_life_is_left(clock: Clock) -> None:
    source = AmazonECR(client=Amazon())
    assert password(source) == "sesame1"
    clock.seconds += 0.9 * 12 * 3600 - 60
    assert password(source) == "sesame1"
    clock.seconds += 120
    assert password(source) == "sesame2"


@pytest.mark.parametrize(
    ("life", "seconds"),
    [(timedelta(hours=-5), 60), (timedelta(days=400), 12 * 3600), (None, 1800)],
    ids=["clock-behind", "too-long", "not-stated"],
)
def test_a_life_is_within_reason(clock: Clock, life: timedelta | None, seconds: int) -> None:
    source = AmazonECR(client=Amazon(life))
    password(source)
    clock.seconds += 0.9 * seconds - 1
    assert password(source) == "sesame1"
    clock.seconds += 2
    assert password(source) == "sesame2"


def test_a_login_that_a_registry_refuses_is_made_anew() -> None:
    amazon = Amazon()
    chain = Chain([AmazonECR(client=amazon)])
    first, other = chain.find(PRIVATE, ""), chain.find(PUBLIC, "")
    assert first is not None
    assert other is not None
    chain.forget(Credential("AWS", "other"))
    assert chain.find(PRIVATE, "") is first
    chain.forget(first.credential)
    again = chain.find(PRIVATE, "")
    assert again is not None
    assert again.credential != first.credential
    assert chain.find(PUBLIC, "") is other
    assert len(amazon.made) == 3


def test_hosts_may_be_others() -> None:
    source = AmazonECR(hosts=re.compile(r"(?P<region>[a-z0-9-]+)\.ecr\.acme\.example"), client=Amazon())
    assert password(source, "eu-west-1.ecr.acme.example") == "sesame1"
    assert password(source, PUBLIC) == "sesame2"
    assert source.find(PRIVATE, "") is None


@pytest.mark.parametrize("registry", ["gcr.io", "eu.gcr.io", "europe-west1-docker.pkg.dev"])
def test_google_gives_an_access_token(clock: Clock, registry: str) -> None:
    given = iter(["t1", "t2"])
    expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    source = GoogleArtifactRegistry(token=lambda: (next(given), expiry))
    found = source.find(registry, "acme/app")
    assert found is not None
    assert found.credential == Credential("oauth2accesstoken", "t1")
    assert found.source == "the login of Google"
    clock.seconds += 3300
    found = source.find(registry, "acme/app")
    assert found is not None
    assert found.credential.password.reveal() == "t2"


class Exchange:
    """A registry of Azure, as far as logins go."""

    def __init__(self, status: int = 200, content: bytes = b'{"refresh_token": "sesame"}') -> None:
        self.asked: list[tuple[Request, bytes]] = []
        self._answer = (status, content)

    async def handle(self, request: Request, content: RequestBody) -> Response:
        self.asked.append((request, await content.read()))
        status, answer = self._answer
        return Response(status, Headers([("Content-Length", str(len(answer)))]), BytesIO(answer))


def azure(exchange: Exchange) -> AzureContainerRegistry:
    return AzureContainerRegistry(token=lambda: "a c+cess", transport=DirectTransport(exchange))


def test_azure_exchanges_a_token_for_one_of_the_registry() -> None:
    exchange = Exchange()
    source = azure(exchange)
    found = source.find("acme.azurecr.io", "app")
    assert found is not None
    assert found.credential == Credential("00000000-0000-0000-0000-000000000000", "sesame", identity_token="sesame")
    [(request, body)] = exchange.asked
    assert (request.method, request.origin) == ("POST", Origin("https", "acme.azurecr.io", 443))
    assert request.target == "/oauth2/exchange"
    assert parse_qs(body.decode()) == {
        "grant_type": ["access_token"],
        "service": ["acme.azurecr.io"],
        "access_token": ["a c+cess"],
    }
    source.find("acme.azurecr.io", "other")
    assert len(exchange.asked) == 1


@pytest.mark.parametrize(
    ("exchange", "error", "message"),
    [
        (Exchange(401), AuthError, "https://acme.azurecr.io refused the token of Azure (401)"),
        (Exchange(302), AuthError, "https://acme.azurecr.io refused the token of Azure (302)"),
        (Exchange(200, b"sesame"), AuthError, "no refresh token in the response"),
        (Exchange(200, b"[]"), AuthError, "no refresh token in the response"),
        (Exchange(200, b'{"refresh_token": ""}'), AuthError, "no refresh token in the response"),
        (Exchange(200, b'{"refresh_token": "sesame\\n"}'), AuthError, "the identity_token has blanks"),
        (Exchange(200, b" " * ((256 << 10) + 1)), LimitExceededError, "is larger than 262144 bytes"),
    ],
    ids=["refused", "redirect", "no-json", "no-object", "empty", "line-end", "too-large"],
)
def test_azure_exchange_that_fails(exchange: Exchange, error: type[LadingError], message: str) -> None:
    with pytest.raises(error) as raised:
        azure(exchange).find("acme.azurecr.io", "app")
    assert message in str(raised.value)
    assert "sesame" not in f"{raised.value!r} {raised.value.__context__!r}"


def test_azure_exchange_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    class Endless(BytesIO):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as transports call it
            nonlocal now
            now += 7.0
            buffer[:1] = b" "
            return 1

    class Trickling(Exchange):
        async def handle(self, request: Request, content: RequestBody) -> Response:
            return replace(await super().handle(request, content), body=Endless())

    monkeypatch.setattr(body_reading, "time", SimpleNamespace(monotonic=lambda: now))
    with pytest.raises(TimedOutError, match=r"acme\.azurecr\.io/oauth2/exchange arrives too slowly: 9 bytes in 60 s"):
        azure(Trickling()).find("acme.azurecr.io", "app")


def test_azure_has_a_transport_of_its_own() -> None:
    source = AzureContainerRegistry(hosts=re.compile(r"127\.0\.0\.1:1"), token=lambda: "t")
    with pytest.raises(LadingError, match=r"127\.0\.0\.1:1"):
        source.find("127.0.0.1:1", "app")


def test_what_a_library_raises_is_told_in_one_line() -> None:
    def fail(_service: str, _region: str) -> Any:
        raise KeyError("no\nregion")

    with pytest.raises(
        AuthError, match=rf"login to {re.escape(PRIVATE)} by the Amazon library failed: KeyError: "
    ) as raised:
        AmazonECR(client=fail).find(PRIVATE, "")
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("source", "registry", "library", "extra"),
    [
        (AmazonECR(), PRIVATE, "boto3", "lading[aws]"),
        (GoogleArtifactRegistry(), "gcr.io", "google.auth.transport.requests", "lading[google]"),
        (AzureContainerRegistry(), "acme.azurecr.io", "azure.identity", "lading[azure]"),
    ],
    ids=["amazon", "google", "azure"],
)
def test_a_library_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, source: clouds._Cloud, registry: str, library: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(AuthError) as raised:
        source.find(registry, "app")
    assert f"pip install '{extra}'" in str(raised.value)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a module in the place of a cloud's library."""

    def put(name: str, **content: object) -> None:
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)

    return put


def test_boto3_makes_the_clients(library: Callable[..., None]) -> None:
    amazon = Amazon()
    library("boto3", client=lambda service, *, region_name: amazon(service, region_name))
    assert password(AmazonECR()) == "sesame1"
    assert amazon.made == [("ecr", "eu-west-1")]


def test_google_auth_refreshes_the_application_default(library: Callable[..., None]) -> None:
    class Default:
        token, expiry = "", datetime.now(UTC) + timedelta(hours=1)

        def refresh(self, request: str) -> None:
            self.token = f"token by {request}"

    scopes: list[str] = []
    library("google.auth", default=lambda scopes: (scopes_seen(scopes), "project"))
    library("google.auth.transport.requests", Request=lambda: "request")

    def scopes_seen(asked: list[str]) -> Default:
        scopes.extend(asked)
        return Default()

    found = GoogleArtifactRegistry().find("gcr.io", "")
    assert found is not None
    assert found.credential == Credential("oauth2accesstoken", "token by request")
    assert scopes == ["https://www.googleapis.com/auth/cloud-platform"]


def test_azure_identity_is_asked_for_registries_only(library: Callable[..., None]) -> None:
    class Default(nullcontext[Any]):
        def __enter__(self) -> Any:
            return self

        def get_token(self, scope: str) -> Any:
            return SimpleNamespace(token=f"token for {scope}")

    library("azure.identity", DefaultAzureCredential=Default)
    exchange = Exchange()
    assert AzureContainerRegistry(transport=DirectTransport(exchange)).find("acme.azurecr.io", "")
    [(_, body)] = exchange.asked
    assert parse_qs(body.decode())["access_token"] == ["token for https://containerregistry.azure.net/.default"]
