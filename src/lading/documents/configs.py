"""Configs of container images (image-spec, config.md) and of Helm charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lading.digest import Digest
from lading.documents.document import Document
from lading.platform import Platform


class ExecutionParameters(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal", kw_only=True):
    """Default parameters for running a container of the image (image-spec, config.md, Properties).

    `exposed_ports` and `volumes` are sets on the wire: objects with empty objects as values. The fields from `memory`
    on are Docker's and reserved.
    """

    user: str = ""
    """User name or id, and optionally a group after a colon."""
    exposed_ports: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Ports to expose, such as `8080/tcp`, as keys."""
    env: tuple[str, ...] = ()
    """Environment variables, each as `NAME=VALUE`."""
    entrypoint: tuple[str, ...] = ()
    """Command and its first arguments."""
    cmd: tuple[str, ...] = ()
    """Default arguments of the entrypoint, or the command if there is no entrypoint."""
    volumes: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Directories with data of a container, as keys."""
    working_dir: str = ""
    """Working directory of the entrypoint."""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Metadata of the container, with the rules of annotations."""
    stop_signal: str = ""
    """Signal that stops the container, such as `SIGTERM`."""
    args_escaped: bool = False
    """Whether the command is already escaped (Windows only, deprecated)."""
    memory: int = 0
    """Memory limit in bytes."""
    memory_swap: int = 0
    """Limit of memory and swap in bytes."""
    cpu_shares: int = 0
    """Relative share of CPU time."""
    healthcheck: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Docker's health check."""


class RootFS(msgspec.Struct, frozen=True, tag_field="type", tag="layers"):
    """Content of the image's file system. `type` is always `layers`."""

    diff_ids: tuple[Digest, ...]
    """Digests of the uncompressed layers, from first to last."""


class History(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """History of one layer, or of a build step that made no layer."""

    created: str | None = None
    """Time of creation, as in `ImageConfig`."""
    author: str = ""
    """Author of the build step."""
    created_by: str = ""
    """Command that created the layer."""
    comment: str = ""
    """Message that was set when the layer was created."""
    empty_layer: bool = False
    """Whether the step made no layer."""


class ImageConfig(Document, frozen=True, kw_only=True):
    """Config of a container image (image-spec, config.md)."""

    created: str | None = None
    """Time of creation as an RFC 3339 string (section 5.6): its nanoseconds would not survive a `datetime`."""
    author: str = ""
    """Person or entity that created and maintains the image."""
    architecture: str
    """CPU architecture, as in GOARCH."""
    os: str
    """Operating system, as in GOOS."""
    os_version: str = msgspec.field(default="", name="os.version")
    """Version of the operating system."""
    os_features: tuple[str, ...] = msgspec.field(default=(), name="os.features")
    """Features of the operating system that the image requires."""
    variant: str = ""
    """Variant of the architecture, such as `v8`."""
    config: ExecutionParameters = ExecutionParameters()
    """Default parameters for running a container."""
    rootfs: RootFS
    """Digests of the uncompressed layers."""
    history: tuple[History, ...] = ()
    """History of the layers, from first to last."""

    @property
    def platform(self) -> Platform:
        """Platform of the image."""
        return Platform(
            architecture=self.architecture,
            os=self.os,
            os_version=self.os_version,
            os_features=self.os_features,
            variant=self.variant,
        )


class HelmMaintainer(Document, frozen=True, kw_only=True):
    """Maintainer of a chart."""

    name: str
    """Name of the maintainer."""
    email: str = ""
    """Email address of the maintainer."""
    url: str = ""
    """URL of the maintainer."""


class HelmDependency(Document, frozen=True, kw_only=True):
    """Chart that another chart depends on."""

    name: str
    """Name of the chart."""
    version: str = ""
    """Version or range of versions (SemVer)."""
    repository: str = ""
    """URL of the chart repository, or an alias of it."""
    condition: str = ""
    """Path of a value that enables the dependency."""
    alias: str = ""
    """Name to use in place of the chart's own."""
    tags: tuple[str, ...] = ()
    """Tags that enable or disable the dependency as part of a group."""


class HelmConfig(Document, frozen=True, kw_only=True):
    """Metadata of a Helm chart: its Chart.yaml as JSON (https://helm.sh/docs/topics/charts)."""

    api_version: str = ""
    """Version of the chart format, such as `v2`."""
    name: str
    """Name of the chart."""
    version: str
    """Version of the chart (SemVer)."""
    kube_version: str = ""
    """Range of compatible Kubernetes versions (SemVer)."""
    description: str = ""
    """Description in one sentence."""
    type: str = ""
    """`application` or `library`."""
    keywords: tuple[str, ...] = ()
    """Keywords of the project."""
    home: str = ""
    """URL of the project's home page."""
    sources: tuple[str, ...] = ()
    """URLs of the project's source code."""
    dependencies: tuple[HelmDependency, ...] = ()
    """Charts that this chart depends on."""
    maintainers: tuple[HelmMaintainer, ...] = ()
    """Maintainers of the chart."""
    icon: str = ""
    """URL of an image to use as an icon."""
    app_version: str = ""
    """Version of the application, in any format."""
    deprecated: bool = False
    """Whether the chart is deprecated."""
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Annotations by key."""
