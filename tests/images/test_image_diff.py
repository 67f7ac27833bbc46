"""What is said of two images that are not the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lading import AsyncClient, DocumentError, ImageDiff, ValueChange
from tests.support.containers import container
from tests.support.corpus import MANIFEST, Corpus, Json, digest_of, encoded
from tests.support.transports import Recording


@pytest.fixture
def corpus() -> Corpus:
    return Corpus()


async def compared(client: AsyncClient, corpus: Corpus, path: Path, old: Json, new: Json) -> ImageDiff:
    corpus.tags |= {"old": old, "new": new}
    corpus.write_layout(path)
    return await client.diff(f"oci:{path}:old", f"oci:{path}:new")


async def test_values_of_configs_are_compared_one_by_one(client: AsyncClient, corpus: Corpus, tmp_path: Path) -> None:
    old: dict[str, Any] = {
        "Env": ["PATH=/bin", "GONE=1", "KEPT=a=b"],
        "Entrypoint": ["/old"],
        "Labels": {"kept": "1", "changed": "1"},
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": None,
    }
    new = {
        "Env": ["KEPT=a=b", "PATH=/usr/bin", "EMPTY"],
        "Entrypoint": ["/new", "--flag"],
        "Labels": {"kept": "1", "changed": "2"},
        "ExposedPorts": {"443/tcp": {}},
        "Cmd": ["run"],
        "OnBuild": ["unknown to us"],
    }
    diff = await compared(
        client,
        corpus,
        tmp_path,
        container(corpus, [], config=old, author="somebody", created="2026-01-01T00:00:00Z"),
        container(corpus, [], config=new, created="2026-01-02T00:00:00Z"),
    )
    assert diff.config == (
        ValueChange("author", None, "somebody", None),
        ValueChange("created", None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ValueChange("Cmd", None, None, ["run"]),
        ValueChange("Entrypoint", None, ["/old"], ["/new", "--flag"]),
        ValueChange("Env", "EMPTY", None, ""),
        ValueChange("Env", "GONE", "1", None),
        ValueChange("Env", "PATH", "/bin", "/usr/bin"),
        ValueChange("ExposedPorts", "443/tcp", None, {}),
        ValueChange("ExposedPorts", "80/tcp", {}, None),
        ValueChange("Labels", "changed", "1", "2"),
        ValueChange("OnBuild", None, None, ["unknown to us"]),
    )
    assert [change.change for change in diff.config[:3]] == ["removed", "changed", "added"]
    assert diff.differs


async def test_layers_are_shared_removed_and_added_and_none_is_read(
    client: AsyncClient, corpus: Corpus, tmp_path: Path
) -> None:
    old = container(corpus, [b"base", b"twice", b"gone"])
    new = container(corpus, [b"base", b"twice", b"twice", b"added"])
    for layer in (b"base", b"twice", b"gone", b"added"):
        del corpus.blobs[digest_of(layer)]
    diff = await compared(client, corpus, tmp_path, old, new)
    assert [(change.change, change.layer.descriptor.size) for change in diff.layers] == [
        ("removed", 4),
        ("shared", 4),
        ("shared", 5),
        ("added", 5),
        ("added", 5),
    ]


async def test_a_layer_in_another_compression_is_no_other_layer(
    client: AsyncClient, corpus: Corpus, tmp_path: Path
) -> None:
    diff = await compared(client, corpus, tmp_path, container(corpus, [b"a"]), container(corpus, [b"a"], zipped=True))
    assert [change.change for change in diff.layers] == ["recompressed"]
    assert (diff.config, diff.history, diff.differs) == ((), (), True)


async def test_history_is_compared_between_what_both_begin_and_end_with(
    client: AsyncClient, corpus: Corpus, tmp_path: Path
) -> None:
    def history(*steps: str, created: str) -> list[Json]:
        return [{"created_by": step, "created": created, "empty_layer": True} for step in steps]

    old = container(corpus, [], history=history("FROM", "RUN 1", "CMD", created="2026-01-01T00:00:00Z"))
    new = container(corpus, [], history=history("FROM", "RUN 2", "RUN 3", "CMD", created="2026-01-02T00:00:00Z"))
    diff = await compared(client, corpus, tmp_path, old, new)
    assert [(change.change, change.history.created_by) for change in diff.history] == [
        ("removed", "RUN 1"),
        ("added", "RUN 2"),
        ("added", "RUN 3"),
    ]


async def test_repeated_steps_are_counted(client: AsyncClient, corpus: Corpus, tmp_path: Path) -> None:
    one = [{"created_by": "RUN", "empty_layer": True}]
    diff = await compared(
        client, corpus, tmp_path, container(corpus, [], history=one), container(corpus, [], history=one * 2)
    )
    assert [change.change for change in diff.history] == ["added"]


async def test_annotations_are_compared(client: AsyncClient, corpus: Corpus, tmp_path: Path) -> None:
    old, new = (container(corpus, [], annotations={"kept": "1", **more}) for more in ({"a": "1"}, {"b": "2"}))
    diff = await compared(client, corpus, tmp_path, old, new)
    assert diff.annotations == (ValueChange("annotations", "a", "1", None), ValueChange("annotations", "b", None, "2"))


async def test_an_image_does_not_differ_from_itself_in_another_place(
    client: AsyncClient, wire: Recording, corpus: Corpus, tmp_path: Path
) -> None:
    one = container(corpus, [b"layer"], architecture="arm64")
    corpus.tags["v1"] = corpus.index(one, container(corpus, [b"x"], architecture="s390x"))
    corpus.write_layout(tmp_path)
    await client.copy(f"oci:{tmp_path}:v1", "localhost:5000/acme/app:v1")
    wire.requests.clear()
    diff = await client.diff(f"oci:{tmp_path}:v1", "localhost:5000/acme/app:v1", platform="linux/arm64")
    assert (diff.old.digest, diff.differs) == (one["digest"], False)
    assert (diff.config, diff.history, diff.annotations) == ((), (), ())
    assert not any(digest_of(b"layer") in request.target for request in wire.requests)


async def test_an_artifact_is_not_compared(client: AsyncClient, corpus: Corpus, tmp_path: Path) -> None:
    bare = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "text/x", "layers": []}
    artifact = corpus.add(encoded({**bare, "config": corpus.add(b"{}", "text/plain")}), MANIFEST)
    with pytest.raises(DocumentError, match="not a container image"):
        await compared(client, corpus, tmp_path, container(corpus, []), artifact)
