"""Manifests of a layout that would be incomplete without some content."""

from __future__ import annotations

from typing import Any

from lading.digest import Digest
from lading.documents import MANIFEST_LIMIT, Manifest
from lading.documents.successors import successors
from lading.errors import DocumentError, InvalidDigestError, VerificationError
from lading.stores.layout import Layout


def user_of(layout: Layout, digest: Digest) -> Digest | None:
    """Return a manifest that names a manifest or blob as a part of itself, None if there is none.

    A subject is not a part. Manifests that are damaged or too large to be read are skipped: nothing that they name can
    be found through them anyway. Blocks.
    """
    for descriptor in layout.manifests():
        if descriptor.size > MANIFEST_LIMIT:
            continue
        try:
            raw = layout.read_blob(descriptor)
            named = successors(Manifest[Any].parse(raw, descriptor.media_type)) if raw is not None else None
        except (DocumentError, InvalidDigestError, VerificationError):
            continue
        if named is not None and any(part.digest == digest for part in (*named.manifests, *named.blobs)):
            return descriptor.digest
    return None
