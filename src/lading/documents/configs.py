"""Configs: what is said of an image (image-spec, config.md) and of a Helm chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lading.digest import Digest
from lading.documents.document import Document
from lading.platform import Platform


class ExecutionParameters(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal", kw_only=True):
    """How a container of the image is run unless told otherwise.

    `exposed_ports` and `volumes` are sets on the wire: objects with empty objects as values. The last four fields are
    Docker's and reserved.
    """

    user: str = ""
    exposed_ports: Mapping[str, Any] = msgspec.field(default_factory=dict)
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    volumes: Mapping[str, Any] = msgspec.field(default_factory=dict)
    working_dir: str = ""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    stop_signal: str = ""
    args_escaped: bool = False
    memory: int = 0
    memory_swap: int = 0
    cpu_shares: int = 0
    healthcheck: Mapping[str, Any] = msgspec.field(default_factory=dict)


class RootFS(msgspec.Struct, frozen=True, tag_field="type", tag="layers"):
    """The digests of the uncompressed layers, from first to last. `type` is always `layers`."""

    diff_ids: tuple[Digest, ...]


class History(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a layer came about; `created` is as in `ImageConfig`."""

    created: str | None = None
    author: str = ""
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(Document, frozen=True, kw_only=True):
    """The config of a container image.

    `created` is text in the form of RFC 3339, section 5.6: its nanoseconds would not survive a `datetime`.
    """

    created: str | None = None
    author: str = ""
    architecture: str
    os: str
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: tuple[str, ...] = msgspec.field(default=(), name="os.features")
    variant: str = ""
    config: ExecutionParameters = ExecutionParameters()
    rootfs: RootFS
    history: tuple[History, ...] = ()

    @property
    def platform(self) -> Platform:
        """The platform that the image is for."""
        return Platform(
            architecture=self.architecture,
            os=self.os,
            os_version=self.os_version,
            os_features=self.os_features,
            variant=self.variant,
        )


class HelmMaintainer(Document, frozen=True, kw_only=True):
    """Someone who maintains a chart."""

    name: str
    email: str = ""
    url: str = ""


class HelmDependency(Document, frozen=True, kw_only=True):
    """A chart that a chart needs."""

    name: str
    version: str = ""
    repository: str = ""
    condition: str = ""
    alias: str = ""
    tags: tuple[str, ...] = ()


class HelmConfig(Document, frozen=True, kw_only=True):
    """The metadata of a Helm chart: its Chart.yaml in JSON (https://helm.sh/docs/topics/charts)."""

    api_version: str = ""
    name: str
    version: str
    kube_version: str = ""
    description: str = ""
    type: str = ""
    keywords: tuple[str, ...] = ()
    home: str = ""
    sources: tuple[str, ...] = ()
    dependencies: tuple[HelmDependency, ...] = ()
    maintainers: tuple[HelmMaintainer, ...] = ()
    icon: str = ""
    app_version: str = ""
    deprecated: bool = False
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
