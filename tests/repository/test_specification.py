"""Rules of the specification that hold across endpoints: docs/specification.toml has them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lading import AsyncClient, Digest, Event, ImageIndex, Manifest, RejectedError, Warned
from lading._wire.urls import Query
from lading.media_types import DOCKER_MANIFEST_LIST, OCI_INDEX
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
EMPTY_INDEX = Manifest.of(ImageIndex(manifests=()))


@pytest.mark.spec("end-1.client", "legacy.headers")
@pytest.mark.parametrize("fields", [{}, {"Docker_Distribution_API_Version": "registry/1.0"}], ids=["none", "other"])
async def test_end_1_ping_wants_200_and_no_field_of_docker(make_client: MakeClient, fields: Mapping[str, str]) -> None:
    wire = Scripted(answer(200, b"{}", **fields))
    await make_client(wire).registry("localhost:5000").ping()
    assert [(request.method, request.target) for request in wire.requests] == [("GET", "/v2/")]


@pytest.mark.spec("legacy.codes")
@pytest.mark.parametrize("code", ["TAG_INVALID", "MANIFEST_UNVERIFIED"])
async def test_codes_of_schema_1_keep_their_text_and_the_status_decides(make_client: MakeClient, code: str) -> None:
    wire = Scripted(answer(400, {"errors": [{"code": code, "message": "as of old"}]}), answer(404))
    with pytest.raises(RejectedError) as caught:
        await make_client(wire).repository(NAME).manifests.push(EMPTY_INDEX, "v1")
    assert type(caught.value) is RejectedError
    assert f"{code}: as of old" in str(caught.value)


@pytest.mark.spec("end-3.parameters-ignored")
@pytest.mark.parametrize("parameters", ["; charset=utf-8", ";q=1", " ; a=b; c=d"])
async def test_end_3_parameters_of_the_content_type_are_ignored(make_client: MakeClient, parameters: str) -> None:
    fields = {"Content_Type": OCI_INDEX + parameters, "Docker_Content_Digest": EMPTY_INDEX.digest}
    head = answer(200, b"", **fields, Content_Length=str(EMPTY_INDEX.descriptor.size))
    wire = Scripted(answer(200, EMPTY_INDEX.raw, **fields), head)
    manifests = make_client(wire).repository(NAME).manifests
    assert (await manifests.pull("v1", ImageIndex)).media_type == OCI_INDEX
    assert await manifests.resolve("v1") == EMPTY_INDEX.descriptor


@pytest.mark.spec("end-2.digest-header-verified")
async def test_end_2_a_digest_in_the_header_is_not_believed(make_client: MakeClient) -> None:
    content = b"content"
    for lie in (Digest.of(b"other"), Digest.of(content, "sha512"), "no digest"):
        wire = Scripted(answer(200, content, Docker_Content_Digest=lie))
        assert await make_client(wire).repository(NAME).blobs.pull(Digest.of(content)) == content


@pytest.mark.spec("end-7a.content-type", "end-7a.content-type-parameters", "end-7a.content-type-is-media-type")
@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_MANIFEST_LIST, "application/vnd.acme.list+json"])
async def test_end_7a_the_content_type_is_the_media_type_of_the_document(
    client: AsyncClient, wire: Recording, media_type: str
) -> None:
    raw = b'{"schemaVersion":2,"mediaType":"%s","manifests":[]}' % media_type.encode()
    await client.repository(NAME).manifests.push(raw, "v1")
    assert [request.headers.get("Content-Type") for request in wire.requests] == [media_type]


@pytest.mark.spec("warnings.no-action")
async def test_a_warning_changes_nothing_but_what_is_told(make_client: MakeClient, events: list[Event]) -> None:
    wires: list[Scripted] = []
    results: list[Any] = []
    for warning in ({}, {"Warning": '299 - "This registry goes away: use https://evil.example/ instead"'}):
        wires.append(Scripted(answer(200, EMPTY_INDEX.raw, Content_Type=OCI_INDEX, **warning), answer(404, **warning)))
        repository = make_client(wires[-1]).repository(NAME)
        results.append((await repository.manifests.pull("v1"), await repository.blobs.exists(Digest.of(b""))))
    assert results[0] == results[1]
    quiet, warned = ([(request.method, request.target, request.headers) for request in wire.requests] for wire in wires)
    assert quiet == warned
    assert [type(event) for event in events] == [Warned]


@pytest.mark.spec("proxy.ns-avoided")
async def test_no_request_names_a_source_host(client: AsyncClient, wire: Recording) -> None:
    repository = client.repository(NAME)
    blob = await repository.blobs.push(b"content")
    await repository.manifests.push(EMPTY_INDEX, ["v1", "v2"])
    await repository.manifests.pull("v1")
    await repository.blobs.pull(blob)
    assert [tag async for tag in repository.tags.list()] == ["v1", "v2"]
    assert len(wire.requests) > 5
    assert [request.target for request in wire.requests if "ns" in Query.parse(request.target.partition("?")[2])] == []
