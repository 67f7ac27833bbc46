"""User-defined targets to copy content to and from, and references to their content."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, runtime_checkable

import msgspec
from msgspec.structs import force_setattr, replace

from lading._values import expect, methods
from lading._wire.messages import Reader
from lading.digest import Digest, computable
from lading.errors import InvalidReferenceError
from lading.names import check_tag
from lading.reference import LocalReference, Reference, bare_name, parse_reference

if TYPE_CHECKING:
    # Every client takes references, and few processes need the imports of descriptors.
    from lading.descriptor import Descriptor


class Target(Protocol):
    """Stores manifests and blobs by digest, and tags that name manifests.

    Any object with these methods is a target. They are plain functions that may block: the async client calls them in
    worker threads, several at once. A call that has started is waited for, also when its caller is cancelled.

    lading verifies all content against digest and size, both when it reads and when it pushes. A `LadingError` that a
    method raises reaches the user as it is. Any other exception becomes a `StorageError` that names the target and has
    the exception as its cause.

    A target may have further methods: see `TagLister`, `ReferrerLister`, `RangeFetcher`, `Untagger` and `Deleter`. Its
    name in messages is its attribute `name` if that is a string, otherwise its class.
    """

    def resolve(self, tag_or_digest: str, /) -> Descriptor:
        """Return media type, digest and size of the manifest with a tag or a digest.

        A digest is `ALGORITHM:ENCODED`; a tag has no colon. Raises `NotFoundError` if there is none.
        """
        ...

    def fetch(self, content: Descriptor, /) -> Reader:
        """Open a manifest or a blob by its digest, as a binary file.

        It is read with `readinto`, by one thread at a time, and then closed; closing must not block. Raises
        `NotFoundError` if it does not exist.
        """
        ...

    def exists(self, content: Descriptor, /) -> bool:
        """Return whether a manifest or a blob exists and is complete."""
        ...

    def push(self, content: Descriptor, stream: Reader, /) -> None:
        """Store a manifest or a blob. Everything that a manifest names has been stored before.

        `readinto` fills its buffer, except at the end. If the content is wrong or breaks off, it raises an error before
        the last bytes: let it propagate, and store nothing. Content that broke off may be pushed again from its first
        byte, as may content that exists already, which need not be read.
        """
        ...

    def tag(self, manifest: Descriptor, tag: str, /) -> None:
        """Make a tag name a manifest that exists, in place of the one that it named before."""
        ...


@runtime_checkable
class TagLister(Protocol):
    """Lists the tags of a target: for `Client.tags` and `Client.copy_tags`."""

    def tags(self) -> Iterable[str]:
        """Return each tag once."""
        ...


@runtime_checkable
class ReferrerLister(Protocol):
    """Lists the referrers of a manifest: for `Client.referrers_tree`, `Client.evidence` and copies with referrers."""

    def referrers(self, subject: Digest, /) -> Iterable[Descriptor]:
        """Return the manifests with this `subject`, which need not exist itself."""
        ...


@runtime_checkable
class RangeFetcher(Protocol):
    """Opens content at any byte: a read that broke off then resumes from there."""

    def fetch_from(self, content: Descriptor, offset: int, /) -> Reader:
        """Open content as `fetch` does, at this offset in bytes."""
        ...


@runtime_checkable
class Untagger(Protocol):
    """Removes tags of a target: for `Client.untag`."""

    def untag(self, tag: str, /) -> None:
        """Remove a tag; its manifest stays. Raises `NotFoundError` if there is no such tag."""
        ...


@runtime_checkable
class Deleter(Protocol):
    """Deletes content of a target: for `Client.delete`."""

    def delete(self, content: Descriptor, /) -> None:
        """Delete a manifest with its tags, or a blob. Raises `NotFoundError` if it does not exist."""
        ...


class Capabilities(msgspec.Struct, frozen=True):
    """A target as each of the further protocols; None for those that it does not implement."""

    tags: TagLister | None
    referrers: ReferrerLister | None
    ranges: RangeFetcher | None
    untag: Untagger | None
    delete: Deleter | None

    @classmethod
    def of(cls, target: Target) -> Self:
        """Return the protocols that a target implements."""
        return cls(
            tags=target if isinstance(target, TagLister) else None,
            referrers=target if isinstance(target, ReferrerLister) else None,
            ranges=target if isinstance(target, RangeFetcher) else None,
            untag=target if isinstance(target, Untagger) else None,
            delete=target if isinstance(target, Deleter) else None,
        )


class TargetReference(msgspec.Struct, frozen=True):
    """Reference to a manifest in a user-defined target, or to the target as a whole.

    Raises `InvalidTagError` or `InvalidDigestError`.
    """

    target: Target
    """The target."""
    tag_or_digest: str | None = None
    """Tag or digest of the manifest; None for the whole target."""

    def __post_init__(self) -> None:
        methods(self.target, "target", ("resolve", "fetch", "exists", "push", "tag"))
        expect(self.tag_or_digest, (str, NoneType), "tag_or_digest")
        if self.tag_or_digest is not None:
            read = Digest if ":" in self.tag_or_digest else check_tag
            force_setattr(self, "tag_or_digest", read(self.tag_or_digest))

    @property
    def tag(self) -> str | None:
        """The tag, if there is one."""
        return None if isinstance(self.tag_or_digest, Digest) else self.tag_or_digest

    @property
    def digest(self) -> Digest | None:
        """The digest, if there is one."""
        return self.tag_or_digest if isinstance(self.tag_or_digest, Digest) else None

    def __str__(self) -> str:
        name = target_name(self.target)
        if self.tag_or_digest is None:
            return name
        return f"{name}@{self.digest}" if self.digest else f"{name}:{self.tag}"


ParsedReference: TypeAlias = Reference | LocalReference | TargetReference
"""A reference that has been parsed."""

AnyReference: TypeAlias = str | ParsedReference
"""A target, or a manifest in it: a string such as `ghcr.io/acme/app:v1` or `oci:DIR:TAG`, or a reference object."""

_REFERENCE_HINT = "write a string such as 'ghcr.io/acme/app:v1' or 'oci:DIR:TAG'"


def as_reference(reference: AnyReference, *, beside: ParsedReference | None = None) -> ParsedReference:
    """Return a reference, parsed if it is a string; with `beside`, a tag or a digest alone is one of that target.

    Raises `InvalidReferenceError`, `InvalidDigestError` for a digest that cannot be computed and so not be compared
    with content, and `TypeError` for what is neither.
    """
    if isinstance(reference, str):
        parsed = _parsed(reference, beside)
    else:
        expect(reference, (Reference, LocalReference, TargetReference), "the reference", hint=_REFERENCE_HINT)
        parsed = reference
    if parsed.digest is not None:
        computable(parsed.digest)
    return parsed


def _parsed(text: str, beside: ParsedReference | None) -> ParsedReference:
    if not isinstance(beside, TargetReference):
        return parse_reference(text, beside=beside)
    name = bare_name(text)
    return parse_reference(text) if name is None else replace(beside, tag_or_digest=name)


def as_destination(reference: AnyReference, *, beside: ParsedReference) -> ParsedReference:
    """Return the reference that a changed manifest is pushed to, read next to that of the old one.

    Raises as `as_reference` does, and `InvalidReferenceError` for a name in an archive, which would be replaced.
    """
    destination = as_reference(reference, beside=beside)
    if (
        isinstance(reference, str)
        and isinstance(beside, LocalReference)
        and beside.transport != "oci"
        and bare_name(reference) is not None
    ):
        raise InvalidReferenceError(
            f"{reference!r} would replace {beside.transport}:{beside.path}, an archive: name the whole destination, "
            f"such as {beside.transport}:FILE:{reference}",
            text=reference,
            position=0,
        )
    return destination


def target_name(target: Target) -> str:
    """Return the name of a target in messages."""
    name = getattr(target, "name", None)
    return name if isinstance(name, str) else type(target).__name__
