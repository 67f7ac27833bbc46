"""The faults themselves: what each of them does to an exchange, without sockets and through them."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import lading.testing
from lading import Cancellation, Client, ConnectionFailedError, Headers, Origin, Request, Retries
from lading._io.base import step
from lading._io.blocking import BlockingIO
from lading.server.asgi import Application
from lading.testing import (
    Access,
    Change,
    ChangingLocation,
    ClaimSubject,
    Corrupt,
    Cut,
    Dialogue,
    Drop,
    EditDocument,
    EditField,
    EditTarget,
    Fault,
    FinalTags,
    FrozenRange,
    Instead,
    LeastChunk,
    LimitContent,
    LoseAnswer,
    OneChunk,
    OpaquePages,
    OrElse,
    Redirect,
    Refuse,
    RefuseField,
    RefuseManifests,
    RefusePages,
    Rights,
    Say,
    Setup,
    Sites,
    TakePart,
    TestRegistry,
    TokenRules,
    User,
    WantEmptyFinish,
    WantKnownLast,
    WantLength,
    WholeList,
    direct,
    serving,
)
from lading.testing.body_helpers import BufferedBody
from lading.testing.request_patterns import matcher
from lading.transports.direct import DirectTransport
from lading.transports.network_settings import NetworkSettings
from lading.transports.socket_transport import SocketTransport
from tests.quirks.worlds import stock
from tests.support.images import MANIFEST, Image, image, sha256
from tests.support.scripted import exchange, read_all

CARGO: Image = image()
TAGS = "GET /v2/*/tags/list"
CHUNK = "PATCH /v2/*/blobs/uploads/*"
LAYER = f"/v2/acme/app/blobs/{sha256(CARGO.layer)}"
NO = Say.text(418, "no")


class Asked:
    """A registry with an image, and a transport to ask it with."""

    def __init__(self, root: Path, setup: Setup | None = None) -> None:
        stock(root, "acme/app", CARGO, ["1", "2", "3"])
        self.registry, self.transport = direct(root, setup)

    def ask(self, method: str, target: str, content: bytes = b"", /, **fields: str) -> tuple[int, Headers, bytes]:
        headers = Headers((name.replace("_", "-"), value) for name, value in fields.items())
        request = Request(method, Origin("https", "registry.example", 443), target, headers, content)
        response = self.transport.send(request, Cancellation())
        try:
            return response.status, response.headers, read_all(response.body)
        finally:
            response.body.close()

    def start(self) -> str:
        location = self.ask("POST", "/v2/acme/app/blobs/uploads/")[1].get("Location")
        assert location is not None
        return location


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path / "registry")


def test_a_fault_is_for_the_requests_that_match_as_often_as_it_was_ordered(asked: Asked) -> None:
    asked.registry.order(NO, "GET /v2/*/tags/list", times=2, after=1)
    assert [asked.ask("GET", "/v2/acme/app/tags/list?n=1")[0] for _ in range(5)] == [200, 418, 418, 200, 200]
    assert asked.ask("GET", "/v2/")[0] == 200


@pytest.mark.parametrize(
    ("pattern", "target", "expected"),
    [
        ("* *", "/v2/x?y", True),
        ("GET /v2/*", "/v2/x", True),
        ("PUT /v2/*", "/v2/x", False),
        ("GET /v2/x", "/v2/x?n=1", True),
        ("GET /v2/x?n=*", "/v2/x?n=1", True),
        ("GET /v2/x?n=*", "/v2/x", False),
        ("GET /v2/.", "/v2/x", False),
        ("GET *v2*", "/v2/", True),
        ("G*T /v2/", "/v2/", True),
    ],
)
def test_a_pattern_means_a_method_and_a_target(pattern: str, target: str, *, expected: bool) -> None:
    request = Request("GET", Origin("http", "localhost", 80), target)
    assert matcher(pattern)(request) is expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/v2/", "METHOD TARGET"),
        ("", "METHOD TARGET"),
        ("get /v2/", "the method is"),
        ("Get /v2/", "the method is"),
        ("GETX /v2/*", "the method is"),
        ("GET, HEAD /v2/", "the method is"),
        (" /v2/", "the method is"),
        ("g* /v2/", "the method is"),
        ("GET v2/", "the target is a path"),
        ("GET", "METHOD TARGET"),
        ("GET ", "the target is a path"),
        ("GET  /v2/", "the target is a path"),
        ("GET /v2/ HTTP/1.1", "the target is a path"),
        ("GET https://registry.example/v2/", "the target is a path"),
        ("GET /v2/#top", "the target is a path"),
        ("GET /v2/\n", "the target is a path"),
        ("GET /v2/ä", "the target is a path"),
        ("GET ?n=1", "the target is a path"),
    ],
)
def test_a_pattern_that_no_request_matches_is_refused(asked: Asked, pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        asked.registry.order(NO, pattern)
    with pytest.raises(ValueError, match=message):
        Dialogue().expect(pattern, NO)


def test_a_fault_that_never_applied_is_reported_at_the_end(asked: Asked) -> None:
    asked.registry.order(NO, "GET /v2/*/tags/lists", times=1)
    asked.registry.order(NO, TAGS, times=1, after=1)
    asked.registry.order(NO, "PUT *", times=3)
    asked.ask("GET", "/v2/acme/app/tags/list")
    with pytest.raises(AssertionError) as failure:
        asked.registry.finish()
    assert str(failure.value) == (
        "faults that never applied: Say for 'GET /v2/*/tags/lists', Say for 'GET /v2/*/tags/list', Say for 'PUT *'"
    )


def test_a_fault_that_applied_or_need_not_is_not_reported(asked: Asked) -> None:
    asked.registry.order(NO, TAGS, times=2)
    asked.registry.order(NO, "GET /v2/*", times=1, optional=True)
    asked.registry.order(Change(status=299), "PUT *")
    assert asked.ask("GET", "/v2/acme/app/tags/list")[0] == 418
    asked.registry.finish()


def test_a_served_registry_reports_at_the_end_of_its_block(tmp_path: Path) -> None:
    def use(*, fail: bool) -> None:
        with serving(tmp_path) as registry:
            registry.order(NO, TAGS, times=1)
            if fail:
                raise LookupError

    with pytest.raises(AssertionError, match="never applied"):
        use(fail=False)
    with pytest.raises(LookupError):
        use(fail=True)


@pytest.mark.parametrize("right", ["acme*", "acme/**", "Acme", "/acme", "acme/", "*/app", "**", "", "acme/app:1"])
def test_rights_that_no_repository_matches_are_refused(right: str) -> None:
    for action in ("pull", "push", "delete"):
        rights: dict[str, Any] = {action: ("acme", right)}
        with pytest.raises(ValueError, match="no repository matches"):
            Rights(**rights)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"methods": ["get"]}, "must be 'GET' or 'POST'"),
        ({"refuses": ["Delete"]}, "must be 'pull', 'push', 'delete' or '*'"),
        ({"path": "token"}, "path must begin with '/'"),
    ],
)
def test_rules_that_can_never_hold_are_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        TokenRules(**rules)


def test_the_first_fault_stands_before_the_second(asked: Asked) -> None:
    asked.registry.order(Change(status=201), TAGS)
    asked.registry.order(Change(status=202), TAGS)
    assert asked.ask("GET", "/v2/acme/app/tags/list")[0] == 201


def test_a_request_is_kept_with_its_content(asked: Asked) -> None:
    target = f"/v2/acme/app/blobs/uploads/?digest={sha256(b'content')}"
    assert asked.ask("POST", target, b"content", X_Mine="1")[0] == 201
    [seen] = asked.registry.requests
    assert str(seen) == f"POST {target}"
    assert (seen.content, seen.headers.get("X-Mine")) == (b"content", "1")


@pytest.mark.parametrize("fault", [Drop(), Drop(wait=0.001), LoseAnswer(), LoseAnswer(wait=0.001), Cut(3)])
def test_a_connection_breaks(asked: Asked, fault: Fault) -> None:
    asked.registry.order(fault)
    with pytest.raises(ConnectionFailedError):
        asked.ask("GET", LAYER)


@pytest.mark.parametrize("fault", [Drop(), LoseAnswer(), Cut(3), Cut(0)])
def test_a_connection_breaks_on_a_socket(tmp_path: Path, fault: Fault, capfd: pytest.CaptureFixture[str]) -> None:
    stock(tmp_path, "acme/app", CARGO, ["1"])
    with serving(tmp_path) as registry, closing(SocketTransport(NetworkSettings())) as transport:
        registry.order(fault, times=1)
        with pytest.raises(ConnectionFailedError):
            exchange(transport, Request("GET", registry.origin, LAYER))
        assert exchange(transport, Request("GET", registry.origin, LAYER))[2] == CARGO.layer
    assert capfd.readouterr() == ("", "")


def test_a_silence_ends_with_the_test(tmp_path: Path) -> None:
    with serving(tmp_path) as registry:
        registry.order(Drop(wait=3600))
        with Client(timeout=0.1, retries=Retries(tries=1)) as client, pytest.raises(TimeoutError):
            client.registry(registry.name).ping()


def test_an_answer_that_is_lost_had_its_effect(asked: Asked) -> None:
    asked.registry.order(LoseAnswer(), "DELETE *")
    with pytest.raises(ConnectionFailedError):
        asked.ask("DELETE", "/v2/acme/app/manifests/1")
    assert asked.ask("GET", "/v2/acme/app/manifests/1")[0] == 404


@pytest.mark.parametrize(
    ("fault", "method", "target", "fields", "status"),
    [
        (NO, "GET", "/v2/", {}, 418),
        (Refuse("DENIED"), "GET", "/v2/", {}, 403),
        (Refuse("MINE"), "GET", "/v2/", {}, 400),
        (Refuse("DENIED", status=409), "GET", "/v2/", {}, 409),
        (RefuseField("Cookie", NO), "GET", "/v2/", {}, 200),
        (RefuseField("Cookie", NO), "GET", "/v2/", {"Cookie": "a=b"}, 418),
        (Instead(404, NO), "GET", "/v2/acme/none/tags/list", {}, 418),
        (Instead(404, NO), "GET", "/v2/acme/app/tags/list", {}, 200),
        (Change(status=299), "GET", "/v2/", {}, 299),
        (Change(status=299, only=404), "GET", "/v2/", {}, 200),
        (Redirect("https://store.example"), "GET", LAYER, {}, 307),
        (EditTarget(lambda _: "/v2/"), "GET", "/nowhere", {}, 200),
        (OrElse(lambda _: "/v2/"), "GET", "/nowhere", {}, 200),
        (RefusePages(10, NO), "GET", "/v2/acme/app/tags/list?n=11", {}, 418),
        (RefusePages(10, NO), "GET", "/v2/acme/app/tags/list?n=10", {}, 200),
        (WantKnownLast(NO), "GET", "/v2/acme/app/tags/list?last=0", {}, 418),
        (WantKnownLast(NO), "GET", "/v2/acme/app/tags/list?last=1", {}, 200),
        (FinalTags(NO), "PUT", "/v2/acme/app/manifests/1", {}, 418),
        (FinalTags(NO), "PUT", "/v2/acme/app/manifests/new", {}, 201),
        (RefuseManifests(lambda _: True, NO), "PUT", "/v2/acme/app/manifests/new", {}, 418),
        (RefuseManifests(lambda _: False, NO), "PUT", "/v2/acme/app/manifests/new", {}, 201),
        (LimitContent(5, NO), "PUT", "/v2/acme/app/manifests/new", {}, 418),
        (LimitContent(5000, NO), "PUT", "/v2/acme/app/manifests/new", {}, 201),
        (WantEmptyFinish(NO), "PUT", "/v2/acme/app/manifests/new", {}, 418),
        (WantLength(NO), "PUT", "/v2/acme/app/manifests/new", {}, 201),
    ],
)
def test_a_fault_answers(
    *, asked: Asked, fault: Fault, method: str, target: str, fields: dict[str, str], status: int
) -> None:
    asked.registry.order(fault)
    content = CARGO.manifest if method == "PUT" else b""
    assert asked.ask(method, target, content, **fields)[0] == status


def test_a_redirect_keeps_path_and_query_and_signs(asked: Asked) -> None:
    asked.registry.order(Redirect("https://store.example", query=(("sig", "a+b"),)))
    assert asked.ask("GET", "/v2/x?y=z")[1].get("Location") == "https://store.example/v2/x?y=z&sig=a%2Bb"


def test_pages_have_tokens(asked: Asked) -> None:
    asked.registry.order(OpaquePages(2), TAGS)
    status, headers, body = asked.ask("GET", "/v2/acme/app/tags/list?n=1000&last=zzz")
    assert (status, body) == (200, b'{"name":"acme/app","tags":["1","2"]}')
    link = headers.get("Link") or ""
    assert link.startswith("</v2/acme/app/tags/list?next_page=")
    assert asked.ask("GET", link[1 : link.index(">")])[2] == b'{"name":"acme/app","tags":["3"]}'


def test_a_whole_list_comes_whatever_was_asked_for(asked: Asked) -> None:
    asked.registry.order(WholeList(), TAGS)
    assert asked.ask("GET", "/v2/acme/app/tags/list?n=1&last=2")[2] == b'{"name":"acme/app","tags":["1","2","3"]}'


def test_an_upload_takes_one_chunk(asked: Asked) -> None:
    asked.registry.order(OneChunk(NO), CHUNK)
    location = asked.start()
    assert [asked.ask("PATCH", location, b"0123456789")[0] for _ in range(2)] == [202, 418]


def test_a_chunk_that_was_too_small_is_told_with_the_next(asked: Asked) -> None:
    asked.registry.order(LeastChunk(10, NO), CHUNK)
    location = asked.start()
    chunks = (b"0123456789", b"012", b"0123456789")
    assert [asked.ask("PATCH", location, chunk)[0] for chunk in chunks] == [202, 202, 418]


def test_a_range_stays_what_it_was(asked: Asked) -> None:
    asked.registry.order(FrozenRange(), CHUNK)
    location = asked.start()
    assert [asked.ask("PATCH", location, b"0123456789")[1].get("Range") for _ in range(2)] == ["0-9", "0-9"]


def test_a_part_of_a_chunk_is_taken(asked: Asked) -> None:
    asked.registry.order(TakePart(4), CHUNK)
    location = asked.start()
    assert asked.ask("PATCH", location, b"0123456789", Content_Range="0-9")[1].get("Range") == "0-3"


def test_a_location_is_good_once(asked: Asked) -> None:
    asked.registry.order(ChangingLocation(), "* /v2/*/blobs/uploads/*")
    first = asked.start()
    status, headers, _ = asked.ask("PATCH", first, b"0123456789")
    second = headers.get("Location") or ""
    assert (status, second != first) == (202, True)
    assert asked.ask("PATCH", first, b"0123456789")[0] == 416
    assert asked.ask("GET", second)[1].get("Range") == "0-9"
    assert asked.ask("PUT", f"{second}&digest={sha256(b'0123456789')}")[0] == 201


def test_one_byte_is_wrong(asked: Asked) -> None:
    asked.registry.order(Corrupt(3), "GET /v2/*/blobs/*")
    wrong = asked.ask("GET", LAYER)[2]
    assert [place for place, byte in enumerate(wrong) if byte != CARGO.layer[place]] == [3]


def test_a_page_is_one_of_a_web_site(asked: Asked) -> None:
    asked.registry.order(Say.page(404, "Nothing here", X_Mine="1"))
    status, headers, body = asked.ask("GET", "/v2/")
    assert (status, headers.get("Content-Type")) == (404, "text/html")
    assert b"<title>Nothing here</title>" in body


def test_an_answer_to_head_has_no_content(asked: Asked) -> None:
    asked.registry.order(Say.text(200, "content"))
    status, headers, body = asked.ask("HEAD", "/v2/")
    assert (status, headers.get("Content-Length"), body) == (200, "7", b"")


@pytest.mark.parametrize(("edit", "expected"), [("Link", None), ("ETag", '"new"')])
def test_a_field_is_edited_where_it_is(asked: Asked, edit: str, expected: str | None) -> None:
    asked.registry.order(EditField(edit, lambda _: '"new"'))
    assert asked.ask("GET", LAYER)[1].get(edit) == expected


def test_a_document_is_edited_where_it_is_one(asked: Asked) -> None:
    asked.registry.order(EditDocument(lambda document: {**document, "tags": None}))
    assert asked.ask("GET", "/v2/acme/app/tags/list")[2] == b'{"name":"acme/app","tags":null}'
    assert asked.ask("GET", "/v2/acme/none/tags/list")[0] == 404


@pytest.mark.parametrize("has_subject", [True, False])
def test_a_subject_is_claimed(asked: Asked, *, has_subject: bool) -> None:
    asked.registry.order(ClaimSubject())
    subject = {"mediaType": MANIFEST, "digest": sha256(CARGO.manifest), "size": len(CARGO.manifest)}
    more = {"subject": subject} if has_subject else {}
    raw = json.dumps(json.loads(CARGO.manifest) | more).encode()
    claimed = asked.ask("PUT", "/v2/acme/app/manifests/new", raw)[1].get("OCI-Subject")
    assert claimed == (sha256(CARGO.manifest) if has_subject else None)


def test_content_without_a_length_is_refused(asked: Asked) -> None:
    asked.registry.order(WantLength(NO))
    headers = Headers([("Transfer-Encoding", "chunked")])
    request = Request("PUT", asked.registry.origin, "/v2/acme/app/manifests/new", headers)
    assert step(asked.registry.handle(request, BufferedBody(CARGO.manifest))).status == 418


def test_a_server_that_cannot_break_connections_says_so(asked: Asked) -> None:
    asked.registry.order(Drop())
    application = Application(asked.registry, BlockingIO())
    scope = {"type": "http", "method": "GET", "raw_path": b"/v2/", "query_string": b"", "headers": []}

    async def nothing(_message: object = None) -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(RuntimeError, match="cannot close connections"):
        step(application(scope, nothing, nothing))


def test_tokens_expire_to_order(tmp_path: Path) -> None:
    registry, transport = direct(tmp_path, Setup(access=Access(users=(User("ann", "a password"),))))
    with Client(transport=transport, credentials={registry.name: ("ann", "a password")}) as client:
        for _ in range(2):
            client.registry(registry.name).ping()
            registry.expire_tokens()
        client.registry(registry.name).ping()
    assert len([seen for seen in registry.requests if seen.target.startswith("/token")]) == 3


def test_a_registry_without_users_has_no_tokens(asked: Asked) -> None:
    asked.registry.expire_tokens()
    assert asked.registry.tokens is None


def test_sites_are_told_apart_and_others_are_not_there(tmp_path: Path) -> None:
    one = TestRegistry(tmp_path, BlockingIO(), Origin("https", "one.example", 443), Setup())
    transport = DirectTransport(Sites({"https://one.example": one}))
    assert transport.send(Request("GET", one.origin, "/v2/"), Cancellation()).status == 200
    with pytest.raises(LookupError, match=r"two\.example"):
        transport.send(Request("GET", Origin("https", "two.example", 443), "/v2/"), Cancellation())


def test_a_dialogue_tells_what_was_not_expected() -> None:
    dialogue = Dialogue().expect("GET /v2/", Say(200))
    with Client(transport=DirectTransport(dialogue), retries=Retries(tries=1)) as client:
        client.registry("registry.example").ping()
        with pytest.raises(lading.ServerError):
            client.registry("registry.example").ping()
    with pytest.raises(AssertionError, match="unexpected requests: GET /v2/"):
        dialogue.finish()


def test_a_dialogue_has_no_registry_behind_it() -> None:
    dialogue = Dialogue().expect("GET /v2/", Change(status=200)).expect("GET /v2/", Drop(wait=5))
    with Client(transport=DirectTransport(dialogue), retries=Retries(tries=1)) as client:
        client.registry("registry.example").ping()
        with pytest.raises(ConnectionFailedError):
            client.registry("registry.example").ping()
    dialogue.finish()


def test_every_public_name_is_there() -> None:
    for name in dir(lading.testing):
        assert getattr(lading.testing, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lading.testing.nothing  # type: ignore[attr-defined]
