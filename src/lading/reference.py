"""References: how people write down content in a registry or on disk.

Names and tags follow distribution-spec, Pulling manifests; short names, registries and `name:tag@digest` follow Docker
(github.com/distribution/reference); local references are spelled as in containers-transports(5). Parsing takes time
linear in the text, and every error says at which character the text goes wrong.
"""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import force_setattr, replace

from lading.digest import REGISTERED_ALGORITHMS, Digest
from lading.errors import InvalidDigestError
from lading.names import (
    LONGEST_NAME,
    NameFault,
    check,
    check_name,
    check_tag,
    invalid_reference,
    is_port,
    name_fault,
    registry_fault,
    tag_fault,
)

__all__ = [
    "DOCKER_HUB",
    "LOCAL_TRANSPORTS",
    "LocalReference",
    "Reference",
    "RegistryName",
    "check_name",
    "check_tag",
    "parse",
]

DOCKER_HUB = "docker.io"
LOCAL_TRANSPORTS = ("oci", "oci-archive", "docker-archive")

_DOCKER_HUB_HOST = "registry-1.docker.io"
_DOCKER_HUB_ALIASES = frozenset({"index.docker.io", _DOCKER_HUB_HOST})
_OFFICIAL = "library"
_SCHEMES = ("http", "https")
_URL_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
# image-spec, annotations.md, org.opencontainers.image.ref.name.
_REF_NAME = re.compile(r"[A-Za-z0-9]+(?:(?:--|[-._:@+/])[A-Za-z0-9]+)*", re.ASCII)
_LOCAL_DIGEST = re.compile(rf"@(?=(?:{'|'.join(REGISTERED_ALGORITHMS)}):)", re.ASCII)
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]", re.ASCII)


class RegistryName(msgspec.Struct, frozen=True):
    """A registry: `name` is HOST or HOST:PORT, `scheme` is `http` or `https` if the text had it.

    The host is in lower case, and Docker Hub is `docker.io` by whichever of its names. Raises `InvalidReferenceError`.
    """

    name: str
    scheme: str | None = None

    def __post_init__(self) -> None:
        if self.scheme is not None and self.scheme not in _SCHEMES:
            raise invalid_reference(0, "use http or https, or none", self.scheme, "scheme")
        _refuse_userinfo(self.name, 0, "registry", host_first=True)
        check(registry_fault(self.name), self.name, "registry")
        name = self.name.lower()
        force_setattr(self, "name", DOCKER_HUB if name in _DOCKER_HUB_ALIASES else name)

    @classmethod
    def parse(cls, text: str) -> RegistryName:
        """Read `[http://|https://]HOST[:PORT][/]`.

        Raises `InvalidReferenceError`, which never shows a user name or password.
        """
        scheme, start = _split_scheme(text)
        _refuse_userinfo(text, start, "registry", host_first=True)
        _check_url_scheme(scheme, _SCHEMES, text, "registry")
        name = text[start:].removesuffix("/")
        check(registry_fault(name), text, "registry", offset=start)
        return cls(name, scheme)

    @property
    def authority(self) -> str:
        """HOST or HOST:PORT to connect to: the API of Docker Hub is not at `docker.io`."""
        return _DOCKER_HUB_HOST if self.name == DOCKER_HUB else self.name

    def __str__(self) -> str:
        return self.name if self.scheme is None else f"{self.scheme}://{self.name}"


class Reference(msgspec.Struct, frozen=True):
    """A repository in a registry, or one of its manifests: `registry/repository[:tag][@digest]`.

    Valid and canonical however it was made: the host of `registry` is in lower case, Docker Hub is `docker.io`, and its
    official images are in `library/`. `scheme` is `http` or `https` if the text had it. Raises `InvalidReferenceError`,
    `InvalidTagError` or `InvalidDigestError`.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None
    scheme: str | None = None

    def __post_init__(self) -> None:
        registry = RegistryName(self.registry, self.scheme).name
        if self.scheme is None and not _is_host(registry):
            raise invalid_reference(0, "it needs a dot or a port, or a scheme beside it", self.registry, "registry")
        repository = check_name(self.repository)
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"{_OFFICIAL}/{repository}"
        name = f"{registry}/{repository}"
        if len(name) > LONGEST_NAME:
            why = f"registry and name have {LONGEST_NAME} characters at most"
            raise invalid_reference(LONGEST_NAME, why, name, "reference")
        if self.tag is not None:
            check_tag(self.tag)
        if self.digest is not None:
            force_setattr(self, "digest", Digest(self.digest))
        force_setattr(self, "registry", registry)
        force_setattr(self, "repository", repository)

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `[docker://|http://|https://][registry/]name[:tag][@digest]`; the tag is `latest` if both are left out.

        As in Docker, the first part is a registry only if it has a dot or a colon or is `localhost`; any other name is
        Docker Hub's, so that `alpine` is `docker.io/library/alpine:latest`. After `http://` or `https://` the first
        part is always a registry.

        Raises `InvalidReferenceError`, which never shows a user name or password.
        """
        reference = _parse(text)
        return reference if reference.tag_or_digest is not None else replace(reference, tag="latest")

    @classmethod
    def parse_repository(cls, text: str) -> Reference:
        """Read the same as `parse` without tag and digest, and add none.

        Raises `InvalidReferenceError`, which never shows a user name or password.
        """
        reference = _parse(text)
        if reference.tag_or_digest is not None:
            named = text.partition("@")[0]
            position = len(named) if reference.tag is None else named.rindex(":")
            raise invalid_reference(position, "a repository is meant: leave the tag or digest out", text, "repository")
        return reference

    @property
    def authority(self) -> str:
        """HOST or HOST:PORT to connect to: the API of Docker Hub is not at `docker.io`."""
        return RegistryName(self.registry, self.scheme).authority

    @property
    def tag_or_digest(self) -> str | None:
        """What to ask the registry for: the digest if there is one, else the tag."""
        return self.tag if self.digest is None else self.digest

    @property
    def familiar(self) -> str:
        """The short form of Docker, such as `alpine:3`: the shortest text that `parse` reads as this reference."""
        text = str(self)
        if self.registry != DOCKER_HUB or self.scheme is not None:
            return text
        namespace, _, name = self.repository.partition("/")
        if namespace == _OFFICIAL and "/" not in name:
            return text.removeprefix(f"{DOCKER_HUB}/{_OFFICIAL}/")
        return text if _is_host(namespace) else text.removeprefix(f"{DOCKER_HUB}/")

    def with_tag(self, tag: str) -> Reference:
        """Return the reference to a tag of the same repository, without a digest.

        Raises `InvalidTagError`.
        """
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        """Return the reference to a digest in the same repository, without a tag.

        Raises `InvalidDigestError`.
        """
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        registry = RegistryName(self.registry, self.scheme)
        return f"{registry}/{self.repository}{_suffix(self.tag, self.digest)}"


class LocalReference(msgspec.Struct, frozen=True):
    r"""An image on disk: `oci:DIR[:tag|@digest]`, `oci-archive:FILE[:tag]` or `docker-archive:FILE[:name]`.

    `name` is a tag, or any `org.opencontainers.image.ref.name`; in a `docker-archive` it is the whole text of a
    `Reference`. A path has no colon but that of a Windows drive (`C:\` or `C:/`), and does not end in `@` and the name
    of a registered digest algorithm. Raises `InvalidReferenceError` or `InvalidDigestError`.
    """

    transport: str
    path: str
    name: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        if self.transport not in LOCAL_TRANSPORTS:
            raise invalid_reference(0, f"use one of {', '.join(LOCAL_TRANSPORTS)}", self.transport, "transport")
        check(_path_fault(self.path), self.path, "path")
        if self.digest is not None:
            if self.transport != "oci":
                raise invalid_reference(0, "only oci: takes a digest", self.digest, "digest")
            if self.name is not None:
                raise invalid_reference(0, "give a name or a digest, not both", self.name, "name")
            force_setattr(self, "digest", Digest(self.digest))
        if self.name is not None:
            force_setattr(self, "name", _check_local_name(self.transport, self.name))

    @classmethod
    def parse(cls, text: str) -> LocalReference:
        """Read a local reference.

        The path ends at the first colon after that of a Windows drive, as it does for skopeo, or at an `@` before the
        name of a registered digest algorithm and a colon. What follows is the name or the digest.

        Raises `InvalidReferenceError`.
        """
        transport, colon, place = text.partition(":")
        if not colon or transport not in LOCAL_TRANSPORTS:
            starts = ", ".join(f"{each}:" for each in LOCAL_TRANSPORTS)
            raise invalid_reference(0, f"it starts with one of {starts}", text, "reference")
        marked = _LOCAL_DIGEST.search(place)
        digest = None if marked is None else _parse_digest(text, len(transport) + 1 + marked.end())
        named = place if marked is None else place[: marked.start()]
        end = named.find(":", _drive(named))
        path, name = (named, None) if end < 0 else (named[:end], named[end + 1 :])
        return cls(transport, path, name, digest)

    def __str__(self) -> str:
        return f"{self.transport}:{self.path}{_suffix(self.name, self.digest)}"


def parse(text: str) -> Reference | LocalReference:
    """Read a whole reference of any kind.

    A text that starts with a local transport is local: the Docker Hub image `oci:1` is `docker://oci:1` here.

    Raises `InvalidReferenceError`, which never shows a user name or password.
    """
    transport, colon, _ = text.partition(":")
    return LocalReference.parse(text) if colon and transport in LOCAL_TRANSPORTS else Reference.parse(text)


def _parse(text: str) -> Reference:
    scheme, start = _split_scheme(text)
    _refuse_userinfo(text, start, "reference", host_first=scheme not in {None, "docker"})
    _check_url_scheme(scheme, ("docker", *_SCHEMES), text, "reference")
    scheme = scheme if scheme in _SCHEMES else None
    named, at, _ = text[start:].partition("@")
    first, slash, rest = named.partition("/")
    if scheme is not None or (slash and _is_host(first)):
        registry, begin = first, start + len(first) + len(slash)
        check(registry_fault(registry), text, "reference", offset=start)
    else:
        registry, begin, rest = DOCKER_HUB, start, named
    repository, colon, tag = rest.partition(":")
    check(name_fault(repository), text, "reference", offset=begin)
    if colon:
        check(tag_fault(tag), text, "reference", offset=begin + len(repository) + 1)
    digest = _parse_digest(text, start + len(named) + 1) if at else None
    return Reference(registry, repository, tag if colon else None, digest, scheme)


def _parse_digest(text: str, start: int) -> Digest:
    try:
        return Digest(text[start:])
    except InvalidDigestError as error:
        raise invalid_reference(start + (error.position or 0), str(error), text, "reference") from None


def _split_scheme(text: str) -> tuple[str | None, int]:
    match = _URL_SCHEME.match(text)
    return (None, 0) if match is None else (match[1], match.end())


def _check_url_scheme(scheme: str | None, known: tuple[str, ...], text: str, what: str) -> None:
    if scheme is not None and scheme not in known:
        expected = " or ".join(f"{each}://" for each in known)
        raise invalid_reference(0, f"no other scheme than {expected} is known", text, what)


def _refuse_userinfo(text: str, start: int, what: str, *, host_first: bool) -> None:
    """Refuse a user name or password before the host, showing neither; a password may hold `/`, `:` and `@`.

    `host_first` says that the text is like a URL, where what stands before the first `/` or `@` is no repository.
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
        why = "a user name or password has no place here, and a digest is ALGORITHM:ENCODED"
        raise invalid_reference(start, why, f"{text[:start]}***{text[end:]}", what)


def _path_fault(path: str) -> NameFault | None:
    if path == "":
        return 0, "a path is missing"
    colon = path.find(":", _drive(path))
    if colon >= 0:
        return colon, "a path in a local reference has no colon"
    if "\0" in path:
        return path.index("\0"), "a path has no NUL"
    marked = _LOCAL_DIGEST.search(f"{path}:")
    return None if marked is None else (marked.start(), "this would read as the start of a digest")


def _drive(path: str) -> int:
    """Return the length of the drive, such as `C:`, that a path of Windows starts with."""
    return 2 if _WINDOWS_DRIVE.match(path) else 0


def _check_local_name(transport: str, name: str) -> str:
    """Return the name of an image in a layout or archive in its canonical form."""
    if transport == "docker-archive":
        reference = Reference.parse(name)
        if reference.digest is not None or reference.scheme is not None:
            raise invalid_reference(0, "in a docker-archive it is [registry/]name[:tag]", name, "name")
        return str(reference)
    if _LOCAL_DIGEST.search(name):
        raise invalid_reference(0, "give a name or a digest, not both", name, "name")
    if tag_fault(name) is not None and not _REF_NAME.fullmatch(name):
        raise invalid_reference(0, "it is neither a tag nor an org.opencontainers.image.ref.name", name, "name")
    return name


def _suffix(name: str | None, digest: Digest | None) -> str:
    return ("" if name is None else f":{name}") + ("" if digest is None else f"@{digest}")


def _is_host(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost"
