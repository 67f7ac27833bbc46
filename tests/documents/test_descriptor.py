from __future__ import annotations

import pickle

import pytest

from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import DigestMismatchError, DocumentError, InvalidDigestError, SizeMismatchError
from lading.platform import Platform

DIGEST = Digest.of(b"content")
JSON = b'{"mediaType":"a/b","digest":"%s","size":7}' % DIGEST.encode()


def test_positional_arguments_are_media_type_digest_size() -> None:
    assert Descriptor("a/b", DIGEST, 7).encode() == JSON


def test_of_describes_content() -> None:
    described = Descriptor.of(b"content", "a/b", annotations={"k": "v"}, artifact_type="c/d")
    assert described == Descriptor("a/b", DIGEST, 7, annotations={"k": "v"}, artifact_type="c/d")
    assert Descriptor.of(b"content", "a/b", algorithm="sha512").digest == Digest.of(b"content", "sha512")


def test_of_an_algorithm_that_cannot_be_computed_is_refused() -> None:
    with pytest.raises(InvalidDigestError):
        Descriptor.of(b"", "a/b", algorithm="md5")


def test_every_field_survives_json_in_the_order_of_the_specification() -> None:
    full = Descriptor(
        "a/b",
        DIGEST,
        7,
        urls=("https://example.com/x",),
        annotations={"k": "v"},
        data=b"content",
        platform=Platform(architecture="arm64", os="linux", variant="v8"),
        artifact_type="c/d",
    )
    raw = full.encode()
    assert Descriptor.parse(raw) == full
    names = ["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"]
    assert [raw.index(b'"%s":' % name.encode()) for name in names] == sorted(
        raw.index(b'"%s":' % name.encode()) for name in names
    )


def test_null_means_absence() -> None:
    raw = JSON[:-1] + b',"annotations":null,"urls":null,"data":null,"platform":null,"artifactType":null}'
    assert Descriptor.parse(raw) == Descriptor("a/b", DIGEST, 7)


def test_unknown_fields_are_no_error() -> None:
    assert Descriptor.parse(JSON[:-1] + b',"x":{"y":[1.5,null]}}') == Descriptor("a/b", DIGEST, 7)


def test_equal_descriptors_hash_alike_whatever_their_annotations_are() -> None:
    first, second = (Descriptor("a/b", DIGEST, 7, annotations={"k": "v"}) for _ in range(2))
    assert len({first, second, Descriptor("a/b", DIGEST, 7)}) == 2


def test_a_digest_given_as_a_string_is_checked() -> None:
    given: str = str(DIGEST)
    assert isinstance(Descriptor("a/b", given, 7).digest, Digest)  # type: ignore[arg-type]  # as untyped code does
    with pytest.raises(InvalidDigestError):
        Descriptor("a/b", "sha256:../../etc/passwd", 7)  # type: ignore[arg-type]  # likewise


def test_a_descriptor_can_be_pickled() -> None:
    descriptor = Descriptor("a/b", DIGEST, 7, annotations={"k": "v"})
    copy = pickle.loads(pickle.dumps(descriptor))  # noqa: S301  # our own bytes
    assert copy == descriptor
    assert isinstance(copy.digest, Digest)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_verify_takes_the_content(algorithm: str) -> None:
    Descriptor.of(b"content", "a/b", algorithm=algorithm).verify(b"content")


@pytest.mark.parametrize("content", [b"", b"conten", b"contents"])
def test_verify_refuses_another_size_before_another_digest(content: bytes) -> None:
    with pytest.raises(SizeMismatchError) as raised:
        Descriptor("a/b", DIGEST, 7).verify(content)
    assert (raised.value.expected, raised.value.actual) == (7, len(content))


def test_verify_refuses_another_digest() -> None:
    with pytest.raises(DigestMismatchError) as raised:
        Descriptor("a/b", DIGEST, 7).verify(b"CONTENT")
    assert (raised.value.expected, raised.value.actual) == (DIGEST, Digest.of(b"CONTENT"))


def test_verify_with_an_unregistered_algorithm_says_that_it_cannot_be_computed() -> None:
    with pytest.raises(InvalidDigestError, match="cannot be computed"):
        Descriptor("a/b", Digest("multihash+base58:Qm"), 7).verify(b"content")


def test_embedded_content_is_verified() -> None:
    assert Descriptor("a/b", DIGEST, 7).embedded is None
    assert Descriptor.of(b"{}", "a/b", embed=True).embedded == b"{}"
    with pytest.raises(SizeMismatchError):
        _ = Descriptor("a/b", DIGEST, 7, data=b"short").embedded
    with pytest.raises(DigestMismatchError):
        _ = Descriptor("a/b", DIGEST, 7, data=b"CONTENT").embedded


def test_the_empty_descriptor_is_that_of_the_specification() -> None:
    # image-spec, manifest.md, Guidance for an Empty Descriptor
    assert Descriptor.of(b"{}", "application/vnd.oci.empty.v1+json", embed=True).encode() == (
        b'{"mediaType":"application/vnd.oci.empty.v1+json",'
        b'"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"data":"e30="}'
    )


@pytest.mark.parametrize(
    "size",
    ["-1", "1.0", "1e3", "true", '"5"', "null", "NaN", "9223372036854775808", "18446744073709551616", "9" * 5000, "[]"],
)
def test_a_size_that_is_no_int64_is_refused(size: str) -> None:
    with pytest.raises(DocumentError, match=r"^descriptor is "):
        Descriptor.parse(JSON.replace(b"7}", size.encode() + b"}"))


def test_the_largest_size_is_taken() -> None:
    assert Descriptor.parse(JSON.replace(b"7}", b"9223372036854775807}")).size == 2**63 - 1


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("digest", '"sha256:AA"', "$.digest: invalid digest 'sha256:AA'"),
        ("digest", '"sha256:' + "a" * 64 + '\\n"', "$.digest: invalid digest"),
        ("digest", '"sha256:../../x"', "$.digest: invalid digest"),
        ("digest", "5", "$.digest: Expected `str`"),
        ("mediaType", "5", "$.mediaType: Expected `str`"),
        ("urls", '"https://x"', "$.urls: Expected `array`"),
        ("annotations", '{"k":1}', "$.annotations[...]: Expected `str`"),
        ("data", '"e3_="', "$.data: Invalid base64"),
        ("platform", '"linux"', "$.platform: Expected `object | null`, got `str`"),
        ("platform", '{"os":"linux"}', "$.platform: Object missing required field `architecture`"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_wrong_field_is_named(field: str, value: str, place: str) -> None:
    members = {"mediaType": '"a/b"', "digest": f'"{DIGEST}"', "size": "7"} | {field: value}
    raw = "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"
    with pytest.raises(DocumentError) as raised:
        Descriptor.parse(raw.encode())
    assert str(raised.value).startswith(f"descriptor is invalid: {place}")
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("field", ["mediaType", "digest", "size"])
def test_a_missing_field_is_named(field: str) -> None:
    raw = JSON.replace(b'"%s"' % field.encode(), b'"other"')
    with pytest.raises(DocumentError, match=f"missing required field `{field}`"):
        Descriptor.parse(raw)
