from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.process import Run
from tests.support.corpus import Corpus, corpus


@pytest.fixture
def content(tmp_path: Path) -> Corpus:
    """The corpus, in the layout `source` of the test's directory."""
    made = corpus()
    made.write_layout(tmp_path / "source")
    return made


def test_copy_prints_the_digest_and_repeats_itself(lading: Run, registry: str, content: Corpus) -> None:
    digest = content.tags["nested"]["digest"]
    done = lading("copy", "oci:source:nested", f"{registry}/copies/app:1")
    assert (done.code, done.lines, done.stderr) == (0, [digest], "")
    record = lading("copy", "oci:source:nested", f"{registry}/copies/app:1", "--json").record
    assert (record["digest"], record["moved"], record["skipped"], record["bytes"]) == (digest, 0, 10, 0)
    record = lading("copy", f"{registry}/copies/app:1", f"{registry}/copies/other:2", "--json").record
    assert (record["mounted"], record["tags"]) == (5, ["2"])
    done = lading("verify", f"{registry}/copies/other:2")
    assert (done.code, done.stderr) == (0, "")
    correct = f"{digest}: 10 contents of {sizes(content, digest)} bytes are correct"
    assert done.lines == [f"{correct}; layers expanded and compared with their diff_ids: 3 of 3"]
    done = lading("verify", f"{registry}/copies/other:2", "--shallow")
    assert done.lines == [f"{correct}; layers expanded and compared with their diff_ids: 0 of 3"]


def sizes(content: Corpus, digest: str) -> int:
    """Return the size of a manifest and all that it names."""
    seen: set[str] = set()
    waiting = [digest]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if content.blobs[one].startswith(b"{"):
            document = json.loads(content.blobs[one])
            entries = [*document.get("manifests", []), *document.get("layers", [])]
            waiting += [entry["digest"] for entry in [*entries, *filter(None, [document.get("config")])]]
    return sum(len(content.blobs[one]) for one in seen)


def test_copy_with_dry_run_prints_the_plan(lading: Run, content: Corpus, tmp_path: Path) -> None:
    done = lading("copy", "oci:source:image", "oci:copy:v1", "--dry-run")
    digest = content.tags["image"]["digest"]
    assert (done.code, done.stderr) == (0, "")
    *steps, summary = done.lines
    assert steps[-1] == f"push   {digest}  {content.tags['image']['size']}  v1"
    total = sizes(content, digest)
    assert summary == f"4 to push ({total} bytes), 0 to mount, 0 exist already"
    record = lading("copy", "oci:source:image", "oci:copy:v1", "--dry-run", "--json").record
    assert [step["action"] for step in record["steps"]] == ["push"] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_copy_of_all_tags_and_of_a_pattern(lading: Run, content: Corpus) -> None:
    done = lading("copy", "--all-tags", "--json", "oci:source", "oci-archive:all.tar")
    assert done.code == 0
    assert {tuple(json.loads(line)["tags"]) for line in done.lines} == {(tag,) for tag in content.tags}
    done = lading("copy", "oci-archive:all.tar", "oci:some", "--all-tags", "d*", "--json")
    assert [json.loads(line)["tags"] for line in done.lines] == [["data"], ["docker-list"]]


def test_copy_for_platforms(lading: Run, registry: str, content: Corpus) -> None:
    list_of_both = json.loads(content.blobs[content.tags["docker-list"]["digest"]])
    arm64 = list_of_both["manifests"][1]["digest"]
    arguments = ("copy", "oci:source:docker-list", f"{registry}/copies/platforms:1", "--platform", "linux/arm64")
    done = lading(*arguments)
    assert (done.code, done.lines) == (0, [arm64])
    # All configs of the corpus are for amd64.
    warning = f"{arm64}: the index lists it for linux/arm64, but its config is for linux/amd64"
    assert done.stderr == f"lading: warning: oci:source: {warning}\n"
    assert lading("resolve", f"{registry}/copies/platforms:1").lines == [arm64]
    assert lading("verify", f"{registry}/copies/platforms:1").code == 0
    done = lading(*arguments, "--index", "sparse", "-q")
    assert done.refused(1, "MANIFEST_BLOB_UNKNOWN")
    assert "--index rewritten" in done.stderr
    record = lading(*arguments, "--index", "rewritten", "--json").record
    assert (record["mediaType"], record["tags"]) == (content.tags["docker-list"]["mediaType"], ["1"])
    assert record["digest"] not in {arm64, content.tags["docker-list"]["digest"]}
    both = lading(*arguments, "--platform", "linux/amd64").lines
    assert both == [content.tags["docker-list"]["digest"]]  # all of the list
    assert lading("verify", f"{registry}/copies/platforms:1").code == 0
    for form in ("rewritten", "sparse"):
        assert lading("copy", "oci:source:image", "oci:x", "--index", form).refused(2, f"{form} needs --platform")


def test_what_goes_wrong_has_its_exit_code(lading: Run, registry: str, content: Corpus) -> None:
    assert lading("copy", f"{registry}/copies/nothing:1", "oci:copy").refused(3, f"in {registry}/copies/nothing")
    assert lading("copy", "127.0.0.1:1/a/b:1", "oci:copy", "--retries", "0").refused(6, "127.0.0.1:1")
    assert lading("copy", "oci:absent:1", "oci:copy").refused(3, "does not exist")
    assert lading("copy", "--header", "X-Key: 1", "127.0.0.1:1/a", "127.0.0.2:1/a").refused(2, "both registries")
    assert lading("copy", "docker-archive:x", "oci:copy", "--all-tags").refused(2, "have names, not tags")


def test_verify_names_what_is_wrong(lading: Run, content: Corpus, tmp_path: Path) -> None:
    layer = max(content.blobs, key=lambda digest: len(content.blobs[digest]))
    place = tmp_path / "source" / "blobs" / layer.replace(":", "/")
    place.write_bytes(bytes(len(content.blobs[layer])))
    done = lading("verify", "oci:source:image")
    assert done.code == 5
    [line] = done.lines
    assert line.startswith(f"{layer}: ")
    assert done.stderr == "lading: 1 of 4 contents are missing or damaged\n"


def test_layout_gc_removes_what_nothing_needs(lading: Run, content: Corpus, tmp_path: Path) -> None:
    orphan = tmp_path / "source" / "blobs" / "sha256" / ("0" * 64)
    orphan.write_bytes(b"nobody needs this")
    os.utime(orphan, (0, 0))
    expected = f"sha256:{'0' * 64}  17"
    assert lading("layout", "gc", "source", "--dry-run").lines == [expected]
    assert lading("layout", "gc", "source").lines == [expected]
    assert lading("layout", "gc", "source", "--grace", "0").lines == []
    assert not content.missing_from(tmp_path / "source")
    assert lading("layout", "gc", ".").refused(1, "is not an OCI image layout")
    assert lading("layout", "gc", "source", "--grace", "-1").refused(2, "hours")
