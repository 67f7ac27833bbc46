"""Result of an inspection: a manifest, its entries and its build steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

from lading._core.graph.verify import Problem
from lading._result import Result, plain
from lading.annotations import PREDICATE_TYPE
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Document, History, ImageConfig, ImageIndex, ImageManifest, Manifest
from lading.documents.successors import manifest_entries, successors

InspectedKind: TypeAlias = Literal["image", "index", "artifact", "chart", "unknown"]


class BuildStep(Result, frozen=True):
    """A step of the history of an image (image-spec, config.md, history)."""

    history: History | None
    """Entry of the history; None for a layer without one."""
    layer: Descriptor | None
    """Layer that the step made; None if it made none."""

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of the history as plain JSON values, and the descriptor of the layer as `layer`."""
        record: dict[str, Any] = {} if self.history is None else plain(self.history)
        return record if self.layer is None else {**record, "layer": self.layer.to_dict()}


class IndexEntry(Result, frozen=True):
    """An entry of an index."""

    descriptor: Descriptor
    """Descriptor of the manifest."""
    inspection: Inspection | None = None
    """Inspection of the manifest; None if it was not inspected, or is missing."""
    missing: bool = False
    """Whether the manifest is missing: a repository need not have all manifests of an index."""
    attests: Digest | None = None
    """Digest of the image that an attestation of BuildKit is about."""
    shared_size: int = 0
    """Size, in bytes, of the layers that other images of the index have too, not the same one for another platform."""
    shared_with: tuple[Digest, ...] = ()
    """Digests of these images, each once, 16 at most."""

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as plain JSON values: its descriptor and, as far as known, what its manifest names.

        Facts that do not apply are left out: `missing`, `attests`, `sharedSize` and `sharedWith`, `predicateTypes`.
        """
        record = self.descriptor.to_dict()
        if self.missing:
            record["missing"] = True
        if self.attests is not None:
            record["attests"] = str(self.attests)
        if self.inspection is not None:
            record |= {"kind": self.inspection.kind, **_named(self.inspection)}
        if self.shared_with:
            record |= {"sharedSize": self.shared_size, "sharedWith": plain(self.shared_with)}
        return record


class Inspection(Result, frozen=True):
    """A manifest and the content that it names."""

    manifest: Manifest[Document]
    """The manifest."""
    kind: InspectedKind
    """Kind of the manifest."""
    config: Manifest[Document] | None = None
    """Config of the requested manifest, if its media type is known."""
    steps: tuple[BuildStep, ...] = ()
    """History of an image, matched with its layers."""
    entries: tuple[IndexEntry, ...] = ()
    """Entries of an index, in order."""
    referrers: tuple[Descriptor, ...] | None = None
    """Manifests with this one as their subject; None if they were not requested, or the request failed."""
    problems: tuple[Problem, ...] = ()
    """Content that could not be read."""

    @property
    def total_size(self) -> int | None:
        """Size of the manifest and all content that it names, in bytes, each once; None if not all of it is known."""
        contents = self._contents()
        return None if contents is None else sum(contents.values())

    @property
    def predicate_types(self) -> tuple[str, ...]:
        """Predicate types of the attestations in this manifest, such as `https://spdx.dev/Document`, each once."""
        document = self.manifest.document
        layers = document.layers if isinstance(document, ImageManifest) else ()
        return tuple(dict.fromkeys(filter(None, (layer.annotations.get(PREDICATE_TYPE) for layer in layers))))

    def to_dict(self) -> dict[str, Any]:
        """Return the inspection as plain JSON values, by the names of image-spec and a few others.

        Those are `kind`, `totalSize` in bytes, `content` (the document of the config), `history` with the `layer` of
        each step, `predicateTypes`, `referrers` and `problems`. What is not known, and what a manifest of this kind
        does not have, is left out.
        """
        record = {**self.manifest.descriptor.to_dict(), "kind": self.kind, **_named(self)}
        document = self.manifest.document
        if isinstance(document, ImageManifest):
            record["config"] = document.config.to_dict()
            if self.config is not None:
                record["content"] = plain(self.config.document)
            if self.steps:
                record["history"] = plain(self.steps)
        if isinstance(document, ImageManifest | ImageIndex):
            if document.subject is not None:
                record["subject"] = document.subject.to_dict()
            record["annotations"] = dict(document.annotations)
        if self.referrers is not None:
            record["referrers"] = plain(self.referrers)
        if self.problems:
            record["problems"] = plain(self.problems)
        return record

    def _contents(self) -> dict[Digest, int] | None:
        if self.kind == "unknown":
            return None
        named = successors(self.manifest)
        contents = {self.manifest.digest: len(self.manifest.raw)}
        contents |= {blob.digest: blob.size for blob in named.blobs}
        entries = manifest_entries(self.manifest)
        if entries and not self.entries:  # nested too deep
            return None
        for position, _ in entries:
            inspection = self.entries[position].inspection
            below = None if inspection is None else inspection._contents()  # noqa: SLF001  # of the same class
            if below is None:
                return None
            contents |= below
        return contents


def _named(inspection: Inspection) -> dict[str, Any]:
    """Return the content that a manifest names, as it is given of the manifests in an index as well."""
    named: dict[str, Any] = {}
    document = inspection.manifest.document
    if isinstance(document, ImageIndex):
        named["manifests"] = plain(inspection.entries)
    elif isinstance(document, ImageManifest):
        named["layers"] = plain(document.layers)
    if inspection.total_size is not None:
        named["totalSize"] = inspection.total_size
    if inspection.predicate_types:
        named["predicateTypes"] = list(inspection.predicate_types)
    return named


def build_steps(config: object, layers: Iterable[Descriptor]) -> Iterator[BuildStep]:
    """Match layers with the history in a config, both from first to last."""
    remaining = iter(layers)
    for history in config.history if isinstance(config, ImageConfig) else ():
        yield BuildStep(history, None if history.empty_layer else next(remaining, None))
    if isinstance(config, ImageConfig):
        yield from (BuildStep(None, layer) for layer in remaining)
