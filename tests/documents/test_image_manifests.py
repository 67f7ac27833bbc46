from __future__ import annotations

import pytest

from lading.descriptor import Descriptor
from lading.documents import DockerManifestList, ImageIndex, Manifest
from lading.errors import DocumentError
from lading.media_types import OCI_MANIFEST
from lading.platform import Platform


def entry(name: str, platform: Platform | None = None, **annotations: str) -> Descriptor:
    return Descriptor.of(name.encode(), OCI_MANIFEST, platform=platform, annotations=annotations)


AMD64 = entry("amd64", Platform(architecture="amd64", os="linux"))
ARM64 = entry("arm64", Platform(architecture="arm64", os="linux", variant="v8"))
ARMV7 = entry("armv7", Platform(architecture="arm", os="linux", variant="v7"))
UNKNOWN = Platform(architecture="unknown", os="unknown")
ATTESTATION = Descriptor.of(
    b"attestation",
    OCI_MANIFEST,
    platform=UNKNOWN,
    annotations={"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": AMD64.digest},
)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("linux/amd64", AMD64),
        ("linux/x86_64", AMD64),
        ("linux/arm64", ARM64),
        ("linux/arm64/v8", ARM64),
        ("linux/arm/v7", ARMV7),
        ("linux/arm/v8", ARMV7),
        (Platform(architecture="arm64", os="linux"), ARM64),
    ],
)
@pytest.mark.parametrize("kind", [ImageIndex, DockerManifestList])
def test_the_best_entry_is_chosen(kind: type[ImageIndex], wanted: Platform | str, chosen: Descriptor) -> None:
    index = kind(manifests=(ATTESTATION, entry("none"), AMD64, ARMV7, ARM64))
    assert index.choose(wanted) is chosen


def test_of_equal_entries_the_first_is_chosen() -> None:
    second = entry("second", AMD64.platform)
    assert ImageIndex(manifests=(second, AMD64)).choose("linux/amd64") is second


def test_an_index_without_a_match_names_its_platforms_once() -> None:
    index = ImageIndex(manifests=(AMD64, ATTESTATION, entry("again", AMD64.platform), ARM64))
    with pytest.raises(DocumentError) as raised:
        index.choose("linux/s390x")
    assert str(raised.value) == ("the index has no manifest for linux/s390x: it has 'linux/amd64', 'linux/arm64/v8'")


def test_an_attestation_is_never_chosen_whatever_its_platform_says() -> None:
    lying = entry("lying", AMD64.platform, **{"vnd.docker.reference.type": "attestation-manifest"})
    with pytest.raises(DocumentError, match="none with a platform"):
        ImageIndex(manifests=(lying,)).choose("linux/amd64")
    with pytest.raises(DocumentError):
        ImageIndex(manifests=(entry("unknown", UNKNOWN),)).choose("unknown/unknown")


def test_hostile_platforms_are_cut_and_escaped_in_the_message() -> None:
    hostile = tuple(
        entry(str(number), Platform(architecture=f"\x1b[2J\n{number}" * 500, os="linux")) for number in range(100)
    )
    with pytest.raises(DocumentError) as raised:
        ImageIndex(manifests=hostile).choose("linux/amd64")
    message = str(raised.value)
    assert message.isprintable()
    assert message.endswith(", 80 more")
    assert len(message) < 10_000


def test_an_index_of_buildkit_is_read_whole() -> None:
    raw = Manifest.of(ImageIndex(manifests=(AMD64, ATTESTATION))).raw
    index = Manifest.parse(raw).expect(ImageIndex).document
    assert index.manifests == (AMD64, ATTESTATION)
