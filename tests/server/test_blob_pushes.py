from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from lading._io import system
from lading.digest import Digest
from lading.server.limits import ServerLimits
from tests.server.peer import Answer, Peer

CONTENT = b"0123456789"
DIGEST = Digest.of(CONTENT)
OTHER = Digest.of(b"other")


def parts(peer: Peer) -> list[Path]:
    """Return the files of uploads that are under way."""
    return list((peer.root / "_uploads").iterdir())


def has(peer: Peer, digest: str = DIGEST, name: str = "a") -> bool:
    return peer.ask("HEAD", f"/v2/{name}/blobs/{digest}").status == 200


def patch(peer: Peer, location: str, content: bytes, place: str) -> Answer:
    return peer.ask("PATCH", location, content, Content_Range=place, Content_Length=str(len(content)))


@pytest.mark.spec("end-4a.registry", "end-4a.accepted")
def test_end_4a_an_upload_begins_with_a_relative_location(peer: Peer) -> None:
    answer = peer.ask("POST", "/v2/a/b/blobs/uploads/", Host="evil.example", X_Forwarded_Host="evil.example")
    assert answer.status == 202
    location = answer["Location"]
    assert location is not None
    assert location.startswith("/v2/a/b/blobs/uploads/")
    assert answer["Range"] == "0-0"


@pytest.mark.spec("end-4a.session-id")
def test_end_4a_two_uploads_have_different_ids(peer: Peer) -> None:
    first, second = (uuid.UUID(peer.start("a").rpartition("/")[2]) for _ in range(2))
    assert first != second


def test_end_4a_an_upload_makes_no_repository(peer: Peer) -> None:
    peer.start("a")
    assert peer.ask("GET", "/v2/a/tags/list").code == "NAME_UNKNOWN"


@pytest.mark.spec("end-4b.registry", "end-4b.created")
def test_end_4b_a_blob_in_one_request(peer: Peer) -> None:
    answer = peer.ask("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}", CONTENT, Content_Length="10")
    assert (answer.status, answer["Location"]) == (201, f"/v2/a/blobs/{DIGEST}")
    assert answer["Docker-Content-Digest"] == DIGEST
    assert has(peer)


@pytest.mark.spec("end-4b.refused", "push.digest-invalid")
@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        (f"digest={OTHER}", {}, 400, "DIGEST_INVALID"),
        ("digest=sha256:abc", {}, 400, "DIGEST_INVALID"),
        ("digest=", {}, 400, "DIGEST_INVALID"),
        ("digest=blake3:" + "0" * 64, {}, 400, "DIGEST_INVALID"),
        (f"digest={DIGEST}", {"Content_Length": "11"}, 400, "SIZE_INVALID"),
        (f"digest={DIGEST}", {"Content_Length": "9"}, 400, "SIZE_INVALID"),
        (f"digest={DIGEST}", {"Content_Type": "text/plain"}, 415, "BLOB_UPLOAD_INVALID"),
        (f"digest={DIGEST}&digest={DIGEST}", {}, 400, "UNSUPPORTED"),
    ],
    ids=["other content", "malformed", "empty", "not computable", "too short", "too long", "media type", "twice"],
)
def test_end_4b_wrong_content_leaves_nothing(
    peer: Peer, query: str, headers: dict[str, str], status: int, code: str
) -> None:
    peer.start("b")
    answer = peer.ask("POST", f"/v2/a/blobs/uploads/?{query}", CONTENT, **headers)
    assert (answer.status, answer.code) == (status, code)
    assert not has(peer)
    assert len(parts(peer)) == 1


@pytest.mark.spec("end-4c.registry")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_end_4c_an_algorithm_may_be_announced(peer: Peer, algorithm: str) -> None:
    digest = Digest.of(CONTENT, algorithm)
    location = peer.ask("POST", f"/v2/a/blobs/uploads/?digest-algorithm={algorithm}")["Location"]
    assert location is not None
    assert patch(peer, location, CONTENT, "0-9").status == 202
    assert peer.ask("PUT", f"{location}?digest={digest}").status == 201
    assert has(peer, digest)


@pytest.mark.spec("end-4c.registry", "push.digest-invalid")
@pytest.mark.parametrize("algorithm", ["md5", "sha1", "", "blake3", "../x", "x" * 1000])
def test_end_4c_an_algorithm_that_cannot_be_computed_is_refused(peer: Peer, algorithm: str) -> None:
    answer = peer.ask("POST", f"/v2/a/blobs/uploads/?digest-algorithm={algorithm}")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


def test_end_4c_another_algorithm_than_announced_is_verified_all_the_same(peer: Peer) -> None:
    digest = Digest.of(CONTENT, "sha512")
    location = peer.start("a")
    patch(peer, location, CONTENT, "0-9")
    assert peer.ask("PUT", f"{location}?digest={digest}").status == 201
    assert has(peer, digest)


@pytest.mark.spec("end-5.registry", "end-5.accepted", "end-6.registry", "end-6.created")
def test_end_5_chunks_add_up(peer: Peer) -> None:
    location = peer.start("a")
    answer = patch(peer, location, b"012", "0-2")
    assert (answer.status, answer["Range"]) == (202, "0-2")
    location = answer["Location"] or ""
    answer = patch(peer, location, b"345", "3-5")
    assert (answer.status, answer["Range"]) == (202, "0-5")
    location = answer["Location"] or ""
    assert peer.ask("PUT", f"{location}?digest={DIGEST}", b"6789", Content_Range="6-9").status == 201
    assert has(peer)
    assert parts(peer) == []


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8), st.booleans())
@settings(max_examples=15)
def test_end_5_any_division_into_chunks_gives_the_blob(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], last_in_put: bool
) -> None:
    peer = Peer(tmp_path_factory.mktemp("registry"))
    location, offset = peer.start("a"), 0
    for chunk in chunks[:-1] if last_in_put else chunks:
        assert patch(peer, location, chunk, f"{offset}-{offset + len(chunk) - 1}").status == 202
        offset += len(chunk)
    digest = Digest.of(b"".join(chunks))
    rest = (chunks[-1],) if last_in_put else ()
    assert peer.ask("PUT", f"{location}?digest={digest}", *rest).status == 201
    assert peer.ask("GET", f"/v2/a/blobs/{digest}").body == b"".join(chunks)


def test_end_5_a_stream_without_length_or_range_is_appended(peer: Peer) -> None:
    location = peer.start("a")
    assert peer.ask("PATCH", location, b"0123", b"45", b"6789").status == 202
    assert peer.ask("PUT", f"{location}?digest={DIGEST}").status == 201
    assert has(peer)


@pytest.mark.spec("end-5.out-of-order", "end-6.out-of-order")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("place", ["0-2", "2-4", "4-6", "9-11"])
def test_end_5_a_chunk_out_of_order_is_416_and_says_where_to_go_on(peer: Peer, method: str, place: str) -> None:
    location = peer.start("a")
    patch(peer, location, b"012", "0-2")
    query = f"?digest={DIGEST}" if method == "PUT" else ""
    answer = peer.ask(method, location + query, b"345", Content_Range=place)
    assert answer.status == 416
    assert (answer["Range"], answer["Location"]) == ("0-2", location)
    assert peer.ask("PUT", f"{location}?digest={DIGEST}", b"3456789").status == 201


@pytest.mark.parametrize(
    "place", ["bytes 3-5", "bytes=3-5", "3-5/10", "5-3", "3", "-5", "3-", "\xb2-\xb3", "3-5\t", "9" * 30]
)
def test_end_5_a_content_range_in_another_form_is_refused(peer: Peer, place: str) -> None:
    location = peer.start("a")
    patch(peer, location, b"012", "0-2")
    answer = peer.ask("PATCH", location, b"345", Content_Range=place)
    assert (answer.status, answer.code) == (400, "BLOB_UPLOAD_INVALID")
    assert peer.ask("GET", location)["Range"] == "0-2"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"34", {"Content_Range": "3-5"}),
        (b"34", {"Content_Length": "3"}),
        (b"3456", {"Content_Range": "3-5"}),
        (b"3456", {"Content_Length": "3"}),
        (b"345", {"Content_Range": "3-5", "Content_Length": "4"}),
    ],
    ids=["short of its range", "short of its length", "beyond its range", "beyond its length", "contradiction"],
)
def test_end_5_content_of_another_length_than_announced(peer: Peer, content: bytes, headers: dict[str, str]) -> None:
    location = peer.start("a")
    patch(peer, location, b"012", "0-2")
    answer = peer.ask("PATCH", location, content, **headers)
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")
    offset = int((peer.ask("GET", location)["Range"] or "").removeprefix("0-")) + 1
    assert offset == parts(peer)[0].stat().st_size
    rest = CONTENT[offset:]
    assert peer.ask("PUT", f"{location}?digest={DIGEST}", rest, Content_Range=f"{offset}-9").status == 201


def test_end_5_what_came_before_the_connection_broke_stays(peer: Peer) -> None:
    location = peer.start("a")
    with pytest.raises(ConnectionAbortedError):
        peer.ask("PATCH", location, b"01", b"23", ConnectionAbortedError(), Content_Length="10")
    assert peer.ask("GET", location)["Range"] == "0-3"
    assert patch(peer, location, b"456789", "4-9").status == 202
    assert peer.ask("PUT", f"{location}?digest={DIGEST}").status == 201


def test_t_64_one_of_two_requests_at_once_is_refused(peer: Peer) -> None:
    location = peer.start("a")
    session = location.rpartition("/")[2]
    with peer.registry._uploads.open("a", session):
        for method, target in (("PATCH", location), ("PUT", f"{location}?digest={DIGEST}"), ("DELETE", location)):
            answer = peer.ask(method, target, b"x")
            assert (answer.status, answer.code) == (400, "BLOB_UPLOAD_INVALID")
    assert patch(peer, location, CONTENT, "0-9").status == 202


def test_t_64_a_request_that_comes_too_late_does_not_write_into_the_blob(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = peer.start("a")
    patch(peer, location, CONTENT, "0-9")
    lock = system.lock

    def finished_meanwhile(descriptor: int) -> None:
        monkeypatch.setattr(system, "lock", lock)
        assert peer.ask("PUT", f"{location}?digest={DIGEST}").status == 201
        lock(descriptor)

    monkeypatch.setattr(system, "lock", finished_meanwhile)
    assert peer.ask("PATCH", location, b"more").code == "BLOB_UPLOAD_UNKNOWN"
    assert peer.ask("GET", f"/v2/a/blobs/{DIGEST}").body == CONTENT


@pytest.mark.spec("push.digest-invalid")
def test_end_6_wrong_content_ends_the_upload(peer: Peer) -> None:
    location = peer.start("a")
    patch(peer, location, CONTENT, "0-9")
    answer = peer.ask("PUT", f"{location}?digest={OTHER}")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert not has(peer)
    assert not has(peer, OTHER)
    assert parts(peer) == []
    assert peer.ask("PUT", f"{location}?digest={DIGEST}").code == "BLOB_UPLOAD_UNKNOWN"


@pytest.mark.spec("push.digest-invalid")
@pytest.mark.parametrize("query", ["", "?digest=", "?digest=sha256:x", "?digest=md5:00"])
def test_end_6_without_a_digest_nothing_is_lost(peer: Peer, query: str) -> None:
    location = peer.start("a")
    patch(peer, location, CONTENT, "0-9")
    answer = peer.ask("PUT", location + query)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert peer.ask("PUT", f"{location}?digest={DIGEST}").status == 201


def test_end_6_a_finished_upload_is_gone(peer: Peer) -> None:
    location = peer.start("a")
    assert peer.ask("PUT", f"{location}?digest={DIGEST}", CONTENT).status == 201
    for method in ("GET", "PATCH", "DELETE"):
        assert peer.ask(method, location).code == "BLOB_UPLOAD_UNKNOWN"


def test_end_6_a_blob_that_is_there_already(peer: Peer) -> None:
    peer.push_blob("a", CONTENT)
    location = peer.start("a")
    assert peer.ask("PUT", f"{location}?digest={DIGEST}", b"012345678x").code == "DIGEST_INVALID"
    assert peer.ask("GET", f"/v2/a/blobs/{DIGEST}").body == CONTENT
    peer.push_blob("a", CONTENT)
    assert parts(peer) == []


@pytest.mark.spec("end-11.registry", "end-11.created")
def test_end_11_a_blob_is_mounted_from_another_repository(peer: Peer) -> None:
    peer.push_blob("a", CONTENT)
    answer = peer.ask("POST", f"/v2/b/c/blobs/uploads/?mount={DIGEST}&from=a")
    assert (answer.status, answer["Location"]) == (201, f"/v2/b/c/blobs/{DIGEST}")
    assert answer["Docker-Content-Digest"] == DIGEST
    assert peer.ask("GET", f"/v2/b/c/blobs/{DIGEST}").body == CONTENT


@pytest.mark.spec("end-11.registry", "end-11.created")
def test_end_11_a_blob_is_mounted_from_wherever_it_is(peer: Peer) -> None:
    peer.push_blob("a", b"other")
    peer.push_blob("z", CONTENT)
    assert peer.ask("POST", f"/v2/b/blobs/uploads/?mount={DIGEST}").status == 201
    assert peer.ask("GET", f"/v2/b/blobs/{DIGEST}").body == CONTENT


@pytest.mark.spec("end-11.not-mounted")
@pytest.mark.parametrize("source", ["&from=none", "&from=b", ""], ids=["no repository", "no blob", "no source"])
def test_end_11_a_mount_that_is_not_possible_begins_an_upload(peer: Peer, source: str) -> None:
    peer.push_blob("b", b"other")
    answer = peer.ask("POST", f"/v2/a/blobs/uploads/?mount={DIGEST}{source}")
    assert answer.status == 202
    assert peer.ask("PUT", f"{answer['Location']}?digest={DIGEST}", CONTENT).status == 201


@pytest.mark.spec("end-11.not-mounted")
def test_end_11_mounts_can_be_switched_off(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(mounts=False))
    peer.push_blob("a", CONTENT)
    for source in ("&from=a", ""):
        assert peer.ask("POST", f"/v2/b/blobs/uploads/?mount={DIGEST}{source}").status == 202


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("mount=x&from=a", "DIGEST_INVALID"),
        ("mount=&from=a", "DIGEST_INVALID"),
        (f"mount={DIGEST}&from=../a", "NAME_INVALID"),
    ],
)
def test_end_11_a_malformed_mount_is_refused(peer: Peer, query: str, code: str) -> None:
    answer = peer.ask("POST", f"/v2/b/blobs/uploads/?{query}")
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.spec("end-13.registry", "end-13.status")
def test_end_13_an_upload_says_how_far_it_is(peer: Peer) -> None:
    location = peer.start("a")
    answer = peer.ask("GET", location)
    assert (answer.status, answer["Range"], answer["Location"]) == (204, "0-0", location)
    patch(peer, location, b"0123", "0-3")
    assert peer.ask("GET", location)["Range"] == "0-3"


@pytest.mark.spec("end-14.registry", "end-14.status")
def test_end_14_a_cancelled_upload_is_gone(peer: Peer) -> None:
    location = peer.start("a")
    patch(peer, location, b"0123", "0-3")
    assert peer.ask("DELETE", location).status == 204
    assert peer.ask("DELETE", location).code == "BLOB_UPLOAD_UNKNOWN"
    assert peer.ask("PUT", f"{location}?digest={DIGEST}", CONTENT).code == "BLOB_UPLOAD_UNKNOWN"
    assert parts(peer) == []


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_t_64_an_upload_belongs_to_its_repository(peer: Peer, method: str) -> None:
    session = peer.start("a").rpartition("/")[2]
    for location in (
        f"/v2/b/blobs/uploads/{session}",
        "/v2/a/blobs/uploads/x",
        f"/v2/a/blobs/uploads/{session[:-1]}0x",
    ):
        answer = peer.ask(method, f"{location}?digest={DIGEST}", CONTENT)
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_t_71_an_upload_goes_on_after_a_restart(peer: Peer) -> None:
    location = peer.start("a")
    patch(peer, location, b"0123", "0-3")
    again = Peer(peer.root)
    assert again.ask("GET", location)["Range"] == "0-3"
    assert patch(again, location, b"456789", "4-9").status == 202
    assert again.ask("PUT", f"{location}?digest={DIGEST}").status == 201


def test_the_running_hash_is_not_believed_beside_the_file(peer: Peer) -> None:
    other = Peer(peer.root)
    location = peer.start("a")
    patch(peer, location, b"012", "0-2")
    patch(other, location, b"3456", "3-6")
    patch(peer, location, b"789", "7-9")
    assert peer.ask("PUT", f"{location}?digest={DIGEST}").status == 201


@pytest.mark.spec("end-14.expiry", "errors.retry-after")
def test_t_64_sessions_are_limited_and_old_ones_are_given_up(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(sessions=2, session_seconds=100))
    old, young = peer.start("a"), peer.start("a")
    answer = peer.ask("POST", "/v2/a/blobs/uploads/")
    assert (answer.status, answer.code, answer["Retry-After"]) == (429, "TOOMANYREQUESTS", "60")
    (path,) = (path for path in parts(peer) if path.name.startswith(old.rpartition("/")[2]))
    os.utime(path, (1, 1))
    peer.start("a")
    assert peer.ask("GET", old).code == "BLOB_UPLOAD_UNKNOWN"
    assert peer.ask("GET", young).status == 204


def test_a_blob_larger_than_any_may_be_is_413(tmp_path: Path) -> None:
    peer = Peer(tmp_path, ServerLimits(blob_bytes=8))
    location = peer.start("a")
    for headers in ({"Content_Length": "10"}, {"Content_Range": "0-9"}, {}):
        answer = peer.ask("PATCH", location, CONTENT, **headers)
        assert (answer.status, answer.code) == (413, "SIZE_INVALID")
    assert peer.ask("PATCH", location, b"0123").status == 202
    assert peer.ask("PATCH", location, b"45678").status == 413
    assert peer.ask("GET", location)["Range"] == "0-3"


def test_a_full_disk_is_507_and_frees_what_came(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    location = peer.start("a")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        patched.setattr(os, "writev", full, raising=False)  # Windows does not have it
        answer = peer.ask("PATCH", location, CONTENT)
    assert (answer.status, answer.code) == (507, "UNKNOWN")
    assert str(peer.root) not in answer.body.decode()
    assert parts(peer) == []
