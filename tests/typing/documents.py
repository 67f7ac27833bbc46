"""Documents that a user makes, parses, narrows and edits without a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

from lading import (
    Descriptor,
    Digest,
    DockerManifest,
    DockerManifestList,
    Document,
    ExecutionParameters,
    HelmConfig,
    History,
    ImageConfig,
    ImageIndex,
    ImageManifest,
    Manifest,
    Platform,
    RootFS,
    open_document,
    register,
)

EMPTY = Descriptor.of(b"{}", "application/vnd.oci.empty.v1+json")


class Measurement(Document, frozen=True):
    """Type of a document of one's own."""

    celsius: float


def manifests() -> None:
    """Make, parse, narrow and edit manifests."""
    manifest = Manifest.of(
        document=ImageManifest(
            media_type="application/vnd.oci.image.manifest.v1+json",
            artifact_type="application/vnd.example.thing.v1",
            config=EMPTY,
            layers=(EMPTY,),
            subject=None,
            annotations={"org.example.key": "value"},
        ),
        algorithm="sha256",
    )
    assert_type(manifest, Manifest[ImageManifest])
    assert_type(manifest.raw, bytes)
    assert_type(manifest.media_type, str)
    assert_type(manifest.digest, Digest)
    assert_type(manifest.descriptor, Descriptor)
    assert_type(manifest.edited(annotations=None), Manifest[ImageManifest])
    parsed = Manifest.parse(raw=manifest.raw, media_type=manifest.media_type, digest=manifest.digest)
    assert_type(parsed, Manifest[Document])
    assert_type(parsed.expect(ImageManifest), Manifest[ImageManifest])
    assert_type(manifest.expect(kind=Document), Manifest[Document])
    # Of subclasses too: a manifest of a Docker manifest is one of an image manifest.
    docker_manifest = DockerManifest(
        media_type="application/vnd.docker.distribution.manifest.v2+json",
        config=EMPTY,
        layers=(),
    )
    assert_type(docker_manifest.media_type, str)
    docker = Manifest.of(docker_manifest)
    assert_type(docker, Manifest[DockerManifest])
    documents: list[Manifest[ImageManifest]] = [manifest, docker]
    anything: list[Manifest[Document]] = [*documents]
    assert len(anything) == 2
    image_manifest = manifest.document
    assert_type(image_manifest.media_type, str)
    assert_type(image_manifest.artifact_type, str | None)
    assert_type(image_manifest.config, Descriptor)
    assert_type(image_manifest.layers, tuple[Descriptor, ...])
    assert_type(image_manifest.subject, Descriptor | None)
    assert_type(image_manifest.annotations, Mapping[str, str])


def indexes() -> None:
    """Make and read indexes."""
    entry = Descriptor.of(b"", "application/vnd.oci.image.manifest.v1+json", platform=Platform.parse("linux/amd64"))
    image_index = ImageIndex(
        media_type="application/vnd.oci.image.index.v1+json",
        artifact_type=None,
        manifests=(entry,),
        subject=None,
        annotations={},
    )
    assert_type(image_index.media_type, str)
    assert_type(image_index.artifact_type, str | None)
    assert_type(image_index.manifests, tuple[Descriptor, ...])
    assert_type(image_index.subject, Descriptor | None)
    assert_type(image_index.annotations, Mapping[str, str])
    assert_type(image_index.images, tuple[Descriptor, ...])
    assert_type(image_index.choose(platform="linux/amd64"), Descriptor)
    docker_manifest_list = DockerManifestList(
        media_type="application/vnd.docker.distribution.manifest.list.v2+json", manifests=(entry,)
    )
    assert_type(docker_manifest_list.media_type, str)
    assert_type(Manifest.of(docker_manifest_list).document, DockerManifestList)


def configs() -> None:
    """Make and read configs, and documents of one's own."""
    image_config = ImageConfig(
        created="2000-01-01T00:00:00Z",
        author="acme",
        architecture="amd64",
        os="linux",
        os_version="",
        os_features=(),
        variant="",
        config=parameters(),
        rootfs=RootFS(diff_ids=(EMPTY.digest,)),
        history=(history(),),
    )
    assert_type(image_config.created, str | None)
    assert_type(image_config.author, str)
    assert_type(image_config.architecture, str)
    assert_type(image_config.os, str)
    assert_type(image_config.os_version, str)
    assert_type(image_config.os_features, tuple[str, ...])
    assert_type(image_config.variant, str)
    assert_type(image_config.config, ExecutionParameters)
    assert_type(image_config.rootfs, RootFS)
    assert_type(image_config.history, tuple[History, ...])
    assert_type(image_config.platform, Platform)
    root_fs = image_config.rootfs
    assert_type(root_fs.diff_ids, tuple[Digest, ...])
    helm_config = HelmConfig(
        api_version="v2",
        name="chart",
        version="1.0.0",
        kube_version="",
        description="",
        type="application",
        keywords=("example",),
        home="https://registry.example",
        sources=(),
        dependencies=(),
        maintainers=(),
        icon="",
        app_version="1",
        deprecated=False,
        annotations={},
    )
    assert_type(helm_config.api_version, str)
    assert_type(helm_config.name, str)
    assert_type(helm_config.version, str)
    assert_type(helm_config.kube_version, str)
    assert_type(helm_config.description, str)
    assert_type(helm_config.type, str)
    assert_type(helm_config.keywords, tuple[str, ...])
    assert_type(helm_config.home, str)
    assert_type(helm_config.sources, tuple[str, ...])
    assert_type(helm_config.icon, str)
    assert_type(helm_config.app_version, str)
    assert_type(helm_config.deprecated, bool)
    assert_type(helm_config.annotations, Mapping[str, str])
    assert len(helm_config.dependencies) == len(helm_config.maintainers) == 0
    register("application/vnd.example.measurement.v1+json", Measurement)
    opened: Measurement = open_document(  # pyright: ignore[reportAny]  # the media type decides
        b'{"celsius": 20}', "application/vnd.example.measurement.v1+json"
    )
    assert_type(opened.celsius, float)


def parameters() -> ExecutionParameters:
    """Make and read execution parameters."""
    execution_parameters = ExecutionParameters(
        user="1000",
        exposed_ports={"80/tcp": {}},
        env=("NAME=value",),
        entrypoint=("/hello",),
        cmd=(),
        volumes={"/data": {}},
        working_dir="/",
        labels={},
        stop_signal="SIGINT",
        args_escaped=False,
        memory=0,
        memory_swap=0,
        cpu_shares=0,
        healthcheck={},
    )
    assert_type(execution_parameters.user, str)
    assert_type(execution_parameters.env, tuple[str, ...])
    assert_type(execution_parameters.entrypoint, tuple[str, ...])
    assert_type(execution_parameters.cmd, tuple[str, ...])
    assert_type(execution_parameters.working_dir, str)
    assert_type(execution_parameters.labels, Mapping[str, str])
    assert_type(execution_parameters.stop_signal, str)
    assert_type(execution_parameters.args_escaped, bool)
    assert_type(execution_parameters.memory, int)
    assert_type(execution_parameters.memory_swap, int)
    assert_type(execution_parameters.cpu_shares, int)
    assert [*execution_parameters.exposed_ports, *execution_parameters.volumes] == ["80/tcp", "/data"]
    assert not execution_parameters.healthcheck
    return execution_parameters


def history() -> History:
    """Make and read an entry of the history."""
    history = History(created="2000-01-01T00:00:00Z", author="acme", created_by="hello", comment="", empty_layer=False)
    assert_type(history.created, str | None)
    assert_type(history.author, str)
    assert_type(history.created_by, str)
    assert_type(history.comment, str)
    assert_type(history.empty_layer, bool)
    return history
