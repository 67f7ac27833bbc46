"""Token scopes (github.com/distribution/distribution, docs/content/spec/auth/scope.md).

A scope is requested before the registry has stated its requirements, and never wider than the current request. Where
registries differ, their challenges state it: some delete under `delete`, others under `push` or `*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from lading._patterns import lazy_pattern
from lading._wire import endpoints
from lading._wire.endpoints import Endpoint

# A resource name may have a host with a port, so actions follow the last colon.
_SCOPE = lazy_pattern(r"([a-z0-9()]+:[\x21\x23-\x5b\x5d-\x7e]+):([A-Za-z*]+(?:,[A-Za-z*]+)*)", re.ASCII)
# RFC 6749, section 3.3, without the colon.
_WORD = lazy_pattern(r"[\x21\x23-\x39\x3b-\x5b\x5d-\x7e]+", re.ASCII)
_LONGEST = 512
_MOST = 8
_EVERYTHING = "*"

PULL: Final = frozenset({"pull"})
PUSH: Final = frozenset({"pull", "push"})
DELETE: Final = frozenset({"delete"})


class Scope(msgspec.Struct, frozen=True):
    """Resource and actions on it."""

    resource: str
    """Type and name, such as `repository:acme/app`, or a registry's own word in place of a scope, without actions."""
    actions: frozenset[str] = frozenset()

    @classmethod
    def repository(cls, name: str, actions: frozenset[str]) -> Scope:
        """Make the scope of a repository."""
        return cls(f"repository:{name}", actions)

    def covers(self, other: Scope) -> bool:
        """Return whether a token for this scope allows the other one."""
        return self.resource == other.resource and (_EVERYTHING in self.actions or self.actions >= other.actions)

    def __str__(self) -> str:
        return f"{self.resource}:{','.join(sorted(self.actions))}" if self.actions else self.resource


CATALOG: Final = Scope("registry:catalog", frozenset({_EVERYTHING}))


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """Parse the scopes of a challenge, separated by blanks. Invalid ones are skipped; at most eight are read.

    Takes time linear in the length of the text.
    """
    scopes: list[Scope] = []
    for word in text.split(None, _MOST)[:_MOST]:
        scope = _SCOPE.fullmatch(word) if len(word) <= _LONGEST else None
        if scope is not None:
            scopes.append(Scope(scope[1], frozenset(scope[2].split(","))))
        elif len(word) <= _LONGEST and _WORD.fullmatch(word):
            scopes.append(Scope(word))
    return tuple(scopes)


def merged(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Return one scope per resource, with the actions of all, in the order of the first occurrence of resources."""
    actions: dict[str, frozenset[str]] = {}
    for scope in scopes:
        actions[scope.resource] = actions.get(scope.resource, frozenset()) | scope.actions
    return tuple(Scope(resource, allowed) for resource, allowed in actions.items())


def wanted(endpoint: Endpoint, name: str = "", mount_from: str | None = None) -> tuple[Scope, ...]:
    """Return the scopes that a request to an endpoint needs, its own repository first."""
    if endpoint is endpoints.LIST_REPOSITORIES:
        return (CATALOG,)
    if not name:
        return ()
    scope = Scope.repository(name, _actions(endpoint))
    if endpoint is endpoints.MOUNT_BLOB and mount_from is not None:
        return merged((scope, Scope.repository(mount_from, PULL)))
    return (scope,)


def asked(wanted: Iterable[Scope], stated: str | None) -> tuple[Scope, ...]:
    """Return the scopes to request, given those that are needed and those that the challenge states.

    The needed scopes are first: some token servers read one scope only. Beyond a pull, the actions that the registry
    states for the repository replace ours, except for pull: a token for less than the need would be refused next time.
    Further repositories are requested with no more than the needed actions: a registry behind another name challenges
    for the name that it knows.
    """
    own, given = tuple(wanted), {scope.resource: scope for scope in merged(parse_scopes(stated or ""))}
    scopes = [_stated(scope, given.get(scope.resource)) for scope in own]
    allowed = frozenset[str]().union(*(scope.actions for scope in own))
    for scope in own:
        given.pop(scope.resource, None)
    further = (Scope(scope.resource, scope.actions & allowed) for scope in given.values() if scope.actions)
    words = (scope for scope in given.values() if not scope.actions)
    return (*scopes, *(scope for scope in further if scope.actions), *words)


def _stated(own: Scope, given: Scope | None) -> Scope:
    """Return a scope with the actions that the registry states, if any."""
    if given is None or own.actions == PULL:
        return own
    return given if _EVERYTHING in given.actions else Scope(own.resource, given.actions | own.actions & PULL)


def _actions(endpoint: Endpoint) -> frozenset[str]:
    if endpoint.method == "DELETE":
        return DELETE
    return PULL if endpoint.method == "GET" and endpoint is not endpoints.UPLOAD_STATUS else PUSH
