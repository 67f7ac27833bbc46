"""The part of an image's config that lists its layers (image-spec, config.md, rootfs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from lading import strict_json
from lading.digest import Digest
from lading.documents.configs import RootFS
from lading.errors import DocumentError


class _Config(msgspec.Struct, frozen=True):
    rootfs: RootFS


@dataclass(frozen=True, slots=True)
class ImageRootfs:
    """The layers of an image, as its config states them. Other parts of the config may be wrong."""

    diff_ids: tuple[Digest, ...]
    """Digests of the uncompressed layers, from first to last."""
    steps: int | None
    """Number of layers in the history, None if there is no history."""


def read_rootfs(config: bytes, what: str) -> ImageRootfs | None:
    """Read the layers in a config, None if it has no `rootfs`. `what` names the config in messages.

    Raises `DocumentError` for content that is not strict JSON, or a `rootfs` that is not valid.
    """
    tree = strict_json.parse(config, what)
    if not isinstance(tree, dict):
        raise DocumentError(f"{what} is invalid: $: Expected `object`")
    if "rootfs" not in tree:
        return None
    rootfs = strict_json.typed({"rootfs": tree["rootfs"]}, _Config, what).rootfs
    return ImageRootfs(rootfs.diff_ids, _steps(tree.get("history")))


def _steps(history: Any) -> int | None:
    if not isinstance(history, list) or not history:
        return None
    return sum(not (isinstance(entry, dict) and entry.get("empty_layer") is True) for entry in history)
