"""Responses that look like an answer and are none: pages of web sites, other digests, deletions that did not happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from lading import (
    AsyncClient,
    AsyncRepository,
    ConnectionFailedError,
    Descriptor,
    Digest,
    DigestMismatchError,
    Event,
    Headers,
    InvalidDigestError,
    LadingError,
    ManifestUnknownError,
    NotFoundError,
    ProtocolError,
    Request,
    Response,
    Retries,
    TimedOutError,
    UnauthorizedError,
    VerificationError,
    Warned,
)
from lading._io.base import Cancellation
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, Turn, answer

NAME = "localhost:5000/acme/app"
INDEX = "application/vnd.oci.image.index.v1+json"
CONTENT = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
DIGEST = Digest.of(CONTENT)
SHA512 = Digest.of(CONTENT, "sha512")
OTHER = Digest.of(b"other")
PAGE = b"<html><title>Welcome</title></html>"
HTML = {"Content_Type": "text/html; charset=utf-8"}

Deed = Callable[[AsyncRepository], Awaitable[Any]]

DELETIONS: dict[str, Deed] = {
    "tag": lambda repository: repository.tags.delete("v1"),
    "manifest": lambda repository: repository.manifests.delete(DIGEST),
    "blob": lambda repository: repository.blobs.delete(DIGEST),
}
QUESTIONS: dict[str, Deed] = {
    "manifest exists": lambda repository: repository.manifests.exists("v1"),
    "manifest by digest exists": lambda repository: repository.manifests.exists(DIGEST),
    "blob exists": lambda repository: repository.blobs.exists(DIGEST),
    "resolve": lambda repository: repository.manifests.resolve("v1"),
    "resolve a blob": lambda repository: repository.blobs.resolve(DIGEST),
    "pull": lambda repository: repository.manifests.pull("v1"),
    "tags": lambda repository: every(repository.tags.list()),
    "referrers": lambda repository: every(repository.referrers.list(DIGEST)),
    "push": lambda repository: repository.blobs.push(b"x"),
    **DELETIONS,
}


async def every(listing: Any) -> list[Any]:
    return [each async for each in listing]


def site(status: int, **fields: str) -> Recording:
    """A web site that has one answer to everything."""

    def reply(request: Request) -> Response:
        return answer(
            status, b"" if request.method == "HEAD" else PAGE, **HTML, Content_Length=str(len(PAGE)), **fields
        )

    return Recording(rule=reply)


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("deed", QUESTIONS)
async def test_a_web_site_is_no_evidence_of_anything(make_client: MakeClient, deed: str, status: int) -> None:
    client = make_client(site(status))
    with pytest.raises(LadingError, match=r"is this a registry|HTML") as caught:
        await QUESTIONS[deed](client.repository(NAME))
    assert not isinstance(caught.value, NotFoundError)


@pytest.mark.parametrize("deed", ["manifest exists", "blob exists", "referrers"])
@pytest.mark.parametrize(
    ("status", "body", "fields", "is_registry"),
    [
        (200, b"", {}, True),
        (200, b"{}", {"Content_Type": "application/json"}, True),
        (401, b"", {"WWW_Authenticate": 'Basic realm="x"'}, True),
        (403, b"", {}, True),
        (200, PAGE, HTML, False),
        (404, b"", {}, False),
        (404, PAGE, HTML, False),
        (405, b"", {}, False),
        (204, b"", {}, False),
    ],
    ids=["200", "200 {}", "401", "403", "200 page", "404", "404 page", "405", "204"],
)
async def test_end_1_a_page_that_says_not_found_counts_where_a_registry_is_behind_it(
    *, make_client: MakeClient, deed: str, status: int, body: bytes, fields: dict[str, str], is_registry: bool
) -> None:
    def reply(request: Request) -> Response:
        if request.target == "/v2/":
            return answer(status, body, **fields)
        return answer(404, b"" if request.method == "HEAD" else PAGE, **HTML, Content_Length=str(len(PAGE)))

    wire = Recording(rule=reply)
    repository = make_client(wire).repository(NAME)
    if is_registry:
        assert not await QUESTIONS[deed](repository)
        assert not await QUESTIONS[deed](repository)
    else:
        with pytest.raises(ProtocolError, match="404: responded with a web page"):
            await QUESTIONS[deed](repository)
    assert wire.lines.count("GET /v2/") == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"Docker_Distribution_Api_Version": "registry/2.0", **HTML, "Content_Length": "9"},
        {**HTML, "Content_Length": "0"},  # Flask, and so Quay: no page
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/json"},
    ],
)
async def test_other_responses_of_not_found_are_believed_at_once(
    make_client: MakeClient, fields: dict[str, str]
) -> None:
    wire = Scripted(answer(404, **fields))
    assert not await make_client(wire).repository(NAME).manifests.exists("v1")


async def test_end_1_a_registry_that_fails_at_that_moment_is_not_judged(make_client: MakeClient) -> None:
    page = answer(404, **HTML, Content_Length="9")
    again = answer(404, **HTML, Content_Length="9")
    repository = make_client(Scripted(page, answer(500), again, answer(200))).repository(NAME)
    with pytest.raises(LadingError, match="500"):
        await repository.manifests.exists("v1")
    assert not await repository.manifests.exists("v1")


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("deed", DELETIONS)
async def test_end_9_end_10_a_deletion_that_is_confirmed_otherwise_is_looked_for(
    make_client: MakeClient, deed: str, status: int
) -> None:
    read = [answer(200, CONTENT, Content_Type=INDEX)] if deed == "manifest" else []
    gone = Scripted(*read, answer(status), answer(404))
    await DELETIONS[deed](make_client(gone).repository(NAME))
    assert [request.method for request in gone.requests[-2:]] == ["DELETE", "HEAD"]
    assert gone.requests[-1].target == gone.requests[-2].target
    read = [answer(200, CONTENT, Content_Type=INDEX)] if deed == "manifest" else []
    kept = Scripted(*read, answer(status), answer(200))
    with pytest.raises(ProtocolError, match=f"deletion of .*: responded with {status}, but it is still there"):
        await DELETIONS[deed](make_client(kept).repository(NAME))


async def test_end_9_where_head_is_not_supported_the_look_is_a_get(make_client: MakeClient) -> None:
    wire = Scripted(answer(200), answer(405), answer(404))
    await make_client(wire).repository(NAME).tags.delete("v1")
    assert [request.method for request in wire.requests] == ["DELETE", "HEAD", "GET"]


async def test_end_9_a_look_that_is_refused_leaves_the_deletion_unconfirmed(make_client: MakeClient) -> None:
    wire = Scripted(answer(200), answer(401, WWW_Authenticate='Basic realm="x"'))
    with pytest.raises(UnauthorizedError):
        await make_client(wire).repository(NAME).tags.delete("v1")


@pytest.mark.parametrize("status", [201, 203, 205, 206, 299])
async def test_end_9_end_10_no_other_status_is_a_deletion(make_client: MakeClient, status: int) -> None:
    for deed in ("tag", "blob"):
        with pytest.raises(ProtocolError, match=f"responded with {status}, expected 202"):
            await DELETIONS[deed](make_client(Scripted(answer(status))).repository(NAME))


async def test_end_9_202_is_enough(make_client: MakeClient) -> None:
    wire = Scripted(answer(202), answer(202, **HTML))  # the second without a body, as of Flask
    repository = make_client(wire).repository(NAME)
    await repository.tags.delete("v1")
    await repository.blobs.delete(DIGEST)


LOST: dict[str, Turn] = {
    "500": answer(500),
    "502": answer(502),
    "503": answer(503),
    "connection": ConnectionFailedError("the connection broke"),
    "time": TimedOutError("timed out"),
}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("deed", DELETIONS)
async def test_end_9_end_10_a_deletion_whose_response_was_lost_is_one(
    make_client: MakeClient, deed: str, lost: str
) -> None:
    read = [answer(200, CONTENT, Content_Type=INDEX)] if deed == "manifest" else []
    wire = Scripted(*read, LOST[lost], answer(404, {"errors": [{"code": "NAME_UNKNOWN"}]}))
    client = make_client(wire, retries=Retries(tries=2, first_wait=0.0))
    await DELETIONS[deed](client.repository(NAME))
    assert [request.method for request in wire.requests[-2:]] == ["DELETE", "DELETE"]


@pytest.mark.parametrize(
    "first", [answer(429, Retry_After="0"), ConnectionFailedError("connection refused", refused=True)]
)
async def test_end_9_end_10_a_deletion_that_had_no_effect_deleted_nothing(
    make_client: MakeClient, first: Response | ConnectionFailedError
) -> None:
    for deed in ("tag", "blob"):
        wire = Scripted(first, answer(404))
        client = make_client(wire, retries=Retries(tries=2, first_wait=0.0))
        with pytest.raises(NotFoundError):
            await DELETIONS[deed](client.repository(NAME))


async def test_end_9_a_tag_stays_away_when_the_deletion_of_its_stand_in_was_lost(
    client: AsyncClient, wire: Recording, make_client: MakeClient
) -> None:
    await client.repository(NAME).manifests.push(CONTENT, "v1")
    lost = iter([True])

    def lose(request: Request) -> Response | None:
        if request.method != "DELETE" or not next(lost, False):
            return None
        wire.send(request, Cancellation())
        raise ConnectionFailedError("the connection broke")

    losing = Recording(wire, lose)
    await make_client(losing, retries=Retries(tries=2, first_wait=0.0)).repository(NAME).tags.displace("v1")
    assert losing.lines[-2:] == [losing.lines[-1]] * 2
    assert [tag async for tag in client.repository(NAME).tags.list()] == []


async def test_end_9_a_stand_in_that_was_not_deleted_puts_the_tag_back(client: AsyncClient, wire: Recording) -> None:
    await client.repository(NAME).manifests.push(CONTENT, "v1")
    wire._rule = lambda request: answer(200) if request.method == "DELETE" else None
    with pytest.raises(ProtocolError, match="still there"):
        await client.repository(NAME).tags.displace("v1")
    assert (await client.resolve(f"{NAME}:v1")).digest == DIGEST


@pytest.mark.parametrize("digest", ["md5:" + "0" * 32, "blake3:" + "0" * 64, "sha1:" + "0" * 40])
async def test_a_digest_that_cannot_be_computed_is_not_asked_for(
    client: AsyncClient, wire: Recording, digest: str, tmp_path: Any
) -> None:
    repository, whole = client.repository(NAME), f"{NAME}@{digest}"
    content = Descriptor(INDEX, Digest(digest), 9)
    deeds: tuple[Callable[[], Any], ...] = (
        lambda: client.resolve(whole),
        lambda: client.resolve_many([f"{NAME}:v1", whole]),
        lambda: client.pull(whole, tmp_path),
        lambda: client.copy(whole, f"{NAME}:v2"),
        lambda: client.copy(f"{NAME}:v1", whole),
        lambda: client.delete(whole),
        lambda: client.tag(whole, "v2"),
        lambda: client.inspect(whole),
        lambda: client.verify(whole),
        lambda: client.referrers_tree(whole),
        lambda: client.evidence(whole),
        lambda: client.resolve(f"oci:{tmp_path}@blake3:{'0' * 64}"),
        lambda: client.indexes.create(f"{NAME}:v1", [digest]),
        lambda: client.indexes.create(f"{NAME}:v1", [whole]),
        lambda: repository.manifests.resolve(digest),
        lambda: repository.manifests.exists(digest),
        lambda: repository.manifests.pull(digest),
        lambda: repository.manifests.pull(content),
        lambda: repository.manifests.delete(digest),
        lambda: repository.blobs.resolve(digest),
        lambda: repository.blobs.exists(content),
        lambda: repository.blobs.pull(digest),
        lambda: repository.blobs.delete(digest),
        lambda: repository.blobs.mount(digest, "acme/other"),
        lambda: every(repository.referrers.list(digest)),
    )
    for deed in deeds:
        with pytest.raises(InvalidDigestError, match="cannot be computed: use sha256 or sha512"):
            await deed()
    assert not wire.requests


@pytest.mark.spec("end-3.digest-header-verified")
@pytest.mark.parametrize(
    "fields",
    [
        {"Docker_Content_Digest": SHA512},
        {"Docker_Content_Digest": "sha256:x"},
        {"ETag": f'"{DIGEST}"'},
        {"Docker_Content_Digest": DIGEST, "Content_Length": "0"},
        {"Docker_Content_Digest": DIGEST, "Content_Length": "99999999999"},
        {"Docker_Content_Digest": DIGEST, "Content_Type": "text/plain"},
        {"Docker_Content_Digest": DIGEST, "Content_Type": "text/html"},
        {"Docker_Content_Digest": DIGEST, "Content_Type": "application/json"},
    ],
)
@pytest.mark.parametrize("matches", [True, False])
async def test_end_3_a_digest_is_there_if_head_says_so_or_the_content_has_it(
    make_client: MakeClient, fields: dict[str, str], matches: bool
) -> None:
    said = {"Content_Type": INDEX, "Content_Length": str(len(CONTENT)), **fields}
    wire = Scripted(answer(200, **said), answer(200, CONTENT if matches else CONTENT + b" ", Content_Type=INDEX))
    resolved = make_client(wire).repository(NAME).manifests.resolve(DIGEST)
    if matches:
        assert await resolved == Descriptor(INDEX, DIGEST, len(CONTENT))
    else:
        with pytest.raises(VerificationError):
            await resolved


@pytest.mark.spec("end-3.digest-header-verified")
@pytest.mark.parametrize(
    ("fields", "claimed", "actual"),
    [
        ([OTHER], OTHER, DIGEST),
        ([Digest.of(b"other", "sha512")], Digest.of(b"other", "sha512"), SHA512),
        ([DIGEST, OTHER], OTHER, DIGEST),
        ([SHA512, OTHER], OTHER, DIGEST),
    ],
    ids=["sha256", "sha512", "two", "two algorithms"],
)
async def test_end_3_a_tag_whose_digest_is_not_that_of_the_content_is_refused(
    make_client: MakeClient, fields: list[Digest], claimed: Digest, actual: Digest
) -> None:
    response = answer(200, CONTENT, Content_Type=INDEX)
    claims = Headers(("Docker-Content-Digest", field) for field in fields)
    response = replace(response, headers=response.headers + claims)
    with pytest.raises(DigestMismatchError, match=r"localhost:5000/acme/app:v1: the registry says") as caught:
        await make_client(Scripted(response)).repository(NAME).manifests.pull("v1")
    assert (caught.value.expected, caught.value.actual) == (claimed, actual)
    assert any("@sha" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("value", ["", "x", "sha256:x", "sha256:", f'"{OTHER}"', f"W/{OTHER}", "blake3:" + "0" * 64])
async def test_end_3_what_is_not_a_digest_that_can_be_computed_claims_nothing(
    make_client: MakeClient, value: str
) -> None:
    wire = Scripted(answer(200, CONTENT, Content_Type=INDEX, Docker_Content_Digest=value, ETag=f'"{OTHER}"'))
    assert (await make_client(wire).repository(NAME).manifests.pull("v1")).digest == DIGEST


async def test_end_3_a_digest_of_the_users_own_outweighs_the_header(
    make_client: MakeClient, events: list[Event]
) -> None:
    wire = Scripted(answer(200, CONTENT, Content_Type=INDEX, Docker_Content_Digest=OTHER))
    assert (await make_client(wire).repository(NAME).manifests.pull(DIGEST)).digest == DIGEST
    assert [type(event) for event in events] == [Warned]


async def test_end_7a_a_digest_of_another_algorithm_does_not_prove_a_push(make_client: MakeClient) -> None:
    stored = answer(201, Docker_Content_Digest=SHA512)
    head = answer(200, Content_Type=INDEX, Content_Length=str(len(CONTENT)), Docker_Content_Digest=SHA512)
    wire = Scripted(stored, head, answer(200, CONTENT, Content_Type=INDEX))
    await make_client(wire).repository(NAME).manifests.push(CONTENT, "v1")
    stored = answer(201, Docker_Content_Digest=Digest.of(b"other", "sha512"))
    wire = Scripted(stored, answer(200, Content_Type=INDEX, Content_Length="9", Docker_Content_Digest=OTHER))
    with pytest.raises(DigestMismatchError, match="the registry stored"):
        await make_client(wire).repository(NAME).manifests.push(CONTENT, "v1")


async def test_end_4b_a_blob_that_was_only_said_to_be_stored_is_an_error(make_client: MakeClient) -> None:
    for head in (answer(404), answer(200, **HTML, Content_Length="9"), answer(200, Docker_Content_Digest=OTHER)):
        with pytest.raises((ProtocolError, DigestMismatchError)):
            await make_client(Scripted(answer(201), head)).repository(NAME).blobs.push_at_once(b"x")
    wire = Scripted(answer(201, Docker_Content_Digest=Digest.of(b"x")))
    await make_client(wire).repository(NAME).blobs.push_at_once(b"x")


async def test_end_6_an_upload_that_ends_in_204_is_looked_for(make_client: MakeClient) -> None:
    """regclient takes this status too."""
    for head, kind in ((answer(200, Content_Length="1"), None), (answer(404), ProtocolError)):
        wire = Scripted(answer(404), answer(202, Location="/u"), answer(204), head)
        push = make_client(wire).repository(NAME).blobs.push(b"x")
        if kind is None:
            assert (await push).digest == Digest.of(b"x")
        else:
            with pytest.raises(kind, match="does not have the blob"):
                await push


async def test_end_3_a_signed_manifest_of_schema_1_has_the_digest_of_its_payload(make_client: MakeClient) -> None:
    content = b'{"schemaVersion":1,"name":"acme/app","tag":"v1","fsLayers":[],"history":[],"signatures":[]}'
    media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    wire = Scripted(answer(200, content, Content_Type=media_type, Docker_Content_Digest=OTHER))
    assert (await make_client(wire).repository(NAME).manifests.pull("v1")).raw == content


async def test_end_11_a_mount_in_name_only_is_none(make_client: MakeClient) -> None:
    repository = make_client(Scripted(answer(201), answer(404))).repository(NAME)
    assert not await repository.blobs.mount(OTHER, "acme/other")


async def test_end_2_a_blob_of_no_length_is_there_if_get_has_one(make_client: MakeClient) -> None:
    """Frameworks that do not have HEAD in mind send this length, and so do sites that accept everything."""
    for size, digest in (("9", DIGEST), ("9", SHA512)):
        wire = Scripted(answer(200), answer(200, Content_Length=size))
        assert await make_client(wire).repository(NAME).blobs.exists(digest)
        assert [request.method for request in wire.requests] == ["HEAD", "GET"]
    for get in (answer(200), answer(200, PAGE, **HTML)):
        with pytest.raises(ProtocolError, match="is this a registry"):
            await make_client(Scripted(answer(200), get)).repository(NAME).blobs.exists(DIGEST)
    assert not await make_client(Scripted(answer(200), answer(404))).repository(NAME).blobs.exists(DIGEST)


@pytest.mark.parametrize("status", [200, 204])
async def test_end_11_a_mount_is_201(make_client: MakeClient, status: int) -> None:
    with pytest.raises(ProtocolError, match=f"responded with {status}, expected 201 or 202"):
        await make_client(Scripted(answer(status))).repository(NAME).blobs.mount(OTHER, "acme/other")


async def test_end_2_a_blob_of_another_digest_is_a_mismatch(make_client: MakeClient) -> None:
    for deed in ("blob exists", "resolve a blob"):
        wire = Scripted(answer(200, Content_Length="9", Docker_Content_Digest=OTHER))
        with pytest.raises(DigestMismatchError, match="responded for"):
            await QUESTIONS[deed](make_client(wire).repository(NAME))


async def test_end_2_a_page_of_content_is_there_if_the_registry_names_its_digest(make_client: MakeClient) -> None:
    wire = Scripted(answer(200, **HTML, Content_Length="9", Docker_Content_Digest=DIGEST))
    assert await make_client(wire).repository(NAME).blobs.exists(DIGEST)


async def test_end_2_a_blob_of_nothing_is_empty(make_client: MakeClient) -> None:
    blobs = make_client(Scripted(answer(200), answer(200))).repository(NAME).blobs
    assert await blobs.exists(Digest.of(b""))
    assert await blobs.exists(Digest.of(b"", "sha512"))


async def test_end_3_a_vanished_tag_is_not_found(client: AsyncClient) -> None:
    with pytest.raises(ManifestUnknownError):
        await client.repository(NAME).manifests.resolve(DIGEST)


@pytest.mark.spec("end-3.digest-header-verified")
@pytest.mark.parametrize(
    "fields",
    [[("Content-Length", "7")], [("Content-Type", "application/vnd.oci.image.manifest.v1+json")]],
    ids=["Content-Length", "Content-Type"],
)
@pytest.mark.parametrize("tag_or_digest", ["v1", DIGEST])
async def test_end_3_what_two_header_fields_contradict_is_read_from_the_content(
    make_client: MakeClient, fields: list[tuple[str, str]], tag_or_digest: str
) -> None:
    head = answer(200, Content_Type=INDEX, Content_Length=str(len(CONTENT)), Docker_Content_Digest=DIGEST)
    head = replace(head, headers=Headers(fields) + head.headers)
    wire = Scripted(head, answer(200, CONTENT, Content_Type=INDEX))
    found = await make_client(wire).repository(NAME).manifests.resolve(tag_or_digest)
    assert found == Descriptor(INDEX, DIGEST, len(CONTENT))
    assert [request.method for request in wire.requests] == ["HEAD", "GET"]


async def test_end_3_header_fields_that_repeat_themselves_are_believed(make_client: MakeClient) -> None:
    head = answer(200, Content_Type=INDEX, Content_Length=str(len(CONTENT)), Docker_Content_Digest=DIGEST)
    head = replace(head, headers=Headers([("Content-Type", f"{INDEX}; charset=utf-8")]) + head.headers + head.headers)
    found = await make_client(Scripted(head)).repository(NAME).manifests.resolve("v1")
    assert found == Descriptor(INDEX, DIGEST, len(CONTENT))


async def test_end_2_two_lengths_are_no_size(make_client: MakeClient) -> None:
    head = answer(200, Docker_Content_Digest=DIGEST, Content_Length="7")
    head = replace(head, headers=head.headers + Headers([("Content-Length", "9")]))
    with pytest.raises(ProtocolError, match="no Content-Length"):
        await make_client(Scripted(head)).repository(NAME).blobs.resolve(DIGEST)


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
async def test_a_page_is_one_under_two_media_types(make_client: MakeClient, kind: str) -> None:
    other = "application/json" if kind == "text/html" else "text/html"
    page = answer(200, Content_Type=kind, Content_Length="9")
    page = replace(page, headers=page.headers + Headers([("Content-Type", other)]))
    with pytest.raises(ProtocolError, match="HTML"):
        await make_client(Scripted(page)).repository(NAME).blobs.exists(DIGEST)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain"])
@pytest.mark.parametrize("body", [b"{}", b"OK", b'{"errors": []}'])
@pytest.mark.parametrize("deed", ["blob exists", "resolve a blob", "push"])
async def test_end_2_a_service_that_has_one_response_to_everything_has_no_blob(
    make_client: MakeClient, deed: str, body: bytes, kind: str
) -> None:
    def reply(request: Request) -> Response:
        content = b"" if request.method == "HEAD" else body
        return answer(200, content, Content_Type=kind, Content_Length=str(len(body)))

    with pytest.raises(ProtocolError, match=r"responded with .* that is not sha256:.*: is this a registry\?"):
        await QUESTIONS[deed](make_client(Recording(rule=reply)).repository(NAME))


async def test_end_2_a_config_that_is_served_as_json_is_there(make_client: MakeClient) -> None:
    head = answer(200, Content_Type="application/json", Content_Length=str(len(CONTENT)))
    for each in (head, replace(head, headers=Headers([("Content-Type", "text/plain"), ("Content-Length", "2")]))):
        wire = Scripted(each, answer(200, CONTENT, Content_Type="application/json"))
        assert (await make_client(wire).repository(NAME).blobs.resolve(DIGEST)).size == len(CONTENT)
    for fields in ({"Docker_Content_Digest": DIGEST}, {"Content_Length": "99999999"}):
        wire = Scripted(answer(200, **{"Content_Type": "application/json", "Content_Length": "9", **fields}))
        assert await make_client(wire).repository(NAME).blobs.exists(DIGEST)


@pytest.mark.parametrize("status", [200, 206])
@pytest.mark.parametrize(
    ("fields", "kind"),
    [(HTML, ProtocolError), ({"Docker_Content_Digest": OTHER}, DigestMismatchError)],
    ids=["page", "another digest"],
)
async def test_end_2_a_part_is_not_of_a_page_or_another_blob(
    make_client: MakeClient, status: int, fields: dict[str, str], kind: type[LadingError]
) -> None:
    content = {200: b"0123456789", 206: b"34567"}[status]
    wire = Scripted(answer(status, content, Content_Range="bytes 3-7/10", **fields))
    opening = make_client(wire).repository(NAME).blobs.open(DIGEST, offset=3, length=5)
    with pytest.raises(kind):
        await opening.__aenter__()
