"""Referrers of manifests in a repository (distribution-spec, Listing Referrers).

They are not stored separately: the manifests are read on the first request, and the results cached by digest.
Everything here blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.documents.successors import ReferrerEntry, as_referrer
from lading.errors import DocumentError, InvalidDigestError, VerificationError
from lading.stores.index_json import LayoutIndex
from lading.stores.layout import Layout

_REPOSITORIES = 256
_MAX_MANIFEST = 4 * 1024 * 1024


class _Known(NamedTuple):
    """Referrers lists of one repository."""

    source: LayoutIndex
    """Index from which the lists were made."""
    references: Mapping[Digest, ReferrerEntry | None]
    """Entry of each manifest, by its digest; None for a manifest without a subject."""
    lists: Mapping[Digest, tuple[Descriptor, ...]]
    """Referrers of each subject, by its digest."""


class ReferrersIndex:
    """Cache of the referrers of each repository."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Path, _Known] = {}

    def of(self, layout: Layout, subject: Digest) -> tuple[Descriptor, ...]:
        """Return the referrers of a manifest in the order of the index. The manifest need not exist."""
        index = layout.index()
        known = self._known.get(layout.path)
        if known is None or known.source is not index:
            known = _read(layout, index, known.references if known else {})
            if len(self._known) >= _REPOSITORIES:
                self._known.clear()
            self._known[layout.path] = known
        return known.lists.get(subject, ())


def _read(layout: Layout, index: LayoutIndex, known: Mapping[Digest, ReferrerEntry | None]) -> _Known:
    references: dict[Digest, ReferrerEntry | None] = {}
    lists: dict[Digest, list[Descriptor]] = {}
    for descriptor in layout.manifests():
        digest = descriptor.digest
        reference = known[digest] if digest in known else _reference(layout, descriptor)
        references[digest] = reference
        if reference is not None:
            lists.setdefault(reference.subject, []).append(reference.entry)
    return _Known(index, references, {subject: tuple(found) for subject, found in lists.items()})


def _reference(layout: Layout, descriptor: Descriptor) -> ReferrerEntry | None:
    if descriptor.size > _MAX_MANIFEST:
        return None
    try:
        raw = layout.read_blob(descriptor)
        if raw is None:
            return None
        return as_referrer(Manifest[Any].parse(raw, descriptor.media_type, digest=descriptor.digest))
    except (DocumentError, InvalidDigestError, VerificationError):
        # Stored by another tool, or damaged: a pull of it reports that.
        return None
