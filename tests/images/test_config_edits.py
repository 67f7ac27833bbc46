"""What is made of one image: its documents after a change (image-spec, config.md and manifest.md)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lading import AsyncClient, DocumentError, Image
from tests.support.shelf import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, LAYER, Shelf, sha256

ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
RUN = {
    "Env": ["PATH=/bin", "B=old", "C=3"],
    "Labels": {"a": "1"},
    "Entrypoint": ["/init"],
    "Cmd": ["run"],
    "User": "root",
    "OnBuild": ["kept"],
}


async def loaded(client: AsyncClient, shelf: Shelf, **more: Any) -> Image:
    layers = [shelf.layer("first"), shelf.layer("second")]
    return await client.images.load(shelf.tag("v1", shelf.image(*layers, config=RUN, **more)))


def config_of(image: Image) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(image.config.raw)
    assert json.loads(image.manifest.raw)["config"]["digest"] == sha256(image.config.raw)
    return document


async def test_variables_change_where_they_stand_and_new_ones_come_last(client: AsyncClient, shelf: Shelf) -> None:
    image = (await loaded(client, shelf)).mutated(env={"B": "new=2", "PATH": None, "D": "", "E": None})
    assert config_of(image)["config"]["Env"] == ["B=new=2", "C=3", "D="]


async def test_what_is_not_mentioned_stays_and_so_does_what_no_type_knows(client: AsyncClient, shelf: Shelf) -> None:
    before = await loaded(client, shelf)
    after = before.mutated(labels={"b": "2"}, user="")
    old, new = json.loads(before.config.raw), config_of(after)
    assert new["config"].pop("Labels") == {"a": "1", "b": "2"}
    assert old["config"].pop("Labels") == {"a": "1"}
    assert old["config"].pop("User") == "root"
    assert new == old
    assert list(new) == list(old)
    assert json.loads(after.manifest.raw)["vendor.unknown"] is True


async def test_a_new_entrypoint_takes_the_command_away_unless_there_is_a_new_one(
    client: AsyncClient, shelf: Shelf
) -> None:
    image = await loaded(client, shelf)
    run = config_of(image.mutated(entrypoint=["/app"]))["config"]
    assert (run["Entrypoint"], "Cmd" in run) == (["/app"], False)
    run = config_of(image.mutated(entrypoint=["/app"], cmd=["x"]))["config"]
    assert (run["Entrypoint"], run["Cmd"]) == (["/app"], ["x"])
    run = config_of(image.mutated(cmd=[]))["config"]
    assert (run["Entrypoint"], "Cmd" in run) == (["/init"], False)


async def test_ports_volumes_directory_signal_and_time_are_set(client: AsyncClient, shelf: Shelf) -> None:
    image = (await loaded(client, shelf)).mutated(
        ports=["80", "53/udp"],
        volumes=["/data"],
        working_dir="/work",
        stop_signal="SIGINT",
        created=datetime(2026, 1, 31, 12, tzinfo=UTC),
    )
    config = config_of(image)
    assert config["config"]["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert config["config"]["Volumes"] == {"/data": {}}
    assert (config["config"]["WorkingDir"], config["config"]["StopSignal"]) == ("/work", "SIGINT")
    assert config["created"] == "2026-01-31T12:00:00Z"


async def test_a_change_that_changes_nothing_gives_the_same_digest(client: AsyncClient, shelf: Shelf) -> None:
    image = await loaded(client, shelf, annotations={"a": "b"})
    for same in (
        image.mutated(),
        image.mutated(env={"C": "3", "Z": None}, user="root"),
        image.annotated({"a": "b", "c": None}),
        image.appended(),
        image.converted("oci"),
    ):
        assert same.manifest.digest == image.manifest.digest


@pytest.mark.parametrize("wrong", ["", "0", "65536", "80/icmp", "80-90", "٣"])
async def test_what_is_no_port_is_refused(client: AsyncClient, shelf: Shelf, wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a port"):
        (await loaded(client, shelf)).mutated(ports=[wrong])


@pytest.mark.parametrize("wrong", ["", "A=B", "A\0"])
async def test_what_is_no_name_of_a_variable_is_refused(client: AsyncClient, shelf: Shelf, wrong: str) -> None:
    with pytest.raises(ValueError, match="is not the name of an environment variable"):
        (await loaded(client, shelf)).mutated(env={wrong: "x"})


async def test_a_time_needs_a_zone(client: AsyncClient, shelf: Shelf) -> None:
    with pytest.raises(ValueError, match="must have a time zone"):
        (await loaded(client, shelf)).mutated(created=datetime(2026, 1, 1))  # noqa: DTZ001  # that is what is wrong


async def test_further_layers_line_up_with_their_history_even_where_the_base_has_none(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    layer = await client.images.pack_layer(tmp_path / "root")
    image = (await loaded(client, shelf)).appended(layer, created_by="by hand")
    assert [each.history and each.history.created_by for each in image.layers] == ["", "", "by hand"]
    assert image.layers[-1].diff_id == layer.diff_id
    assert config_of(image)["history"] == [{}, {}, {"created": "1970-01-01T00:00:00Z", "created_by": "by hand"}]


async def test_source_date_epoch_is_the_time_of_what_is_made(
    client: AsyncClient, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    (tmp_path / "root").mkdir()
    layer = await client.images.pack_layer(tmp_path / "root")
    config = config_of((await loaded(client, shelf)).appended(layer))
    assert config["created"] == config["history"][-1]["created"] == "2001-09-09T01:46:40Z"


async def test_an_image_from_scratch_has_what_is_appended_and_nothing_else(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    layer = await client.images.pack_layer(tmp_path / "root")
    image = Image.scratch("linux/arm/v7").appended(layer)
    config = config_of(image)
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm", "v7")
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer.diff_id]}
    await client.images.push(image, f"oci:{tmp_path / 'made'}:v1")
    assert not (await client.verify(f"oci:{tmp_path / 'made'}:v1")).problems


async def test_other_layers_bring_a_history_of_their_own_and_no_base(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    layer = await client.images.pack_layer(tmp_path / "root")
    said = {"org.opencontainers.image.base.name": "base:1", "a": "b"}
    before = await loaded(client, shelf, annotations=said, history=[{"created_by": "one"}, {"created_by": "two"}])
    after = before.layered(layer, created_by="all of it")
    assert [(each.diff_id, each.history and each.history.created_by) for each in after.layers] == [
        (layer.diff_id, "all of it")
    ]
    assert config_of(after)["config"] == RUN
    assert after.manifest.document.annotations == {"a": "b"}
    await client.images.push(after, f"oci:{tmp_path / 'made'}:v1")
    assert not (await client.verify(f"oci:{tmp_path / 'made'}:v1")).problems


async def test_another_base_brings_its_layers_history_and_platform(client: AsyncClient, shelf: Shelf) -> None:
    old = [shelf.layer("old")]
    new = [shelf.layer("new one"), shelf.layer("new two")]
    own = [shelf.layer("own")]
    said = [{"created_by": "FROM old"}, {"created_by": "ENV", "empty_layer": True}]
    references = {
        "old": shelf.image(*old, history=said),
        "new": shelf.image(*new, platform="linux/arm64", history=[{"created_by": "one"}]),
        "app": shelf.image(*old, *own, config=RUN, history=[*said, {"created_by": "COPY own"}]),
    }
    images = {tag: await client.images.load(shelf.tag(tag, image)) for tag, image in references.items()}
    rebased = images["app"].rebased(images["old"], images["new"], base="registry.example/base:2")
    assert [each.descriptor.digest for each in rebased.layers] == [layer["digest"] for layer, _ in (*new, *own)]
    assert [each.diff_id for each in rebased.layers] == [diff_id for _, diff_id in (*new, *own)]
    assert [each.history and each.history.created_by for each in rebased.layers] == ["one", "", "COPY own"]
    config = config_of(rebased)
    assert (config["architecture"], config["config"]) == ("arm64", RUN)
    assert rebased.manifest.document.annotations == {
        "org.opencontainers.image.base.name": "registry.example/base:2",
        "org.opencontainers.image.base.digest": references["new"]["digest"],
    }


async def test_history_of_the_old_base_is_told_by_its_layers_where_it_was_rewritten(
    client: AsyncClient, shelf: Shelf
) -> None:
    old, own = shelf.layer("old"), shelf.layer("own")
    history = [{"created_by": "squashed"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "own"}]
    base = await client.images.load(shelf.tag("base", shelf.image(old, history=[{"created_by": "other"}])))
    app = await client.images.load(shelf.tag("app", shelf.image(old, own, history=history)))
    rebased = app.rebased(base, base)
    assert [each.created_by for each in rebased.config.document.history] == ["other", "ENV", "own"]


@pytest.mark.parametrize(
    ("layers", "message"), [(("other", "own"), "layer 1 is"), (("old",), "has 1 layers, the base has 2")]
)
async def test_an_image_that_is_not_based_on_the_old_base_is_refused(
    client: AsyncClient, shelf: Shelf, layers: tuple[str, ...], message: str
) -> None:
    base = await client.images.load(shelf.tag("base", shelf.image(shelf.layer("old"), shelf.layer("too"))))
    app = await client.images.load(shelf.tag("app", shelf.image(*map(shelf.layer, layers))))
    with pytest.raises(DocumentError, match=message):
        app.rebased(base, base)


async def test_docker_s_form_and_back_gives_the_same_layers_and_config(client: AsyncClient, shelf: Shelf) -> None:
    image = await loaded(client, shelf, annotations={"a": "b"})
    docker = image.converted("docker")
    written = json.loads(docker.manifest.raw)
    assert written["mediaType"] == docker.manifest.media_type == DOCKER_MANIFEST
    assert written["config"]["mediaType"] == docker.config.media_type == DOCKER_CONFIG
    assert {layer["mediaType"] for layer in written["layers"]} == {DOCKER_LAYER}
    assert "annotations" not in written
    assert written["vendor.unknown"] is True
    back = docker.converted("oci")
    assert back.config == image.config
    assert back.manifest.document.layers == image.manifest.document.layers
    assert back.manifest.digest == image.annotated({"a": None}).manifest.digest


async def test_layers_that_docker_has_no_media_type_for_are_refused(client: AsyncClient, shelf: Shelf) -> None:
    layer, diff_id = shelf.layer("squeezed", ZSTD)
    image = await client.images.load(shelf.tag("v1", shelf.image((layer, diff_id))))
    with pytest.raises(DocumentError, match=r"no media type for .*tar\+zstd"):
        image.converted("docker")


async def test_layers_appended_to_docker_s_form_have_docker_s_media_type(
    client: AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    layer = await client.images.pack_layer(tmp_path / "root")
    base = await client.images.load(shelf.tag("v1", shelf.image(shelf.layer("low", DOCKER_LAYER), docker=True)))
    image = base.appended(layer)
    assert [each.descriptor.media_type for each in image.layers] == [DOCKER_LAYER, DOCKER_LAYER]
    with pytest.raises(DocumentError, match="Docker's format, which has no annotations"):
        image.annotated({"a": "b"})


async def test_an_oci_base_under_docker_s_form_is_named_in_docker_s_way(client: AsyncClient, shelf: Shelf) -> None:
    old, own, new = shelf.layer("old", DOCKER_LAYER), shelf.layer("own", DOCKER_LAYER), shelf.layer("new", LAYER)
    app = await client.images.load(shelf.tag("app", shelf.image(old, own, docker=True)))
    base = await client.images.load(shelf.tag("old", shelf.image(old, docker=True)))
    other = await client.images.load(shelf.tag("new", shelf.image(new)))
    rebased = app.rebased(base, other, base="registry.example/base:2")
    assert [each.descriptor.media_type for each in rebased.layers] == [DOCKER_LAYER, DOCKER_LAYER]
    assert rebased.manifest.document.annotations == {}


@pytest.mark.parametrize("what", ["entrypoint", "cmd"])
def test_words_of_a_command_have_an_order_and_no_nul(what: str) -> None:
    image = Image.scratch("linux/amd64")
    words: Any
    for words in ({"/app", "--serve"}, frozenset({"/app"}), {"/app": 1}.keys()):
        with pytest.raises(TypeError, match=f"{what} must be a list of strings.*, not "):
            image.mutated(**{what: words})
    words = ["/app", "a\0b"]
    with pytest.raises(ValueError, match=rf"{what}\[1\] has NUL"):
        image.mutated(**{what: words})


def test_the_value_of_a_variable_has_no_nul() -> None:
    with pytest.raises(ValueError, match="the value of the environment variable 'A' has NUL"):
        Image.scratch("linux/amd64").mutated(env={"A": "b\0c"})
