"""Cosign's tags that are derived from a digest, used before there were referrers.

https://github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md
"""

from __future__ import annotations

from lading._core.transfer.async_target import Readable
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import NotFoundError

_SUFFIXES = ("sig", "att", "sbom")


def digest_tags(digest: Digest) -> tuple[str, ...]:
    """Return the tags for the signatures, the attestations and the SBOM of a manifest."""
    return tuple(f"{digest.algorithm}-{digest.encoded}.{suffix}" for suffix in _SUFFIXES)


async def resolve_if_there(place: Readable, tag: str) -> Descriptor | None:
    """Return the descriptor of a tag, None if there is no such tag."""
    try:
        return await place.resolve(tag)
    except NotFoundError:
        return None
