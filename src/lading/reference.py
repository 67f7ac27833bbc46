"""References to content in a registry or on disk.

Names and tags follow distribution-spec, Pulling manifests; short names, registries and `name:tag@digest` follow Docker
(github.com/distribution/reference); local references are spelled as in containers-transports(5). Parsing takes time
linear in the string, and every error names the position at which the string goes wrong.
"""

from __future__ import annotations

import re
from types import NoneType
from typing import Final

import msgspec
from msgspec.structs import force_setattr, replace

from lading import _values, other_transports
from lading._patterns import lazy_pattern
from lading.digest import REGISTERED_ALGORITHMS, Digest
from lading.errors import InvalidDigestError, InvalidReferenceError
from lading.names import (
    LONGEST_NAME,
    NameFault,
    check,
    check_name,
    check_tag,
    invalid_reference,
    name_fault,
    registry_fault,
    tag_fault,
)
from lading.registry_name import (
    DOCKER_HUB,
    LOCAL_TRANSPORTS,
    SCHEMES,
    RegistryName,
    check_url_scheme,
    refuse_userinfo,
    split_scheme,
)

__all__ = [
    "DOCKER_HUB",
    "LOCAL_TRANSPORTS",
    "LocalReference",
    "Reference",
    "RegistryName",
    "check_name",
    "check_tag",
    "parse_reference",
]

_OFFICIAL = "library"
# image-spec, annotations.md, org.opencontainers.image.ref.name.
_REF_NAME = lazy_pattern(r"[A-Za-z0-9]+(?:(?:--|[-._:@+/])[A-Za-z0-9]+)*", re.ASCII)
_NOT_OF_TAGS = frozenset("/:@")
# Of other algorithms only what is long enough not to be an image and its tag.
_BARE_DIGEST = lazy_pattern(rf"(?:{'|'.join(REGISTERED_ALGORITHMS)}):|[a-z0-9]+:[0-9a-f]{{32,}}\Z", re.ASCII)
# Of any hash, in any case: a path that ends so would be a directory that was not meant, with the digest as its tag.
_LOCAL_DIGEST = lazy_pattern(r"@(?=(?:md|sha|blake)[0-9][a-z0-9+._-]*:)", re.ASCII | re.IGNORECASE)
# containers-transports(5): the place of an image in a list, for reading.
_POSITION = lazy_pattern(r"@(0|[1-9][0-9]{0,5})", re.ASCII)
# Other surrogates stand for bytes of a path that are not UTF-8 (PEP 383).
_SURROGATE = lazy_pattern(r"[\ud800-\udc7f\udd00-\udfff]")
_OPTIONAL: Final = (str, NoneType)
_WINDOWS_DRIVE = lazy_pattern(r"[A-Za-z]:[\\/]", re.ASCII)


class Reference(msgspec.Struct, frozen=True):
    """A repository in a registry, or one of its manifests: `registry/repository[:tag][@digest]`.

    Every instance is valid and canonical. Raises `InvalidReferenceError`, `InvalidTagError` or `InvalidDigestError`.
    """

    registry: str
    """HOST or HOST:PORT, the host in lower case; `docker.io` for every name of Docker Hub."""
    repository: str
    """Name of the repository in its registry, such as `acme/app`; official images of Docker Hub are in `library/`."""
    tag: str | None = None
    """Tag of the manifest."""
    digest: Digest | None = None
    """Digest of the manifest; it has precedence over the tag."""
    scheme: str | None = None
    """`http` or `https` if the text had it, else None: HTTPS, or HTTP on loopback."""

    def __post_init__(self) -> None:
        _values.expect(self.registry, str, "registry")
        registry = RegistryName(self.registry, self.scheme).name
        if self.scheme is None and not _is_host(registry):
            raise invalid_reference(0, "it needs a dot, a port or a scheme", self.registry, "registry")
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
        """Read `[docker://|http://|https://][registry/]name[:tag][@digest]`; without both, the tag is `latest`.

        As in Docker, the first part is a registry only if it has a dot or a colon or is `localhost`; any other name is
        Docker Hub's, so that `alpine` is `docker.io/library/alpine:latest`. After `http://` or `https://` the first
        part is always a registry.

        Raises `InvalidReferenceError`, which never shows a user name or password.
        """
        reference = _parse(text)
        return reference if reference.tag_or_digest is not None else replace(reference, tag="latest")

    @classmethod
    def parse_repository(cls, text: str) -> Reference:
        """Read a reference that has neither tag nor digest, as `parse` does, without adding a tag.

        Raises `InvalidReferenceError`, which never shows a user name or password.
        """
        reference = _parse(text)
        if reference.tag_or_digest is not None:
            named = text.partition("@")[0]
            position = len(named) if reference.tag is None else named.rindex(":")
            raise invalid_reference(
                position, "a repository is expected: leave out the tag or digest", text, "repository"
            )
        return reference

    @property
    def authority(self) -> str:
        """HOST or HOST:PORT to connect to: the API of Docker Hub is not at `docker.io`."""
        return RegistryName(self.registry, self.scheme).authority

    @property
    def tag_or_digest(self) -> str | None:
        """The name to request from the registry: the digest if there is one, else the tag."""
        return self.tag if self.digest is None else self.digest

    @property
    def familiar(self) -> str:
        """The short form of Docker, such as `alpine:3`: the shortest text that `parse` reads as this reference."""
        text = str(self)
        if self.registry != DOCKER_HUB or self.scheme is not None:
            return text
        namespace, _, name = self.repository.partition("/")
        if namespace == _OFFICIAL and "/" not in name:
            short = text.removeprefix(f"{DOCKER_HUB}/{_OFFICIAL}/")
        else:
            short = text if _is_host(namespace) else text.removeprefix(f"{DOCKER_HUB}/")
        return short if other_transports.advice(short) is None else text

    def with_tag(self, tag: str) -> Reference:
        """Return the reference to a tag of the same repository, without a digest.

        Raises `InvalidTagError`.
        """
        _values.expect(tag, str, "tag")
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        """Return the reference to a digest in the same repository, without a tag.

        Raises `InvalidDigestError`.
        """
        _values.expect(digest, str, "digest")
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        registry = RegistryName(self.registry, self.scheme)
        return f"{registry}/{self.repository}{_suffix(self.tag, self.digest)}"


class LocalReference(msgspec.Struct, frozen=True):
    r"""An image on disk: `oci:DIR[:tag|@digest]`, `oci-archive:FILE[:tag]` or `docker-archive:FILE[:name]`.

    `:@N` in place of a tag or name is the image at a position of index.json or manifest.json, from 0, for reading.

    Raises `InvalidReferenceError` or `InvalidDigestError`.
    """

    transport: str
    """`oci`, `oci-archive` or `docker-archive`."""
    path: str
    r"""Path of the directory or file, with no colon but that of a Windows drive (`C:\` or `C:/`).

    It does not end in an `@` and the name of a digest algorithm, such as `@sha256` or `@md5`.
    """
    name: str | None = None
    """Tag, or any `org.opencontainers.image.ref.name`; in a `docker-archive`, a whole `Reference` as a string.

    `@N` is the image at position N, from 0.
    """
    digest: Digest | None = None
    """Digest of the manifest, in a layout."""

    def __post_init__(self) -> None:
        _values.expect(self.transport, str, "transport")
        _values.expect(self.path, str, "path")
        _values.expect(self.name, _OPTIONAL, "name")
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

        The path ends at the first colon after that of a Windows drive, as in skopeo, or at an `@` before the name of a
        digest algorithm (`sha256`, `md5` and the like) and a colon. The name or the digest follows.

        Raises `InvalidReferenceError`.
        """
        _values.expect(text, str, "reference")
        transport, colon, place = text.partition(":")
        if not colon or transport not in LOCAL_TRANSPORTS:
            starts = ", ".join(f"{each}:" for each in LOCAL_TRANSPORTS)
            raise invalid_reference(0, f"it starts with one of {starts}", text, "reference")
        if _is_authority(place):
            why = f"leave out {transport}:// before a registry; a path follows {transport}: directly"
            raise invalid_reference(0, why, text, "reference")
        marked = _LOCAL_DIGEST.search(place)
        digest = None if marked is None else _parse_digest(text, len(transport) + 1 + marked.end())
        named = place if marked is None else place[: marked.start()]
        end = named.find(":", _drive(named))
        path, name = (named, None) if end < 0 else (named[:end], named[end + 1 :])
        return cls(transport, path, name, digest)

    def __str__(self) -> str:
        return f"{self.transport}:{self.path}{_suffix(self.name, self.digest)}"


def parse_reference(text: str, *, beside: Reference | LocalReference | None = None) -> Reference | LocalReference:
    """Read a whole reference of any kind; next to another one, `beside`, a tag or a digest alone is enough.

    A string that starts with a local transport is local: write `docker://oci:1` for the Docker Hub image `oci:1`.

    With `beside`, a string without `/` and `:`, or a digest, names a manifest in the repository, layout or oci-archive
    of that reference: next to `ghcr.io/acme/app:v1`, `v2` is `ghcr.io/acme/app:v2`. An image of Docker Hub is then
    written with a slash or a tag, such as `library/alpine` or `alpine:3`.

    Raises `InvalidReferenceError`, which never shows a user name or password, and with `beside` also `InvalidTagError`
    and `InvalidDigestError`.
    """
    _values.expect(text, str, "reference")
    if beside is not None:
        name = bare_name(text)
        if name is not None:
            return _renamed(beside, name)
        host = text.partition(":")[0]
        if "/" not in text and "@" not in text and _is_host(host):
            why = f"a repository is missing, as in {text}/NAME:TAG; an image of Docker Hub is docker.io/{text}"
            raise invalid_reference(len(text), why, text, "reference")
    transport, colon, _ = text.partition(":")
    return LocalReference.parse(text) if colon and transport in LOCAL_TRANSPORTS else Reference.parse(text)


def bare_name(text: str) -> str | None:
    """Return a tag or a digest that stands alone, the latter as a `Digest`; None for any other string.

    Raises `InvalidTagError` for a string without `/`, `:` and `@` that is not a tag, and `InvalidDigestError`.
    """
    if _BARE_DIGEST.match(text):
        return Digest(text)
    return check_tag(text) if _NOT_OF_TAGS.isdisjoint(text) else None


def _renamed(reference: Reference | LocalReference, name: str) -> Reference | LocalReference:
    """Return the reference to a tag or digest in the place of another one."""
    digest = name if isinstance(name, Digest) else None
    tag = name if digest is None else None
    if isinstance(reference, Reference):
        return replace(reference, tag=tag, digest=digest)
    if reference.transport == "docker-archive":
        raise invalid_reference(0, f"{reference.path} has whole names, not tags: write it in full", name, "reference")
    return replace(reference, name=tag, digest=digest)


def position_of(name: str | None) -> int | None:
    """Return the position that a name such as `@0` stands for; None for any other name."""
    match = _POSITION.fullmatch(name or "")
    return None if match is None else int(match[1])


def canonical_name(name: str) -> str | None:
    """Return the whole form of an image's name, such as `docker.io/library/alpine:3`; None for any other text."""
    try:
        # Docker's own spelling of a name, also of one that `Reference.parse` refuses alone, such as file:latest.
        return str(Reference.parse(f"docker://{name}"))
    except InvalidReferenceError:
        return None


def _parse(text: str) -> Reference:
    _values.expect(text, str, "reference")
    advice = other_transports.advice(text)
    if advice is not None:
        raise invalid_reference(0, advice, text, "reference")
    scheme, start = split_scheme(text)
    refuse_userinfo(text, start, "reference", host_first=scheme not in {None, "docker"})
    check_url_scheme(scheme, ("docker", *SCHEMES), text, "reference")
    scheme = scheme if scheme in SCHEMES else None
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


def _path_fault(path: str) -> NameFault | None:
    if path == "":
        return 0, "a path is missing"
    if _is_authority(path):
        return 0, "a path does not begin with two slashes"
    colon = path.find(":", _drive(path))
    if colon >= 0:
        return colon, "a path in a local reference has no colon"
    if "\0" in path:
        return path.index("\0"), "a path has no NUL"
    if (surrogate := _SURROGATE.search(path)) is not None:
        return surrogate.start(), "a path has no lone surrogate"
    marked = _LOCAL_DIGEST.search(f"{path}:")
    return None if marked is None else (marked.start(), "this reads as the start of a digest")


def _is_authority(path: str) -> bool:
    """Return whether a path reads as the part of a URL behind its scheme: Helm and Flux write oci://HOST/REPOSITORY."""
    return path.startswith("//") and not path.startswith("///")


def _drive(path: str) -> int:
    """Return the length of the Windows drive, such as `C:`, at the start of a path."""
    return 2 if _WINDOWS_DRIVE.match(path) else 0


def _check_local_name(transport: str, name: str) -> str:
    """Return the name of an image in a layout or archive in its canonical form."""
    if position_of(name) is not None:
        return name
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
