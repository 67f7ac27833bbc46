"""Names of registries, and what precedes them in a URL (github.com/distribution/reference)."""

from __future__ import annotations

import re
from types import NoneType
from typing import Final

import msgspec
from msgspec.structs import force_setattr

from lading import _values
from lading._patterns import lazy_pattern
from lading.names import check, invalid_reference, is_port, registry_fault

DOCKER_HUB = "docker.io"
LOCAL_TRANSPORTS = ("oci", "oci-archive", "docker-archive")
SCHEMES: Final = ("http", "https")
"""Schemes that a reference or the name of a registry may begin with."""

_DOCKER_HUB_HOST = "registry-1.docker.io"
_DOCKER_HUB_ALIASES = frozenset({"index.docker.io", _DOCKER_HUB_HOST})
_URL_SCHEME = lazy_pattern(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_OPTIONAL: Final = (str, NoneType)


class RegistryName(msgspec.Struct, frozen=True):
    """A registry. Raises `InvalidReferenceError`."""

    name: str
    """HOST or HOST:PORT, the host in lower case; `docker.io` for every name of Docker Hub."""
    scheme: str | None = None
    """`http` or `https` if the text had it, else None: HTTPS, or HTTP on loopback."""

    def __post_init__(self) -> None:
        _values.expect(self.name, str, "name")
        _values.expect(self.scheme, _OPTIONAL, "scheme")
        if self.scheme is not None and self.scheme not in SCHEMES:
            raise invalid_reference(0, "use http or https, or none", self.scheme, "scheme")
        refuse_userinfo(self.name, 0, "registry", host_first=True)
        check(registry_fault(self.name), self.name, "registry")
        name = self.name.lower()
        force_setattr(self, "name", DOCKER_HUB if name in _DOCKER_HUB_ALIASES else name)

    @classmethod
    def parse(cls, text: str) -> RegistryName:
        """Read `[http://|https://]HOST[:PORT][/]`.

        Raises `InvalidReferenceError`, which never shows a user name or password.
        """
        _values.expect(text, str, "registry")
        scheme, start = split_scheme(text)
        refuse_userinfo(text, start, "registry", host_first=True)
        check_url_scheme(scheme, SCHEMES, text, "registry")
        name = text[start:].removesuffix("/")
        if scheme is None and name.partition(":")[0] in LOCAL_TRANSPORTS:
            raise invalid_reference(0, "a registry is expected, not a location on disk", text, "registry")
        if "/" in name:
            why = "a registry is expected: leave out what follows the host"
            raise invalid_reference(start + name.index("/"), why, text, "registry")
        check(registry_fault(name), text, "registry", offset=start)
        return cls(name, scheme)

    @property
    def authority(self) -> str:
        """HOST or HOST:PORT to connect to: the API of Docker Hub is not at `docker.io`."""
        return _DOCKER_HUB_HOST if self.name == DOCKER_HUB else self.name

    def __str__(self) -> str:
        return self.name if self.scheme is None else f"{self.scheme}://{self.name}"


def split_scheme(text: str) -> tuple[str | None, int]:
    """Return the scheme of a URL, None without one, and the position behind it."""
    match = _URL_SCHEME.match(text)
    return (None, 0) if match is None else (match[1], match.end())


def check_url_scheme(scheme: str | None, known: tuple[str, ...], text: str, what: str) -> None:
    """Raise `InvalidReferenceError` for a scheme that is not among the known ones."""
    if scheme in LOCAL_TRANSPORTS:
        raise invalid_reference(0, f"leave out {scheme}:// before a registry", text, what)
    if scheme is not None and scheme not in known:
        expected = " or ".join(f"{each}://" for each in known)
        raise invalid_reference(0, f"the scheme must be {expected}", text, what)


def refuse_userinfo(text: str, start: int, what: str, *, host_first: bool) -> None:
    """Refuse a user name or password before the host, and show neither; a password may contain `/`, `:` and `@`.

    With `host_first`, the string is like a URL: the part before the first `/` or `@` is not a repository.
    """
    end = text.rfind("@", start)
    if end < 0:
        return
    after = text[end + 1 :]
    first, slash, _ = text[start:end].partition("/")
    password = "" if first.startswith("[") else first.partition(":")[2]
    if "/" in after:
        found = True
    elif slash:
        found = password != "" and not is_port(password)
    else:
        found = host_first or (password != "" and ":" not in after)
    if found:
        why = "a reference has no user name or password, and a digest is ALGORITHM:ENCODED"
        raise invalid_reference(start, why, f"{text[:start]}***{text[end:]}", what)
