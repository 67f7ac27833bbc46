"""Gate for URLs that a server names: whether to follow them, and with which secrets.

Every redirect, upload location, token realm, next page and foreign layer passes through `admit`. Secrets (credentials,
tokens, the user's own header fields) belong to one origin, the registry's, and are not sent to any other; a realm gets
credentials only when it belongs to the registry's own domain or the user trusts it.

Private addresses are checked twice: here for hosts that are written as addresses, and by the transport for the address
that is actually dialled (`Request.public_only`).
"""

from __future__ import annotations

import enum

import msgspec
from msgspec.structs import force_setattr

from lading import _values
from lading._core.exchange.registrable_domains import same_domain
from lading._wire import urls
from lading._wire.escaping import quoted
from lading._wire.messages import Origin
from lading._wire.private_addresses import is_address, is_private
from lading.errors import ForbiddenRedirectError
from lading.names import check, registry_fault


class Purpose(enum.Enum):
    """Purpose of a URL that a server names."""

    PULL = "redirect"
    PUSH = "redirect of a push"
    UPLOAD = "upload location"
    REALM = "token realm"
    PAGE = "next page"
    FOREIGN = "foreign layer"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """Policy for URLs that a server names: redirects, token servers, foreign layers."""

    strict: bool = False
    """Refuse every URL outside the registry's own origin."""
    trusted_realms: frozenset[str] = frozenset()
    """Token servers, each `host` or `host:port`, that may receive the credentials of any registry."""
    foreign_layers: bool = False
    """Allow requests to the `urls` of a layer."""

    def __post_init__(self) -> None:
        _values.expect(self.strict, bool, "strict")
        _values.expect(self.foreign_layers, bool, "foreign_layers")
        realms = [realm.lower() for realm in _values.one_or_many(self.trusted_realms, "trusted_realms")]
        for realm in realms:
            check(registry_fault(realm), realm, "trusted realm")
        force_setattr(self, "trusted_realms", frozenset(realms))


class Passage(msgspec.Struct, frozen=True):
    """URL that a request may be sent to."""

    origin: Origin
    target: str
    secrets: bool
    """Whether secrets of the registry may be sent along."""
    public_only: bool
    """Whether the address that is dialled must be a public one."""


def admit(
    gate: Gate, purpose: Purpose, registry: Origin, named_by: tuple[Origin, str], text: str, *, registry_is_public: bool
) -> Passage:
    """Check a URL that a server named, and return where and how to send the request.

    `named_by` is the origin and target of the request whose response named it. `registry_is_public` is whether the
    registry was dialled at a public address; a private registry may name private addresses.

    Raises `ForbiddenRedirectError`, which shows only the origin of the URL, and `ProtocolError` for an invalid URL.
    """
    origin, target = urls.resolve(*named_by, text)
    if origin == registry:
        return Passage(origin, target, secrets=True, public_only=False)
    where = f"{registry} names {quoted(str(origin))} as its {purpose.value}"
    if gate.strict or purpose is Purpose.PAGE:
        raise ForbiddenRedirectError(f"{where}, which is a different origin: not followed")
    if purpose is Purpose.FOREIGN and not gate.foreign_layers:
        raise ForbiddenRedirectError(f"{where}: not fetched (hint: Gate(foreign_layers=True) allows it)")
    if origin.scheme == "http" and registry.scheme == "https":
        raise ForbiddenRedirectError(f"{where}, which is not encrypted: not followed")
    if registry_is_public and is_private(origin.host):
        raise ForbiddenRedirectError(f"{where}, which is a private address: not followed")
    secrets = purpose is Purpose.REALM and is_trusted_realm(gate, registry, origin)
    return Passage(origin, target, secrets=secrets, public_only=registry_is_public)


def is_trusted_realm(gate: Gate, registry: Origin, realm: Origin) -> bool:
    """Return whether a token server may receive the credentials of a registry."""
    if realm == registry or {realm.host, f"{realm.host}:{realm.port}"} & gate.trusted_realms:
        return True
    return _is_named(registry.host) and _is_named(realm.host) and same_domain(registry.host, realm.host)


def _is_named(host: str) -> bool:
    return not is_address(host)
