"""How the config of an image reads over another base (image-spec, config.md)."""

from __future__ import annotations

from lading._core.images.config_edits import padded, rewritten
from lading.digest import Digest
from lading.documents import History, ImageConfig, Manifest, RootFS
from lading.errors import DocumentError


def rebased_config(
    config: Manifest[ImageConfig], old: Manifest[ImageConfig], new: Manifest[ImageConfig]
) -> Manifest[ImageConfig]:
    """Return a config whose layers and history begin with those of another base.

    The execution parameters stay, the ones that came from the old base too: nothing tells them from the image's own.
    The platform is that of the new base.

    Raises `DocumentError` for an image that is not based on the old base.
    """
    document, base = config.document, new.document
    own = _own_layers(config, old)
    own_history = _own_history(document.history, old.document.history, len(old.document.rootfs.diff_ids))
    history = (*padded(base.history, len(base.rootfs.diff_ids)), *own_history)
    return rewritten(
        config,
        rootfs=RootFS((*base.rootfs.diff_ids, *own)),
        history=history if document.history or base.history else (),
        architecture=base.architecture,
        os=base.os,
        os_version=base.os_version,
        os_features=base.os_features,
        variant=base.variant,
    )


def _own_layers(config: Manifest[ImageConfig], old: Manifest[ImageConfig]) -> tuple[Digest, ...]:
    layers, below = config.document.rootfs.diff_ids, old.document.rootfs.diff_ids
    for position, (layer, expected) in enumerate(zip(layers, below, strict=False), start=1):
        if layer != expected:
            raise DocumentError(
                f"the image is not based on the old base: its layer {position} is {layer}, and that of the base is "
                f"{expected}"
            )
    if len(layers) < len(below):
        raise DocumentError(
            f"the image is not based on the old base: it has {len(layers)} layers, and the base has {len(below)}"
        )
    return layers[len(below) :]


def _own_history(history: tuple[History, ...], old: tuple[History, ...], layers: int) -> tuple[History, ...]:
    """Return the history that follows that of the old base, which has so many layers."""
    if history[: len(old)] == old and sum(not entry.empty_layer for entry in old) == layers:
        return history[len(old) :]
    seen = 0
    for position, entry in enumerate(history):
        if seen == layers:
            return history[position:]
        seen += not entry.empty_layer
    return ()
