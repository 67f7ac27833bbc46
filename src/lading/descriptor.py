"""Descriptors of content (image-spec, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from types import NoneType
from typing import Annotated, Self

import msgspec
from msgspec.structs import astuple, force_setattr

from lading import _values, strict_json
from lading._result import Result
from lading.digest import Digest
from lading.platform import Platform
from lading.verification import Verifier

_MAX_INT64 = 2**63 - 1
# The types of the fields as msgspec makes them, in their order.
_DECODED = frozenset(
    product((str,), (Digest,), (int,), (tuple,), (dict,), (bytes, NoneType), (Platform, NoneType), (str, NoneType))
)
_STRINGS = frozenset({str})
_PARSE = "write Platform.parse('linux/arm64')"


class Descriptor(Result, frozen=True, omit_defaults=True):
    """Media type, digest and size of some content, and what its writer says about it.

    A digest may be given as a string. Raises `InvalidDigestError` for a string that is not a digest, and `ValueError`
    for a size below 0 or above 2^63 - 1.
    """

    media_type: str
    """Media type of the content (RFC 6838), without parameters."""
    digest: Digest
    """Digest of the content."""
    size: Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT64)]
    """Size of the content in bytes."""
    urls: tuple[str, ...] = ()
    """Other locations of the content. The client follows them only if `Gate(foreign_layers=True)` allows it."""
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Annotations of the content (image-spec, annotations.md)."""
    data: bytes | None = None
    """The content itself, as the writer embedded it, unverified: read it through `embedded`."""
    platform: Platform | None = None
    """Platform of the image, in an index."""
    artifact_type: str | None = None
    """Type of the artifact, if the content is the manifest of one."""

    def __post_init__(self) -> None:
        # msgspec checks what it decodes, and leaves arguments to the type checker. This runs for both, and an index has
        # thousands of descriptors: those decoded pass with a few comparisons.
        is_decoded = tuple(map(type, astuple(self))) in _DECODED and 0 <= self.size <= _MAX_INT64 and not self.urls
        if not is_decoded or not _STRINGS.issuperset(map(type, self.annotations.values())):
            self._check()

    def __hash__(self) -> int:
        # Annotations cannot be hashed, and equal descriptors have equal digests.
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
        """Return the descriptor of content in memory; `embed` puts the content itself into its `data`.

        Raises `InvalidDigestError` for an algorithm other than sha256 and sha512.
        """
        _values.mapping(annotations, "annotations", none=True)
        _values.expect(embed, bool, "embed")
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
        """Verify that content has the size and digest of the descriptor.

        Raises `SizeMismatchError` or `DigestMismatchError`, and `InvalidDigestError` for a digest of an algorithm other
        than sha256 and sha512.
        """
        _values.expect(content, (bytes, bytearray, memoryview), "content")
        verifier = Verifier(self.digest, self.size)
        verifier.update(content)
        verifier.finish()

    @property
    def embedded(self) -> bytes | None:
        """The content in `data`, verified, or None (image-spec, descriptor.md, Embedded Content).

        Raises as `verify` does.
        """
        if self.data is not None:
            self.verify(self.data)
        return self.data

    def _check(self) -> None:
        _values.expect(self.media_type, str, "media_type")
        force_setattr(self, "digest", Digest(self.digest))
        _values.integer(self.size, "size", unit="bytes", least=0, most=_MAX_INT64)
        force_setattr(self, "urls", _values.items(self.urls, "urls"))
        _values.mapping(self.annotations, "annotations")
        _values.expect(self.data, (bytes, NoneType), "data")
        _values.expect(self.platform, (Platform, NoneType), "platform", _PARSE)
        _values.expect(self.artifact_type, (str, NoneType), "artifact_type")
