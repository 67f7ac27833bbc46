"""Keys of a credentials file: the registry or namespace that each covers.

A key is `HOST[:PORT]`, followed by a namespace where several accounts share a registry (containers-auth.json(5)), or
the base URL of an API, as Docker has always spelled its Hub. Hosts are compared without case (RFC 3986, section 3.2.2;
docker/cli#2753). Another spelling (a final dot, `:443`) is the key of another registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from lading.names import name_fault, registry_fault
from lading.reference import DOCKER_HUB, RegistryName

_HUB_SERVER: Final = "https://index.docker.io/v1/"
_SCHEMES = ("https://", "http://")
_LONGEST_SCHEME = 8
# A scheme or a final slash distinguishes a base URL from a namespace: `ghcr.io/v2` is the account `v2`.
_BASE_PATHS = frozenset({"", "v1/", "v2/"})
_URL_BASE_PATHS = _BASE_PATHS | {"v1", "v2"}

T = TypeVar("T")


class CredentialKey(msgspec.Struct, frozen=True):
    """Registry, or the part of it below a namespace."""

    registry: str
    """Canonical name."""
    namespace: str = ""

    @classmethod
    def parse(cls, text: str) -> CredentialKey | None:
        """Parse a key; None if it is not a valid key of a registry. Takes time linear in the length of the text."""
        start = text[:_LONGEST_SCHEME].lower()
        scheme = next((scheme for scheme in _SCHEMES if start.startswith(scheme)), "")
        host, _, path = text[len(scheme) :].partition("/")
        # Before it is converted to lower case: the Kelvin sign would become a k.
        if registry_fault(host) is not None:
            return None
        if path in (_URL_BASE_PATHS if scheme else _BASE_PATHS):
            return cls(RegistryName(host).name)
        namespace = path.removesuffix("/")
        return None if name_fault(namespace) is not None else cls(RegistryName(host).name, namespace)

    def covers(self, registry: str, repository: str) -> bool:
        """Return whether a repository is in the registry and namespace of this key. Namespaces end at a slash."""
        if self.registry != registry:
            return False
        return not self.namespace or f"{repository}/".startswith(f"{self.namespace}/")

    def __str__(self) -> str:
        """Return the spelling of the key that docker, podman and the helpers use."""
        return f"{self.registry}/{self.namespace}" if self.namespace else server(self.registry)


def server(registry: str) -> str:
    """Return the name under which docker and the helpers store the credentials of a whole registry."""
    return _HUB_SERVER if registry == DOCKER_HUB else registry


def matching(entries: Mapping[str, T], registry: str, repository: str) -> list[tuple[CredentialKey, str, T]]:
    """Return the entries whose keys cover a repository: key, its text, value.

    Longest namespace first; of several spellings of one key, the canonical one first, and then those in lower case.
    """
    parsed = ((CredentialKey.parse(text), text, value) for text, value in entries.items())
    covering = [
        (key, text, value) for key, text, value in parsed if key is not None and key.covers(registry, repository)
    ]
    return sorted(
        covering, key=lambda entry: (-len(entry[0].namespace), entry[1] != str(entry[0]), entry[1] != entry[1].lower())
    )


def spellings(entries: Iterable[str], registry: str) -> tuple[str, ...]:
    """Return the keys that are for the whole of a registry, as they are spelled."""
    return tuple(text for text in entries if CredentialKey.parse(text) == CredentialKey(registry))
