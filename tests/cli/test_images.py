"""The verbs that make images and indexes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import Run
from tests.support.images import image, sha256, write_layout

BASE_DIGEST = "org.opencontainers.image.base.digest"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The directory `tree` of the test, which is to become a layer."""
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/motd").write_text("hello")
    return tmp_path / "tree"


@pytest.fixture
def name(registry: str, request: pytest.FixtureRequest) -> str:
    """The name of a repository for this test alone."""
    return f"{registry}/made/{request.node.name.lower().replace('[', '-').rstrip(']')}"


def inspected(lading: Run, reference: str, *options: str) -> dict[str, Any]:
    return lading("inspect", reference, *options, "--json").record


def test_an_image_is_built_from_nothing_and_changed(lading: Run, name: str, tree: Path) -> None:
    done = lading("append", "scratch", "tree", "--platform", "linux/amd64", "--to", f"{name}:1")
    assert (done.code, done.stderr) == (0, "")
    (digest,) = done.lines
    assert lading("resolve", f"{name}:1").lines == [digest]
    again = lading("append", "scratch", "tree", "--platform", "linux/amd64", "--to", f"{name}:2", "--json").record
    assert (again["digest"], again["moved"]) == (digest, 1)  # the same manifest under another tag

    options = (
        "--env",
        "A=b=c",
        "--label",
        "x=y",
        "--entrypoint",
        "/bin/sh -c 'a b'",
        "--cmd",
        '["x y"]',
        "--user",
        "me",
    )
    more = ("--workdir", "/w", "--expose", "80", "--volume", "/v", "--stop-signal", "SIGINT", "--created", "86400")
    done = lading("mutate", f"{name}:1", "--to", f"{name}:3", *options, *more)
    assert (done.code, done.stderr) == (0, "")
    content = inspected(lading, f"{name}:3")["content"]
    assert content["created"] == "1970-01-02T00:00:00Z"
    assert content["config"] == {
        "User": "me",
        "ExposedPorts": {"80/tcp": {}},
        "Env": ["A=b=c"],
        "Entrypoint": ["/bin/sh", "-c", "a b"],
        "Cmd": ["x y"],
        "Volumes": {"/v": {}},
        "WorkingDir": "/w",
        "Labels": {"x": "y"},
        "StopSignal": "SIGINT",
    }
    lading("mutate", f"{name}:3", "--to", f"{name}:3", "--env-remove", "A", "--label-remove", "x", "--user", "")
    content = inspected(lading, f"{name}:3")["content"]
    assert {"User", "Env", "Labels"} & set(content["config"]) == set()


def test_source_date_epoch_is_the_time(lading: Run, name: str, tree: Path) -> None:
    environment = {"SOURCE_DATE_EPOCH": "86400"}
    lading("append", "scratch", "tree", "--platform", "linux/arm64", "--to", f"{name}:1", environment=environment)
    content = inspected(lading, f"{name}:1")["content"]
    assert content["created"] == content["history"][0]["created"] == "1970-01-02T00:00:00Z"
    assert content["history"][0]["created_by"] == "lading append"


def test_layers_are_appended_and_put_on_another_base(lading: Run, name: str, tree: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        content = image(f"base {number}\n")
        write_layout(tmp_path / f"base{number}", content, "v1")
        lading("copy", f"oci:base{number}:v1", f"{name}:base{number}")
    lading("tag", f"{name}:base1", "base")
    done = lading("append", f"{name}:base", "tree", "--to", f"{name}:app", "--set-base", "--created-by", "make")
    assert (done.code, done.stderr) == (0, "")
    lading("tag", f"{name}:base2", "base")
    record = lading("rebase", f"{name}:app", "--to", f"{name}:app", "--json").record
    assert (record["moved"], record["mounted"]) == (2, 0)  # the config and the manifest
    app = inspected(lading, f"{name}:app")
    assert app["layers"][0]["digest"] == sha256(image("base 2\n").layer)
    assert app["annotations"][BASE_DIGEST] == sha256(image("base 2\n").manifest)
    assert app["content"]["history"][-1]["created_by"] == "make"
    bases = ("--old-base", f"{name}:base2", "--new-base", "oci:base1:v1")
    assert lading("rebase", f"{name}:app", "--to", f"{name}:back", *bases).code == 0
    assert inspected(lading, f"{name}:back")["layers"][0]["digest"] == sha256(image("base 1\n").layer)


def test_an_image_is_flattened(lading: Run, name: str, tree: Path) -> None:
    lading("append", "scratch", "tree", "tree", "--platform", "linux/amd64", "--to", f"{name}:1")
    done = lading("flatten", f"{name}:1", "--to", f"{name}:2")
    assert (done.code, done.stderr) == (0, "")
    assert len(inspected(lading, f"{name}:2")["layers"]) == 1
    assert lading("cat", f"{name}:2", "/etc/motd").stdout == b"hello"


def test_an_index_is_made_and_changed(lading: Run, name: str, tree: Path) -> None:
    digests = {}
    for each in ("amd64", "arm64"):
        done = lading("append", "scratch", "tree", "--platform", f"linux/{each}", "--to", f"{name}:{each}")
        digests[each] = done.lines[0]
    done = lading("index", "create", f"{name}:1", "amd64", f"linux/arm64/v8={digests['arm64']}", "--annotation", "a=b")
    assert (done.code, done.stderr) == (0, "")
    index = inspected(lading, f"{name}:1")
    assert [entry["platform"] for entry in index["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
    ]
    assert index["annotations"] == {"a": "b"}
    assert lading("index", "remove", f"{name}:1", "--platform", "linux/amd64").code == 0
    assert [entry["digest"] for entry in inspected(lading, f"{name}:1")["manifests"]] == [digests["arm64"]]
    assert lading("index", "add", f"{name}:1", f"{name}:amd64", "--to", f"{name}:2").code == 0
    assert {entry["digest"] for entry in inspected(lading, f"{name}:2")["manifests"]} == set(digests.values())
    assert lading("annotate", f"{name}:2", "--annotation", "c=d", "--annotation-remove", "a").code == 0
    assert inspected(lading, f"{name}:2")["annotations"] == {"c": "d"}
    done = lading("convert", f"{name}:2", "--form", "docker", "--to", "oci:docker:v1")
    assert (done.code, len(done.lines)) == (0, 1)
    assert "warning: " in done.stderr
    assert "annotations left out, which Docker's formats do not have" in done.stderr
    assert lading("verify", "oci:docker:v1").code == 0


@pytest.mark.parametrize("place", ["registry", "oci:layout"])
def test_entries_with_one_digest_are_told_apart(lading: Run, name: str, tree: Path, place: str) -> None:
    """An image without any programs is one image for every platform (containers/podman#18723)."""
    at = name if place == "registry" else place
    for tag, layers in (("old", ["tree"]), ("new", ["tree", "tree"]), ("app", ["tree", "tree"])):
        assert lading("append", "scratch", *layers, "--platform", "linux/amd64", "--to", f"{at}:{tag}").code == 0
    both = (f"linux/amd64={at}:app", f"linux/arm64={at}:app")
    [index] = lading("index", "create", f"{at}:v1", *both).lines
    first, second = inspected(lading, f"{at}:v1")["manifests"]
    assert first["digest"] == second["digest"]
    rows = [line.split() for line in lading("inspect", f"{at}:v1").lines if line.startswith("  linux/")]
    assert [row[:2] for row in rows] == [["linux/amd64", first["digest"]], ["linux/arm64", first["digest"]]]

    for number, edit in enumerate(
        (
            ("mutate", "--env", "A=b"),
            ("annotate", "--annotation", "a=b"),
            ("append", "tree"),
            ("flatten",),
            ("rebase", "--old-base", f"{at}:old", "--new-base", f"{at}:new"),
            ("index add", f"linux/arm64={at}:old"),
        )
    ):
        verb, *options = edit
        to = f"{at}:edited{number}"
        arm64 = [] if verb == "index add" else ["--platform", "linux/arm64"]
        done = lading(*verb.split(), f"{at}:v1", *options, *arm64, "--to", to)
        assert (done.code, "left out" in done.stderr) == (0, False), verb
        entries = inspected(lading, to)["manifests"]
        assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"], verb
        assert [entry["digest"] == first["digest"] for entry in entries] == [True, False], verb

    chosen = ("--platform", "linux/arm64", "--platform", "linux/amd64", "--index", "rewritten")
    assert lading("copy", f"{at}:v1", "oci:copy:both", *chosen).lines == [index]
    for number, removed in enumerate((("--platform", "linux/arm64"), ("linux/arm64",))):
        assert lading("index", "remove", f"{at}:v1", *removed, "--to", f"{at}:left{number}").code == 0
        [left] = inspected(lading, f"{at}:left{number}")["manifests"]
        assert left == first
    assert lading("index", "remove", f"{at}:v1", first["digest"]).code == 0
    assert inspected(lading, f"{at}:v1")["manifests"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mutate", "REF", "--to", "REF"), "nothing to change"),
        (("mutate", "REF", "--env", "A=b"), "required: --to"),
        (("mutate", "REF", "--to", "REF", "--env", "A=b", "--env-remove", "A"), "is set and removed"),
        (("mutate", "REF", "--to", "REF", "--env", "A=b", "--env", "A=c"), "is given twice"),
        (("mutate", "REF", "--to", "REF", "--cmd", "a 'b"), "is not a command line"),
        (("mutate", "REF", "--to", "REF", "--cmd", "[1]"), "is not a list of strings"),
        (("mutate", "REF", "--to", "REF", "--cmd", "[1"), "is not a JSON list"),
        (("mutate", "REF", "--to", "REF", "--created", "today"), "is not a time"),
        (("mutate", "REF", "--to", "REF", "--created", "2026-01-01T00:00:00"), "has no time zone"),
        (("annotate", "REF"), "nothing to change"),
        (("annotate", "REF@sha256:" + "0" * 64, "--annotation", "a=b"), "a digest cannot change what it names"),
        (("append", "scratch", "tree", "--to", "REF"), "give one --platform"),
        (
            ("append", "scratch", "tree", "--to", "REF", "--platform", "linux", "--set-base"),
            "--set-base needs an image as base",
        ),
        (("index", "remove", "REF"), "nothing to remove"),
        (("index", "create", "REF", "no/where/at/all=x"), "invalid platform"),
        (("convert", "REF", "--to", "REF", "--form", "zip"), "invalid choice"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(lading: Run, name: str, arguments: tuple[str, ...], message: str) -> None:
    done = lading(*(argument.replace("REF", "localhost:1/a/b") for argument in arguments))
    assert done.code == 2
    assert message in done.stderr


def test_what_goes_wrong_has_its_exit_code(lading: Run, name: str, tree: Path, tmp_path: Path) -> None:
    assert lading("mutate", f"{name}:none", "--to", f"{name}:1", "--env", "A=b").refused(3, "has no repository made/")
    assert lading("index", "create", f"{name}:1", "none").code == 3
    (tmp_path / "text").write_text("no archive")
    arguments = ("append", "scratch", "text", "--platform", "linux/amd64", "--to", f"{name}:1")
    assert lading(*arguments).refused(1, "'text' cannot be a layer")
    lading("append", "scratch", "tree", "--platform", "linux/amd64", "--to", f"{name}:1")
    done = lading("rebase", f"{name}:1", "--to", f"{name}:2")
    assert done.refused(1, "does not name its base")
    assert "hint: name both bases" in done.stderr
    assert lading("mutate", f"{name}:1", "--to", f"{name}:2", "--expose", "http").refused(2, "'http' is not a port")


def test_results_are_one_json_object_a_line(lading: Run, name: str, tree: Path) -> None:
    done = lading("append", "scratch", "tree", "--platform", "linux/amd64", "--to", f"{name}:1", "--json")
    record = json.loads(done.stdout)
    assert set(record) == {"mediaType", "digest", "size", "tags", "moved", "mounted", "skipped", "bytes", "steps"}
    assert (record["tags"], record["moved"]) == (["1"], 3)
