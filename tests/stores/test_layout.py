from __future__ import annotations

import errno
import json
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lading._io import atomic_files
from lading._io.system import Directory
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import (
    DigestMismatchError,
    InvalidDigestError,
    LayoutError,
    SizeMismatchError,
    StorageError,
    VerificationError,
)
from lading.media_types import OCI_MANIFEST
from lading.stores import partial_files
from lading.stores.layout import Layout
from tests.support.layouts import CONTENT, DIGEST, files, manifest, push, write
from tests.support.systems import DESCRIPTORS


def test_a_new_layout_is_what_the_specification_says(tmp_path: Path) -> None:
    Layout.create(tmp_path / "deep" / "layout")
    assert json.loads((tmp_path / "deep/layout/oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((tmp_path / "deep/layout/index.json").read_bytes())["manifests"] == []
    assert (tmp_path / "deep/layout/blobs").is_dir()


def test_reading_a_small_index_takes_little_memory(layout: Layout) -> None:
    tracemalloc.start()
    try:
        Layout.open(layout.path).index()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_an_index_that_is_larger_than_a_piece_is_read_whole(layout: Layout) -> None:
    padding = " " * (3 << 20)
    (layout.path / "index.json").write_text(f'{{"schemaVersion":2,"manifests":[]{padding}}}')
    assert Layout.open(layout.path).tags() == ()


def test_create_opens_a_layout_that_is_there(layout: Layout) -> None:
    raw, descriptor = manifest()
    layout.push_manifest(raw, descriptor, ["v1"])
    assert Layout.create(layout.path).resolve("v1") is not None


def test_create_finishes_what_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "index.json").write_bytes(b'{"schemaVersion":2,"manifests":[],"mine":1}')
    Layout.create(tmp_path)
    assert b"mine" in (tmp_path / "index.json").read_bytes()


def test_create_gives_no_marker_to_a_directory_with_a_damaged_index(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(b"<html>")
    with pytest.raises(LayoutError):
        Layout.create(tmp_path)
    assert not (tmp_path / "oci-layout").exists()
    assert (tmp_path / "index.json").read_bytes() == b"<html>"


def test_two_processes_may_create_the_same_layout(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for created in threads.map(Layout.create, [tmp_path / "layout"] * 16):
            assert created.tags() == ()
    assert files(tmp_path / "layout") == {"oci-layout", "index.json", ".index.lock"}


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (None, "no file oci-layout"),
        (b"", "damaged"),
        (b"{}", "damaged"),
        (b"[" * 70_000, "bytes, more than"),
        (b"\xff", "damaged"),
        (b'{"imageLayoutVersion":"2.0.0"}', "version '2.0.0'"),
    ],
    ids=["missing", "empty", "no version", "large", "not UTF-8", "later version"],
)
def test_open_refuses_what_is_no_layout(tmp_path: Path, header: bytes | None, text: str) -> None:
    (tmp_path / "index.json").write_bytes(b'{"manifests":[]}')
    if header is not None:
        (tmp_path / "oci-layout").write_bytes(header)
    with pytest.raises(LayoutError, match=text):
        Layout.open(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"{}}", b"[]"], ids=["missing", "empty", "not JSON", "a list"])
def test_an_index_that_cannot_be_read_is_an_error_and_stays(layout: Layout, content: bytes | None) -> None:
    raw, descriptor = manifest()
    path = layout.path / "index.json"
    os.utime(path, (1000, 1000))  # so long ago that its content is kept
    layout.tags()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    for call in (layout.tags, lambda: layout.push_manifest(raw, descriptor, ["v1"]), lambda: Layout.open(layout.path)):
        with pytest.raises(LayoutError, match="restore it from a copy"):
            call()
    assert (path.read_bytes() if path.exists() else None) == content


def test_an_index_that_is_removed_after_it_was_read_is_missing(layout: Layout) -> None:
    path = layout.path / "index.json"
    os.utime(path, (1, 1))
    assert layout.tags() == ()
    path.unlink()
    with pytest.raises(LayoutError, match="is missing"):
        layout.tags()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_is_read_as_it_was_written(layout: Layout, algorithm: str) -> None:
    digest = push(layout, CONTENT, algorithm)
    assert layout.blob_size(digest) == len(CONTENT)
    file = layout.open_blob(digest)
    assert file is not None
    with file:
        assert file.read() == CONTENT
    assert (layout.path / "blobs" / algorithm / digest.encoded).read_bytes() == CONTENT


def test_an_empty_blob_can_be_written(layout: Layout) -> None:
    assert layout.blob_size(push(layout, b"")) == 0


def test_a_blob_that_is_not_there_is_none(layout: Layout) -> None:
    for digest in (DIGEST, Digest("x+y:" + "a" * 5000)):
        assert layout.blob_size(digest) is None
        assert layout.open_blob(digest) is None
        assert layout.resolve(digest) is None
    assert layout.read_blob(Descriptor("m/t", DIGEST, 5)) is None


@pytest.mark.parametrize(
    ("digest", "size", "error"),
    [
        (Digest.of(b"other"), None, DigestMismatchError),
        (DIGEST, len(CONTENT) + 1, SizeMismatchError),
        (DIGEST, len(CONTENT) - 1, SizeMismatchError),
    ],
    ids=["digest", "too short", "too long"],
)
def test_wrong_content_leaves_nothing(
    layout: Layout, digest: Digest, size: int | None, error: type[VerificationError]
) -> None:
    before = files(layout.path)
    with pytest.raises(error):
        write(layout, digest, size)
    assert files(layout.path) == before
    assert layout.blob_size(digest) is None


def test_a_blob_that_is_not_committed_leaves_nothing(layout: Layout) -> None:
    before = files(layout.path)
    with layout.push_blob(DIGEST) as writer:
        writer.write(CONTENT)
    assert files(layout.path) == before


def test_an_algorithm_that_cannot_be_computed_is_refused(layout: Layout) -> None:
    with pytest.raises(InvalidDigestError):
        layout.push_blob(Digest("blake3:" + "0" * 64))
    assert files(layout.path) == {"oci-layout", "index.json", ".index.lock"}


def test_pushing_a_damaged_blob_again_mends_it(layout: Layout) -> None:
    push(layout, CONTENT)
    layout.blob_path(DIGEST).write_bytes(b"CARGO")
    with pytest.raises(DigestMismatchError):
        layout.read_blob(Descriptor("m/t", DIGEST, 5))
    push(layout, CONTENT)
    assert layout.read_blob(Descriptor("m/t", DIGEST, 5)) == CONTENT


def test_read_blob_does_not_believe_the_size_of_a_descriptor(layout: Layout) -> None:
    push(layout, CONTENT)
    for size in (0, 4, 6, 2**62):
        with pytest.raises(SizeMismatchError):
            layout.read_blob(Descriptor("m/t", DIGEST, size))


def test_a_blob_that_is_a_symbolic_link_to_elsewhere_is_not_followed(layout: Layout) -> None:
    push(layout, b"other")
    outside = layout.path.parent / "outside"
    outside.write_bytes(CONTENT)
    layout.blob_path(DIGEST).symlink_to(outside)
    assert layout.blob_size(DIGEST) is None
    with pytest.raises(StorageError, match="cannot open"):
        layout.open_blob(DIGEST)
    push(layout, CONTENT)
    assert layout.blob_size(DIGEST) == len(CONTENT)
    assert outside.read_bytes() == CONTENT


def test_a_blob_that_is_a_symbolic_link_is_not_mounted(layout: Layout, tmp_path: Path) -> None:
    other = Layout.create(tmp_path / "other")
    push(other, b"other")
    push(layout, b"other")
    (layout.path / "inside").write_bytes(CONTENT)
    layout.blob_path(DIGEST).symlink_to(layout.path / "inside")
    assert layout.blob_size(DIGEST) == len(CONTENT)
    assert not other.mount_blob(DIGEST, layout)
    assert other.blob_size(DIGEST) is None


def test_an_adopted_file_becomes_a_blob(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(CONTENT)
    layout.adopt(tmp_path / "upload", DIGEST)
    assert layout.blob_size(DIGEST) == len(CONTENT)
    assert not (tmp_path / "upload").exists()


def test_a_mounted_blob_outlives_the_one_it_came_from(layout: Layout, tmp_path: Path) -> None:
    other = Layout.create(tmp_path / "other")
    assert not other.mount_blob(DIGEST, layout)
    push(layout, CONTENT)
    assert other.mount_blob(DIGEST, layout)
    assert other.mount_blob(DIGEST, layout)
    assert layout.delete_blob(DIGEST)
    assert other.read_blob(Descriptor("m/t", DIGEST, 5)) == CONTENT


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EMLINK, errno.EPERM])
def test_a_blob_that_cannot_be_linked_is_not_mounted(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "refused")

    push(layout, CONTENT)
    other = Layout.create(tmp_path / "other")
    monkeypatch.setattr(os, "link", refuse)
    assert not other.mount_blob(DIGEST, layout)


def test_a_failing_disk_is_told_from_a_blob_that_cannot_be_linked(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    push(layout, CONTENT)
    other = Layout.create(tmp_path / "other")
    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(StorageError) as caught:
        other.mount_blob(DIGEST, layout)
    assert caught.value.errno == errno.EIO


def test_a_manifest_is_found_by_tag_and_by_digest(layout: Layout) -> None:
    raw, descriptor = manifest()
    layout.push_manifest(raw, descriptor, ["v1", "latest"])
    for name in ("v1", "latest", descriptor.digest):
        found = layout.resolve(name)
        assert found is not None
        assert (found.digest, found.media_type, found.size) == (descriptor.digest, OCI_MANIFEST, len(raw))
    assert layout.resolve("v2") is None
    assert layout.tags() == ("latest", "v1")
    assert [found.digest for found in layout.manifests()] == [descriptor.digest]
    assert layout.read_blob(descriptor) == raw


def test_a_manifest_that_is_not_what_its_descriptor_says_is_refused(layout: Layout) -> None:
    raw, descriptor = manifest()
    with pytest.raises(VerificationError):
        layout.push_manifest(raw + b" ", descriptor, ["v1"])
    assert layout.tags() == ()
    assert layout.blob_size(descriptor.digest) is None


def test_a_deleted_tag_leaves_its_manifest_and_other_tags(layout: Layout) -> None:
    raw, descriptor = manifest()
    layout.push_manifest(raw, descriptor, ["v1", "v2"])
    assert layout.delete_tag("v1")
    assert not layout.delete_tag("v1")
    assert layout.tags() == ("v2",)
    assert layout.delete_tag("v2")
    assert layout.resolve(descriptor.digest) is not None


def test_a_deleted_manifest_is_gone_with_its_tags_and_its_bytes(layout: Layout) -> None:
    raw, descriptor = manifest()
    layout.push_manifest(raw, descriptor, ["v1", "v2"])
    assert layout.delete_manifest(descriptor.digest)
    assert not layout.delete_manifest(descriptor.digest)
    assert layout.tags() == ()
    assert layout.resolve(descriptor.digest) is None
    assert layout.blob_size(descriptor.digest) is None


def test_a_deleted_blob_can_be_read_to_its_end_by_who_has_it_open(layout: Layout) -> None:
    push(layout, CONTENT)
    file = layout.open_blob(DIGEST)
    assert file is not None
    assert layout.delete_blob(DIGEST)
    assert not layout.delete_blob(DIGEST)
    with file:
        assert file.read() == CONTENT


def test_what_another_process_writes_is_seen_at_once(layout: Layout) -> None:
    other = Layout.open(layout.path)
    for number in range(20):
        raw, descriptor = manifest(str(number))
        (other if number % 2 else layout).push_manifest(raw, descriptor, ["v1"])
        for one in (layout, other):
            found = one.resolve("v1")
            assert found is not None
            assert found.digest == descriptor.digest


def test_an_index_that_does_not_change_is_parsed_once(layout: Layout) -> None:
    raw, descriptor = manifest()
    layout.push_manifest(raw, descriptor, ["v1"])
    os.utime(layout.path / "index.json", (1, 1))
    assert layout.index() is layout.index()


def test_writers_at_the_same_time_lose_nothing(layout: Layout) -> None:
    def write(number: int) -> None:
        raw, descriptor = manifest(str(number))
        Layout.open(layout.path).push_manifest(raw, descriptor, [f"v{number:02}"])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(24)))
    assert layout.tags() == tuple(f"v{number:02}" for number in range(24))
    assert len(layout.manifests()) == 24


def test_nothing_unfinished_is_ever_among_the_blobs(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[Path] = []
    create, begin = atomic_files.NewFile.__init__, partial_files.Partial.__init__

    def record(new: atomic_files.NewFile, directory: Path, *, final: Path | None = None, mode: int = 0o644) -> None:
        places.append(directory)
        create(new, directory, mode=mode)

    def record_partial(new: partial_files.Partial, directory: Directory, path: Path, digest: Digest) -> None:
        places.append(path)
        begin(new, directory, path, digest)

    monkeypatch.setattr(atomic_files.NewFile, "__init__", record)
    monkeypatch.setattr(partial_files.Partial, "__init__", record_partial)
    raw, descriptor = manifest()
    layout.push_manifest(raw, descriptor, ["v1"])
    push(layout, CONTENT)
    assert places == [layout.path] * 3


def test_a_full_disk_leaves_the_index_and_no_files(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, descriptor = manifest()
    layout.push_manifest(raw, descriptor, ["v1"])
    before = files(layout.path)
    index = (layout.path / "index.json").read_bytes()

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    raw, descriptor = manifest("more")
    with pytest.raises(StorageError) as caught:
        layout.push_manifest(raw, descriptor, ["v1"])
    assert caught.value.errno == errno.ENOSPC
    assert files(layout.path) == before
    assert (layout.path / "index.json").read_bytes() == index


@DESCRIPTORS
def test_the_names_of_blobs_are_safe_before_the_index_that_may_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout.create(tmp_path / "layout")
    calls: list[str] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def record_fsync(descriptor: int) -> None:
        calls.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def record_rename(source: str, target: str, **where: int) -> None:
        calls.append(f"name {Path(target).name}")
        rename(source, target, **where)

    def record_replace(source: str, target: str, **where: int) -> None:
        calls.append(f"name {Path(target).name}")
        replace(source, target, **where)

    content = b"content"
    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "rename", record_rename)
    monkeypatch.setattr(os, "replace", record_replace)
    with layout.push_blob(Digest.of(content), len(content)) as writer:
        writer.write(content)
        writer.commit(sync_name=False)
    assert calls[-1] == f"name {Digest.of(content).encoded}"
    layout.push_manifest(b"{}", Descriptor.of(b"{}", OCI_MANIFEST))
    named = calls.index("name index.json")
    assert calls.index("sync sha256") < named
    assert calls.index("sync sha256") > calls.index(f"name {Digest.of(b'{}').encoded}")
    assert calls[-1] == "sync layout"
