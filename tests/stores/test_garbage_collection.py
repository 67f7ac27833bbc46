from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import LayoutError
from lading.stores.digest_cache import DigestCache
from lading.stores.garbage_collection import DAY, RemovedBlob, collect, collect_garbage
from lading.stores.kept_blobs import keep_blob
from lading.stores.layout import Layout
from tests.support.corpus import UNKNOWN, Corpus, encoded


@pytest.fixture
def made() -> Corpus:
    made = Corpus()
    made.tags["v1"] = made.index(made.index(made.image("inside")), made.image("beside"))
    made.tags["unknown"] = made.add(encoded({"acme": {"parts": [made.add(b"a part", UNKNOWN)["digest"]]}}), UNKNOWN)
    return made


@pytest.fixture
def layout(tmp_path: Path, made: Corpus) -> Layout:
    """A layout in which everything is old."""
    made.write_layout(tmp_path / "made")
    layout = Layout.open(tmp_path / "made")
    for place in layout.path.glob("blobs/*/*"):
        age(place)
    return layout


def age(path: Path) -> None:
    then = time.time() - 2 * DAY
    os.utime(path, (then, then))


def add(layout: Layout, content: bytes, *, old: bool = True) -> Digest:
    digest = Digest.of(content)
    with layout.push_blob(digest, len(content)) as writer:
        writer.write(content)
        writer.commit()
    if old:
        age(layout.blob_path(digest))
    return digest


def test_only_what_nothing_names_goes(layout: Layout, made: Corpus) -> None:
    orphans = [add(layout, b"one"), add(layout, b'{"a manifest": "that nobody names"}')]
    assert sorted(collect(layout), key=lambda each: each.size) == [
        RemovedBlob(orphans[0], 3),
        RemovedBlob(orphans[1], 35),
    ]
    assert not made.missing_from(layout.path)
    assert list(collect(layout)) == []


def test_a_dry_run_removes_nothing(layout: Layout) -> None:
    orphan = add(layout, b"one")
    assert list(collect(layout, dry_run=True)) == [RemovedBlob(orphan, 3)]
    assert layout.blob_size(orphan) == 3


def test_what_a_deleted_manifest_named_goes_but_not_what_others_share(layout: Layout, made: Corpus) -> None:
    shared = next(Digest(digest) for digest, raw in made.blobs.items() if raw.startswith(b"shared layer"))
    layout.delete_manifest(Digest(made.tags["v1"]["digest"]))
    removed = {each.digest for each in collect(layout)}
    assert shared in removed
    assert {Digest(made.tags["unknown"]["digest"])} & removed == set()
    assert layout.blob_size(Digest.of(b"a part")) == 6


def test_what_is_new_or_was_counted_on_stays_for_the_time_of_grace(layout: Layout) -> None:
    new, kept, gone = add(layout, b"new", old=False), add(layout, b"kept"), add(layout, b"gone")
    assert keep_blob(layout, Descriptor.of(b"kept", "m/t"), DigestCache(None))
    assert not keep_blob(layout, Descriptor.of(b"absent", "m/t"), DigestCache(None))
    assert [each.digest for each in collect(layout)] == [gone]
    assert {layout.blob_size(new), layout.blob_size(kept)} == {3, 4}
    assert {each.digest for each in collect(layout, grace=-1)} == {new, kept}


def test_a_manifest_that_comes_meanwhile_keeps_what_it_names(layout: Layout, made: Corpus) -> None:
    first, second = sorted((add(layout, b"first"), add(layout, b"second")))
    removal = collect(layout)
    assert next(removal).digest == first
    raw = encoded({"schemaVersion": 2, "needs": second})
    layout.push_manifest(raw, Descriptor.of(raw, UNKNOWN), ["late"])
    assert list(removal) == []
    assert layout.blob_size(second) is not None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda path: path.write_bytes(b"{" * path.stat().st_size), "damaged", id="manifest"),
        pytest.param(lambda path: path.parent.parent.parent.joinpath("index.json").unlink(), "missing", id="index"),
    ],
)
def test_nothing_goes_where_something_needed_is_damaged(
    layout: Layout, made: Corpus, damage: Callable[[Path], object], message: str
) -> None:
    orphan = add(layout, b"one")
    damage(layout.blob_path(Digest(made.tags["v1"]["digest"])))
    with pytest.raises(LayoutError, match=message):
        list(collect(layout))
    assert layout.blob_size(orphan) == 3


def test_an_index_that_lacks_entries_keeps_the_others(layout: Layout, made: Corpus) -> None:
    missing = next(Digest(digest) for digest, raw in made.blobs.items() if b'"text": "beside"' in raw)
    layout.blob_path(missing).unlink()
    assert list(collect(layout)) == []


def test_a_directory_is_named_by_its_path(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "layout")
    blob = layout.path / "blobs" / "sha256"
    blob.mkdir()
    digest = Digest.of(b"unneeded")
    (blob / digest.encoded).write_bytes(b"unneeded")
    assert list(collect_garbage(str(layout.path), grace=-1, dry_run=True)) == [RemovedBlob(digest, 8)]
    assert [removed.to_dict() for removed in collect_garbage(layout.path, grace=-1)] == [
        {"digest": str(digest), "size": 8}
    ]
    assert list(collect_garbage(layout.path, grace=-1)) == []
    with pytest.raises(LayoutError, match="is not an OCI image layout"):
        collect_garbage(tmp_path)
    with pytest.raises(TypeError, match="directory must be a path"):
        collect_garbage(1)  # type: ignore[arg-type]  # a wrong type is the point
