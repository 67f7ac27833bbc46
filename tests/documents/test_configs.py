from __future__ import annotations

import json
from typing import Any

import pytest

from lading.digest import Digest
from lading.documents import ExecutionParameters, HelmConfig, HelmMaintainer, History, ImageConfig, open_document
from lading.errors import DocumentError
from lading.media_types import DOCKER_CONFIG, HELM_CONFIG, OCI_CONFIG
from lading.platform import Platform

DIFF_ID = "sha256:" + "c" * 64
FULL: dict[str, Any] = {
    "created": "2015-10-31T22:22:56.015925234Z",
    "author": "Alyssa P. Hacker <alyspdev@example.com>",
    "architecture": "arm64",
    "os": "linux",
    "os.version": "1.2",
    "os.features": ["win32k"],
    "variant": "v8",
    "config": {
        "User": "alice",
        "ExposedPorts": {"8080/tcp": {}},
        "Env": ["PATH=/usr/bin", "EMPTY="],
        "Entrypoint": ["/bin/app"],
        "Cmd": ["--foreground"],
        "Volumes": {"/var/log": {}},
        "WorkingDir": "/home/alice",
        "Labels": {"com.example.k": "v"},
        "StopSignal": "SIGKILL",
        "ArgsEscaped": True,
        "Memory": 1,
        "MemorySwap": 2,
        "CpuShares": 3,
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5},
    },
    "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]},
    "history": [
        {"created": "2015-10-31T22:22:54.690851953Z", "created_by": "ADD file", "author": "a", "comment": "c"},
        {"created_by": "CMD", "empty_layer": True},
    ],
}


@pytest.mark.parametrize("media_type", [OCI_CONFIG, DOCKER_CONFIG])
def test_config_md_every_property_is_read(media_type: str) -> None:
    config = open_document(json.dumps(FULL).encode(), media_type)
    assert isinstance(config, ImageConfig)
    assert config.created == FULL["created"]
    assert config.platform == Platform(
        architecture="arm64", os="linux", os_version="1.2", os_features=("win32k",), variant="v8"
    )
    assert config.config == ExecutionParameters(
        user="alice",
        exposed_ports={"8080/tcp": {}},
        env=("PATH=/usr/bin", "EMPTY="),
        entrypoint=("/bin/app",),
        cmd=("--foreground",),
        volumes={"/var/log": {}},
        working_dir="/home/alice",
        labels={"com.example.k": "v"},
        stop_signal="SIGKILL",
        args_escaped=True,
        memory=1,
        memory_swap=2,
        cpu_shares=3,
        healthcheck={"Test": ["CMD", "true"], "Interval": 5},
    )
    assert config.rootfs.diff_ids == (Digest(DIFF_ID),)
    assert config.history[1] == History(created_by="CMD", empty_layer=True)


def test_config_md_null_is_absence_as_docker_writes_it() -> None:
    empty = dict.fromkeys(["Env", "Cmd", "Entrypoint", "Volumes", "Labels", "OnBuild", "Healthcheck"])
    raw = {
        "architecture": "amd64",
        "os": "linux",
        "created": None,
        "config": empty | {"Hostname": "", "Tty": False},
        "rootfs": {"type": "layers", "diff_ids": None},
        "history": None,
        "docker_version": "20.10.8",
    }
    config = open_document(json.dumps(raw).encode(), DOCKER_CONFIG)
    assert config.config == ExecutionParameters()
    assert (config.rootfs.diff_ids, config.history, config.created) == ((), (), None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"architecture": None}, "missing required field `architecture`"),
        ({"os": None}, "missing required field `os`"),
        ({"rootfs": None}, "missing required field `rootfs`"),
        ({"rootfs": {"type": "other", "diff_ids": []}}, "$.rootfs.type"),
        ({"rootfs": {"type": "layers"}}, "$.rootfs: Object missing required field `diff_ids`"),
        ({"rootfs": {"type": "layers", "diff_ids": ["sha256:x"]}}, "$.rootfs.diff_ids[0]: invalid digest"),
        ({"config": {"Env": "PATH=/"}}, "$.config.Env"),
        ({"history": [{"empty_layer": "yes"}]}, "$.history[0].empty_layer"),
    ],
)
def test_config_md_a_wrong_property_is_named(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DocumentError) as raised:
        open_document(json.dumps(FULL | change).encode(), OCI_CONFIG)
    assert reason in str(raised.value)


def test_the_config_of_a_helm_chart_is_read() -> None:
    raw = {
        "name": "mychart",
        "version": "0.1.0",
        "apiVersion": "v2",
        "appVersion": "1.16.0",
        "kubeVersion": ">=1.25",
        "type": "application",
        "maintainers": [{"name": "a", "email": "a@example.com"}],
        "dependencies": [{"name": "redis", "version": "1", "repository": "oci://x", "import-values": ["y"]}],
    }
    chart = open_document(json.dumps(raw).encode(), HELM_CONFIG)
    assert isinstance(chart, HelmConfig)
    assert (chart.name, chart.version, chart.app_version, chart.kube_version) == (
        "mychart",
        "0.1.0",
        "1.16.0",
        ">=1.25",
    )
    assert chart.maintainers == (HelmMaintainer(name="a", email="a@example.com"),)
    assert chart.dependencies[0].repository == "oci://x"
