"""Images as they are loaded from a place (image-spec, manifest.md, image-index.md and config.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lading import (
    Descriptor,
    DocumentError,
    ImageConfig,
    ImageIndex,
    ImageManifest,
    LimitExceededError,
    Manifest,
    NotFoundError,
    Platform,
    VerificationError,
)
from lading._core.images.image import load_image
from lading._core.targets.custom_target import CustomTarget
from lading._core.targets.memory_target import MemoryTarget
from lading._core.transfer.stored_blob import SourceBlob
from lading._io.base import IO
from lading.media_types import OCI_CONFIG, OCI_LAYER
from tests.support.images import sha256

_LAYERS = (b"first", b"second")


def _config(**more: Any) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [sha256(layer) for layer in _LAYERS]}
    return json.dumps({"architecture": "arm64", "os": "linux", "rootfs": rootfs, **more}).encode()


def _manifest(config: bytes, **more: Any) -> Manifest[ImageManifest]:
    return Manifest.of(
        ImageManifest(
            config=Descriptor.of(config, OCI_CONFIG),
            layers=tuple(Descriptor.of(layer, OCI_LAYER) for layer in _LAYERS),
            **more,
        )
    )


async def _store(place: CustomTarget, config: bytes, *manifests: Manifest[Any]) -> None:
    await place.push(SourceBlob(Descriptor.of(config, OCI_CONFIG), config), lambda *_: None)
    for manifest in manifests[:-1]:
        await place.push_manifest(manifest, (), listed=False)
    await place.push_manifest(manifests[-1], ("v1",), listed=True)


async def test_layers_are_lined_up_with_the_history_and_none_is_read(io: IO) -> None:
    config = _config(
        history=[
            {"created_by": "ADD first"},
            {"created_by": "ENV a=b", "empty_layer": True},
            {"created_by": "ADD second"},
        ]
    )
    place = CustomTarget(io, MemoryTarget())
    await _store(place, config, _manifest(config))  # without its layers
    image = await load_image(io, place, "v1")
    assert [layer.descriptor.digest for layer in image.layers] == [sha256(layer) for layer in _LAYERS]
    assert [layer.diff_id for layer in image.layers] == [sha256(layer) for layer in _LAYERS]
    assert [layer.history and layer.history.created_by for layer in image.layers] == ["ADD first", "ADD second"]


async def test_layers_without_history_have_none(io: IO) -> None:
    config = _config()
    place = CustomTarget(io, MemoryTarget())
    await _store(place, config, _manifest(config))
    assert [layer.history for layer in (await load_image(io, place, "v1")).layers] == [None, None]


async def test_the_only_image_of_an_index_needs_no_platform(io: IO) -> None:
    config = _config()
    manifest = _manifest(config)
    attestation = _manifest(config, annotations={"about": "it"})
    index = Manifest.of(
        ImageIndex(
            manifests=(
                manifest.descriptor,
                Descriptor(
                    attestation.media_type,
                    attestation.digest,
                    len(attestation.raw),
                    annotations={"vnd.docker.reference.type": "attestation-manifest"},
                ),
            )
        )
    )
    outer = Manifest.of(ImageIndex(manifests=(index.descriptor,)))
    place = CustomTarget(io, MemoryTarget())
    await _store(place, config, manifest, attestation, index, outer)
    assert (await load_image(io, place, "v1")).manifest == manifest


async def test_of_several_images_the_platform_chooses(io: IO) -> None:
    config = _config()
    images = [_manifest(config, annotations={"number": number}) for number in "12"]
    platforms = [Platform("amd64", "plan9"), Platform("arm64", "plan9")]
    index = Manifest.of(
        ImageIndex(
            manifests=tuple(
                Descriptor(each.media_type, each.digest, len(each.raw), platform=platform)
                for each, platform in zip(images, platforms, strict=True)
            )
        )
    )
    place = CustomTarget(io, MemoryTarget())
    await _store(place, config, *images, index)
    assert (await load_image(io, place, "v1", platform=platforms[1])).manifest == images[1]
    with pytest.raises(DocumentError, match="plan9/amd64"):
        await load_image(io, place, "v1")


async def test_an_artifact_is_no_image(io: IO) -> None:
    place = CustomTarget(io, MemoryTarget())
    config = b"{}"
    manifest = Manifest.of(
        ImageManifest(
            artifact_type="application/vnd.acme.report",
            config=Descriptor.of(config, "application/vnd.oci.empty.v1+json"),
            layers=(),
        )
    )
    await place.push_manifest(manifest, ("v1",), listed=True)
    with pytest.raises(DocumentError, match=r"not a container image: it is application/vnd\.acme\.report"):
        await load_image(io, place, "v1")


async def test_a_config_that_counts_other_layers_is_refused(io: IO) -> None:
    config = json.dumps(
        {"architecture": "arm64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha256(b"")]}}
    ).encode()
    place = CustomTarget(io, MemoryTarget())
    await _store(place, config, _manifest(config))
    with pytest.raises(DocumentError, match="has 2 layers, and the config 1"):
        await load_image(io, place, "v1")


async def test_a_config_must_be_what_the_manifest_says(io: IO) -> None:
    config = _config()
    place = CustomTarget(io, MemoryTarget())
    wrong = Descriptor(OCI_CONFIG, Descriptor.of(config, OCI_CONFIG).digest, len(config) + 1)
    manifest = Manifest.of(
        ImageManifest(config=wrong, layers=tuple(Descriptor.of(layer, OCI_LAYER) for layer in _LAYERS))
    )
    await _store(place, config, manifest)
    with pytest.raises(VerificationError):
        await load_image(io, place, "v1")


async def test_a_config_too_large_is_not_read(io: IO) -> None:
    config = Descriptor(OCI_CONFIG, Descriptor.of(b"x", OCI_CONFIG).digest, 5 << 20)
    place = CustomTarget(io, MemoryTarget())
    manifest = Manifest.of(ImageManifest(config=config, layers=()))
    await place.push_manifest(manifest, ("v1",), listed=True)
    with pytest.raises(LimitExceededError):
        await load_image(io, place, "v1")


async def test_what_is_not_there_is_said_so(io: IO) -> None:
    with pytest.raises(NotFoundError):
        await load_image(io, CustomTarget(io, MemoryTarget()), "v1")


async def test_documents_are_opened_by_their_types(io: IO) -> None:
    config = _config()
    place = CustomTarget(io, MemoryTarget())
    await _store(place, config, _manifest(config))
    image = await load_image(io, place, "v1")
    assert isinstance(image.config.document, ImageConfig)
    assert image.config.raw == config
