from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lading import (
    AsyncClient,
    DeniedError,
    Descriptor,
    Digest,
    DocumentError,
    Event,
    ForbiddenRedirectError,
    ImageIndex,
    ImageManifest,
    InvalidDigestError,
    Manifest,
    ManifestUnknownError,
    NameUnknownError,
    ProtocolError,
    RegistryError,
    Response,
    ServerError,
    TooManyRequestsError,
    UnauthorizedError,
    Warned,
)
from lading._core.repository.referrers_tag import referrers_tag
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.server.limits import ServerLimits
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
INDEX = "application/vnd.oci.image.index.v1+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
SBOM = "application/spdx+json"
SIGNATURE = "application/vnd.acme.signature"
SUBJECT = Digest.of(b"subject")
KEPT = f"/v2/acme/app/manifests/{SUBJECT.replace(':', '-')}"
LOGIN = {"WWW_Authenticate": 'Basic realm="registry"'}  # what a 401 says; without it, the registry is asked
LONG = "test+algorithm+using+algorithm+separators+and+lots+of+characters+to+excercise+overall+truncation"
ANNOTATIONS = {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"}


def entry(name: str, artifact_type: str | None = SBOM) -> dict[str, Any]:
    plain: dict[str, Any] = {"mediaType": OCI, "digest": Digest.of(name.encode()), "size": len(name)}
    return plain if artifact_type is None else plain | {"artifactType": artifact_type}


def index(*entries: Mapping[str, Any], **fields: str) -> Response:
    body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}
    return answer(200, body, **{"Content_Type": INDEX, **fields})


async def listed(client: AsyncClient, artifact_type: str | None = None, subject: str = SUBJECT) -> list[str]:
    referrers = client.repository(NAME).referrers.list(subject, artifact_type=artifact_type)
    return [found.digest async for found in referrers]


def digests(*names: str) -> list[str]:
    return [Digest.of(name.encode()) for name in names]


async def pushed_subject(client: AsyncClient) -> Descriptor:
    repository = client.repository(NAME)
    empty = await repository.blobs.push(b"{}", media_type="application/vnd.oci.empty.v1+json")
    return await repository.manifests.push(Manifest.of(ImageManifest(config=empty, layers=(empty,))), "v1")


async def attached(client: AsyncClient, subject: Descriptor, artifact_type: str | None, **more: Any) -> Descriptor:
    empty = await client.repository(NAME).blobs.push(b"{}", media_type="application/vnd.oci.empty.v1+json")
    document = ImageManifest(artifact_type=artifact_type, config=empty, layers=(empty,), subject=subject, **more)
    return await client.repository(NAME).manifests.push(Manifest.of(document))


@pytest.mark.spec("end-12a.client")
async def test_end_12a_referrers_are_listed_with_type_and_annotations(client: AsyncClient, wire: Recording) -> None:
    subject = await pushed_subject(client)
    sbom = await attached(client, subject, SBOM, annotations=ANNOTATIONS)
    signature = await attached(client, subject, SIGNATURE)
    wire.requests.clear()
    found = [each async for each in client.repository(NAME).referrers.list(subject.digest)]
    assert wire.lines == [f"GET /v2/acme/app/referrers/{subject.digest}"]
    assert {(each.digest, each.artifact_type) for each in found} == {
        (sbom.digest, SBOM),
        (signature.digest, SIGNATURE),
    }
    assert [each.annotations for each in found if each.digest == sbom.digest] == [ANNOTATIONS]


@pytest.mark.spec("end-12b.client")
async def test_end_12b_the_registry_is_asked_to_filter(client: AsyncClient, wire: Recording) -> None:
    subject = await pushed_subject(client)
    sbom = await attached(client, subject, SBOM)
    await attached(client, subject, SIGNATURE)
    assert await listed(client, SBOM, subject.digest) == [sbom.digest]
    assert wire.requests[-1].target.endswith("?artifactType=application/spdx%2Bjson")


@pytest.mark.spec("end-12b.not-applied")
@pytest.mark.parametrize("fields", [{}, {"OCI_Filters_Applied": "artifactType"}], ids=["none", "a lie"])
async def test_end_12b_what_the_registry_did_not_filter_is_filtered_here(
    make_client: MakeClient, fields: dict[str, str]
) -> None:
    wire = Scripted(index(entry("a"), entry("b", SIGNATURE), entry("c", None), entry("d"), **fields))
    assert await listed(make_client(wire), SBOM) == digests("a", "d")


@pytest.mark.spec("end-12a.pages")
async def test_end_12a_pages_are_requested_only_when_the_one_before_is_used_up(make_client: MakeClient) -> None:
    link = f"</v2/acme/app/referrers/{SUBJECT}?page=2>; rel=next"
    wire = Scripted(index(entry("a"), entry("b"), Link=link), index(entry("c")))
    referrers = make_client(wire).repository(NAME).referrers.list(SUBJECT)
    assert [(await anext(referrers)).digest for _ in range(2)] == digests("a", "b")
    assert len(wire.requests) == 1
    assert [each.digest async for each in referrers] == digests("c")
    assert wire.requests[1].target == f"/v2/acme/app/referrers/{SUBJECT}?page=2"
    assert wire.requests[1].headers.get("Accept") == INDEX


async def test_end_12a_pages_of_the_embedded_registry(make_client: MakeClient, client: AsyncClient, root: Any) -> None:
    subject = await pushed_subject(client)
    pushed = {(await attached(client, subject, f"application/vnd.acme.{number}")).digest for number in range(5)}
    paged = Recording(DirectTransport(EmbeddedRegistry(root, BlockingIO(), ServerLimits(page_items=2))))
    assert set(await listed(make_client(paged), subject=subject.digest)) == pushed
    assert len(paged.requests) == 3


@pytest.mark.parametrize("link", ["http://evil.example/x", "//evil.example/x", "http://localhost:5001/x"])
async def test_end_12a_a_page_on_another_origin_is_refused(make_client: MakeClient, link: str) -> None:
    wire = Scripted(index(entry("a"), Link=f"<{link}>; rel=next"))
    with pytest.raises(ForbiddenRedirectError):
        await listed(make_client(wire))
    assert len(wire.requests) == 1


async def test_end_12a_pages_in_circles_are_refused(make_client: MakeClient) -> None:
    link = f"</v2/acme/app/referrers/{SUBJECT}>; rel=next"
    with pytest.raises(ProtocolError, match="form a loop"):
        await listed(make_client(Scripted(index(entry("a"), Link=link))))


async def test_end_12a_a_manifest_without_referrers(client: AsyncClient) -> None:
    assert await listed(client, subject=(await pushed_subject(client)).digest) == []


async def test_end_12a_the_subject_may_have_a_sha512_digest(client: AsyncClient, wire: Recording) -> None:
    assert await listed(client, subject=Digest.of(b"subject", "sha512")) == []
    assert "/referrers/sha512:" in wire.requests[0].target


async def test_end_12a_a_tag_is_refused_before_any_request(client: AsyncClient, wire: Recording) -> None:
    with pytest.raises(InvalidDigestError):
        await listed(client, subject="v1")
    assert not wire.requests


@pytest.mark.spec("compat.referrers-list", "compat.older")
@pytest.mark.parametrize(
    ("status", "body", "fields"),
    [
        (404, b"404 page not found\n", {}),
        (404, {"errors": [{"code": "NOT_FOUND"}]}, {}),
        (404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]}, {}),
        (404, {"errors": [{"code": "UNSUPPORTED"}]}, {}),
        (405, b"", {}),
        (501, b"", {}),
        (303, b"", {"Location": "file:///web/page"}),
        (200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
        (200, {"manifests": []}, {"Content-Type": "application/json"}),
        (200, {"schemaVersion": 2}, {}),
    ],
    ids=["404", "NOT_FOUND", "MANIFEST_UNKNOWN", "UNSUPPORTED", "405", "501", "303", "HTML", "JSON", "no type"],
)
async def test_r_86_answers_that_mean_no_referrers_api_lead_to_the_tag(
    *,
    make_client: MakeClient,
    events: list[Event],
    status: int,
    body: Mapping[str, Any] | bytes,
    fields: dict[str, str],
) -> None:
    wire = Scripted(answer(status, body, **fields), index(entry("a"), entry("b", SIGNATURE)))
    assert await listed(make_client(wire), SBOM) == digests("a")
    assert wire.requests[-1].target == KEPT
    warned = [event.text for event in events if isinstance(event, Warned)]
    assert len(warned) == (1 if status == 200 else 0)
    assert all("responded with something else than a list of referrers" in text for text in warned)


@pytest.mark.parametrize("kind", ["application/json", "text/plain; charset=utf-8", "application/octet-stream", ""])
async def test_end_12a_an_index_under_another_media_type_is_one(make_client: MakeClient, kind: str) -> None:
    wire = Scripted(index(entry("a"), Content_Type=kind))
    assert await listed(make_client(wire)) == digests("a")


async def test_q_ghcr_an_index_from_another_place_is_not_believed(make_client: MakeClient) -> None:
    wire = Scripted(answer(303, Location="https://web.example/packages"), index(entry("a")))
    assert await listed(make_client(wire)) == digests("a")
    assert wire.requests[-1].target == KEPT
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NAME_UNKNOWN", NameUnknownError),
        (401, "UNAUTHORIZED", UnauthorizedError),
        (403, "DENIED", DeniedError),
        (429, "TOOMANYREQUESTS", TooManyRequestsError),
        (500, None, ServerError),
        (502, None, ServerError),
        (503, None, ServerError),
    ],
)
async def test_r_86_other_failures_are_errors_and_no_reason_to_look_at_the_tag(
    make_client: MakeClient, status: int, code: str | None, kind: type[RegistryError]
) -> None:
    wire = Scripted(answer(status, b"" if code is None else {"errors": [{"code": code}]}, **LOGIN))
    with pytest.raises(kind):
        await listed(make_client(wire))
    assert len(wire.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"schemaVersion":2}', b'{"schemaVersion":2,"layers":[]}'])
async def test_end_12a_what_is_announced_as_an_index_must_be_one(make_client: MakeClient, body: bytes) -> None:
    with pytest.raises(DocumentError, match="GET localhost:5000/acme/app referrers/"):
        await listed(make_client(Scripted(answer(200, body, Content_Type=INDEX))))


@pytest.mark.spec("end-12a.no-referrers")
@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"<html>", INDEX),
        ({"schemaVersion": 2, "config": entry("a"), "layers": []}, OCI),
    ],
    ids=["damaged", "an image"],
)
async def test_end_12a_no_valid_index_under_the_tag_means_no_referrers(
    make_client: MakeClient, events: list[Event], body: Mapping[str, Any] | bytes, media_type: str
) -> None:
    wire = Scripted(answer(404), answer(200, body, Content_Type=media_type))
    assert await listed(make_client(wire)) == []
    assert [isinstance(event, Warned) for event in events] == [True]


@pytest.mark.spec("end-12a.no-referrers")
async def test_end_12a_no_tag_means_no_referrers(make_client: MakeClient, events: list[Event]) -> None:
    wire = Scripted(answer(404), answer(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]}))
    assert await listed(make_client(wire)) == []
    assert events == []


async def test_q_gitlab_a_tag_that_resolves_to_the_subject_itself_is_no_list(make_client: MakeClient) -> None:
    subject = Manifest.of(ImageIndex(manifests=(Descriptor(OCI, Digest.of(b"a"), 1),)))
    wire = Scripted(answer(404), answer(200, subject.raw, Content_Type=INDEX))
    assert await listed(make_client(wire), subject=subject.digest) == []


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_end_12a_a_failure_to_pull_the_list_is_an_error(make_client: MakeClient, status: int) -> None:
    with pytest.raises(RegistryError):
        await listed(make_client(Scripted(answer(404), answer(status, **LOGIN))))


@pytest.mark.spec("tag-schema.form", "tag-schema.algorithm", "tag-schema.encoded")
@pytest.mark.parametrize(
    ("digest", "tag"),
    [
        (f"sha256:{'a' * 64}", f"sha256-{'a' * 64}"),
        (f"sha512:{'a' * 128}", f"sha512-{'a' * 64}"),
        (
            f"{LONG}:alsoSome=InTheEncodedSectionToShowHyphenReplacementAndLotsAndLotsOfCharactersToExcerciseEnc",
            "test-algorithm-using-algorithm-s-alsoSome-InTheEncodedSectionToShowHyphenReplacementAndLotsAndLot",
        ),
        ("a.b_c:d-e_f", "a.b_c-d-e_f"),
    ],
    ids=["sha256", "sha512", "long", "allowed characters"],
)
def test_the_referrers_tag_is_that_of_the_specification(digest: str, tag: str) -> None:
    assert referrers_tag(Digest(digest)) == tag


async def test_end_12a_a_missing_repository_has_no_referrers_or_is_unknown(make_client: MakeClient) -> None:
    unknown = answer(404, {"errors": [{"code": "NAME_UNKNOWN"}]})
    with pytest.raises(NameUnknownError):
        await listed(make_client(Scripted(answer(404), unknown)))


async def test_end_7a_a_subject_may_be_missing(client: AsyncClient) -> None:
    missing = Descriptor(OCI, SUBJECT, 7)
    pushed = await attached(client, missing, SBOM)
    assert await listed(client) == [pushed.digest]
    with pytest.raises(ManifestUnknownError):
        await client.repository(NAME).manifests.pull(SUBJECT)
