from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lading._wire import endpoints
from lading._wire.endpoints import Endpoint
from lading.auth.scopes import CATALOG, DELETE, PULL, PUSH, Scope, asked, merged, parse_scopes, wanted
from tests.support.hostile import much

APP = "repository:acme/app"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (f"{APP}:pull", (Scope(APP, PULL),)),
        (f"{APP}:push,pull", (Scope(APP, PUSH),)),
        (f"{APP}:*", (Scope(APP, frozenset({"*"})),)),
        ("registry:catalog:*", (CATALOG,)),
        (f"  {APP}:pull   registry:catalog:* ", (Scope(APP, PULL), CATALOG)),
        ("repository:host:5000/acme/app:pull", (Scope("repository:host:5000/acme/app", PULL),)),
        ("repository(plugin):acme/app:pull", (Scope("repository(plugin):acme/app", PULL),)),
        ("aws", (Scope("aws"),)),
        (f"{APP}", ()),
        (f"{APP}:", ()),
        (f"{APP}:pull,", ()),
        (f"{APP}:pull;push", ()),
        ('a"b aws', (Scope("aws"),)),
        ("caf\xe9 aws", (Scope("aws"),)),
        ("a" * 513, ()),
        (f"repository:{'a' * 600}:pull", ()),
        (" ".join("abcdefghij"), tuple(map(Scope, "abcdefgh"))),
    ],
)
def test_the_scopes_of_a_challenge(text: str, expected: tuple[Scope, ...]) -> None:
    assert parse_scopes(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        (Scope(APP, PULL), Scope(APP, PULL), True),
        (Scope(APP, PUSH), Scope(APP, PULL), True),
        (Scope(APP, PULL), Scope(APP, PUSH), False),
        (Scope(APP, frozenset({"*"})), Scope(APP, DELETE), True),
        (Scope(APP, PUSH), Scope(APP, frozenset({"*"})), False),
        (Scope(APP, PUSH), Scope(f"{APP}-evil", PULL), False),
        (Scope("aws"), Scope("aws"), True),
    ],
)
def test_a_scope_covers_what_it_allows(one: Scope, other: Scope, covers: bool) -> None:
    assert one.covers(other) is covers


def test_scopes_of_one_resource_are_merged_in_order() -> None:
    found = merged([Scope(APP, PULL), CATALOG, Scope(APP, PUSH)])
    assert list(map(str, found)) == [f"{APP}:pull,push", "registry:catalog:*"]


NEEDS = {
    endpoints.PING: "",
    endpoints.DISCOVER_EXTENSIONS: "",
    endpoints.LIST_REPOSITORIES: "registry:catalog:*",
    endpoints.PULL_BLOB: f"{APP}:pull",
    endpoints.PULL_MANIFEST: f"{APP}:pull",
    endpoints.LIST_TAGS: f"{APP}:pull",
    endpoints.LIST_REFERRERS: f"{APP}:pull",
    endpoints.MOUNT_BLOB: f"{APP}:pull,push repository:acme/base:pull",
    endpoints.PUSH_BLOB_AT_ONCE: f"{APP}:pull,push",
    endpoints.START_UPLOAD: f"{APP}:pull,push",
    endpoints.PATCH_UPLOAD: f"{APP}:pull,push",
    endpoints.FINISH_UPLOAD: f"{APP}:pull,push",
    endpoints.UPLOAD_STATUS: f"{APP}:pull,push",
    endpoints.PUSH_MANIFEST: f"{APP}:pull,push",
    endpoints.DELETE_MANIFEST: f"{APP}:delete",
    endpoints.DELETE_BLOB: f"{APP}:delete",
    endpoints.CANCEL_UPLOAD: f"{APP}:delete",
}


@pytest.mark.parametrize("endpoint", endpoints.ENDPOINTS, ids=lambda endpoint: endpoint.ids[0])
def test_a_request_wants_no_more_than_it_needs(endpoint: Endpoint) -> None:
    name = "acme/app" if "{name}" in endpoint.template else ""
    assert " ".join(map(str, wanted(endpoint, name, "acme/base"))) == NEEDS[endpoint]


def test_end_11_mount_within_a_repository_wants_one_scope() -> None:
    assert wanted(endpoints.MOUNT_BLOB, "acme/app", "acme/app") == (Scope(APP, PUSH),)
    assert wanted(endpoints.MOUNT_BLOB, "acme/app") == (Scope(APP, PUSH),)


@pytest.mark.parametrize(
    ("own", "stated", "expected"),
    [
        pytest.param([Scope(APP, PULL)], None, f"{APP}:pull", id="nothing-stated"),
        pytest.param([Scope(APP, PULL)], f"{APP}:pull,push,delete", f"{APP}:pull", id="pull-stays-pull"),
        pytest.param([Scope(APP, DELETE)], f"{APP}:*", f"{APP}:*", id="delete-by-the-registry's-word"),
        pytest.param([Scope(APP, DELETE)], f"{APP}:push", f"{APP}:push", id="delete-is-push"),
        pytest.param([Scope(APP, PUSH)], "aws", f"{APP}:pull,push aws", id="own-first-then-a-word"),
        pytest.param([Scope(APP, PULL)], "repository:b:pull,push", f"{APP}:pull repository:b:pull", id="another-name"),
        pytest.param([Scope(APP, PULL)], "registry:catalog:*", f"{APP}:pull", id="catalog-not-wanted"),
        pytest.param([], f"{APP}:pull,push", "", id="ping"),
        pytest.param([CATALOG], "registry:catalog:*", "registry:catalog:*", id="catalog"),
    ],
)
def test_what_is_asked_for_beside_what_a_challenge_states(own: list[Scope], stated: str | None, expected: str) -> None:
    assert " ".join(map(str, asked(own, stated))) == expected


_RESOURCES = st.builds("{}:{}".format, st.sampled_from(["repository", "registry"]), st.text("abc/:-", min_size=1))
_ACTIONS = st.frozensets(st.sampled_from(["pull", "push", "delete", "*"]), min_size=1)
_SCOPES = st.builds(Scope, _RESOURCES, _ACTIONS)


@given(st.lists(_SCOPES, max_size=8))
def test_what_is_written_is_read_back(scopes: list[Scope]) -> None:
    assert list(parse_scopes(" ".join(map(str, scopes)))) == scopes


@given(st.lists(_SCOPES), st.text())
def test_no_challenge_widens_a_pull(others: list[Scope], text: str) -> None:
    for scope in asked([Scope(APP, PULL)], " ".join([text, *map(str, others)])):
        assert scope.actions <= PULL


@pytest.mark.parametrize(("opening", "unit"), [("", "a:"), ("", "a "), ("a:b:", "c,"), ("", " ")])
def test_hostile_scopes_cost_linear_time(opening: str, unit: str) -> None:
    assert len(str(parse_scopes(opening + much(unit)))) < 1000
