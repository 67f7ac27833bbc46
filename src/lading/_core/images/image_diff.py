"""Difference between two images: configs, layers, history and annotations (image-spec, config.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from lading import strict_json
from lading._core.images.image import Image, Layer
from lading.documents import History, ImageManifest, Manifest

T = TypeVar("T")

ChangeKind: TypeAlias = Literal["added", "removed", "changed"]

# Fields of the config that are compared as layers and history.
_COMPARED_ELSEWHERE = frozenset({"rootfs", "history", "config"})
# Parameters whose members are compared one by one: sets are objects with empty objects as values.
_MAPPINGS = frozenset({"Labels", "ExposedPorts", "Volumes"})
_ENV = "Env"


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A value of a config, or an annotation, that is not the same.

    `name` is that of the field in image-spec (`architecture`, `Entrypoint`, `Env`); `key` that of the variable, label,
    port, volume or annotation. `old` and `new` are as in the JSON; None where there is no value.
    """

    name: str
    key: str | None
    old: Any
    new: Any

    @property
    def change(self) -> ChangeKind:
        """Whether the value was added, removed or changed."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer of either image.

    `shared` is the same blob in both; `recompressed` is the same archive in the new image as in the old one, in a blob
    of its own. `layer` is that of the old image if it was removed, else that of the new one.
    """

    change: Literal["shared", "recompressed", "added", "removed"]
    layer: Layer


@dataclass(frozen=True, slots=True)
class HistoryChange:
    """A step of the history that only one of the images has."""

    change: Literal["added", "removed"]
    history: History


@dataclass(frozen=True, slots=True)
class ImageDiff:
    """What is different between two images.

    `layers` are all of them: those that the new image lacks first, then its own, from the first to the last. `history`
    are the steps between what both begin with and what both end with; when a step was made is not compared.
    """

    old: Manifest[ImageManifest]
    new: Manifest[ImageManifest]
    config: tuple[ValueChange, ...]
    layers: tuple[LayerChange, ...]
    history: tuple[HistoryChange, ...]
    annotations: tuple[ValueChange, ...]

    @property
    def differs(self) -> bool:
        """Whether these are two images: the digests of their manifests are different."""
        return self.old.digest != self.new.digest


def difference(old: Image, new: Image) -> ImageDiff:
    """Compare two images. Takes time linear in their size."""
    return ImageDiff(
        old.manifest,
        new.manifest,
        tuple(_config_changes(*(strict_json.parse(image.config.raw, "config") for image in (old, new)))),
        tuple(_layer_changes(old.layers, new.layers)),
        tuple(_history_changes(old.config.document.history, new.config.document.history)),
        tuple(_changes("annotations", old.manifest.document.annotations, new.manifest.document.annotations)),
    )


def _config_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ValueChange]:
    for name in sorted((old.keys() | new.keys()) - _COMPARED_ELSEWHERE):
        yield from _change(name, None, old.get(name), new.get(name))
    before, after = old.get("config", {}), new.get("config", {})
    for name in sorted(before.keys() | after.keys()):
        if name in _MAPPINGS:
            yield from _changes(name, before.get(name, {}), after.get(name, {}))
        elif name == _ENV:
            yield from _changes(name, _variables(before.get(name, ())), _variables(after.get(name, ())))
        else:
            yield from _change(name, None, before.get(name), after.get(name))


def _changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ValueChange]:
    for key in sorted(old.keys() | new.keys()):
        yield from _change(name, key, old.get(key), new.get(key))


def _change(name: str, key: str | None, old: Any, new: Any) -> Iterator[ValueChange]:
    if old != new:
        yield ValueChange(name, key, old, new)


def _variables(env: Iterable[str]) -> dict[str, str]:
    return {name: value for name, _, value in (each.partition("=") for each in env)}


def _layer_changes(old: Sequence[Layer], new: Sequence[Layer]) -> Iterator[LayerChange]:
    # The same layer may stand in an image several times, an empty one above all.
    unmatched = Counter(layer.diff_id for layer in new)
    for layer in old:
        if unmatched[layer.diff_id]:
            unmatched[layer.diff_id] -= 1
        else:
            yield LayerChange("removed", layer)
    matched = Counter(layer.diff_id for layer in old)
    blobs = {layer.descriptor.digest for layer in old}
    for layer in new:
        if not matched[layer.diff_id]:
            yield LayerChange("added", layer)
            continue
        matched[layer.diff_id] -= 1
        yield LayerChange("shared" if layer.descriptor.digest in blobs else "recompressed", layer)


def _history_changes(old: Sequence[History], new: Sequence[History]) -> Iterator[HistoryChange]:
    start = _common(old, new)
    old, new = old[start:], new[start:]
    end = _common(old[::-1], new[::-1])
    yield from (HistoryChange("removed", each) for each in old[: len(old) - end])
    yield from (HistoryChange("added", each) for each in new[: len(new) - end])


def _common(old: Sequence[History], new: Sequence[History]) -> int:
    """Count the steps that both begin with."""
    same = (_said(one) == _said(other) for one, other in zip(old, new, strict=False))
    return next((count for count, each in enumerate(same) if not each), min(len(old), len(new)))


def _said(history: History) -> tuple[str, str, str, bool]:
    return history.created_by, history.comment, history.author, history.empty_layer
