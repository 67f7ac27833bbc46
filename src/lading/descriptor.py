"""Descriptors: what stands for content (image-spec, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

import msgspec

from lading import strict_json
from lading.digest import Digest
from lading.platform import Platform
from lading.verification import Verifier

_MAX_INT64 = 2**63 - 1


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Media type, digest and size in bytes of some content, and what else is said about it.

    `data` is the content itself as the writer of the descriptor gave it: read it through `embedded`, which verifies.
    A digest may be given as a string; `InvalidDigestError` if it is none.
    """

    media_type: str
    digest: Digest
    size: Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT64)]
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    data: bytes | None = None
    platform: Platform | None = None
    artifact_type: str | None = None

    def __post_init__(self) -> None:
        given: str = self.digest  # msgspec leaves the types of arguments to the type checker
        if not isinstance(given, Digest):
            msgspec.structs.force_setattr(self, "digest", Digest(given))

    def __hash__(self) -> int:
        # Annotations cannot be hashed; equal descriptors have equal digests all the same.
        return hash((self.media_type, self.digest, self.size))

    @classmethod
    def of(
        cls,
        content: bytes,
        media_type: str,
        *,
        algorithm: str = "sha256",
        annotations: Mapping[str, str] | None = None,
        platform: Platform | None = None,
        artifact_type: str | None = None,
        embed: bool = False,
    ) -> Self:
        """Describe content that is in memory; `embed` puts the content itself into the descriptor.

        Raises `InvalidDigestError` for an algorithm other than sha256 and sha512.
        """
        return cls(
            media_type,
            Digest.of(content, algorithm),
            len(content),
            annotations=dict(annotations or {}),
            data=content if embed else None,
            platform=platform,
            artifact_type=artifact_type,
        )

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a descriptor from JSON. Raises `DocumentError`."""
        return strict_json.typed(strict_json.parse(raw, "descriptor"), cls, "descriptor")

    def encode(self) -> bytes:
        """Return the descriptor as compact JSON."""
        return strict_json.encode(self)

    def verify(self, content: bytes) -> None:
        """Accept content that is what the descriptor says.

        Raises `SizeMismatchError` or `DigestMismatchError`, and `InvalidDigestError` when the digest has an algorithm
        other than sha256 and sha512.
        """
        verifier = Verifier(self.digest, self.size)
        verifier.update(content)
        verifier.finish()

    @property
    def embedded(self) -> bytes | None:
        """The content that the descriptor carries in its `data`, verified, or None (descriptor.md, Embedded Content).

        Raises as `verify` does.
        """
        if self.data is not None:
            self.verify(self.data)
        return self.data
