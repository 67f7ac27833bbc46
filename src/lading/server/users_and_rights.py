"""Users, their rights, and the right that each endpoint needs.

Everything that no right allows is forbidden, and so is an endpoint that has no row in the table below.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from lading._wire import endpoints
from lading._wire.endpoints import Endpoint, Match
from lading.names import check_name

AccessAction: TypeAlias = Literal["pull", "push", "delete", "catalog"]

# Asked of the registry as a whole, these need nothing but to be somebody; None stands for that.
_ACTIONS: Final[Mapping[Endpoint, AccessAction | None]] = {
    endpoints.PING: None,
    endpoints.DISCOVER_EXTENSIONS: None,
    endpoints.LIST_REPOSITORIES: "catalog",
    endpoints.PULL_BLOB: "pull",
    endpoints.PULL_MANIFEST: "pull",
    endpoints.LIST_TAGS: "pull",
    endpoints.LIST_REFERRERS: "pull",
    endpoints.START_UPLOAD: "push",
    endpoints.MOUNT_BLOB: "push",
    endpoints.PUSH_BLOB_AT_ONCE: "push",
    endpoints.PATCH_UPLOAD: "push",
    endpoints.FINISH_UPLOAD: "push",
    endpoints.UPLOAD_STATUS: "push",
    endpoints.CANCEL_UPLOAD: "push",
    endpoints.PUSH_MANIFEST: "push",
    endpoints.DELETE_MANIFEST: "delete",
    endpoints.DELETE_BLOB: "delete",
}


class Need(NamedTuple):
    """One thing that must be allowed: an action on a repository, or on the registry as a whole if that is ""."""

    action: AccessAction
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The repositories that may be pulled from, pushed to and deleted in, and whether all of them may be listed.

    A pattern is the name of a repository, `acme/*` for everything below `acme`, or `*` for everything.
    """

    pull: tuple[str, ...] = ()
    push: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    catalog: bool = False

    def allow(self, need: Need) -> bool:
        """Tell whether something may be done."""
        if need.action == "catalog":
            return self.catalog
        patterns: tuple[str, ...] = getattr(self, need.action)
        return any(_matches(pattern, need.name) for pattern in patterns)

    def __bool__(self) -> bool:
        return bool(self.pull or self.push or self.delete or self.catalog)


# In place of a name: wherever in the registry.
ANYWHERE: Final = "*"
NOTHING: Final = Rights()
EVERYTHING: Final = Rights(pull=("*",), push=("*",), delete=("*",), catalog=True)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who logs in."""

    name: str
    password: str = field(repr=False)
    rights: Rights = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Everybody who may do something; `anonymous` are the rights of those who do not log in."""

    users: tuple[User, ...] = ()
    anonymous: Rights = NOTHING

    def user(self, name: str) -> User | None:
        """Return the user of that name."""
        return next((user for user in self.users if user.name == name), None)

    def login(self, name: str, password: str) -> User | None:
        """Return the user who has this name and password.

        How long that takes tells neither how much of a password was right nor whether there is such a user.
        """
        found: User | None = None
        for user in self.users:
            right_name = hmac.compare_digest(_fingerprint(user.name), _fingerprint(name))
            if hmac.compare_digest(_fingerprint(user.password), _fingerprint(password)) and right_name:
                found = user
        return found


def needed(match: Match) -> tuple[Need, ...] | None:
    """Return what a request needs to be allowed, None if it can never be.

    A mount reads its source as well, which `sources` tells.
    """
    if match.endpoint not in _ACTIONS:
        return None
    action = _ACTIONS[match.endpoint]
    return () if action is None else (Need(action, match.name),)


def sources(match: Match) -> tuple[Need, ...]:
    """Return what a request must be allowed to read beside its own repository: the source of a mount (end-11).

    Without `from`, a registry may take the blob from wherever it is: that is for those who may read everything. Raises
    `InvalidReferenceError` for what is no name.
    """
    if match.endpoint is not endpoints.MOUNT_BLOB:
        return ()
    names = [check_name(name) for name in match.query.all("from")]
    return tuple(Need("pull", name) for name in names or (ANYWHERE,))


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Read user name and password from an Authorization field (RFC 7617), None if there are none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(" "), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None


def _matches(pattern: str, name: str) -> bool:
    if pattern in {"*", name}:
        return True
    return pattern.endswith("/*") and name.startswith(pattern[:-1])


def _fingerprint(text: str) -> bytes:
    # Of one length, whatever the text: comparing texts of two lengths ends early.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
