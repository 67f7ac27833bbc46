"""Targets: places of a user's own that content is copied to and from, and references to what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, runtime_checkable

import msgspec
from msgspec.structs import force_setattr

from lading._wire.messages import Reader
from lading.digest import Digest
from lading.names import check_tag
from lading.reference import LocalReference, Reference, parse

if TYPE_CHECKING:
    # Every client takes references, and few processes have a use for what a descriptor brings in.
    from lading.descriptor import Descriptor


class Target(Protocol):
    """Keeps manifests and blobs by digest, and tags that stand for manifests.

    Any object with these methods is one. They are plain functions that may block: the async client calls them in worker
    threads. Several threads may call them at once. A call that has begun is waited for, also when its caller is
    cancelled.

    lading compares all content with digest and size, what is read here as well as what is pushed here. An error that a
    method raises reaches the user as it is if it is a `LadingError`; any other becomes a `StorageError` that names the
    target and has the error as its cause.

    A target may do more: see `TagLister`, `ReferrerLister`, `RangeFetcher`, `Untagger` and `Deleter`. Messages call it
    by its attribute `name` if that is a text, else by its class.
    """

    def resolve(self, tag_or_digest: str) -> Descriptor:
        """Return media type, digest and size of what a tag or a digest stands for.

        A digest is `ALGORITHM:ENCODED`; a tag has no colon. Raises `NotFoundError`.
        """
        ...

    def fetch(self, content: Descriptor) -> Reader:
        """Open a manifest or a blob, which is found by its digest, as a binary file.

        It is read with `readinto`, in one thread at a time, and then closed, where closing must not wait. Raises
        `NotFoundError`.
        """
        ...

    def exists(self, content: Descriptor) -> bool:
        """Return whether a manifest or a blob is there, whole."""
        ...

    def push(self, content: Descriptor, stream: Reader) -> None:
        """Keep a manifest or a blob; everything that a manifest names is there by then.

        `readinto` fills its buffer, except at the end. When the content is wrong, or does not come, it raises an error
        in place of the last bytes: let that through, and keep nothing. Content that broke off may come again, from its
        first byte; so may content that is there already, which need not be read.
        """
        ...

    def tag(self, manifest: Descriptor, tag: str) -> None:
        """Have a tag stand for a manifest that is there, in place of what it stood for before."""
        ...


@runtime_checkable
class TagLister(Protocol):
    """Lists the tags of a target: for `copy_tags`."""

    def tags(self) -> Iterable[str]:
        """Return every tag once."""
        ...


@runtime_checkable
class ReferrerLister(Protocol):
    """Lists what refers to a manifest of a target: for `referrers_tree`, `evidence` and copies with referrers."""

    def referrers(self, subject: Digest) -> Iterable[Descriptor]:
        """Return the manifests that have this one as their `subject`, which need not be there itself."""
        ...


@runtime_checkable
class RangeFetcher(Protocol):
    """Opens content of a target in the middle: a read that broke off then goes on from there."""

    def fetch_from(self, content: Descriptor, offset: int) -> Reader:
        """Open content as `fetch` does, at this byte."""
        ...


@runtime_checkable
class Untagger(Protocol):
    """Removes tags of a target: for your own use, as the client does not."""

    def untag(self, tag: str) -> None:
        """Remove a tag; what it stood for stays. Raises `NotFoundError`."""
        ...


@runtime_checkable
class Deleter(Protocol):
    """Deletes content of a target: for your own use, as the client does not."""

    def delete(self, content: Descriptor) -> None:
        """Delete a manifest, with the tags that stand for it, or a blob. Raises `NotFoundError`."""
        ...


class Capabilities(msgspec.Struct, frozen=True):
    """A target as each of the further things that it may be; None where it is not."""

    tags: TagLister | None
    referrers: ReferrerLister | None
    ranges: RangeFetcher | None
    untag: Untagger | None
    delete: Deleter | None

    @classmethod
    def of(cls, target: Target) -> Self:
        """Look for the methods that a target has."""
        return cls(
            tags=target if isinstance(target, TagLister) else None,
            referrers=target if isinstance(target, ReferrerLister) else None,
            ranges=target if isinstance(target, RangeFetcher) else None,
            untag=target if isinstance(target, Untagger) else None,
            delete=target if isinstance(target, Deleter) else None,
        )


class TargetReference(msgspec.Struct, frozen=True):
    """A target and a tag or digest in it, in place of a `Reference`; without either, the target as a whole.

    Raises `InvalidTagError` or `InvalidDigestError`.
    """

    target: Target
    tag_or_digest: str | None = None

    def __post_init__(self) -> None:
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


AnyReference: TypeAlias = Reference | LocalReference | TargetReference
"""A name of a place, or of a manifest in it."""


def as_reference(reference: str | AnyReference) -> AnyReference:
    """Return a whole reference, read if it is a text. Raises `InvalidReferenceError`."""
    return parse(reference) if isinstance(reference, str) else reference


def target_name(target: Target) -> str:
    """Return what messages call a target."""
    name = getattr(target, "name", None)
    return name if isinstance(name, str) else type(target).__name__
