"""What refers to a manifest, and what refers to that; lists that are wrong about it are not believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Descriptor,
    Digest,
    Event,
    LimitExceededError,
    NotFoundError,
    ReferrerTree,
    Warned,
)
from lading._core.graph import predecessors
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Rule, answer

NAME = "localhost:5000/acme/app"
INDEX = "application/vnd.oci.image.index.v1+json"
APP = "application/vnd.acme.app.v1"
SBOM = "application/spdx+json"
SIGNATURE = "application/vnd.acme.signature"


def lying(*entries: Descriptor) -> Rule:
    """Answer every question for referrers with the same entries."""
    manifests = [{"mediaType": entry.media_type, "digest": entry.digest, "size": entry.size} for entry in entries]
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    return lambda request: answer(200, listed, Content_Type=INDEX) if "/referrers/" in request.target else None


def shape(tree: ReferrerTree) -> dict[str, Any]:
    return {branch.descriptor.digest: shape(branch) for branch in tree.referrers}


async def attach(client: AsyncClient, subject: Descriptor, artifact_type: str, text: str = "") -> Descriptor:
    annotations = {"by": text} if text else None
    artifact = Artifact.pack(artifact_type, [Blob(text.encode())], annotations=annotations)
    return await client.attach(f"{NAME}@{subject.digest}", artifact)


async def pushed(client: AsyncClient, text: bytes = b"app") -> Descriptor:
    return await client.push(f"{NAME}:1", Artifact.pack(APP, [Blob(text)]))


async def test_the_tree_has_the_referrers_of_referrers(client: AsyncClient) -> None:
    root = await pushed(client)
    sbom = await attach(client, root, SBOM)
    signature = await attach(client, sbom, SIGNATURE)
    other = await attach(client, root, SIGNATURE, "me")
    deep = await attach(client, signature, SIGNATURE, "you")
    tree = await client.referrers_tree(f"{NAME}:1")
    assert tree.descriptor == Descriptor(root.media_type, root.digest, root.size)
    assert shape(tree) == {
        sbom.digest: {signature.digest: {deep.digest: {}}},
        other.digest: {},
    }
    [described] = [each.descriptor for each in tree.referrers if each.descriptor.digest == other.digest]
    assert (described.artifact_type, described.annotations) == (SIGNATURE, {"by": "me"})


async def test_a_depth_bounds_what_is_asked_for(client: AsyncClient, wire: Recording) -> None:
    root = await pushed(client)
    sbom = await attach(client, root, SBOM)
    signature = await attach(client, sbom, SIGNATURE)
    await attach(client, signature, SIGNATURE)
    wire.requests.clear()
    assert shape(await client.referrers_tree(f"{NAME}:1", depth=2)) == {sbom.digest: {signature.digest: {}}}
    assert len([line for line in wire.lines if "/referrers/" in line]) == 2
    for depth in (0, 33):
        with pytest.raises(ValueError, match="from 1 to 32"):
            await client.referrers_tree(f"{NAME}:1", depth=depth)


async def test_only_branches_that_lead_to_what_is_wanted_are_given(client: AsyncClient) -> None:
    root = await pushed(client)
    sbom = await attach(client, root, SBOM)
    await attach(client, root, SBOM, "bare")
    signature = await attach(client, sbom, SIGNATURE, "me")
    found = await client.referrers_tree(f"{NAME}:1", artifact_type=SIGNATURE)
    assert shape(found) == {sbom.digest: {signature.digest: {}}}
    for wanted, fits in (({"by": "me"}, True), ({"by": None}, True), ({"by": "you"}, False), ({"no": None}, False)):
        annotations: dict[str, str | None] = dict(wanted)
        found = await client.referrers_tree(f"{NAME}:1", artifact_type=SIGNATURE, annotations=annotations)
        assert bool(found.referrers) is fits


async def test_t_31_what_is_listed_and_names_another_subject_is_passed_over(
    client: AsyncClient, make_client: MakeClient, wire: Recording, events: list[Event]
) -> None:
    root = await pushed(client)
    stranger = await attach(client, await client.push(NAME, Artifact.pack(APP, [Blob(b"other")])), SBOM)
    absent = Descriptor(stranger.media_type, Digest.of(b"absent"), 6)
    liar = make_client(Recording(wire, lying(stranger, root, absent, stranger)))
    tree = await liar.referrers_tree(f"{NAME}:1")
    assert tree.referrers == ()
    told = {event.text.split(":", 3)[-1] for event in events if isinstance(event, Warned)}
    assert len(told) == 3
    assert {" its subject is another manifest", " it has no subject"} < told


async def test_t_31_a_list_that_is_the_same_for_everything_makes_no_circle(
    client: AsyncClient, make_client: MakeClient, wire: Recording
) -> None:
    root = await pushed(client)
    sbom = await attach(client, root, SBOM)
    signature = await attach(client, sbom, SIGNATURE)
    same = make_client(Recording(wire, lying(sbom, signature, sbom)))
    tree = await same.referrers_tree(f"{NAME}:1")
    assert shape(tree) == {sbom.digest: {signature.digest: {}}}


async def test_referrers_without_end_are_too_many(
    client: AsyncClient, make_client: MakeClient, wire: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predecessors, "MOST_MANIFESTS", 10)
    root = await pushed(client)
    entries = [Descriptor(root.media_type, Digest.of(str(number).encode()), 1) for number in range(11)]
    with pytest.raises(LimitExceededError, match="more than 10 referrers"):
        await make_client(Recording(wire, lying(*entries))).referrers_tree(f"{NAME}:1")


async def test_the_root_has_to_be_there(client: AsyncClient, tmp_path: Path) -> None:
    await pushed(client)
    with pytest.raises(NotFoundError):
        await client.referrers_tree(f"{NAME}:absent")
    await client.copy(f"{NAME}:1", f"oci:{tmp_path}/layout:1")
    with pytest.raises(NotFoundError):
        await client.referrers_tree(f"oci:{tmp_path}/layout:absent")


async def test_the_tree_is_the_same_in_a_layout(client: AsyncClient, tmp_path: Path) -> None:
    root = await pushed(client)
    await attach(client, await attach(client, root, SBOM), SIGNATURE)
    await client.copy(f"{NAME}:1", f"oci:{tmp_path}/layout:1", referrers=True)
    tree = await client.referrers_tree(f"{NAME}:1")
    assert await client.referrers_tree(f"oci:{tmp_path}/layout:1") == tree
