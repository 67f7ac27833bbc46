"""Who may do what at the embedded registry: by endpoint, by role, by spelling (threats T-61, T-67)."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest

from lading._io.base import step
from lading._io.blocking import BlockingIO
from lading._wire import endpoints
from lading._wire.challenge import Challenge, challenges
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Headers, Origin, Request
from lading.digest import Digest
from lading.server.access import _ACTIONS, EVERYTHING, Access, Need, Rights, User
from lading.server.guard import Basic, Bearer, Guard
from lading.server.tokens import TokenRules, TokenServer
from lading.testing import Policy, Setup, TestRegistry
from lading.testing.bodies import Kept, read_answer
from tests.support.images import image, sha256

ORIGIN = Origin("https", "registry.example", 443)
CARGO = image()
LAYER = sha256(CARGO.layer)
PASSWORD = "correct horse"
USERS = (
    User("owner", PASSWORD),
    User("reader", PASSWORD, Rights(pull=("acme/app",))),
    User("pusher", PASSWORD, Rights(pull=("acme/*",), push=("acme/app",))),
    User("writer", PASSWORD, Rights(push=("acme/app",))),
    User("cleaner", PASSWORD, Rights(delete=("acme/app",))),
    User("lister", PASSWORD, Rights(catalog=True)),
    User("neighbour", PASSWORD, Rights(pull=("acme",), push=("acme/apps", "ac*"), delete=("other/*",))),
)
PUBLIC = Access(users=USERS, anonymous=Rights(pull=("acme/app",)))
PRIVATE = Access(users=USERS)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    @property
    def challenge(self) -> Challenge:
        [challenge] = challenges(self.headers.all("WWW-Authenticate"))
        return challenge


class Caller:
    """Asks a registry, and gets a token first where that is wanted."""

    def __init__(self, root: Path, setup: Setup) -> None:
        self.registry = TestRegistry(root, BlockingIO(), ORIGIN, setup)

    def ask(self, method: str, target: str, content: bytes = b"", /, **fields: str) -> Answer:
        headers = Headers((name.replace("_", "-"), value) for name, value in fields.items())
        response = step(self.registry.handle(Request(method, ORIGIN, target, headers), Kept(content)))
        return Answer(response.status, response.headers, read_answer(response.body))

    def ask_as(self, user: str | None, method: str, target: str, content: bytes = b"", /, **fields: str) -> Answer:
        """Ask as a client does: without anything, and again as the challenge wants it."""
        first = self.ask(method, target, content, **fields)
        if first.status != 401 or (user is None and first.challenge.scheme == "basic"):
            return first
        authorization = basic(user) if user is not None else None
        if first.challenge.scheme == "bearer":
            authorization = f"Bearer {self.token(user, first.challenge.get('scope') or '')}"
        return self.ask(method, target, content, **fields, Authorization=authorization or "")

    def token(self, user: str | None, *scopes: str) -> str:
        query = "&".join(f"scope={quote(scope)}" for scope in scopes)
        fields = {"Authorization": basic(user)} if user is not None else {}
        answer = self.ask("GET", f"/token?service=registry&{query}", **fields)
        assert answer.status == 200
        token: str = json.loads(answer.body)["token"]
        return token


def basic(user: str, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(params=["basic", "bearer"])
def setup(request: pytest.FixtureRequest) -> Setup:
    return Setup(access=PRIVATE, scheme=request.param)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with an image in acme/app and a secret in acme/private."""
    directory = tmp_path_factory.mktemp("stocked")
    caller = Caller(directory, Setup())
    for name, contents in (("acme/app", (CARGO.config, CARGO.layer)), ("acme/private", (b"secret",))):
        for content in contents:
            started = caller.ask("POST", f"/v2/{name}/blobs/uploads/?digest={sha256(content)}", content)
            assert started.status == 201
    assert caller.ask("PUT", "/v2/acme/app/manifests/1", CARGO.manifest).status == 201
    return directory


@pytest.fixture
def root(stocked: Path, tmp_path: Path) -> Path:
    """A copy of that, to be changed."""
    return shutil.copytree(stocked, tmp_path / "registry")


SECRET = sha256(b"secret")
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


# end-11: what a mount reads is another repository's.


def mounted(caller: Caller, user: str, digest: str, source: str | None) -> tuple[int, int]:
    """Return the status of a mount, and of a pull of the blob from where it was to go."""
    query = f"mount={digest}" + (f"&from={source}" if source is not None else "")
    status = caller.ask_as(user, "POST", f"/v2/acme/app/blobs/uploads/?{query}").status
    there = caller.ask_as("owner", "HEAD", f"/v2/acme/app/blobs/{digest}").status
    return status, there


def test_end_11_mounts_what_the_user_may_pull(root: Path, setup: Setup) -> None:
    assert mounted(Caller(root, setup), "pusher", SECRET, "acme/private") == (201, 200)


def test_end_11_does_not_mount_what_the_user_may_not_pull(root: Path, setup: Setup) -> None:
    assert mounted(Caller(root, setup), "writer", SECRET, "acme/private") == (202, 404)


def test_end_11_says_nothing_of_what_the_user_may_not_pull(root: Path, setup: Setup) -> None:
    caller = Caller(root, setup)
    absent = sha256(b"not there")
    answers = [
        caller.ask_as("writer", "POST", f"/v2/acme/app/blobs/uploads/?mount={digest}&from=acme/private")
        for digest in (SECRET, absent)
    ]
    assert {answer.status for answer in answers} == {202}
    assert {name for name, _ in answers[0].headers} == {name for name, _ in answers[1].headers}


def test_end_11_without_a_source_is_for_those_who_may_pull_everything(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE, scheme="basic"))
    assert mounted(caller, "pusher", SECRET, None) == (202, 404)
    assert mounted(caller, "owner", SECRET, None) == (201, 200)


def test_end_11_without_a_source_is_beyond_any_token(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE))
    assert mounted(caller, "owner", SECRET, None) == (202, 404)


def test_end_11_with_two_sources_needs_both(root: Path, setup: Setup) -> None:
    assert mounted(Caller(root, setup), "pusher", SECRET, "acme/private&from=other/app") == (202, 404)


@pytest.mark.parametrize("source", ["..", "A", "%0d%0aX:%20y", "%22", "a%20b", "acme/private%00"])
def test_end_11_with_a_source_that_is_no_name_is_refused(root: Path, setup: Setup, source: str) -> None:
    answer = Caller(root, setup).ask_as("owner", "POST", f"/v2/acme/app/blobs/uploads/?mount={SECRET}&from={source}")
    assert answer.status == 400
    assert json.loads(answer.body)["errors"][0]["code"] == "NAME_INVALID"


def test_end_11_asks_for_the_scope_of_the_source_as_well(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE))
    answer = caller.ask("POST", f"/v2/acme/app/blobs/uploads/?mount={SECRET}&from=acme/private")
    assert answer.challenge.get("scope") == "repository:acme/app:push repository:acme/private:pull"


def test_end_11_with_a_token_that_does_not_tell_of_the_source_is_asked_for_another(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE))
    authorization = f"Bearer {caller.token('pusher', 'repository:acme/app:push')}"
    target = f"/v2/acme/app/blobs/uploads/?mount={SECRET}&from=acme/private"
    answer = caller.ask("POST", target, Authorization=authorization)
    assert answer.status == 401
    assert answer.challenge.get("scope") == "repository:acme/app:push repository:acme/private:pull"
    assert answer.challenge.get("error") == "insufficient_scope"


# Tokens.


def test_a_token_is_good_for_what_was_asked_for_only(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE))
    authorization = f"Bearer {caller.token('owner', 'repository:acme/app:pull')}"
    assert caller.ask("GET", "/v2/acme/app/manifests/1", Authorization=authorization).status == 200
    for method, target in (("POST", "/v2/acme/app/blobs/uploads/"), ("GET", f"/v2/acme/private/blobs/{SECRET}")):
        answer = caller.ask(method, target, Authorization=authorization)
        assert answer.status == 401
        assert answer.challenge.get("error") == "insufficient_scope"


def test_a_token_expires(root: Path) -> None:
    clock = [1000.0]
    tokens = TokenServer(PRIVATE, lambda: clock[0], TokenRules(lifetime=60))
    guarded = Guard(TestRegistry(root, BlockingIO(), ORIGIN, Setup()), Bearer(tokens, "https://registry.example/token"))
    question = Request("GET", ORIGIN, "/token?service=registry", Headers([("Authorization", basic("owner"))]))
    given = json.loads(read_answer(step(tokens.handle(question, Kept(b""))).body))
    assert given["expires_in"] == 60
    request = Request("GET", ORIGIN, "/v2/", Headers([("Authorization", f"Bearer {given['token']}")]))
    statuses: list[int] = []
    for clock[0] in (1000.0, 1059.9, 1060.0, 2000.0):
        statuses.append(step(guarded.handle(request, Kept(b""))).status)  # the clock goes along
    assert statuses == [200, 200, 401, 401]


def form(caller: Caller, **fields: str) -> Answer:
    body = "&".join(f"{name}={quote(value)}" for name, value in {"service": "registry", **fields}.items())
    return caller.ask("POST", "/token", body.encode(), Content_Type="application/x-www-form-urlencoded")


def test_a_password_buys_an_identity_token_and_that_a_token(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE))
    first = form(caller, grant_type="password", username="reader", password=PASSWORD, access_type="offline")
    identity = json.loads(first.body)["refresh_token"]
    second = form(caller, grant_type="refresh_token", refresh_token=identity, scope="repository:acme/app:pull,push")
    given = json.loads(second.body)
    assert given["scope"] == "repository:acme/app:pull"
    assert "refresh_token" not in given
    authorization = f"Bearer {given['access_token']}"
    assert caller.ask("GET", "/v2/acme/app/manifests/1", Authorization=authorization).status == 200
    assert caller.ask("POST", "/v2/acme/app/blobs/uploads/", Authorization=authorization).status == 403


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"grant_type": "password", "username": "owner", "password": "wrong"}, 401),
        ({"grant_type": "password"}, 401),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401),
        ({"grant_type": "refresh_token"}, 401),
        ({"grant_type": "client_credentials"}, 400),
        ({}, 400),
        ({"grant_type": "password", "username": "owner", "password": PASSWORD, "service": "another"}, 400),
    ],
)
def test_a_token_is_not_given_away(root: Path, fields: dict[str, str], status: int) -> None:
    answer = form(Caller(root, Setup(access=PRIVATE)), **fields)
    assert answer.status == status
    assert b"token" not in answer.body.replace(b"password or token", b"").replace(b"refresh_token", b"")


def test_a_token_is_not_given_for_a_wrong_password_where_the_public_gets_one(root: Path) -> None:
    caller = Caller(root, Setup(access=PUBLIC))
    assert caller.ask("GET", "/token?service=registry").status == 200
    assert caller.ask("GET", "/token?service=registry", Authorization=basic("owner", "wrong")).status == 401


def test_a_token_server_may_take_an_action_for_a_mistake_and_say_what_it_wants_instead(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE, rules=TokenRules(refuses=frozenset({"delete"}))))
    asked = caller.ask("GET", "/token?service=registry&scope=repository:acme/app:delete", Authorization=basic("owner"))
    assert asked.status == 400
    assert caller.ask("DELETE", "/v2/acme/app/manifests/1").challenge.get("scope") == "repository:acme/app:*"
    assert caller.ask_as("owner", "DELETE", "/v2/acme/app/manifests/1").status == 202


def test_a_scope_of_another_kind_is_granted_to_nobody(root: Path) -> None:
    query = "service=registry&scope=plugin:acme/app:pull&scope=repository:acme/app:pull"
    answer = Caller(root, Setup(access=PRIVATE)).ask("GET", f"/token?{query}", Authorization=basic("owner"))
    assert json.loads(answer.body)["scope"] == "repository:acme/app:pull"


def test_a_form_is_not_read_without_end(root: Path) -> None:
    answer = Caller(root, Setup(access=PRIVATE)).ask("POST", "/token", b"x" * (64 * 1024 + 1))
    assert answer.status == 413


def test_a_token_server_may_know_one_method_only(root: Path) -> None:
    caller = Caller(root, Setup(access=PRIVATE, rules=TokenRules(methods=frozenset({"POST"}))))
    answer = caller.ask("GET", "/token?service=registry")
    assert (answer.status, answer.headers.get("Allow")) == (405, "POST")


def test_there_is_nothing_else_on_the_token_server(root: Path) -> None:
    tokens = TokenServer(PRIVATE, lambda: 0.0)
    assert step(tokens.handle(Request("GET", ORIGIN, "/v2/"), Kept(b""))).status == 404


def test_tokens_that_are_too_many_make_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lading.server.tokens._MOST_TOKENS", 2)
    tokens = TokenServer(PRIVATE, lambda: 0.0)
    request = Request("GET", ORIGIN, "/token?service=registry")
    given = [json.loads(read_answer(step(tokens.handle(request, Kept(b""))).body))["token"] for _ in range(3)]
    assert [tokens.find(token) is None for token in given] == [True, False, False]


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
    caller = Caller(tmp_path, Setup(policy=Policy()))
    assert caller.ask("GET", "/v2/").status == 200
    assert caller.ask("GET", f"/v2/a/blobs/{Digest.of(b'')}").status == 404
