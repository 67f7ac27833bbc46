"""Who may do what at the embedded registry: by endpoint, by role, by spelling (threats T-61, T-67)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import cast

import pytest

from lading._wire import endpoints
from lading._wire.endpoints import Endpoint
from lading.digest import Digest
from lading.server.access_control import Basic
from lading.server.users_and_rights import _ACTIONS, EVERYTHING, Access, Need, Rights, User
from lading.testing import ServerLimits, Setup
from tests.support.images import sha256
from tests.threats.access import CARGO, LAYER, PASSWORD, PUBLIC, Caller, basic

REQUESTS: dict[str, tuple[str, str, str]] = {
    "end-1": ("GET", "/v2/", "anybody"),
    "end-2": ("GET", f"/v2/acme/app/blobs/{LAYER}", "pull"),
    "end-2 HEAD": ("HEAD", f"/v2/acme/app/blobs/{LAYER}", "pull"),
    "end-3": ("GET", "/v2/acme/app/manifests/1", "pull"),
    "end-3 HEAD": ("HEAD", "/v2/acme/app/manifests/1", "pull"),
    "end-4a": ("POST", "/v2/acme/app/blobs/uploads/", "push"),
    "end-4b": ("POST", f"/v2/acme/app/blobs/uploads/?digest={LAYER}", "push"),
    "end-5": ("PATCH", "/v2/acme/app/blobs/uploads/no-such", "push"),
    "end-6": ("PUT", f"/v2/acme/app/blobs/uploads/no-such?digest={LAYER}", "push"),
    "end-7": ("PUT", "/v2/acme/app/manifests/1", "push"),
    "end-7b": ("PUT", f"/v2/acme/app/manifests/{sha256(CARGO.manifest)}?tag=1&tag=2", "push"),
    "end-8": ("GET", "/v2/acme/app/tags/list", "pull"),
    "end-9": ("DELETE", "/v2/acme/app/manifests/1", "delete"),
    "end-9 digest": ("DELETE", f"/v2/acme/app/manifests/{sha256(CARGO.manifest)}", "delete"),
    "end-10": ("DELETE", f"/v2/acme/app/blobs/{LAYER}", "delete"),
    "end-11": ("POST", f"/v2/acme/app/blobs/uploads/?mount={LAYER}&from=acme/app", "push"),
    "end-12": ("GET", f"/v2/acme/app/referrers/{LAYER}", "pull"),
    "end-13": ("GET", "/v2/acme/app/blobs/uploads/no-such", "push"),
    "end-14": ("DELETE", "/v2/acme/app/blobs/uploads/no-such", "push"),
    "_catalog": ("GET", "/v2/_catalog", "catalog"),
    "discover": ("GET", "/v2/_oci/ext/discover", "anybody"),
}
ROLES = {
    "owner": {"anybody", "pull", "push", "delete", "catalog"},
    "reader": {"anybody", "pull"},
    "pusher": {"anybody", "pull", "push"},
    "writer": {"anybody", "push"},
    "cleaner": {"anybody", "delete"},
    "lister": {"anybody", "catalog"},
    "neighbour": {"anybody"},
}


def test_every_endpoint_has_a_row_in_the_table_of_rights() -> None:
    assert set(_ACTIONS) == set(endpoints.ENDPOINTS)


def test_an_endpoint_without_a_row_is_for_nobody(root: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(cast("dict[Endpoint, object]", _ACTIONS), endpoints.LIST_TAGS)
    assert Caller(root, setup).ask("GET", "/v2/acme/app/tags/list", Authorization=basic("owner")).status == 403


@pytest.mark.parametrize("row", REQUESTS)
@pytest.mark.parametrize("user", ROLES)
def test_a_user_may_do_what_is_allowed_and_nothing_else(root: Path, setup: Setup, user: str, row: str) -> None:
    method, target, action = REQUESTS[row]
    answer = Caller(root, setup).ask_as(user, method, target)
    # Whatever else is wrong with a request, it is the registry that says so.
    assert (answer.status != 403) == (action in ROLES[user])
    assert answer.status != 401


@pytest.mark.parametrize("row", REQUESTS)
def test_nobody_may_do_anything_without_logging_in(root: Path, setup: Setup, row: str) -> None:
    method, target, action = REQUESTS[row]
    caller = Caller(root, setup)
    answer = caller.ask(method, target)
    assert answer.status == 401
    assert answer.challenge.scheme == setup.scheme
    if setup.scheme == "bearer":
        assert answer.challenge.get("realm") == "https://registry.example/token"
        assert answer.challenge.get("service") == "registry"
        anonymous = caller.token(None, "repository:acme/app:pull,push,delete", "registry:catalog:*")
        again = caller.ask(method, target, Authorization=f"Bearer {anonymous}")
        assert again.status == (200 if action == "anybody" else 403)


@pytest.mark.parametrize("row", REQUESTS)
def test_the_public_may_pull_and_nothing_else(root: Path, setup: Setup, row: str) -> None:
    method, target, action = REQUESTS[row]
    answer = Caller(root, Setup(access=PUBLIC, scheme=setup.scheme)).ask_as(None, method, target)
    allowed = {"pull", "anybody"} if setup.scheme == "bearer" else {"pull"}
    assert (answer.status not in {401, 403}) == (action in allowed)


@pytest.mark.parametrize(
    "target",
    [
        "/v2//acme/app/tags/list",
        "/V2/acme/app/tags/list",
        "/%76%32/acme/app/tags/list",
        "/v2/acme%2Fapp/tags/list",
        "/v2/acme/app/tags/list/",
        "/v2/acme/./app/tags/list",
        "/v2/other/../acme/app/tags/list",
        "/v2/Acme/app/tags/list",
        "//v2/acme/app/tags/list",
        "/v2/acme/app/tags/list;x",
        "/x/../v2/acme/app/tags/list",
        "/v2/acme/app/tags/list#",
        "/v2",
        "/",
    ],
)
@pytest.mark.parametrize("user", [None, "neighbour", "owner"])
def test_no_other_spelling_of_a_path_is_answered(root: Path, setup: Setup, user: str | None, target: str) -> None:
    caller = Caller(root, setup)
    fields = {"Authorization": basic(user)} if user is not None else {}
    assert caller.ask("GET", target, **fields).status in {400, 401, 403, 404}


@pytest.mark.parametrize("field", ["X_HTTP_Method_Override", "X_Method_Override", "X_HTTP_Method", "X_Original_URL"])
def test_a_field_does_not_change_the_method(root: Path, setup: Setup, field: str) -> None:
    caller = Caller(root, setup)
    answer = caller.ask_as("reader", "GET", "/v2/acme/app/manifests/1", **{field: "DELETE"})
    assert (answer.status, answer.body) == (200, CARGO.manifest)
    assert caller.ask_as("reader", "GET", "/v2/acme/app/manifests/1").status == 200


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "CONNECT", "PURGE", "LINK", "PATCH", "POST"])
def test_a_method_without_a_row_is_refused(root: Path, setup: Setup, method: str) -> None:
    answer = Caller(root, setup).ask_as("owner", method, "/v2/acme/app/manifests/1")
    assert answer.status == 405
    assert answer.headers.get("Allow") == "DELETE, GET, HEAD, PUT"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"owner").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        basic("owner", PASSWORD[:-1]),
        basic("owner", PASSWORD + "x"),
        basic("owner", ""),
        basic("nobody"),
        basic("OWNER"),
        "Digest " + basic("owner").partition(" ")[2],
        "Bearer",
        "Bearer x",
        "Bearer ../owner",
        f"{basic('reader')}, {basic('owner')}",
    ],
)
def test_wrong_credentials_are_no_credentials(root: Path, setup: Setup, authorization: str) -> None:
    answer = Caller(root, setup).ask("GET", "/v2/acme/app/manifests/1", Authorization=authorization)
    assert answer.status == 401
    assert PASSWORD not in answer.body.decode()


def test_wrong_credentials_are_refused_even_where_nobody_needs_any(root: Path) -> None:
    caller = Caller(root, Setup(access=PUBLIC, scheme="basic"))
    assert caller.ask("GET", "/v2/acme/app/manifests/1").status == 200
    assert caller.ask("GET", "/v2/acme/app/manifests/1", Authorization=basic("owner", "wrong")).status == 401


def test_an_error_to_head_has_no_content(root: Path, setup: Setup) -> None:
    answer = Caller(root, setup).ask("HEAD", "/v2/acme/app/manifests/1")
    assert (answer.status, answer.body) == (401, b"")


def test_names_match_a_pattern_whole() -> None:
    rights = Rights(pull=("acme/app", "team/*"))
    names = ["acme/app", "acme/apps", "acme/app/x", "acme", "team", "team/a", "team/a/b", "teams/a"]
    assert [name for name in names if rights.allow(Need("pull", name))] == ["acme/app", "team/a", "team/a/b"]


def test_no_secret_is_shown() -> None:
    access = Access(users=(User("owner", "s3cret-word"),))
    shown = [repr(access), repr(access.users[0]), repr(Basic(access)), repr(Setup(access=access))]
    assert not any("s3cret-word" in text for text in shown)


def test_rights_that_allow_nothing_are_false() -> None:
    assert not Rights()
    assert EVERYTHING


def test_the_embedded_registry_itself_has_no_doors(tmp_path: Path) -> None:
    caller = Caller(tmp_path, Setup(limits=ServerLimits()))
    assert caller.ask("GET", "/v2/").status == 200
    assert caller.ask("GET", f"/v2/a/blobs/{Digest.of(b'')}").status == 404
