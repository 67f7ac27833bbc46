"""Credential sources for the registries of clouds, by the clouds' own libraries.

Each class is a credential source for the hosts of one cloud, and returns the credential that the cloud's library gives.
The libraries are extras, imported by the first lookup that needs one. A credential is cached for nine tenths of its
life, or until the registry refuses it.

Amazon: docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html. Google:
cloud.google.com/artifact-registry/docs/docker/authentication. Microsoft: github.com/Azure/acr, docs/AAD-OAuth.md.
"""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from lading import strict_json
from lading._io.base import Body, Cancellation, Transport
from lading._io.body_reading import read_all
from lading._patterns import lazy_pattern
from lading._wire.escaping import printable
from lading._wire.messages import Origin, Request
from lading.auth.credentials import Credential, Found
from lading.auth.tokens import LONGEST_REPLY
from lading.errors import AuthError, DocumentError, LadingError
from lading.headers import Headers

# A credential, and the seconds for which it is valid.
_Answer: TypeAlias = tuple[Credential, float]

_ECR = lazy_pattern(
    r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]{1,32})\.(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.aws)",
    re.ASCII,
)
_GOOGLE = lazy_pattern(r"(?:[a-z0-9-]{1,32}\.)?gcr\.io|[a-z0-9-]{1,63}\.pkg\.dev", re.ASCII)
_AZURE = lazy_pattern(r"[a-z0-9-]{1,63}\.azurecr\.(?:io|cn|us)", re.ASCII)

_ECR_PUBLIC: Final = "public.ecr.aws"
# The only region that serves its logins.
_ECR_PUBLIC_REGION: Final = "us-east-1"
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_AZURE_SCOPE = "https://containerregistry.azure.net/.default"
# This user's password is a refresh token of the registry.
_AZURE_USER = "00000000-0000-0000-0000-000000000000"
# Seconds for a credential without a stated life: an access token of Google has an hour, a refresh token of Azure three.
_DEFAULT_LIFE = 1800.0
_SHORTEST_LIFE = 60.0
_LONGEST_LIFE = 12 * 3600.0
_FRESH = 0.9
# Time for a response of the exchange of tokens.
_MOST_SECONDS = 60.0


class _Cloud(ABC):
    """Credential source that logs in when one of its hosts is looked up."""

    _name: str
    _extra: str

    def __init__(self, hosts: re.Pattern[str]) -> None:
        self._hosts = hosts
        self._cached: dict[str, tuple[Found, float]] = {}

    def find(self, registry: str, _repository: str, /) -> Found | None:
        """Log in, unless the last credential for the registry is still valid. None for any other host.

        Raises `AuthError` when the library is missing or the login fails.
        """
        host = self._hosts.fullmatch(registry)
        if host is None:
            return None
        found, until = self._cached.get(registry, (None, 0.0))
        if found is None or time.monotonic() >= until:
            credential, seconds = self._asked(host)
            life = min(max(seconds, _SHORTEST_LIFE), _LONGEST_LIFE)
            found = Found(credential, f"the login of {self._name}")
            self._cached[registry] = found, time.monotonic() + _FRESH * life
        return found

    def forget(self, credential: Credential, /) -> None:
        """Drop a credential that a registry has refused."""
        for registry, (found, _) in tuple(self._cached.items()):
            if found.credential == credential:
                self._cached.pop(registry, None)

    def _asked(self, host: re.Match[str]) -> _Answer:
        try:
            return self._log_in(host)
        except LadingError:
            raise
        except ImportError as error:
            raise AuthError(
                f"login to {host[0]} needs a library: pip install 'lading[{self._extra}]' ({error})"
            ) from error
        except Exception as error:  # the library of a cloud may raise any exception
            why = f"{type(error).__name__}: {printable(str(error))}"
            raise AuthError(f"login to {host[0]} by the {self._name} library failed: {why}") from error

    @abstractmethod
    def _log_in(self, host: re.Match[str]) -> _Answer: ...


class AmazonECR(_Cloud):
    """Credential source for Amazon's private registries, in the region of the host name, and for its public one.

    `hosts` matches the private registries and has a group `region`. `client` makes the client of a service (`ecr` or
    `ecr-public`) in a region; the default is `boto3.client`.
    """

    _name, _extra = "Amazon", "aws"

    def __init__(self, *, hosts: re.Pattern[str] = _ECR, client: Callable[[str, str], Any] | None = None) -> None:
        super().__init__(re.compile(f"{hosts.pattern}|{re.escape(_ECR_PUBLIC)}", hosts.flags))
        self._client = client or _boto3_client

    def _log_in(self, host: re.Match[str]) -> _Answer:
        if host[0] == _ECR_PUBLIC:
            data = self._client("ecr-public", _ECR_PUBLIC_REGION).get_authorization_token()["authorizationData"]
        else:
            data = self._client("ecr", host["region"]).get_authorization_token()["authorizationData"][0]
        username, _, password = b64decode(data["authorizationToken"]).decode("ascii", "replace").partition(":")
        return Credential(username, password), _seconds_until(data.get("expiresAt"))


class GoogleArtifactRegistry(_Cloud):
    """Credential source for Google's registries, with an access token.

    `token` returns one and its expiry time; the default uses the application default credentials of google-auth. The
    key of a service account needs no source: its user name is `_json_key`, its password the content of the file.
    """

    _name, _extra = "Google", "google"

    def __init__(
        self, *, hosts: re.Pattern[str] = _GOOGLE, token: Callable[[], tuple[str, datetime | None]] | None = None
    ) -> None:
        super().__init__(hosts)
        self._token = token or _google_token

    def _log_in(self, host: re.Match[str]) -> _Answer:
        token, expiry = self._token()
        return Credential("oauth2accesstoken", token), _seconds_until(expiry)


class AzureContainerRegistry(_Cloud):
    """Credential source for Microsoft's registries: each exchanges a token of Entra ID for a refresh token of its own.

    `token` returns the former; the default asks the default credential of azure-identity. `transport` sends the
    exchange, to the registry itself only.
    """

    _name, _extra = "Azure", "azure"

    def __init__(
        self,
        *,
        hosts: re.Pattern[str] = _AZURE,
        token: Callable[[], str] | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(hosts)
        self._token = token or _azure_token
        self._transport = transport

    def _log_in(self, host: re.Match[str]) -> _Answer:
        form = {"grant_type": "access_token", "service": host[0], "access_token": self._token()}
        headers = Headers([("Content-Type", "application/x-www-form-urlencoded")])
        origin = Origin.of("https", host[0])
        request = Request("POST", origin, "/oauth2/exchange", headers, urlencode(form).encode("ascii"))
        token = _refresh_token(self._exchanged(request), f"the login of {host[0]}")
        return Credential(_AZURE_USER, token, identity_token=token), _DEFAULT_LIFE

    def _exchanged(self, request: Request) -> bytes:
        cancellation = Cancellation()
        transport = self._transport or _own_transport()
        try:
            response = transport.send(request, cancellation)
            try:
                if response.status != 200:
                    raise AuthError(f"{request.origin} refused the token of Azure ({response.status})")
                what = f"the response of {request.origin}{request.target}"
                return read_all(Body(response, cancellation), LONGEST_REPLY, what, _MOST_SECONDS)
            finally:
                response.body.close()
        finally:
            if transport is not self._transport:
                transport.close()


def _boto3_client(service: str, region: str) -> Any:
    return import_module("boto3").client(service, region_name=region)


def _google_token() -> tuple[str, datetime | None]:
    requests = import_module("google.auth.transport.requests")
    credentials, _ = import_module("google.auth").default(scopes=[_GOOGLE_SCOPE])
    credentials.refresh(requests.Request())
    return credentials.token, credentials.expiry


def _azure_token() -> str:
    with import_module("azure.identity").DefaultAzureCredential() as credential:
        token: str = credential.get_token(_AZURE_SCOPE).token
    return token


def _own_transport() -> Transport:
    from lading.transports.network_settings import NetworkSettings
    from lading.transports.proxies import read_environment
    from lading.transports.socket_transport import SocketTransport

    return SocketTransport(NetworkSettings(proxies=read_environment(os.environ)))


def _refresh_token(content: bytes, what: str) -> str:
    try:
        reply = strict_json.parse(content, what)
    except DocumentError:
        reply = None
    token = reply.get("refresh_token") if isinstance(reply, dict) else None
    if not isinstance(token, str) or not token:
        raise AuthError(f"{what}: no refresh token in the response of the registry")
    return token


def _seconds_until(expiry: datetime | None) -> float:
    if expiry is None:
        return _DEFAULT_LIFE
    aware = expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
    return (aware - datetime.now(UTC)).total_seconds()
