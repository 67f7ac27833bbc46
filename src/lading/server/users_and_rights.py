"""Users, their rights, and the right that each endpoint needs.

Access that no right grants is denied, and so is an endpoint without a row in the table below.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from lading import _values
from lading._text import elided
from lading._wire import endpoints
from lading._wire.endpoints import Endpoint, Match
from lading.errors import InvalidReferenceError
from lading.names import check_name

AccessAction: TypeAlias = Literal["pull", "push", "delete", "catalog"]

# None stands for endpoints of the registry as a whole that any authenticated user may use.
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
    """Right that a request needs."""

    action: AccessAction
    """Action on the repository."""
    name: str = ""
    """Name of the repository, "" for the registry as a whole."""


def _check_pattern(pattern: str, action: str) -> None:
    """Raise `ValueError` for a pattern that no repository matches."""
    try:
        check_name("any" if pattern == "*" else pattern.removesuffix("/*"))
    except InvalidReferenceError:
        raise ValueError(
            f"{action} has {elided(pattern, 60)!r}, which no repository matches: write a name, 'acme/*' or '*'"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Rights of a user on repositories.

    A pattern is the name of a repository, `acme/*` for every repository below `acme`, or `*` for all repositories.
    """

    pull: tuple[str, ...] = ()
    """Patterns of the repositories that the user may pull from."""
    push: tuple[str, ...] = ()
    """Patterns of the repositories that the user may push to."""
    delete: tuple[str, ...] = ()
    """Patterns of the repositories in which the user may delete."""
    catalog: bool = False
    """Whether the user may list all repositories."""

    def allow(self, need: Need) -> bool:
        """Return whether the rights cover a need."""
        if need.action == "catalog":
            return self.catalog
        patterns: tuple[str, ...] = getattr(self, need.action)
        return any(_matches(pattern, need.name) for pattern in patterns)

    def __bool__(self) -> bool:
        return bool(self.pull or self.push or self.delete or self.catalog)

    def __post_init__(self) -> None:
        for action in ("pull", "push", "delete"):
            patterns = _values.one_or_many(getattr(self, action), action)
            for pattern in patterns:
                _check_pattern(pattern, action)
            object.__setattr__(self, action, patterns)
        _values.expect(self.catalog, bool, "catalog")


ANYWHERE: Final = "*"
"""Stands for any repository in place of a name."""
NOTHING: Final = Rights()
"""No rights at all."""
EVERYTHING: Final = Rights(pull=("*",), push=("*",), delete=("*",), catalog=True)
"""All rights on all repositories."""


@dataclass(frozen=True, slots=True)
class User:
    """User of a registry."""

    name: str
    """Name to log in with."""
    password: str = field(repr=False)
    """Password to log in with."""
    rights: Rights = EVERYTHING
    """Rights of the user, by default all."""

    def __post_init__(self) -> None:
        _values.expect(self.name, str, "name")
        _values.expect(self.password, str, "password")
        _values.expect(self.rights, Rights, "rights")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Users of a registry and their rights."""

    users: tuple[User, ...] = ()
    """Users who can log in."""
    anonymous: Rights = NOTHING
    """Rights of requests without credentials."""

    def user(self, name: str) -> User | None:
        """Return the user with a name, None if it does not exist."""
        return next((user for user in self.users if user.name == name), None)

    def login(self, name: str, password: str) -> User | None:
        """Return the user with this name and password, None if they are wrong.

        The time this takes reveals neither how much of a password was right nor whether the user exists.
        """
        match: User | None = None
        for user in self.users:
            right_name = hmac.compare_digest(_fingerprint(user.name), _fingerprint(name))
            if hmac.compare_digest(_fingerprint(user.password), _fingerprint(password)) and right_name:
                match = user
        return match

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", _values.items(self.users, "users", User))
        _values.expect(self.anonymous, Rights, "anonymous")


def needed(match: Match) -> tuple[Need, ...] | None:
    """Return the rights that a request needs, None if it is never permitted.

    A mount also reads its source: see `sources`.
    """
    if match.endpoint not in _ACTIONS:
        return None
    action = _ACTIONS[match.endpoint]
    return () if action is None else (Need(action, match.name),)


def sources(match: Match) -> tuple[Need, ...]:
    """Return the rights to read that a request needs in addition: on the source of a mount (end-11).

    Without `from`, a registry may take the blob from any repository, which needs the right to pull from all of them.
    Raises `InvalidReferenceError` for an invalid name.
    """
    if match.endpoint is not endpoints.MOUNT_BLOB:
        return ()
    names = [check_name(name) for name in match.query.all("from")]
    return tuple(Need("pull", name) for name in names or (ANYWHERE,))


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Parse user name and password of an Authorization field (RFC 7617), None if it has none."""
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
    # Of constant length: comparing strings of different lengths ends early.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
