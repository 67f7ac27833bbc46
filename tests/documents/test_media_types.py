from __future__ import annotations

import pytest

from lading import media_types
from lading.errors import InvalidMediaTypeError
from lading.media_types import MANIFEST_TYPES, check_media_type, is_index, is_layer, is_manifest


@pytest.mark.parametrize(
    "text",
    [
        "a/b",
        "application/json",
        media_types.OCI_MANIFEST,
        media_types.DOCKER_SCHEMA1_SIGNED,
        "application/vnd.example+type",
        "9/9",
        "a!#$&^_.+-/b!#$&^_.+-",
        "a" * 127 + "/" + "b" * 127,
    ],
)
def test_rfc_6838_section_4_2_name_is_taken_as_it_is(text: str) -> None:
    assert check_media_type(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "application",
        "/json",
        "application/",
        "a/b/c",
        "a b/c",
        "a/b ",
        "a/b\n",
        "a/b\r\nX-Evil: 1",
        "a/b; charset=utf-8",
        "application/*",
        "*/*",
        "+a/b",
        ".a/b",
        "ä/b",
        "a/٣",
        "a" * 128 + "/b",
        "a/" + "b" * 128,
        "a/b\0",
    ],
)
def test_rfc_6838_section_4_2_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidMediaTypeError, match=r"^invalid media type") as raised:
        check_media_type(text)
    assert str(raised.value).isprintable()


def test_a_long_text_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidMediaTypeError) as raised:
        check_media_type("x" * 100_000)
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("media_type", "manifest", "index", "layer"),
    [
        (media_types.OCI_MANIFEST, True, False, False),
        (media_types.OCI_INDEX, True, True, False),
        (media_types.DOCKER_MANIFEST, True, False, False),
        (media_types.DOCKER_MANIFEST_LIST, True, True, False),
        (media_types.DOCKER_SCHEMA1, True, False, False),
        (media_types.DOCKER_SCHEMA1_SIGNED, True, False, False),
        (media_types.OCI_CONFIG, False, False, False),
        (media_types.OCI_LAYER, False, False, True),
        (media_types.OCI_LAYER_ZSTD, False, False, True),
        (media_types.OCI_FOREIGN_LAYER_GZIP, False, False, True),
        (media_types.DOCKER_LAYER, False, False, True),
        (media_types.HELM_CHART, False, False, False),
        ("application/x-unknown", False, False, False),
    ],
)
def test_a_media_type_is_told_apart(media_type: str, *, manifest: bool, index: bool, layer: bool) -> None:
    assert (is_manifest(media_type), is_index(media_type), is_layer(media_type)) == (manifest, index, layer)


@pytest.mark.spec("end-3.accept")
def test_end_3_accept_has_every_manifest_type_once_and_no_wildcard() -> None:
    assert len(set(MANIFEST_TYPES)) == len(MANIFEST_TYPES)
    assert all(map(is_manifest, MANIFEST_TYPES))
    assert MANIFEST_TYPES[0] == media_types.OCI_MANIFEST


@pytest.mark.parametrize(
    "name", sorted(name for name in vars(media_types) if name.startswith(("OCI_", "DOCKER_", "HELM_")))
)
def test_every_constant_is_a_media_type(name: str) -> None:
    assert check_media_type(getattr(media_types, name))
