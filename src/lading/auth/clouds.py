"""How the clouds' own libraries log in to the clouds' own registries.

Each class is a credential source for the hosts of one cloud, and answers with what the cloud's library gives. The
libraries are extras, imported by the first question that needs one. An answer is remembered for nine tenths of its
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
from lading._wire.escaping import shown
from lading._wire.messages import Headers, Origin, Request
from lading.auth.credentials import Credential, Found
from lading.auth.tokens import LONGEST_REPLY
from lading.errors import AuthError, DocumentError, LadingError

# A credential, and the seconds that it is good for.
_Answer: TypeAlias = tuple[Credential, float]

_ECR = re.compile(
    r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]{1,32})\.(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.aws)",
    re.ASCII,
)
_GOOGLE = re.compile(r"(?:[a-z0-9-]{1,32}\.)?gcr\.io|[a-z0-9-]{1,63}\.pkg\.dev", re.ASCII)
_AZURE = re.compile(r"[a-z0-9-]{1,63}\.azurecr\.(?:io|cn|us)", re.ASCII)

_ECR_PUBLIC: Final = "public.ecr.aws"
# The one region that serves its logins.
_ECR_PUBLIC_REGION: Final = "us-east-1"
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_AZURE_SCOPE = "https://containerregistry.azure.net/.default"
# This user's password is a refresh token of the registry.
_AZURE_USER = "00000000-0000-0000-0000-000000000000"
# For what does not say how long it is good: an access token of Google has an hour, a refresh token of Azure three.
_DEFAULT_LIFE = 1800.0
_SHORTEST_LIFE = 60.0
_LONGEST_LIFE = 12 * 3600.0
_FRESH = 0.9


class _Cloud(ABC):
    """A source that logs in when it is asked for one of its hosts."""

    _name: str
    _extra: str

    def __init__(self, hosts: re.Pattern[str]) -> None:
        self._hosts = hosts
        self._answers: dict[str, tuple[Found, float]] = {}

    def find(self, registry: str, _repository: str, /) -> Found | None:
        """Log in, unless the last answer for the registry is still good. None for the hosts of others.

        Raises `AuthError` when the library is missing, or has no login.
        """
        host = self._hosts.fullmatch(registry)
        if host is None:
            return None
        found, until = self._answers.get(registry, (None, 0.0))
        if found is None or time.monotonic() >= until:
            credential, seconds = self._asked(host)
            life = min(max(seconds, _SHORTEST_LIFE), _LONGEST_LIFE)
            found = Found(credential, f"the login of {self._name}")
            self._answers[registry] = found, time.monotonic() + _FRESH * life
        return found

    def forget(self, credential: Credential, /) -> None:
        """Drop a credential that a registry has refused."""
        for registry, (found, _) in tuple(self._answers.items()):
            if found.credential == credential:
                self._answers.pop(registry, None)

    def _asked(self, host: re.Match[str]) -> _Answer:
        try:
            return self._log_in(host)
        except LadingError:
            raise
        except ImportError as error:
            raise AuthError(
                f"logging in to {host[0]} takes a library: pip install 'lading[{self._extra}]' ({error})"
            ) from error
        except Exception as error:  # whatever the library of a cloud raises
            why = f"{type(error).__name__}: {shown(str(error))}"
            raise AuthError(f"{self._name} gave no login for {host[0]}: {why}") from error

    @abstractmethod
    def _log_in(self, host: re.Match[str]) -> _Answer: ...


class AmazonECR(_Cloud):
    """Logs in to Amazon's private registries, in the region that a host is named for, and to its public one.

    `hosts` matches the private registries, and has a group `region`. `client` makes the client of a service (`ecr` or
    `ecr-public`) in a region; it is `boto3.client` if not given.
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
    """Logs in to Google's registries with an access token.

    `token` returns one and when it expires; if not given, the application default credentials of google-auth are used.
    For a service account's key no source is needed: its user name is `_json_key`, the password the text of the file.
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
    """Logs in to Microsoft's registries: each gives a refresh token of its own for one of Entra ID.

    `token` returns the latter; if not given, the default credential of azure-identity is asked. `transport` carries the
    exchange, which goes to the registry itself and nowhere else.
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
                    raise AuthError(f"{request.origin} refused the login of Azure ({response.status})")
                what = f"the answer of {request.origin}{request.target}"
                return read_all(Body(response, cancellation), LONGEST_REPLY, what)
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
        raise AuthError(f"{what}: the registry answered without a refresh token")
    return token


def _seconds_until(expiry: datetime | None) -> float:
    if expiry is None:
        return _DEFAULT_LIFE
    aware = expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
    return (aware - datetime.now(UTC)).total_seconds()
