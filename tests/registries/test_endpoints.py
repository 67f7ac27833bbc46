"""Every endpoint through lading's own client, against every registry. What a registry supports is tried out first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lading import (
    BlobUnknownError,
    BlobUploadUnknownError,
    Descriptor,
    Digest,
    DigestInvalidError,
    DockerManifest,
    ImageIndex,
    ImageManifest,
    Manifest,
    ManifestUnknownError,
    NameUnknownError,
    NotFoundError,
    RangeNotSatisfiableError,
    RejectedError,
    UnsupportedError,
    UploadState,
)
from lading.media_types import DOCKER_CONFIG, DOCKER_LAYER, OCI_LAYER
from tests.support.capabilities import Place, connected, image, push_image

Supports = Callable[[str], bool]

MIB = 1024 * 1024
MISSING = Digest.of(b"nobody has pushed this")


def test_end_1_ping(place: Place) -> None:
    place.client.registry(place.address).ping()


def test_end_2_a_blob_is_pushed_found_and_pulled(place: Place) -> None:
    repository = place.repository()
    blobs = repository.blobs
    content = repository.name.encode()  # zot finds in a repository what another one has
    assert not blobs.exists(Digest.of(content))
    pushed = blobs.push(content)
    assert blobs.exists(pushed)
    assert blobs.resolve(pushed.digest).size == len(content)
    assert blobs.pull(pushed) == content


def test_end_2_an_unknown_blob_is_an_error_of_its_class(place: Place) -> None:
    blobs = place.repository().blobs
    blobs.push(b"content")
    with pytest.raises(BlobUnknownError):
        blobs.pull(MISSING)


@pytest.mark.parametrize(("offset", "length"), [(0, 3), (3, 4), (3, None), (9, 1)])
def test_end_2_a_part_of_a_blob(place: Place, offset: int, length: int | None) -> None:
    blobs = place.repository().blobs
    content = b"0123456789"
    blob = blobs.push(content)
    with blobs.open(blob, offset=offset, length=length) as stream:
        assert b"".join(stream) == content[offset : None if length is None else offset + length]


def test_end_2_a_blob_of_several_buffers_goes_from_file_to_file(place: Place, tmp_path: Path) -> None:
    content = hashlib.shake_256(b"large").digest(5 * MIB + 17)
    (tmp_path / "sent").write_bytes(content)
    blobs = place.repository().blobs
    blobs.pull_file(blobs.push_file(tmp_path / "sent"), tmp_path / "received")
    assert (tmp_path / "received").read_bytes() == content


def test_an_empty_blob(place: Place) -> None:
    blobs = place.repository().blobs
    assert blobs.pull(blobs.push(b"")) == b""


def test_end_3_a_manifest_is_found_and_pulled_by_tag_and_by_digest(place: Place) -> None:
    repository = place.repository()
    pushed = push_image(repository, "v1")
    for name in ("v1", pushed.digest):
        assert repository.manifests.exists(name)
        assert repository.manifests.resolve(name) == pushed
        assert repository.manifests.pull(name, ImageManifest).digest == pushed.digest


def test_end_3_an_unknown_manifest_is_an_error_of_its_class(place: Place) -> None:
    repository = place.repository()
    push_image(repository, "v1")
    assert not repository.manifests.exists("v2")
    for name in ("v2", MISSING):
        with pytest.raises(ManifestUnknownError):
            repository.manifests.pull(name)


def test_end_3_a_repository_that_does_not_exist_has_no_manifests(place: Place) -> None:
    manifests = place.repository().manifests
    assert not manifests.exists("v1")
    with pytest.raises(NotFoundError):
        manifests.pull("v1")


def test_end_4b_a_blob_at_once(place: Place, supports: Supports) -> None:
    blobs = place.repository().blobs
    with place.watched() as exchanges:
        blob = blobs.push_at_once(b"at once")
    assert blobs.pull(blob) == b"at once"
    assert len(exchanges) == (1 if supports("end-4b blob in one `POST`") else 2)


def test_end_4c_a_sha512_blob(place: Place, supports: Supports) -> None:
    blobs = place.repository().blobs
    if not supports("end-4c, end-6 sha512 blobs"):
        with pytest.raises(RejectedError):
            blobs.push(b"sha512", algorithm="sha512")
        return
    blob = blobs.push(b"sha512", algorithm="sha512")
    assert blob.digest == Digest.of(b"sha512", "sha512")
    assert blobs.pull(blob) == b"sha512"


def test_end_5_end_6_a_blob_in_chunks(place: Place) -> None:
    repository = place.repository()
    upload = repository.uploads.start()
    assert upload.patch(b"012") == 3
    assert upload.patch(b"3456") == 7
    blob = upload.finish(Digest.of(b"0123456789"), b"789")
    assert blob.size == 10
    assert repository.blobs.pull(blob) == b"0123456789"


def test_end_5_end_6_the_last_chunk_before_the_end(place: Place) -> None:
    repository = place.repository()
    upload = repository.uploads.start()
    upload.patch(b"01234")
    upload.patch(b"56789", last=True)
    assert repository.blobs.pull(upload.finish(Digest.of(b"0123456789"))) == b"0123456789"


def test_end_6_another_digest_than_that_of_the_content_is_refused(place: Place) -> None:
    repository = place.repository()
    upload = repository.uploads.start()
    with pytest.raises(DigestInvalidError):
        upload.finish(MISSING, b"content")
    assert not repository.blobs.exists(MISSING)


def test_end_7a_the_bytes_stay_what_they_are(place: Place) -> None:
    repository = place.repository()
    raw = b"\n " + json.dumps(json.loads(image(repository).raw), indent=3).encode() + b"\n\n"
    pushed = repository.manifests.push(raw, "v1")
    assert pushed.digest == Digest.of(raw)
    assert repository.manifests.pull("v1").raw == raw
    assert repository.manifests.pull(pushed.digest).raw == raw


def test_end_7a_a_tag_moves(place: Place, supports: Supports) -> None:
    repository = place.repository()
    one = push_image(repository, "latest", note="1")
    two = push_image(repository, "latest", note="2")
    assert repository.manifests.resolve("latest") == two
    assert repository.manifests.exists(one.digest) == supports("end-7a image stays when its last tag moves")


def test_end_7a_an_index(place: Place) -> None:
    repository = place.repository()
    index = ImageIndex(manifests=(push_image(repository, note="1"), push_image(repository, note="2")))
    repository.manifests.push(Manifest.of(index), "list")
    assert repository.manifests.pull("list", ImageIndex).document == index


def test_end_7a_a_docker_manifest(place: Place) -> None:
    repository = place.repository()
    config = repository.blobs.push(b'{"architecture":"amd64","os":"linux"}', media_type=DOCKER_CONFIG)
    layer = repository.blobs.push(b"layer", media_type=DOCKER_LAYER)
    manifest = Manifest.of(DockerManifest(config=config, layers=(layer,)))
    repository.manifests.push(manifest, "docker")
    assert repository.manifests.pull("docker").raw == manifest.raw


def test_end_7a_an_image_whose_layer_is_missing(place: Place, supports: Supports) -> None:
    repository = place.repository()
    config = image(repository).document.config
    manifest = Manifest.of(ImageManifest(config=config, layers=(Descriptor.of(b"not pushed", OCI_LAYER),)))
    if supports("end-7a image with a missing layer"):
        repository.manifests.push(manifest, "sparse")
        assert repository.manifests.pull("sparse").raw == manifest.raw
    else:
        with pytest.raises(RejectedError):
            repository.manifests.push(manifest, "sparse")
        assert not repository.manifests.exists("sparse")


def test_end_7a_a_sha512_manifest(place: Place, supports: Supports) -> None:
    repository = place.repository()
    manifest = Manifest.of(image(repository).document, algorithm="sha512")
    if supports("end-7a sha512 manifests"):
        repository.manifests.push(manifest)
        assert repository.manifests.pull(manifest.digest).raw == manifest.raw
    else:
        with pytest.raises(DigestInvalidError):
            repository.manifests.push(manifest)


def test_end_7b_many_tags(place: Place, supports: Supports) -> None:
    repository = place.repository()
    manifest = image(repository)
    with place.watched() as exchanges:
        repository.manifests.push(manifest, ["1.2.3", "1.2", "1", "latest"])
    assert sorted(repository.tags.list()) == ["1", "1.2", "1.2.3", "latest"]
    assert (len(exchanges) == 1) == supports("end-7b many tags in one `PUT`")


def test_end_8a_tags(place: Place, supports: Supports) -> None:
    repository = place.repository()
    push_image(repository, "v1", "latest", "v10", "v2")
    tags = list(repository.tags.list())
    assert sorted(tags) == ["latest", "v1", "v10", "v2"]
    if supports("end-8a tags in order"):
        assert tags == sorted(tags)


def test_end_8b_pages_of_tags(place: Place, supports: Supports) -> None:
    repository = place.repository()
    push_image(repository, "a", "b", "c", "d", "e")
    with place.watched() as exchanges:
        assert sorted(repository.tags.list(n=2)) == ["a", "b", "c", "d", "e"]
    assert len(exchanges) == (3 if supports("end-8b pages of `n` tags") else 1)
    if supports("end-8b tags after `last`"):
        assert list(repository.tags.list(last="c")) == ["d", "e"]


def test_end_8a_a_repository_that_does_not_exist_has_no_tags(place: Place) -> None:
    with pytest.raises(NameUnknownError):
        list(place.repository().tags.list())


def test_end_9_a_deleted_tag_leaves_the_image_and_its_other_tags(place: Place, supports: Supports) -> None:
    repository = place.repository()
    pushed = push_image(repository, "v1", "v2")
    if supports("end-9 deletion of tags"):
        repository.tags.delete("v1")
    else:
        with pytest.raises(UnsupportedError):
            repository.tags.delete("v1")
        assert repository.manifests.exists("v1")
        repository.tags.displace("v1")
    assert not repository.manifests.exists("v1")
    assert list(repository.tags.list()) == ["v2"]
    assert repository.manifests.resolve("v2") == pushed


def test_end_9_a_deleted_manifest_takes_its_tags_along(place: Place, supports: Supports) -> None:
    repository = place.repository()
    pushed = push_image(repository, "v1", "v2")
    kept = push_image(repository, "v3", note="another")
    if not supports("end-9 deletion of manifests"):
        with pytest.raises(UnsupportedError):
            repository.manifests.delete(pushed.digest)
        return
    repository.manifests.delete(pushed.digest)
    for name in (pushed.digest, "v1", "v2"):
        assert not repository.manifests.exists(name)
    assert repository.manifests.resolve("v3") == kept


def test_end_10_a_deleted_blob_is_gone(place: Place, supports: Supports) -> None:
    blobs = place.repository().blobs
    blob = blobs.push(b"deleted")
    blobs.push(b"kept")
    if not supports("end-10 deletion of blobs"):
        with pytest.raises(UnsupportedError):
            blobs.delete(blob)
        return
    blobs.delete(blob)
    assert not blobs.exists(blob)
    with pytest.raises(BlobUnknownError):
        blobs.delete(MISSING)


@pytest.mark.parametrize("anywhere", [False, True], ids=["from a repository", "from anywhere"])
def test_end_11_a_blob_is_mounted_or_else_pushed(place: Place, supports: Supports, anywhere: bool) -> None:
    source, repository = place.repository(), place.repository()
    content = b"from anywhere" if anywhere else b"from a repository"
    blob = source.blobs.push(content)
    mounted = repository.blobs.mount(blob, None if anywhere else source.name)
    assert mounted == supports(f"end-11 mount {content.decode()}")
    assert mounted == repository.blobs.exists(blob)
    repository.blobs.push(content, mount_from=source.name)
    assert repository.blobs.pull(blob) == content


def test_end_11_a_blob_that_the_other_repository_has_not_is_pushed(place: Place) -> None:
    source, repository = place.repository(), place.repository()
    source.blobs.push(b"other")
    blob = repository.blobs.push(b"nowhere yet", mount_from=source.name)
    assert repository.blobs.pull(blob) == b"nowhere yet"


def test_end_12a_referrers_come_and_go(place: Place) -> None:
    repository = place.repository()
    subject = push_image(repository, "v1")
    assert list(repository.referrers.list(subject.digest)) == []
    first = push_image(repository, note="first", subject=subject)
    second = push_image(repository, note="second", subject=subject)
    found = {entry.digest: entry for entry in repository.referrers.list(subject.digest)}
    assert set(found) == {first.digest, second.digest}
    assert found[first.digest].annotations == {"note": "first"}
    assert found[first.digest].artifact_type == "application/vnd.oci.image.config.v1+json"
    repository.manifests.delete(first.digest)
    assert [entry.digest for entry in repository.referrers.list(subject.digest)] == [second.digest]


def test_end_12a_a_subject_may_be_missing(place: Place) -> None:
    repository = place.repository()
    subject = image(repository).descriptor
    referrer = push_image(repository, note="early", subject=subject)
    assert [entry.digest for entry in repository.referrers.list(subject.digest)] == [referrer.digest]


def test_end_12b_referrers_of_one_type(place: Place) -> None:
    repository = place.repository()
    subject = push_image(repository, "v1")
    config = image(repository).document.config
    pushed = {}
    for kind in ("application/vnd.acme.a+json", "application/vnd.acme.b+json"):
        document = ImageManifest(artifact_type=kind, config=config, layers=(config,), subject=subject)
        pushed[kind] = repository.manifests.push(Manifest.of(document)).digest
    for kind, digest in pushed.items():
        found = list(repository.referrers.list(subject.digest, artifact_type=kind))
        assert [(entry.digest, entry.artifact_type) for entry in found] == [(digest, kind)]
    assert list(repository.referrers.list(subject.digest, artifact_type="application/none")) == []


def test_end_13_an_upload_goes_on_in_another_client(place: Place) -> None:
    repository = place.repository()
    upload = repository.uploads.start()
    upload.patch(b"0123")
    state = UploadState.parse(upload.state.encode())
    with connected(place.address) as other:
        resumed = other.client.repository(f"{place.address}/{repository.name}").uploads.resume(state)
        assert resumed.status() == 4
        blob = resumed.finish(Digest.of(b"0123456789"), b"456789")
    assert repository.blobs.pull(blob) == b"0123456789"


def test_end_5_a_chunk_out_of_order_is_refused(place: Place, supports: Supports) -> None:
    repository = place.repository()
    upload = repository.uploads.start()
    upload.patch(b"01")
    behind = repository.uploads.resume(upload.state)
    upload.patch(b"2345")
    with pytest.raises((RangeNotSatisfiableError, RejectedError, NotFoundError)):
        behind.patch(b"23")
    if supports("end-13 status at an earlier location"):
        assert behind.status() == 6
        upload = behind
    assert repository.blobs.pull(upload.finish(Digest.of(b"012345"))) == b"012345"


def test_end_14_a_cancelled_upload_is_gone(place: Place, supports: Supports) -> None:
    upload = place.repository().uploads.start()
    upload.patch(b"0123")
    upload.cancel()  # succeeds, whether or not the registry heeds it
    if supports("end-14 cancelling an upload"):
        with pytest.raises(BlobUploadUnknownError):
            upload.status()
    else:
        assert upload.status() == 4


def test_catalog(place: Place, supports: Supports) -> None:
    repository = place.repository()
    push_image(repository, "v1")
    registry = place.client.registry(place.address)
    if supports("`_catalog`"):
        assert repository.name in list(registry.repositories())
        assert repository.name in list(registry.repositories(n=1))
    else:
        with pytest.raises(UnsupportedError):
            list(registry.repositories())


def test_discover(place: Place, supports: Supports) -> None:
    registry = place.client.registry(place.address)
    if supports("`_oci/ext/discover`"):
        assert all(extension.name.startswith("_") for extension in registry.extensions())
    else:
        with pytest.raises(UnsupportedError):
            registry.extensions()
