"""What `lading inspect` and `lading diff` print of images on disk and in a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.process import Run
from tests.support.containers import PROVENANCE, attestation, container
from tests.support.corpus import EMPTY, MANIFEST, Corpus, Json, digest_of, encoded

HISTORY: list[Json] = [
    {"created": "2026-01-02T03:04:05Z", "created_by": "ADD rootfs.tar /"},
    {"created_by": "ENV A=1\x1b[31m", "empty_layer": True},
    {"created_by": "COPY . /app"},
]


@pytest.fixture
def corpus() -> Corpus:
    return Corpus()


def columns(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def under(title: str, lines: list[str]) -> list[str]:
    """Return the lines of a section."""
    start = lines.index(title) + 1
    end = next((at for at in range(start, len(lines)) if lines[at][0] != " "), len(lines))
    return lines[start:end]


def test_an_index_is_a_tree_of_its_platforms(lading: Run, corpus: Corpus, tmp_path: Path) -> None:
    base = b"shared base layer" * 1000
    one = container(corpus, [base, b"own"], architecture="amd64")
    other = container(corpus, [base], architecture="arm64")
    inner = container(corpus, [b"inner"], architecture="s390x")
    nested = corpus.index(inner)
    about = attestation(corpus, one)
    absent = {"mediaType": MANIFEST, "digest": digest_of(b"absent"), "size": 6}
    corpus.tags["v1"] = corpus.index(about, one, other, nested, absent)
    corpus.write_layout(tmp_path / "layout")
    done = lading("inspect", "oci:layout:v1")
    assert (done.code, done.stderr) == (0, "")
    rows = under("manifests", done.lines)
    assert [row.split()[0] for row in rows] == [
        "linux/amd64",
        "attestation",
        "linux/arm64",
        "index",
        "linux/s390x",
        "-",
    ]
    assert [len(row) - len(row.lstrip()) for row in rows] == [2, 4, 2, 2, 4, 2]
    cells = columns(rows)
    assert cells[0][1:] == [one["digest"], cells[0][2], "2 layers, 16.6 KiB shared with linux/arm64"]
    assert cells[1][3:] == [PROVENANCE]
    assert cells[4][3:] == ["1 layer"]
    assert cells[5][2:] == ["-", f"{MANIFEST}, not here"]
    record = lading("inspect", "oci:layout:v1", "--json").record
    assert [entry["digest"] for entry in record["manifests"]] == [
        each["digest"] for each in (about, one, other, nested, absent)
    ]
    assert record["manifests"][0]["predicateTypes"] == [PROVENANCE]
    assert (record["manifests"][1]["sharedSize"], record["manifests"][1]["sharedWith"]) == (
        len(base),
        [other["digest"]],
    )
    assert record["manifests"][3]["manifests"][0]["layers"][0]["size"] == len(b"inner")
    assert record["manifests"][4]["missing"]
    assert "totalSize" not in record


def test_many_images_with_one_layer_are_named_up_to_three(lading: Run, corpus: Corpus, tmp_path: Path) -> None:
    names = ["amd64", "arm64", "riscv64", "s390x", "ppc64le"]
    corpus.tags["v1"] = corpus.index(*(container(corpus, [b"base"], architecture=name) for name in names))
    corpus.write_layout(tmp_path / "layout")
    [first, *_] = under("manifests", lading("inspect", "oci:layout:v1").lines)
    assert first.endswith("1 layer, 4 bytes shared with linux/arm64, linux/riscv64, linux/s390x and 1 more")


def test_an_image_has_its_history_beside_its_layers(lading: Run, corpus: Corpus, tmp_path: Path) -> None:
    run = {"Env": ["A=1"], "User": "1000", "StopSignal": "SIGINT", "Volumes": {"/data": {}}, "Labels": {"a": "b"}}
    corpus.tags["v1"] = container(corpus, [b"root", b"app" * 1000], config=run, history=HISTORY, author="somebody")
    corpus.write_layout(tmp_path / "layout")
    done = lading("inspect", "oci:layout:v1")
    assert (done.code, done.stderr) == (0, "")
    assert columns(under("history", done.lines)) == [
        ["4 bytes", digest_of(b"root")[:19], "ADD rootfs.tar /"],
        ["empty", "-", r"ENV A=1\x1b[31m"],
        ["2.9 KiB", digest_of(b"app" * 1000)[:19], "COPY . /app"],
    ]
    facts = {tuple(line.split(maxsplit=1)) for line in under("config", done.lines)}
    assert {("author", "somebody"), ("env", "A=1"), ("user", "1000"), ("volume", "/data"), ("label", "a=b")} <= facts
    record = lading("inspect", "oci:layout:v1", "--json").record
    assert record["content"]["config"] == run
    assert [step.get("layer", {}).get("digest") for step in record["history"]] == [
        digest_of(b"root"),
        None,
        digest_of(b"app" * 1000),
    ]
    assert [step["created_by"] for step in record["history"]] == [step["created_by"] for step in HISTORY]


def test_an_image_without_history_has_only_layers(lading: Run, corpus: Corpus, tmp_path: Path) -> None:
    corpus.tags["v1"] = container(corpus, [b"root"])
    corpus.write_layout(tmp_path / "layout")
    assert "history" not in lading("inspect", "oci:layout:v1").lines


def test_every_place_can_be_inspected(lading: Run, registry: str, corpus: Corpus, tmp_path: Path) -> None:
    image = container(corpus, [b"layer"])
    corpus.tags["v1"] = image
    corpus.write_layout(tmp_path / "layout")
    for place in (f"{registry}/acme/inspected:v1", "oci-archive:oci.tar:v1", "docker-archive:docker.tar:acme/app:v1"):
        assert lading("copy", "oci:layout:v1", place).code == 0
        record = lading("inspect", place, "--json").record
        assert record["layers"][0]["digest"] == digest_of(b"layer")
        assert record["referrers"] == []
        assert (record["digest"] == image["digest"]) is ("docker" not in place)


def test_what_refers_to_a_manifest_is_listed(lading: Run, registry: str, corpus: Corpus, tmp_path: Path) -> None:
    subject = container(corpus, [b"subject"])
    named = {key: subject[key] for key in ("mediaType", "digest", "size")}
    config = corpus.add(b"{}", EMPTY)
    bare = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    bare |= {"artifactType": "text/vnd.acme", "subject": named}
    referrer = corpus.add(encoded(bare), MANIFEST)
    corpus.tags["v1"] = subject
    corpus.untagged.append(referrer)
    corpus.write_layout(tmp_path / "layout")
    place = f"{registry}/acme/referred:v1"
    assert lading("copy", "oci:layout:v1", place, "--referrers").code == 0
    for name in ("oci:layout:v1", place):
        done = lading("inspect", name)
        assert columns(under("referrers", done.lines)) == [[referrer["digest"], "text/vnd.acme"]]
        assert lading("inspect", name, "--json").record["referrers"][0]["artifactType"] == "text/vnd.acme"
        done = lading("inspect", name, "--no-referrers", "--json")
        assert "referrers" not in done.record


def test_details_are_bounded_by_an_option(lading: Run, corpus: Corpus, tmp_path: Path) -> None:
    corpus.tags["v1"] = corpus.index(container(corpus, [b"1"]), container(corpus, [b"2"], architecture="arm64"))
    corpus.write_layout(tmp_path / "layout")
    record = lading("inspect", "oci:layout:v1", "--details", "1", "--json").record
    assert ["layers" in entry for entry in record["manifests"]] == [True, False]
    record = lading("inspect", "oci:layout:v1", "--details", "0", "--json").record
    assert not any("layers" in entry for entry in record["manifests"])


def test_problems_are_warnings_and_in_the_record(lading: Run, corpus: Corpus, tmp_path: Path) -> None:
    damaged = container(corpus, [b"damaged"])
    corpus.blobs[damaged["digest"]] = b" " * damaged["size"]
    corpus.tags["v1"] = corpus.index(damaged)
    corpus.write_layout(tmp_path / "layout")
    done = lading("inspect", "oci:layout:v1", "--json")
    assert done.code == 0
    assert done.stderr.startswith(f"lading: warning: {damaged['digest']} is not described completely: content of")
    [problem] = done.record["problems"]
    assert problem["digest"] == damaged["digest"]
    assert "is damaged" in problem["error"]


def test_a_diff_says_what_happened_to_each_thing(lading: Run, corpus: Corpus, tmp_path: Path) -> None:
    old = {"Env": ["PATH=/bin"], "Labels": {"a\x1b": "1"}}
    new = {"Env": ["PATH=/usr/bin"], "Entrypoint": ["/app"], "Volumes": {"/data": {}}}
    steps = [{"created_by": "FROM"}, {"created_by": "COPY app"}]
    corpus.tags["old"] = container(corpus, [b"base"], config=old, history=steps[:1], annotations={"k": "1"})
    corpus.tags["new"] = container(corpus, [b"base", b"app"], config=new, history=steps, annotations={"k": "2"})
    corpus.write_layout(tmp_path / "layout")
    done = lading("diff", "oci:layout:old", "oci:layout:new")
    assert (done.code, done.stderr) == (0, "")
    assert columns(done.lines[:2]) == [
        [name, f"oci:layout:{name}", corpus.tags[name]["digest"]] for name in ("old", "new")
    ]
    assert columns(under("config", done.lines)) == [
        ["+", "Entrypoint", '["/app"]'],
        ["~", "Env PATH", "'/bin' -> '/usr/bin'"],
        ["-", r"Labels a\x1b", "'1'"],
        ["+", "Volumes /data"],
    ]
    assert columns(under("layers", done.lines)) == [
        ["=", digest_of(b"base"), "4 bytes", "FROM"],
        ["+", digest_of(b"app"), "3 bytes", "COPY app"],
    ]
    assert columns(under("history", done.lines)) == [["+", "COPY app"]]
    assert columns(under("annotations", done.lines)) == [["~", "k", "'1' -> '2'"]]
    record = lading("diff", "oci:layout:old", "oci:layout:new", "--json").record
    assert record["config"][1] == {
        "change": "changed",
        "name": "Env",
        "key": "PATH",
        "old": "/bin",
        "new": "/usr/bin",
    }
    assert [(layer["change"], layer["diffID"]) for layer in record["layers"]] == [
        ("shared", digest_of(b"base")),
        ("added", digest_of(b"app")),
    ]
    assert record["old"]["digest"] == corpus.tags["old"]["digest"]


def test_the_exit_code_of_a_diff_is_1_if_that_is_asked_for(lading: Run, corpus: Corpus, tmp_path: Path) -> None:
    corpus.tags["old"] = container(corpus, [b"old"])
    corpus.tags["new"] = container(corpus, [b"new"])
    corpus.write_layout(tmp_path / "layout")
    assert lading("diff", "oci:layout:old", "oci:layout:new", "--exit-code").code == 1
    assert lading("diff", "oci:layout:old", "oci:layout:old", "--exit-code").code == 0
    assert lading("diff", "oci:layout:old", "oci:layout:absent").refused(3, "absent")
