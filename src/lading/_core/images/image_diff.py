"""Difference between two images: configs, layers, history and annotations (image-spec, config.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from lading import strict_json
from lading._core.images.image import Image, Layer
from lading._result import Result, plain
from lading.documents import History, ImageManifest, Manifest

T = TypeVar("T")

ChangeKind: TypeAlias = Literal["added", "removed", "changed"]

# Fields of the config that are compared as layers, history and parameters.
_COMPARED_ELSEWHERE = frozenset({"rootfs", "history", "config"})
# Parameters whose members are compared one by one: sets are objects with empty objects as values.
_MAPPINGS = frozenset({"Labels", "ExposedPorts", "Volumes"})
_ENV = "Env"


class ValueChange(Result, frozen=True):
    """Changed value of a config, or changed annotation."""

    name: str
    """Name of the field in image-spec, such as `architecture`, `Entrypoint` or `Env`; `annotations`."""
    key: str | None
    """Key of the variable, label, port, volume or annotation; None for other fields."""
    old: Any
    """Value in the old image, as in the JSON; None if there is none."""
    new: Any
    """Value in the new image, as in the JSON; None if there is none."""

    @property
    def change(self) -> ChangeKind:
        """Kind of the change: `added`, `removed` or `changed`."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"

    def to_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON values, with its kind as `change`; values that are None are left out."""
        return {"change": self.change, **super().to_dict()}


class LayerChange(Result, frozen=True):
    """Layer of either image."""

    change: Literal["shared", "recompressed", "added", "removed"]
    """Kind of the change.

    A `shared` layer is the same blob in both images; a `recompressed` one is the same archive in another blob.
    """
    layer: Layer
    """The layer: that of the old image if it was removed, else that of the new image."""

    def to_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON values: the descriptor, `diffID`, and the entry of the `history` if any."""
        record = {"change": self.change, **self.layer.descriptor.to_dict(), "diffID": str(self.layer.diff_id)}
        return record if self.layer.history is None else {**record, "history": plain(self.layer.history)}


class HistoryChange(Result, frozen=True):
    """Step of the history that only one of the images has."""

    change: Literal["added", "removed"]
    """Kind of the change."""
    history: History
    """Entry of the history."""

    def to_dict(self) -> dict[str, Any]:
        """Return the change and the entry of the history as plain JSON values."""
        return {"change": self.change, **plain(self.history)}


class ImageDiff(Result, frozen=True):
    """Differences between two images."""

    old: Manifest[ImageManifest]
    """Manifest of the old image."""
    new: Manifest[ImageManifest]
    """Manifest of the new image."""
    config: tuple[ValueChange, ...]
    """Changed values of the config, sorted by name."""
    layers: tuple[LayerChange, ...]
    """All layers: first those that only the old image has, then those of the new image, each from first to last."""
    history: tuple[HistoryChange, ...]
    """Steps of the history between the common beginning and the common end. Their times are not compared."""
    annotations: tuple[ValueChange, ...]
    """Changed annotations of the manifest, sorted by key."""

    @property
    def differs(self) -> bool:
        """Whether the digests of the manifests differ."""
        return self.old.digest != self.new.digest

    def to_dict(self) -> dict[str, Any]:
        """Return the differences as plain JSON values; `old` and `new` are the descriptors of the manifests."""
        return {
            "differs": self.differs,
            "old": self.old.descriptor.to_dict(),
            "new": self.new.descriptor.to_dict(),
            "config": plain(self.config),
            "layers": plain(self.layers),
            "history": plain(self.history),
            "annotations": plain(self.annotations),
        }


def difference(old: Image, new: Image) -> ImageDiff:
    """Compare two images, in time linear in their size."""
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
    # An image may contain the same layer several times, most often an empty one.
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
    """Return the number of steps that both begin with."""
    same = (_said(one) == _said(other) for one, other in zip(old, new, strict=False))
    return next((count for count, each in enumerate(same) if not each), min(len(old), len(new)))


def _said(history: History) -> tuple[str, str, str, bool]:
    return history.created_by, history.comment, history.author, history.empty_layer
