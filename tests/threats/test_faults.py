"""Faults that must be survived, or told, with nothing lost (threats, 4.1 to 4.4).

After every fault: what has a final name is right, success is told only of what is there, and a second run succeeds.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading import Client, DeniedError, LadingError, NotFoundError, Retries, UnauthorizedError, UnsupportedError
from lading.testing import (
    Change,
    Corrupt,
    Cut,
    Drop,
    EditDocument,
    EditField,
    Fault,
    FinalTags,
    FrozenRange,
    LimitContent,
    LoseAnswer,
    Redirect,
    Refuse,
    RefusePages,
    Say,
    TakePart,
    TestRegistry,
    WantKnownLast,
)
from tests.support.images import CONFIG, MANIFEST, Image, sha256
from tests.threats.stage import Face, Place, registry_at, stored

INDEX = "application/vnd.oci.image.index.v1+json"
BLOBS = "GET /v2/*/blobs/sha256:*"
FINISH = "PUT /v2/*/blobs/uploads/*"
CHUNK = "PATCH /v2/*/blobs/uploads/*"
TAGS = "GET /v2/*/tags/list"
QUICK = Retries(tries=4, first_wait=0.0)
LARGE = bytes(range(256)) * (32 * 1024)


@pytest.fixture
def registry(reg: Place, storage: Path) -> TestRegistry:
    return registry_at(reg, storage, access=None)


def blobs_of(registry: TestRegistry) -> str:
    return f"{registry.name}/acme/app"


# 4.1: downloads.


@pytest.mark.parametrize(
    "fault",
    [Cut(), Cut(1), Cut(112), Drop(), Corrupt(50), Say(503), Say(500, b"x" * 100)],
    ids=["no body", "one byte", "all but one", "no answer", "a wrong byte", "busy", "failed"],
)
def test_r01_r07_a_pull_that_fails_leaves_nothing_and_succeeds_again(
    *, registry: TestRegistry, face: Face, cargo: Image, fault: Fault
) -> None:
    face.options["retries"] = Retries(tries=1)
    registry.order(fault, BLOBS, times=1)
    path = face.directory / "blob"
    first = face.pull_blob(blobs_of(registry), sha256(cargo.layer))
    # A client that tries again by itself is as good: then the file is there, whole.
    assert first.failed != path.exists()
    assert not face.pull_blob(blobs_of(registry), sha256(cargo.layer)).failed
    assert path.read_bytes() == cargo.layer
    assert [found.name for found in face.directory.iterdir()] == ["blob"]


@pytest.mark.parametrize("fault", [Drop(), Say(503), Say(502), Say(520)], ids=["drop", "503", "502", "520"])
def test_r34_what_passes_is_tried_again(registry: TestRegistry, cargo: Image, fault: Fault) -> None:
    registry.order(fault, BLOBS, times=2)
    with Client(retries=QUICK) as client:
        assert client.repository(blobs_of(registry)).blobs.pull(sha256(cargo.layer)) == cargo.layer


@pytest.mark.parametrize("status", [401, 403])
def test_r18_a_store_that_refuses_is_no_reason_to_show_credentials(
    *, reg: Place, evil: Place, face: Face, storage: Path, cargo: Image, status: int
) -> None:
    registry_at(reg, storage).order(Redirect(evil.url), BLOBS)
    evil.say((Say.text(status, "Request has expired"), "* *"))
    done = face.pull_blob(f"{reg.name}/acme/app", sha256(cargo.layer))
    assert done.failed
    assert all("Authorization" not in seen.headers for seen in evil.requests)
    assert "lading login" not in done.seen


def test_r20_a_store_that_is_busy_is_reached_through_the_registry_again(
    reg: Place, evil: Place, storage: Path, cargo: Image
) -> None:
    registry_at(reg, storage, access=None).order(Redirect(evil.url), BLOBS)
    registry_at(evil, storage, access=None).order(Say(503), BLOBS, times=2)
    with Client(retries=QUICK) as client:
        assert client.repository(f"{reg.name}/acme/app").blobs.pull(sha256(cargo.layer)) == cargo.layer
    assert len(reg.requests) == len(evil.requests) == 3


@pytest.mark.parametrize("content", [b"", b"x", LARGE], ids=["nothing", "one byte", "8 MiB"])
def test_r22_every_size_goes_there_and_back(
    *, registry: TestRegistry, face: Face, storage: Path, content: bytes
) -> None:
    assert not face.push_blob(blobs_of(registry), content).failed
    assert stored(storage, "acme/app", sha256(content)) == content
    assert not face.pull_blob(blobs_of(registry), sha256(content)).failed
    assert (face.directory / "blob").read_bytes() == content


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_r16_a_manifest_without_head_is_asked_for_with_get(
    *, registry: TestRegistry, cargo: Image, status: int
) -> None:
    registry.order(Say(status), "HEAD /v2/*/manifests/*")
    with Client() as client:
        manifests = client.repository(blobs_of(registry)).manifests
        if status == 404:
            with pytest.raises(NotFoundError):
                manifests.resolve("1")
        else:
            assert manifests.resolve("1").digest == sha256(cargo.manifest)


@pytest.mark.parametrize("drop", ["Docker-Content-Digest", "Content-Type", "Content-Length"])
def test_r15_a_head_that_lacks_a_field_is_made_up_for(registry: TestRegistry, cargo: Image, drop: str) -> None:
    registry.order(Change(drop=(drop,)), "HEAD /v2/*/manifests/*")
    with Client() as client:
        assert client.repository(blobs_of(registry)).manifests.resolve("1").size == len(cargo.manifest)


def test_r23_an_index_of_ten_thousand_manifests_is_pulled(registry: TestRegistry, cargo: Image) -> None:
    others = [
        {
            "mediaType": MANIFEST,
            "digest": sha256(b"%d" % number),
            "size": 1,
            "platform": {"architecture": "amd64", "os": "linux", "os.version": str(number)},
        }
        for number in range(10_000)
    ]
    size = len(cargo.manifest)
    wanted = {
        "mediaType": MANIFEST,
        "digest": sha256(cargo.manifest),
        "size": size,
        "platform": {"architecture": "arm64", "os": "linux"},
    }
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*others, wanted]}
    registry.order(Say(200, json.dumps(index).encode(), {"Content-Type": INDEX}), "GET /v2/*/manifests/large")
    with Client() as client:
        pulled = client.repository(blobs_of(registry)).manifests.pull("large", platform="linux/arm64")
    assert pulled.raw == cargo.manifest


# 4.2: errors.


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors":[{"code":"DENIED","message":"no"}]}',
        b'{"details":"no"}',
        b'{"message":"no"}',
        b"<html><title>no</title></html>",
        b"",
        b"no\r",
        b"\xff\xfe\x00",
        b'{"errors":[{"code":403}]}',
        b'{"errors":null}',
        b'{"errors":{"code":"DENIED"}}',
        b"[" * 5000,
    ],
    ids=["OCI", "details", "message", "page", "empty", "text", "bytes", "number", "null", "object", "deep"],
)
def test_r44_whatever_an_error_says_the_status_decides(*, registry: TestRegistry, library: Face, body: bytes) -> None:
    registry.order(Say(403, body), TAGS)
    error = library.tags(blobs_of(registry)).error
    assert isinstance(error, DeniedError)
    assert error.status == 403
    assert "\n" not in str(error)


# 4.3: uploads.


def test_r48_content_that_is_refused_early_is_an_error_and_not_a_broken_connection(
    registry: TestRegistry, face: Face
) -> None:
    registry.order(LimitContent(1000, Refuse("DENIED", "quota exceeded")), FINISH)
    done = face.push_blob(blobs_of(registry), LARGE)
    assert done.failed
    assert "quota exceeded" in done.seen


def test_r50_locations_come_in_every_form(registry: TestRegistry, library: Face, storage: Path) -> None:
    forms = [
        lambda location: location,
        lambda location: f"{registry.origin}{location}",
        lambda location: f"{location}?a=b%2Fc+d&empty=&x",
        lambda location: f"{location}?",
        lambda location: f"{location}#fragment",
        lambda location: f"//{registry.name}{location}",
        lambda location: location.rpartition("/")[2],
    ]
    for number, form in enumerate(forms):
        registry.order(EditField("Location", form), "POST /v2/*", times=1)
        content = b"content %d" % number
        assert not library.push_blob(blobs_of(registry), content).failed
        assert stored(storage, "acme/app", sha256(content)) == content
    targets = [seen.target for seen in registry.requests if seen.method == "PUT"]
    assert "?a=b%2Fc+d&empty=&x&digest=sha256:" in targets[2]


@pytest.mark.parametrize(
    "fault",
    [
        Change(status=201),
        Change(status=200),
        Change(status=204),
        Change(drop=("Range",)),
        Change(drop=("Location",)),
        Change(add={"Range": "bytes=0-9"}),
        Change(add={"Range": "bytes 0-9/20"}),
        Change(add={"Range": "x"}),
        FrozenRange(),
        TakePart(7),
    ],
    ids=["201", "200", "204", "no range", "no location", "unit", "total", "no sense", "frozen", "a part"],
)
def test_r52_r54_chunks_arrive_whatever_the_answers_look_like(
    *, registry: TestRegistry, storage: Path, fault: Fault
) -> None:
    registry.order(fault, CHUNK)
    content = b"0123456789" * 3
    with Client() as client:
        upload = client.repository(blobs_of(registry)).uploads.start()
        while upload.offset < len(content):
            upload.patch(content[upload.offset : upload.offset + 10])
        upload.finish(sha256(content))
    assert stored(storage, "acme/app", sha256(content)) == content


def test_r57_an_upload_that_is_forgotten_begins_anew(registry: TestRegistry, face: Face, storage: Path) -> None:
    registry.order(Refuse("BLOB_UPLOAD_UNKNOWN"), FINISH, times=2)
    assert not face.push_blob(blobs_of(registry), b"new content").failed
    assert stored(storage, "acme/app", sha256(b"new content")) == b"new content"


@pytest.mark.parametrize("fault", [LoseAnswer(), Say(500)], ids=["lost", "500"])
def test_r61_a_failure_at_the_end_is_an_error_unless_the_blob_is_there(
    *, registry: TestRegistry, face: Face, storage: Path, fault: Fault
) -> None:
    registry.order(fault, FINISH, times=1)
    face.options["retries"] = Retries(tries=1)
    done = face.push_blob(blobs_of(registry), b"new content")
    there = stored(storage, "acme/app", sha256(b"new content")) is not None
    assert done.failed != there


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
def test_r63_a_mount_that_is_refused_becomes_an_upload(
    *, registry: TestRegistry, storage: Path, cargo: Image, status: int
) -> None:
    registry.order(Say(status), "POST /v2/acme/new/blobs/uploads/?mount=*")
    with Client(retries=Retries(tries=1)) as client:
        client.repository(f"{registry.name}/acme/new").blobs.push(cargo.layer, mount_from="acme/app")
    assert stored(storage, "acme/new", sha256(cargo.layer)) == cargo.layer


def test_r67_a_tag_that_cannot_be_changed_is_told(registry: TestRegistry, face: Face, cargo: Image) -> None:
    registry.order(FinalTags(Refuse("DENIED", "this tag is immutable")), "PUT /v2/*/manifests/*")
    other = json.dumps(json.loads(cargo.manifest) | {"annotations": {"a": "b"}}).encode()
    done = face.push_manifest(blobs_of(registry), "1", other)
    assert done.failed
    assert "immutable" in done.seen


def test_r72_an_upload_that_fails_is_cancelled(registry: TestRegistry, face: Face) -> None:
    registry.order(Refuse("DIGEST_INVALID"), FINISH)
    assert face.push_blob(blobs_of(registry), b"new content").failed
    assert registry.requests[-1].method == "DELETE"


def test_nothing_is_tagged_when_a_blob_could_not_be_pushed(
    registry: TestRegistry, storage: Path, tmp_path: Path
) -> None:
    from lading import Artifact

    (tmp_path / "file").write_bytes(b"new content")
    registry.order(Refuse("DENIED", "quota exceeded"), FINISH)
    with Client() as client, pytest.raises(DeniedError):
        client.push(f"{registry.name}/acme/app:new", Artifact.pack("application/x.example", [tmp_path / "file"]))
    assert "new" not in (storage / "acme" / "app" / "index.json").read_text()


# 4.4: lists.


@pytest.mark.parametrize("most", [0, 100, 999])
def test_r81_a_page_size_that_is_refused_is_made_smaller(*, registry: TestRegistry, face: Face, most: int) -> None:
    registry.order(RefusePages(most, Refuse("PAGINATION_NUMBER_INVALID")), TAGS)
    assert face.tags(blobs_of(registry)).value == ["1", "2", "3"]


@pytest.mark.parametrize(
    "link",
    [
        '<{next}>; rel="next"',
        "<{next}>;rel=next",
        '<{next}>; rel="NEXT"',
        '<{next}>; title="a, b"; rel="next"',
        '</x>; rel="prev", <{next}>; rel="next"',
        '<{reg}{next}>; rel="next"',
        '<?last=2>; rel="next"',
        '<list?last=2>; rel="next"',
    ],
)
def test_r82_links_come_in_every_form(registry: TestRegistry, library: Face, link: str) -> None:
    registry.order(
        Say(
            200,
            b'{"name":"acme/app","tags":["1","2"]}',
            {"Link": link.format(next="/v2/acme/app/tags/list?last=2", reg=registry.origin)},
        ),
        TAGS,
        times=1,
    )
    assert library.tags(blobs_of(registry)).value == ["1", "2", "3"]


@pytest.mark.parametrize(
    "tags",
    [None, [""], ["sha256:" + "0" * 64], ["a b", "é", "x" * 129, "../x"]],
    ids=["null", "empty", "digest", "bad"],
)
def test_r83_what_is_no_tag_is_passed_over(*, registry: TestRegistry, face: Face, tags: list[str] | None) -> None:
    registry.order(EditDocument(lambda document: {**document, "tags": tags}), TAGS)
    done = face.tags(blobs_of(registry))
    assert (done.failed, done.value) == (False, [])


def test_r84_a_tag_that_goes_between_two_pages_makes_no_short_list(registry: TestRegistry, face: Face) -> None:
    registry.order(WantKnownLast(Refuse("NAME_UNKNOWN", status=404)), TAGS)
    gone = Say(200, b'{"name":"acme/app","tags":["1"]}', {"Link": '</v2/acme/app/tags/list?last=gone>; rel="next"'})
    registry.order(gone, TAGS, times=1)
    assert face.tags(blobs_of(registry)).failed


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UnauthorizedError),
        (403, DeniedError),
        (404, UnsupportedError),
        (405, UnsupportedError),
        (501, UnsupportedError),
    ],
)
def test_r85_a_catalog_that_is_not_there_is_told_from_one_for_others(
    *, registry: TestRegistry, status: int, kind: type[LadingError]
) -> None:
    registry.order(Say(status), "GET /v2/_catalog")
    with Client() as client, pytest.raises(kind):
        list(client.registry(registry.name).repositories())


@pytest.mark.parametrize(
    ("answer", "supported"),
    [
        (Say(404), False),
        (Refuse("NAME_UNKNOWN"), None),
        (Say(405), False),
        (Say(501), False),
        (Say.page(), False),
        (Say(500), None),
        (Say(503), None),
        (Say.text(429, "slow down"), None),
        (Say(401), None),
        (Say(403), None),
        (Drop(), None),
    ],
    ids=["404", "no name", "405", "501", "page", "500", "503", "429", "401", "403", "drop"],
)
def test_r86_only_some_answers_mean_that_there_is_no_referrers_api(
    *, registry: TestRegistry, cargo: Image, answer: Fault, supported: bool | None
) -> None:
    """`supported` is None for an error."""
    registry.order(answer, "GET /v2/*/referrers/*")
    subject = sha256(cargo.manifest)
    entry = {"mediaType": MANIFEST, "digest": subject, "size": len(cargo.manifest), "artifactType": CONFIG}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    with Client(retries=Retries(tries=1)) as client:
        repository = client.repository(blobs_of(registry))
        repository.manifests.push(json.dumps(index).encode(), subject.replace(":", "-"))
        if supported is None:
            with pytest.raises(LadingError):
                list(repository.referrers.list(subject))
        else:
            assert [found.digest for found in repository.referrers.list(subject)] == [subject]


@pytest.mark.parametrize("answer", [Say.text(429, "slow down"), Say.page(503)], ids=["429", "503"])
def test_r86_a_redirect_to_another_origin_means_that_there_is_no_referrers_api(
    registry: TestRegistry, evil: Place, cargo: Image, answer: Say
) -> None:
    # artifacthub/hub#4785: it leads to a web site, which limits rates.
    registry.order(Redirect(evil.url, 303), "GET /v2/*/referrers/*")
    evil.say((answer, "* *"))
    with Client(retries=Retries(tries=1)) as client:
        assert list(client.repository(blobs_of(registry)).referrers.list(sha256(cargo.manifest))) == []
    assert evil.requests == []
