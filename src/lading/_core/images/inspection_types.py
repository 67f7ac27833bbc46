"""Result of an inspection: a manifest, its entries and its build steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lading._core.graph.verify import Problem
from lading.annotations import PREDICATE_TYPE
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import History, ImageConfig, ImageManifest, Manifest
from lading.documents.successors import successors

InspectedKind: TypeAlias = Literal["image", "index", "artifact", "chart", "unknown"]


@dataclass(frozen=True, slots=True)
class BuildStep:
    """A step of the history of an image, and the layer that it made (image-spec, config.md, history).

    A step that made no layer has none, and a layer of which the history says nothing has no history.
    """

    history: History | None
    layer: Descriptor | None


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An entry of an index.

    `inspection` is what the entry stands for. It is None if that was not looked into, or is `missing`: an index need
    not have all of its manifests beside it. `attests` is the digest of the image that an attestation of BuildKit is
    about. `shared_size` are the bytes of its layers that other images of the index have too, and `shared_with` the
    digests of such images, 16 at most.
    """

    descriptor: Descriptor
    inspection: Inspection | None = None
    missing: bool = False
    attests: Digest | None = None
    shared_size: int = 0
    shared_with: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """A manifest, and what is known of what it names.

    `config` is the config, opened, of the manifest that was asked for, if its media type has a type here; `steps` is
    the history of an image, lined up with its layers. `entries` are those of an index, in its order. `referrers` are
    the manifests that claim this one as their subject; None if nobody asked, or no answer was to be had. `problems` is
    what could not be read.
    """

    manifest: Manifest[Any]
    kind: InspectedKind
    config: Manifest[Any] | None = None
    steps: tuple[BuildStep, ...] = ()
    entries: tuple[IndexEntry, ...] = ()
    referrers: tuple[Descriptor, ...] | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def total_size(self) -> int | None:
        """Bytes of the manifest and of all that it names, each content once; None if not all of it is known."""
        contents = self._contents()
        return None if contents is None else sum(contents.values())

    @property
    def predicate_types(self) -> tuple[str, ...]:
        """What the attestations in this manifest state, such as `https://spdx.dev/Document`, each type once."""
        document = self.manifest.document
        layers = document.layers if isinstance(document, ImageManifest) else ()
        return tuple(dict.fromkeys(filter(None, (layer.annotations.get(PREDICATE_TYPE) for layer in layers))))

    def _contents(self) -> dict[Digest, int] | None:
        if self.kind == "unknown":
            return None
        named = successors(self.manifest)
        contents = {self.manifest.digest: len(self.manifest.raw)}
        contents |= {blob.digest: blob.size for blob in named.blobs}
        known = {entry.descriptor.digest: entry.inspection for entry in self.entries}
        for descriptor in named.manifests:
            inspection = known.get(descriptor.digest)
            below = None if inspection is None else inspection._contents()  # noqa: SLF001  # of the same class
            if below is None:
                return None
            contents |= below
        return contents


def build_steps(config: object, layers: Iterable[Descriptor]) -> Iterator[BuildStep]:
    """Line up layers with the history in a config, both from the first to the last."""
    remaining = iter(layers)
    for history in config.history if isinstance(config, ImageConfig) else ():
        yield BuildStep(history, None if history.empty_layer else next(remaining, None))
    if isinstance(config, ImageConfig):
        yield from (BuildStep(None, layer) for layer in remaining)
