"""Artifacts with all their options, what is attached to a manifest, and what is found about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.process import Run
from tests.support.images import Image, sha256

SPDX = "application/spdx+json"
NOTATION = "application/vnd.cncf.notary.signature"


@pytest.fixture
def bom(tmp_path: Path) -> str:
    (tmp_path / "sbom.json").write_bytes(b"{}\n")
    return f"sbom.json:{SPDX}"


def attach(lading: Run, reference: str, artifact_type: str, *arguments: str) -> str:
    done = lading("attach", reference, "--artifact-type", artifact_type, *arguments)
    [digest] = done.lines
    name = reference.partition("@")[0] if "@" in reference else reference.rpartition(":")[0]
    assert (done.code, done.stderr) == (0, f"lading: attached {name}@{digest}\n")
    return digest


def test_attach_prints_the_digest_alone_and_referrers_lists_it(lading: Run, changing: str, bom: str) -> None:
    digest = attach(lading, f"{changing}:1", SPDX, bom, "--annotation", "a=b")
    listed = f"{digest} {SPDX}"
    assert listed in lading("referrers", f"{changing}:1", "--annotation", "a=b").lines
    assert listed in lading("referrers", f"{changing}:1", "--annotation", "a", "--artifact-type", SPDX).lines
    assert listed not in lading("referrers", f"{changing}:1", "--annotation", "a=c").lines
    record = lading("attach", f"{changing}:1", bom, "--artifact-type", SPDX, "--annotation", "a=b", "--json").record
    assert set(record) == {"reference", "mediaType", "digest", "size", "artifactType"}
    assert (record["reference"], record["digest"]) == (f"{changing}@{digest}", digest)


def test_the_tree_is_drawn_and_nests_in_json(lading: Run, registry: str, bom: str) -> None:
    reference = f"{registry}/acme/tree:1"
    root = lading("push", reference, "sbom.json").lines[0]
    sbom = attach(lading, reference, SPDX, bom)
    signature = attach(lading, f"{registry}/acme/tree@{sbom}", NOTATION, "--annotation", "a=b")
    other = attach(lading, reference, "application/vnd.acme.other", "--annotation", "c=d")
    done = lading("referrers", reference, "--tree")
    assert (done.code, done.lines[0]) == (0, f"{reference}  {root}")
    first, below = f"{sbom} {SPDX}", f"{signature} {NOTATION}"
    last = f"{other} application/vnd.acme.other"
    assert done.lines[1:] in (
        [f"├── {first}", f"│   └── {below}", f"└── {last}"],
        [f"├── {last}", f"└── {first}", f"    └── {below}"],
    )
    record = lading("referrers", reference, "--tree", "--artifact-type", NOTATION, "--json").record
    assert (record["reference"], record["digest"]) == (reference, root)
    [branch] = record["referrers"]
    assert (branch["digest"], branch["artifactType"], branch["referrers"][0]["digest"]) == (sbom, SPDX, signature)
    assert len(lading("referrers", reference, "--tree", "--depth", "1").lines) == 3


def test_a_layout_is_a_place_like_any_other(lading: Run, bom: str) -> None:
    pushed = lading("push", "oci:layout:1", "sbom.json")
    [root] = pushed.lines
    assert pushed.stderr == f"lading: pushed oci:layout@{root}\n"
    attached = attach(lading, "oci:layout:1", SPDX, bom)
    assert lading("referrers", "oci:layout:1").lines == [f"{attached} {SPDX}"]
    assert lading("referrers", "oci:layout:1", "--tree").lines[1:] == [f"└── {attached} {SPDX}"]
    assert lading("pull", f"oci:layout@{attached}", "-o", "out").lines == [str(Path("out", "sbom.json"))]
    pushed = lading("push", "oci-archive:a.tar:1", "sbom.json")
    assert (pushed.lines, pushed.stderr) == ([root], "lading: pushed oci-archive:a.tar:1\n")
    assert lading("evidence", "oci:layout:1").lines == [
        f"sbom         referrers  -  {sha256(b'{}' + bytes([10]))}  {SPDX}"
    ]


def test_evidence_is_printed_a_line_each(lading: Run, registry: str, bom: str) -> None:
    reference = f"{registry}/acme/evidence:1"
    root = lading("push", reference, "sbom.json").lines[0]
    manifest = attach(lading, reference, SPDX, bom)
    signature = attach(lading, reference, NOTATION, "--annotation", "a=b")
    content = sha256(b"{}\n")
    lines = [
        f"sbom         referrers  -  {content}  {SPDX}",
        f"signature    referrers  -  {signature}  {NOTATION}",
    ]
    done = lading("evidence", reference)
    assert (done.code, sorted(done.lines), done.stderr) == (0, lines, "")
    assert lading("evidence", reference, "--kind", "signature").lines == lines[1:]
    record = lading("evidence", reference, "--kind", "sbom", "--json").record
    assert (record["kind"], record["foundIn"]) == ("sbom", "referrers")
    assert [record[part]["digest"] for part in ("subject", "manifest", "content")] == [root, manifest, content]
    assert lading("evidence", f"{registry}/acme/evidence:absent").refused(3, "has no tag 'absent'")


def test_annotations_from_a_file_and_a_config(lading: Run, registry: str, bom: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    told = {
        "$manifest": {"m": "1"},
        "$config": {"c": "2"},
        "sbom.json": {"f": "3", "org.opencontainers.image.title": "renamed.json"},
        "absent": {"x": "y"},
    }
    (tmp_path / "told.json").write_text(json.dumps(told))
    reference = f"{registry}/acme/told:1"
    options = ("--annotation-file", "told.json", "--annotation", "n=4")
    done = lading("push", reference, bom, *options, "--artifact-config", "config.json:application/vnd.acme.config")
    assert done.code == 0
    warning, notice = done.stderr.splitlines()
    assert warning == "lading: warning: told.json: annotates 'absent', which is not among the files"
    assert notice.startswith(f"lading: pushed {reference}@sha256:")
    manifest = json.loads(lading("manifest", "pull", reference).stdout)
    assert manifest["annotations"] == {"m": "1", "n": "4"}
    assert "artifactType" not in manifest
    assert (manifest["config"]["mediaType"], manifest["config"]["annotations"]) == (
        "application/vnd.acme.config",
        {"c": "2"},
    )
    [layer] = manifest["layers"]
    assert layer["annotations"] == {"f": "3", "org.opencontainers.image.title": "renamed.json"}
    assert lading("pull", reference, "-o", "out").lines == [str(Path("out", "renamed.json"))]
    assert lading("push", reference, bom, *options).code == 0
    manifest = json.loads(lading("manifest", "pull", reference).stdout)
    assert manifest["config"]["annotations"] == {"c": "2"}
    assert manifest["artifactType"] == "application/vnd.unknown.artifact.v1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "cannot read 'told.json' as annotations: Expected `object`"),
        ('{"$manifest": {"a": 1}}', "cannot read 'told.json' as annotations: Expected `str`, got `int`"),
        ("{", "cannot read 'told.json' as annotations: Expecting"),
        ('{"a": {}, "a": {}}', "cannot read 'told.json' as annotations: the name 'a' is there twice"),
        ('{"f": {"org.opencontainers.image.title": "../up"}}', "cannot name a file"),
    ],
)
def test_a_file_of_annotations_that_is_none_is_refused(lading: Run, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "told.json").write_text(text)
    done = lading("push", "localhost:1/a:1", "f", "--annotation-file", "told.json")
    assert done.refused(1, message), done.stderr


def test_what_makes_no_sense_is_refused(lading: Run, tmp_path: Path) -> None:
    (tmp_path / "told.json").write_text('{"$manifest": {"a": "1"}}')
    twice = lading("push", "localhost:1/a:1", "f", "--annotation-file", "told.json", "--annotation", "a=2")
    assert twice.refused(2, "the annotation 'a' is given twice")
    assert lading("attach", "localhost:1/a:1", "--artifact-type", "a/b").refused(2, "nothing to attach")
    assert lading("attach", "localhost:1/a:1", "f").refused(2, "--artifact-type")
    assert lading("referrers", "localhost:1/a:1", "--depth", "1").refused(2, "--depth needs --tree")
    assert lading("referrers", "localhost:1/a:1", "--tree", "--depth", "33").refused(2, "from 1 to 32")
    assert lading("referrers", "localhost:1/a:1", "--annotation", "=x").refused(2, "is not KEY or KEY=VALUE")
    assert lading("attach", "oci-archive:x:1", "f", "--artifact-type", "a/b").refused(2, "cannot add to an archive")


def test_foreign_text_in_a_tree_is_escaped(lading: Run, registry: str, cargo: Image, bom: str) -> None:
    reference = f"{registry}/acme/foreign:1"
    root = lading("push", reference, "sbom.json", "--json").record
    subject = {"mediaType": root["mediaType"], "digest": root["digest"], "size": root["size"]}
    pushed = json.loads(lading("manifest", "pull", reference).stdout)
    raw = json.dumps({**pushed, "subject": subject, "artifactType": "a/b\x1b[31m\u202e"}).encode()
    done = lading("manifest", "push", f"{registry}/acme/foreign@{sha256(raw)}", "-", stdin=raw)
    assert done.code == 0, done.stderr
    for verb in (("referrers", reference), ("referrers", reference, "--tree"), ("evidence", reference)):
        printed = lading(*verb).stdout.decode()
        assert r"a/b\x1b[31m\u202e" in printed
