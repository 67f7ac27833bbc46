"""Promises about what a registry only says to have done, through the face that a user has."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading import Client, Retries
from lading.testing import FinalTags, Refuse, Say, TestRegistry
from tests.support.images import Image, sha256
from tests.threats.stage import Face, Place, registry_at, stored
from tests.threats.test_content import YES

NAME = "acme/app"


@pytest.fixture
def registry(reg: Place, storage: Path) -> TestRegistry:
    return registry_at(reg, storage, access=None)


def test_t32_r62_a_push_that_was_only_said_to_be_done_is_an_error(
    registry: TestRegistry, face: Face, storage: Path
) -> None:
    digest = sha256(b"never stored")
    registry.order(Say(201, headers={"Location": f"/v2/acme/app/blobs/{digest}"}), "PUT /v2/*/blobs/uploads/*")
    done = face.push_blob(f"{registry.name}/acme/app", b"never stored")
    assert stored(storage, "acme/app", digest) is None
    assert done.failed


@pytest.mark.parametrize("verb", ["ping", "push_blob"])
def test_t32_a_site_that_says_yes_to_everything_is_no_registry(
    reg: Place, library: Face, cargo: Image, verb: str
) -> None:
    reg.say((Say(200, YES.body, YES.headers), "* *"))
    done = library.ping(reg.name) if verb == "ping" else library.push_blob(f"{reg.name}/acme/app", cargo.layer)
    assert done.failed


def test_r67_the_same_manifest_under_a_final_tag_is_no_failure(
    registry: TestRegistry, face: Face, cargo: Image
) -> None:
    registry.order(FinalTags(Refuse("TAG_INVALID", "the tag already exists", status=400)), "PUT /v2/*/manifests/*")
    assert not face.push_manifest(f"{registry.name}/{NAME}", "1", cargo.manifest).failed


def test_r65_a_manifest_that_is_refused_for_a_moment_is_sent_again(registry: TestRegistry, cargo: Image) -> None:
    registry.order(Refuse("MANIFEST_INVALID", "concurrent push"), "PUT /v2/*/manifests/*", times=1)
    with Client(retries=Retries(first_wait=0.0)) as client:
        client.repository(f"{registry.name}/{NAME}").manifests.push(cargo.manifest, "again")


def test_r64_a_blob_that_a_mount_did_not_bring_is_sent(registry: TestRegistry, storage: Path, cargo: Image) -> None:
    digest = sha256(cargo.layer)
    registry.order(
        Say(201, headers={"Location": f"/v2/acme/new/blobs/{digest}"}), "POST /v2/acme/new/blobs/uploads/?mount=*"
    )
    with Client() as client:
        client.repository(f"{registry.name}/acme/new").blobs.push(cargo.layer, mount_from="acme/app")
    assert stored(storage, "acme/new", digest) == cargo.layer
