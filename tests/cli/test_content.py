from __future__ import annotations

import json
from pathlib import Path

from tests.cli.process import Run
from tests.support.images import CONFIG, LAYER, MANIFEST, Image, sha256
from tests.support.systems import posix_only

INDEX = "application/vnd.oci.image.index.v1+json"


def test_end_3_manifest_pull_gives_the_bytes(lading: Run, repository: str, cargo: Image, tmp_path: Path) -> None:
    done = lading("manifest", "pull", f"{repository}:1")
    assert (done.code, done.stdout, done.stderr) == (0, cargo.manifest, "")
    done = lading("manifest", "pull", f"{repository}:1", "-o", "manifest.json")
    assert (done.code, done.lines) == (0, [sha256(cargo.manifest)])
    assert (tmp_path / "manifest.json").read_bytes() == cargo.manifest
    record = lading("manifest", "pull", f"{repository}:1", "-o", "again.json", "--json").record
    assert (record["path"], record["digest"]) == ("again.json", sha256(cargo.manifest))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.json", "manifest.json"]


def test_end_2_blob_pull_gives_the_bytes(lading: Run, repository: str, cargo: Image, tmp_path: Path) -> None:
    blob = f"{repository}@{sha256(cargo.layer)}"
    done = lading("blob", "pull", blob)
    assert (done.code, done.stdout, done.stderr) == (0, cargo.layer, "")
    record = lading("blob", "pull", blob, "-o", "layer", "--json").record
    assert record == {
        "path": "layer",
        "mediaType": "application/octet-stream",
        "digest": sha256(cargo.layer),
        "size": len(cargo.layer),
    }
    assert (tmp_path / "layer").read_bytes() == cargo.layer
    assert lading("blob", "pull", blob, "-o", "again", "--ranges", "4").code == 0
    assert (tmp_path / "again").read_bytes() == cargo.layer


def test_end_6_blob_push_of_a_file_and_of_stdin(lading: Run, registry: str, tmp_path: Path) -> None:
    repository = f"{registry}/acme/blobs"
    (tmp_path / "file").write_bytes(b"from a file")
    done = lading("blob", "push", repository, "file")
    assert (done.code, done.lines, done.stderr) == (0, [sha256(b"from a file")], "")
    done = lading("blob", "push", repository, "-", "--media-type", "text/plain", "--json", stdin=b"from stdin")
    assert done.record == {
        "repository": repository,
        "mediaType": "text/plain",
        "digest": sha256(b"from stdin"),
        "size": 10,
    }
    assert lading("blob", "pull", f"{repository}@{sha256(b'from stdin')}").stdout == b"from stdin"


def test_end_7b_manifest_push_under_several_tags(lading: Run, registry: str, cargo: Image, tmp_path: Path) -> None:
    repository = f"{registry}/acme/tagged"
    for content in (cargo.config, cargo.layer):
        assert lading("blob", "push", repository, "-", stdin=content).code == 0
    (tmp_path / "manifest").write_bytes(cargo.manifest)
    done = lading("manifest", "push", f"{repository}:1", "manifest", "--tag", "2", "--tag", "1", "--json")
    assert (done.record["digest"], done.record["tags"]) == (sha256(cargo.manifest), ["1", "2"])
    assert lading("tags", repository).lines == ["1", "2"]


def test_manifest_push_by_digest_adds_no_tag(lading: Run, registry: str, cargo: Image) -> None:
    repository = f"{registry}/acme/untagged"
    for content in (cargo.config, cargo.layer):
        assert lading("blob", "push", repository, "-", stdin=content).code == 0
    done = lading("manifest", "push", f"{repository}@{sha256(cargo.manifest)}", "-", stdin=cargo.manifest)
    assert (done.code, done.lines) == (0, [sha256(cargo.manifest)])
    assert lading("tags", repository).lines == []
    other = f"sha256:{'0' * 64}"
    assert lading("manifest", "push", f"{repository}@{other}", "-", stdin=cargo.manifest).refused(5, other)


def test_manifest_push_says_what_a_manifest_is_that_does_not(lading: Run, changing: str, cargo: Image) -> None:
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {"mediaType": CONFIG, "digest": sha256(cargo.config), "size": len(cargo.config)},
            "layers": [{"mediaType": LAYER, "digest": sha256(cargo.layer), "size": len(cargo.layer)}],
        }
    ).encode()
    reference = f"{changing}:silent"
    done = lading("manifest", "push", reference, "-", "--media-type", MANIFEST, "--json", stdin=manifest)
    assert (done.code, done.record["mediaType"]) == (0, MANIFEST)
    done = lading("manifest", "push", f"{changing}:1", "-", "--media-type", INDEX, stdin=cargo.manifest)
    assert done.refused(1, "contradict")


@posix_only("names with a colon, to be pushed")
def test_push_and_pull_of_files_and_directories(lading: Run, registry: str, tmp_path: Path) -> None:
    reference = f"{registry}/acme/report:1"
    (tmp_path / "report.json").write_text('{"passed": 41}')
    (tmp_path / "odd:text").mkdir()
    (tmp_path / "odd:text/plain").write_text("a file whose name looks like a media type")
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "docs" / "deep" / "page").write_text("words")
    files = ("report.json:application/json", "odd:text/plain", "docs")
    options = ("--artifact-type", "application/vnd.acme.report", "--annotation", "com.acme.a=1=1")
    done = lading("push", reference, *options, *files)
    [digest] = done.lines
    whole = f"{reference}@{digest}"
    assert (done.code, done.stderr) == (0, f"lading: pushed {whole}\n")

    manifest = json.loads(lading("manifest", "pull", whole).stdout)
    assert (manifest["artifactType"], manifest["annotations"]) == (
        "application/vnd.acme.report",
        {"com.acme.a": "1=1"},
    )
    assert [layer["mediaType"] for layer in manifest["layers"]] == [
        "application/json",
        "application/octet-stream",
        LAYER,
    ]

    done = lading("pull", reference, "-o", "received")
    assert (done.code, done.stderr) == (0, "")
    assert done.lines == ["received/report.json", "received/odd:text/plain", "received/docs"]
    received = tmp_path / "received"
    assert (received / "report.json").read_text() == '{"passed": 41}'
    assert (received / "odd:text" / "plain").read_text() == "a file whose name looks like a media type"
    assert (received / "docs" / "deep" / "page").read_text() == "words"
    assert {path.name for path in received.iterdir()} == {"report.json", "odd:text", "docs"}


def test_push_with_json_is_one_object_and_repeats_itself(lading: Run, registry: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    first, second = (lading("push", f"{registry}/acme/same:1", "file", "--json").record for _ in range(2))
    assert first == second
    assert set(first) == {"reference", "mediaType", "digest", "size", "artifactType"}


def test_pull_with_json_names_each_path(lading: Run, registry: str, tmp_path: Path) -> None:
    (tmp_path / "na\u00efve").write_bytes(b"content")
    assert lading("push", f"{registry}/acme/one:1", "na\u00efve").code == 0
    assert lading("pull", f"{registry}/acme/one:1", "-o", "to", "--json").record["paths"] == [
        str(Path("to", "na\u00efve"))
    ]


def test_verbose_tells_each_blob_and_quiet_nothing(lading: Run, registry: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"told")
    digest = sha256(b"told")
    pushed = lading("push", f"{registry}/acme/told:1", "file", "-v")
    told = [line for line in pushed.stderr.splitlines() if line.startswith(f"push {digest}")]
    assert told == [f"push {digest} file: begins, 4 bytes", f"push {digest} file: done"]
    again = lading("push", f"{registry}/acme/told:1", "file", "-v")
    assert f"push {digest} file: exists already, 4 bytes" in again.stderr.splitlines()
    assert lading("push", f"{registry}/acme/told:1", "file", "-q").stderr == ""
