"""Tags, manifests and blobs managed from the command line: tag, untag, delete, referrers, repos, mount."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.server.limits import ServerLimits
from lading.server.serving import running
from tests.cli.process import Run
from tests.support.images import MANIFEST, Image, sha256
from tests.support.scripted import ScriptedServer, answers

ABSENT = f"sha256:{'0' * 64}"
EMPTY = "application/vnd.oci.empty.v1+json"
SBOM = "application/spdx+json"
CODES = [
    ("BLOB_UNKNOWN", 404, 3),
    ("BLOB_UPLOAD_INVALID", 400, 1),
    ("BLOB_UPLOAD_UNKNOWN", 404, 3),
    ("DIGEST_INVALID", 400, 1),
    ("MANIFEST_BLOB_UNKNOWN", 404, 1),
    ("MANIFEST_INVALID", 400, 1),
    ("MANIFEST_UNKNOWN", 404, 3),
    ("NAME_INVALID", 400, 1),
    ("NAME_UNKNOWN", 404, 3),
    ("SIZE_INVALID", 400, 1),
    ("UNAUTHORIZED", 401, 4),
    ("DENIED", 403, 4),
    ("UNSUPPORTED", 405, 1),
    ("TOOMANYREQUESTS", 429, 1),
]


def stocked(lading: Run, repository: str, cargo: Image, *tags: str) -> str:
    """Push an image under tags, and return its digest."""
    for content in (cargo.config, cargo.layer):
        assert lading("blob", "push", repository, "-", stdin=content).code == 0
    options = [option for tag in tags[1:] for option in ("--tag", tag)]
    assert lading("manifest", "push", f"{repository}:{tags[0]}", "-", *options, stdin=cargo.manifest).code == 0
    return sha256(cargo.manifest)


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[str]:
    """A registry that deletes nothing."""
    with running(tmp_path / "keeping", limits=ServerLimits(deletes=False)) as origin:
        yield origin.authority


@pytest.mark.spec("end-7b.client")
def test_tag_gives_further_tags(lading: Run, registry: str, cargo: Image) -> None:
    repository = f"{registry}/manage/tag"
    digest = stocked(lading, repository, cargo, "1")
    done = lading("tag", f"{repository}:1", "2", "latest", "2")
    assert (done.code, done.lines, done.stderr) == (0, [digest], "")
    assert lading("tags", repository).lines == ["1", "2", "latest"]
    record = lading("tag", f"{repository}@{digest}", "3", "--json").record
    assert (record["digest"], record["tags"], record["mediaType"]) == (digest, ["3"], MANIFEST)
    assert lading("tag", f"{repository}:1", "not ok").refused(2, "invalid tag")
    assert lading("tag", f"{repository}:9", "4").refused(3, "has no tag '9'")


@pytest.mark.spec("end-9.client")
@pytest.mark.parametrize("displace", [False, True], ids=["tag", "stand-in"])
def test_end_9_untag_leaves_the_image_and_its_other_tags(
    lading: Run, registry: str, cargo: Image, displace: bool
) -> None:
    repository = f"{registry}/manage/untag-{displace}".lower()
    digest = stocked(lading, repository, cargo, "1", "2")
    done = lading("untag", f"{repository}:1", *(["--displace"] if displace else []))
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")
    assert lading("tags", repository).lines == ["2"]
    assert lading("resolve", f"{repository}:2").lines == [digest]
    assert lading("untag", f"{repository}:2", "--json").record == {"reference": f"{repository}:2", "untagged": True}
    assert lading("manifest", "exists", f"{repository}@{digest}").code == 0
    assert lading("untag", f"{repository}:2").refused(3, "has no tag '2'")


def test_untag_wants_a_tag_that_was_written(lading: Run, registry: str) -> None:
    repository = f"{registry}/manage/none"
    assert lading("untag", repository).refused(2, f"name the tag to remove, such as {repository}:latest")
    assert lading("untag", f"{repository}@{ABSENT}").refused(2, "leave out the digest")
    assert lading("untag", f"{repository}:1@{ABSENT}").refused(2, "leave out the digest")


@pytest.mark.spec("end-9.client")
@pytest.mark.parametrize("verb", [("delete",), ("manifest", "delete")], ids=" ".join)
def test_end_9_delete_takes_a_digest_and_all_tags_with_it(
    lading: Run, registry: str, cargo: Image, verb: tuple[str, ...]
) -> None:
    repository = f"{registry}/manage/{'-'.join(verb)}"
    digest = stocked(lading, repository, cargo, "1", "2")
    for reference in (f"{repository}:1", repository, f"{repository}:1@{digest}"):
        assert lading(*verb, reference).refused(2, "use `untag` for one tag")
    assert lading("tags", repository).lines == ["1", "2"]
    done = lading(*verb, f"{repository}@{digest}")
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")
    assert lading("tags", repository).lines == []
    assert lading(*verb, f"{repository}@{digest}").refused(3, f"has no manifest {digest}")


def test_end_10_blob_delete(lading: Run, registry: str) -> None:
    repository = f"{registry}/manage/blobs"
    assert lading("blob", "push", repository, "-", stdin=b"blob").code == 0
    blob = f"{repository}@{sha256(b'blob')}"
    assert lading("blob", "delete", blob, "--json").record == {"digest": sha256(b"blob"), "deleted": True}
    assert lading("blob", "delete", blob).refused(3, "has no blob sha256:")
    assert lading("blob", "delete", repository).refused(2, "does not name a blob")


def test_end_9_end_10_a_registry_that_deletes_nothing_says_so(lading: Run, keeping: str, cargo: Image) -> None:
    repository = f"{keeping}/app"
    digest = stocked(lading, repository, cargo, "1")
    done = lading("untag", f"{repository}:1")
    assert done.refused(1, "405 UNSUPPORTED")
    assert "lading untag --displace" in done.stderr
    for arguments in (
        ("untag", f"{repository}:1", "--displace"),
        ("delete", f"{repository}@{digest}"),
        ("blob", "delete", f"{repository}@{sha256(cargo.layer)}"),
    ):
        assert lading(*arguments).refused(1, "405 UNSUPPORTED")
    assert lading("resolve", f"{repository}:1").lines == [digest]


def test_end_11_blob_mount(lading: Run, registry: str) -> None:
    blob = sha256(b"mounted")
    assert lading("blob", "push", f"{registry}/manage/from", "-", stdin=b"mounted").code == 0
    done = lading("blob", "mount", f"{registry}/manage/to@{blob}", "--from", "manage/from")
    assert (done.code, done.lines, done.stderr) == (0, [blob], "")
    assert lading("blob", "pull", f"{registry}/manage/to@{blob}").stdout == b"mounted"
    assert lading("blob", "mount", f"{registry}/manage/to@{ABSENT}", "--from", "manage/from").refused(
        1, "push the blob"
    )
    assert lading("blob", "mount", f"{registry}/manage/to@{blob}", "--from", "No").refused(2, "lower case")


@pytest.mark.spec("end-12a.client", "end-12b.client")
def test_end_12a_referrers_are_listed_and_filtered(lading: Run, registry: str, cargo: Image) -> None:
    repository = f"{registry}/manage/referrers"
    subject = stocked(lading, repository, cargo, "1")
    assert lading("referrers", f"{repository}:1").lines == []
    assert lading("blob", "push", repository, "-", stdin=b"{}").code == 0
    empty = {"mediaType": EMPTY, "digest": sha256(b"{}"), "size": 2}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": SBOM,
        "config": empty,
        "layers": [empty],
        "subject": {"mediaType": MANIFEST, "digest": subject, "size": len(cargo.manifest)},
        "annotations": {"a": "b"},
    }
    raw = json.dumps(document).encode()
    assert lading("manifest", "push", f"{repository}@{sha256(raw)}", "-", stdin=raw).code == 0
    for reference in (f"{repository}:1", f"{repository}@{subject}"):
        assert lading("referrers", reference).lines == [f"{sha256(raw)} {SBOM}"]
    assert lading("referrers", f"{repository}:1", "--json").record == {
        "mediaType": MANIFEST,
        "digest": sha256(raw),
        "size": len(raw),
        "annotations": {"a": "b"},
        "artifactType": SBOM,
    }
    assert lading("referrers", f"{repository}:1", "--artifact-type", "application/other").lines == []
    assert lading("referrers", f"{repository}:9").refused(3, "has no tag '9'")


@pytest.mark.spec("catalog.client")
def test_catalog_repos(lading: Run, keeping: str, cargo: Image) -> None:
    assert lading("repos", keeping).lines == []
    stocked(lading, f"{keeping}/b", cargo, "1")
    stocked(lading, f"{keeping}/a/deep", cargo, "1")
    done = lading("repos", keeping)
    assert (done.code, done.lines, done.stderr) == (0, ["a/deep", "b"], "")
    records = [json.loads(line) for line in lading("repos", f"http://{keeping}", "--json").lines]
    assert records == [{"repository": "a/deep"}, {"repository": "b"}]


def test_catalog_a_registry_without_one_says_so(lading: Run, tmp_path: Path) -> None:
    with running(tmp_path / "silent", limits=ServerLimits(catalog=False)) as origin:
        done = lading("repos", origin.authority)
    assert done.refused(1, "UNSUPPORTED")
    assert "many registries list repositories only on their web page" in done.stderr


@pytest.mark.spec("errors.client")
@pytest.mark.parametrize(("code", "status", "expected"), CODES, ids=[code for code, _, _ in CODES])
def test_each_error_code_has_its_exit_code(lading: Run, code: str, status: int, expected: int) -> None:
    body = json.dumps({"errors": [{"code": code, "message": "because"}]}).encode()
    fields = f'Content-Type: application/json\r\nContent-Length: {len(body)}\r\nWWW-Authenticate: Basic realm="r"'
    raw = f"HTTP/1.1 {status} No\r\n{fields}\r\n\r\n".encode() + body
    with ScriptedServer(answers(raw)) as server:
        done = lading("manifest", "pull", f"{server.origin.authority}/a:1", "--retries", "0")
    assert done.refused(expected, f"{status} {code}: because")


def test_tags_of_an_image_layout_are_listed_resolved_added_and_deleted(
    lading: Run, repository: str, cargo: Image, tmp_path: Path
) -> None:
    assert lading("copy", f"{repository}:1", "oci:layout:1").code == 0
    digest = sha256(cargo.manifest)
    assert lading("tag", "oci:layout:1", "2", "3").lines == [digest]
    assert lading("tags", "oci:layout").lines == ["1", "2", "3"]
    assert lading("resolve", "oci:layout:3", f"{repository}:1").lines == [digest, digest]
    assert lading("untag", "oci:layout:2", "--json").record == {"reference": "oci:layout:2", "untagged": True}
    assert lading("tags", "oci:layout").lines == ["1", "3"]
    assert lading("tags", "oci:layout:1").refused(2, "leave the tag out")
    assert lading("untag", "oci:layout:2").code == 3
    done = lading("delete", f"oci:layout@{digest}", "--json")
    assert done.record == {"reference": f"oci:layout@{digest}", "deleted": True}
    assert lading("tags", "oci:layout").lines == []


def test_the_tags_and_images_of_archives_are_listed_and_cannot_be_changed(lading: Run, repository: str) -> None:
    for archive, name in (("oci-archive:a.tar", "1"), ("docker-archive:b.tar", "acme/app:1")):
        assert lading("copy", f"{repository}:1", f"{archive}:{name}").code == 0
        [listed] = lading("tags", archive).lines
        assert listed.endswith(name)
        assert lading("resolve", f"{archive}:{name}").code == 0
        assert lading("untag", f"{archive}:{name}").refused(1, "archive")
