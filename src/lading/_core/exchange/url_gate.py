"""Gate for URLs that a server names: whether to follow them, and with which secrets.

Every redirect, upload location, token realm, next page and foreign layer passes through `admit`. Secrets (credentials,
tokens, the user's own headers) have one origin, the registry's, and nothing here lets them go to another one; a realm
gets credentials only when it belongs to the registry's own domain or the user trusts it.

Whether an address is private is decided twice: here for hosts that are written as addresses, and by the transport for
the address that is really dialled (`Request.public_only`).
"""

from __future__ import annotations

import enum

import msgspec

from lading._core.exchange.registrable_domains import same_domain
from lading._wire import urls
from lading._wire.escaping import quoted
from lading._wire.messages import Origin
from lading._wire.private_addresses import address_of, is_private
from lading.errors import ForbiddenRedirectError


class Purpose(enum.Enum):
    """Why a server named a URL."""

    PULL = "redirect"
    PUSH = "redirect of a push"
    UPLOAD = "upload location"
    REALM = "token realm"
    PAGE = "next page"
    FOREIGN = "foreign layer"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What of the gate a user may set.

    With `strict`, nothing may leave the registry's origin. `trusted_realms` are hosts, or `host:port`, of token servers
    that may be given the credentials of any registry. `foreign_layers` allows the `urls` of a layer to be asked.
    """

    strict: bool = False
    trusted_realms: frozenset[str] = frozenset()
    foreign_layers: bool = False


class Passage(msgspec.Struct, frozen=True):
    """A URL that may be asked.

    `secrets` says whether what belongs to the registry may be sent along, `public_only` that the address that is
    dialled must be a public one.
    """

    origin: Origin
    target: str
    secrets: bool
    public_only: bool


def admit(
    gate: Gate, purpose: Purpose, registry: Origin, named_by: tuple[Origin, str], text: str, *, registry_is_public: bool
) -> Passage:
    """Decide about a URL.

    `named_by` is the request in whose answer it stood. `registry_is_public` is whether the address that the registry
    was dialled at is a public one; what a private registry names may be private too.

    Raises `ForbiddenRedirectError`, which names no more of the URL than its host, and `ProtocolError` for no URL.
    """
    origin, target = urls.resolve(*named_by, text)
    if origin == registry:
        return Passage(origin, target, secrets=True, public_only=False)
    where = f"{registry} names {quoted(str(origin))} as its {purpose.value}"
    if gate.strict or purpose is Purpose.PAGE:
        raise ForbiddenRedirectError(f"{where}, another origin than its own: not followed")
    if purpose is Purpose.FOREIGN and not gate.foreign_layers:
        raise ForbiddenRedirectError(f"{where}: not asked unless Gate(foreign_layers=True) allows it")
    if origin.scheme == "http" and registry.scheme == "https":
        raise ForbiddenRedirectError(f"{where}, which is not encrypted: not followed")
    if registry_is_public and is_private(origin.host):
        raise ForbiddenRedirectError(f"{where}, an address inside a private network: not followed")
    secrets = purpose is Purpose.REALM and is_trusted_realm(gate, registry, origin)
    return Passage(origin, target, secrets=secrets, public_only=registry_is_public)


def is_trusted_realm(gate: Gate, registry: Origin, realm: Origin) -> bool:
    """Say whether a token server may be given the credentials of a registry."""
    if realm == registry or {realm.host, realm.authority} & gate.trusted_realms:
        return True
    return _is_named(registry.host) and _is_named(realm.host) and same_domain(registry.host, realm.host)


def _is_named(host: str) -> bool:
    return address_of(host) is None
