"""Second references: a tag or a digest alone is one of the repository, layout or archive of the first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading import Client, Digest, InvalidReferenceError, ManifestUnknownError, parse_reference
from lading.testing import serving
from tests.cli.process import Run
from tests.support.images import image, write_layout

# What each verb that makes a manifest needs besides --to, on an index and on an image.
VERBS = {
    "mutate": "mutate {ref} --env A=b",
    "append": "append {ref} layer",
    "annotate": "annotate {ref} --annotation a=b",
    "flatten": "flatten {ref}",
    "convert": "convert {ref} --form docker",
    "rebase": "rebase {ref} --old-base v1 --new-base v1",
    "index add": "index add {index} linux/arm64=v1",
    "index remove": "index remove {index} linux/amd64",
}


@pytest.fixture(params=["registry", "layout"])
def place(request: pytest.FixtureRequest, registry: str, tmp_path: Path, lading: Run) -> str:
    """A repository or a layout with the image v1 and the index multi."""
    (tmp_path / "layer").mkdir()
    name = request.node.name.lower().translate(str.maketrans(" []", "---")).rstrip("-")
    where = f"{registry}/second/{name}" if request.param == "registry" else "oci:layout"
    write_layout(tmp_path / "source", image(), "v1")
    assert lading("copy", "oci:source:v1", f"{where}:v1").code == 0
    assert lading("index", "create", f"{where}:multi", "linux/amd64=v1").code == 0
    return where


@pytest.mark.parametrize("verb", VERBS)
def test_a_word_after_to_is_a_tag_of_the_same_place(lading: Run, place: str, verb: str) -> None:
    typed = VERBS[verb].format(ref=f"{place}:v1", index=f"{place}:multi").split()
    done = lading(*typed, "--to", "made", "-q")
    assert (done.code, done.stderr) == (0, "")
    assert lading("resolve", f"{place}:made").lines == done.lines


def test_a_digest_after_to_is_the_one_that_has_to_come_out(lading: Run, place: str) -> None:
    change = ("annotate", f"{place}:v1", "--annotation", "a=b", "--to")
    (made,) = lading(*change, "v2").lines
    assert lading(*change, made).lines == [made]
    done = lading(*change, "sha256:" + "0" * 64)
    assert (done.code, done.lines) == (5, [])


def test_diff_takes_a_tag_next_to_the_old_image(lading: Run, place: str) -> None:
    lading("mutate", f"{place}:v1", "--env", "A=b", "--to", "v2")
    assert lading("diff", f"{place}:v1", "v2", "--exit-code").code == 1
    assert lading("diff", f"{place}:v1", "v2", "--files", "--json").record["files"] == []
    assert lading("diff", f"{place}:v1", "v1", "--exit-code").code == 0


def test_a_base_that_is_a_word_is_looked_for_next_to_the_image(lading: Run, registry: str, repository: str) -> None:
    done = lading("rebase", f"{repository}:1", "--old-base", "alpine", "--new-base", "alpine", "--to", "v3")
    assert done.refused(3, f"{repository} has no tag 'alpine'")


@pytest.mark.parametrize(
    ("to", "message"),
    [("v2", "would replace oci-archive:app.tar"), ("sha256:" + "0" * 64, "only oci: takes a digest")],
)
def test_a_word_does_not_replace_an_archive(lading: Run, tmp_path: Path, to: str, message: str) -> None:
    write_layout(tmp_path / "source", image(), "v1")
    assert lading("copy", "oci:source:v1", "oci-archive:app.tar:v1").code == 0
    before = (tmp_path / "app.tar").read_bytes()
    done = lading("annotate", "oci-archive:app.tar:v1", "--annotation", "a=b", "--to", to)
    assert done.refused(2, message)
    assert (tmp_path / "app.tar").read_bytes() == before


def test_scratch_has_no_place_for_a_word(lading: Run, tmp_path: Path) -> None:
    (tmp_path / "layer").mkdir()
    done = lading("append", "scratch", "layer", "--platform", "linux/amd64", "--to", "v2")
    assert done.refused(2, "scratch is in no repository")


@pytest.mark.parametrize("text", ["md5:" + "0" * 32, "sha256:short", "sha1:" + "0" * 40])
def test_a_digest_is_never_taken_for_an_image_of_docker_hub(lading: Run, repository: str, text: str) -> None:
    done = lading("annotate", f"{repository}:1", "--annotation", "a=b", "--to", text)
    assert done.refused(2, text.partition(":")[0])


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("v2", "localhost:5000/acme/app:v2"),
        ("alpine", "localhost:5000/acme/app:alpine"),
        ("1.0_x-Y", "localhost:5000/acme/app:1.0_x-Y"),
        ("localhost", "localhost:5000/acme/app:localhost"),
        ("a" * 128, f"localhost:5000/acme/app:{'a' * 128}"),
        ("sha256:" + "0" * 64, f"localhost:5000/acme/app@sha256:{'0' * 64}"),
        ("alpine:3", "docker.io/library/alpine:3"),
        ("library/alpine", "docker.io/library/alpine:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest"),
        ("docker://alpine", "docker.io/library/alpine:latest"),
        ("ghcr.io/a/b@sha256:" + "0" * 64, f"ghcr.io/a/b@sha256:{'0' * 64}"),
        ("oci:dir:v2", "oci:dir:v2"),
    ],
)
def test_what_is_written_next_to_a_reference(text: str, whole: str) -> None:
    assert str(parse_reference(text, beside=parse_reference("localhost:5000/acme/app:v1"))) == whole


@pytest.mark.parametrize("text", ["localhost:5000", "ghcr.io:443", "127.0.0.1:5000"])
def test_a_registry_is_not_taken_for_an_image_of_docker_hub(text: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"a repository is missing, as in {text}/NAME:TAG"):
        parse_reference(text, beside=parse_reference("localhost:5000/acme/app:v1"))


@pytest.mark.parametrize("text", ["", "a" * 129, "-x", ".x", "a b", "v2:", "v2@", "sha256:" + "0" * 63])
def test_what_is_neither_a_tag_nor_a_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        parse_reference(text, beside=parse_reference("localhost:5000/acme/app:v1"))


def test_the_images_of_a_docker_archive_have_names() -> None:
    with pytest.raises(InvalidReferenceError, match="whole names"):
        parse_reference("v2", beside=parse_reference("docker-archive:x.tar:acme/app:v1"))


def test_python_takes_the_same_words(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", image(), "v1")
    with serving(tmp_path / "registry") as registry, Client() as client:
        for place in (f"oci:{tmp_path}/layout", f"{registry.name}/acme/app"):
            client.copy(f"oci:{tmp_path}/layout:v1", f"{place}:v1")
            made = client.images.annotate(f"{place}:v1", "v2", {"a": "b"})
            assert client.resolve(f"{place}:v2").digest == made.descriptor.digest
            assert client.diff(f"{place}:v1", "v2").differs
            client.indexes.create(f"{place}:multi", ["v1"])
            client.indexes.add(f"{place}:multi", ["v2"], to="more")
            client.resolve(f"{place}:more")
        with pytest.raises(ManifestUnknownError):
            client.images.rebase(f"{registry.name}/acme/app:v1", "v3", old_base="no", new_base="v2")


def test_an_entry_that_cannot_be_computed_can_still_be_removed(lading: Run, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", image(), "v1")
    listed = json.loads((tmp_path / "layout" / "index.json").read_bytes())
    (entry,) = listed["manifests"]
    plain = {key: entry[key] for key in ("mediaType", "digest", "size")}
    other = {**plain, "digest": "blake3:" + "0" * 64}
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [plain, other],
        }
    ).encode()
    digest = Digest.of(index)
    (tmp_path / "layout" / "blobs" / "sha256" / digest.encoded).write_bytes(index)
    named = {"annotations": {"org.opencontainers.image.ref.name": "multi"}}
    described = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": len(index)}
    listed["manifests"].append({**described, **named})
    (tmp_path / "layout" / "index.json").write_text(json.dumps(listed))
    assert lading("index", "add", "oci:layout:multi", other["digest"]).refused(2, "cannot be computed")
    done = lading("index", "remove", "oci:layout:multi", other["digest"], "--to", "less")
    assert (done.code, done.stderr) == (0, "")
    assert lading("resolve", "oci:layout:less").lines == done.lines
