from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from lading._wire.messages import Origin
from lading.auth import credential_helpers, docker_config
from lading.auth.credentials import Chain, Credential, Explicit, Found, LookupStep, Secret, first
from lading.auth.docker_config import DockerConfig
from lading.auth.scopes import PULL, Scope
from lading.auth.token_cache import TokenKey
from lading.auth.tokens import Token, TokenRequest
from lading.errors import AuthError

ORIGIN = Origin("https", "registry.example", 443)
PLANTED = Credential("alice", "planted-1", identity_token="planted-2", registry_token="planted-3")
CONFIG = DockerConfig.parse(
    b'{"auths": {"ghcr.io": {"auth": "planted-4", "password": "planted-5", "identitytoken": "planted-6"}},'
    b' "HttpHeaders": {"X": "planted-7"}, "proxies": {"default": {"httpProxy": "http://u:planted-8@p"}}}',
    "config.json",
)
HOLDERS = [
    Secret("planted-0"),
    PLANTED,
    Found(PLANTED, "place"),
    LookupStep("place", "outcome", Found(PLANTED, "place")),
    Explicit({"ghcr.io": PLANTED}),
    Chain([Explicit({"ghcr.io": PLANTED})]),
    CONFIG,
    CONFIG.auths["ghcr.io"],
    docker_config._Variable("DOCKER_AUTH_CONFIG", '{"auths": {"ghcr.io": {"identitytoken": "planted-14"}}}'),
    Token(Secret("planted-9"), (Scope("repository:a", PULL),), 0.0, 0.0, Secret("planted-10")),
    TokenKey(ORIGIN, "service", PLANTED),
    TokenRequest("service", (), (), PLANTED),
    docker_config._AuthEntry("planted-11"),
    docker_config._Proxy("planted-12"),
    credential_helpers._Answer("ghcr.io", "alice", "planted-13"),
    TokenRequest("service", (), (), PLANTED).request("POST", ORIGIN, "/token"),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_t_08_a_secret_is_in_no_text(holder: object, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("lading").error("%s %r", holder, holder)
    texts = [str(holder), repr(holder), f"{holder}", f"{[holder]}", caplog.text]
    assert not [text for text in texts if "planted" in text]


@pytest.mark.parametrize("holder", HOLDERS[:-4], ids=lambda holder: type(holder).__name__)
def test_t_08_a_secret_is_in_no_pickle(holder: object) -> None:
    with pytest.raises(TypeError, match=r"a secret cannot be pickled or copied|cannot pickle"):
        pickle.dumps(holder)


def test_t_08_a_secret_is_in_no_traceback_with_locals() -> None:
    held = PLANTED
    request = TokenRequest("service", (), (), held)
    try:
        request.token(b"[]", received_at=0.0, realm=ORIGIN)
    except AuthError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert "Expected `object`" in text
        assert "planted" not in text.replace("planted-0", "")


def test_a_secret_is_equal_to_the_same_text_only() -> None:
    assert Secret("a") == Secret("a") == Secret(Secret("a"))
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"
    assert (bool(Secret("a")), bool(Secret())) == (True, False)
    assert (repr(Secret("a")), repr(Secret())) == ("Secret('***')", "Secret('')")
    with pytest.raises(TypeError, match="a secret cannot be pickled or copied"):
        copy.copy(Secret("a"))


@pytest.mark.parametrize("name", ["identity_token", "registry_token"])
@pytest.mark.parametrize("text", ["planted\n", "plan ted", "planted\0", "plant\xe9d"], ids=repr)
def test_a_token_that_no_field_can_carry_is_refused_unseen(name: str, text: str) -> None:
    tokens: dict[str, Any] = {name: text}
    with pytest.raises(ValueError, match=f"the {name} has blanks") as raised:
        Credential("alice", **tokens)
    assert "plan" not in str(raised.value)


@pytest.mark.parametrize(
    ("credential", "text"),
    [
        (Credential("alice", "x"), "user 'alice' with a password"),
        (Credential("alice", "x", identity_token="y"), "user 'alice' with an identity token"),
        (Credential("a\x1b[0m", "x"), r"user 'a\x1b[0m' with a password"),
        (Credential("alice"), "user 'alice' with no password"),
        (Credential(registry_token="x"), "a registry token"),
        (Credential("", "x"), "a password"),
    ],
)
def test_a_credential_is_described_without_its_secret(credential: Credential, text: str) -> None:
    assert credential.description == text
    assert credential.is_empty is (credential == Credential("alice"))


def test_a_registry_token_is_sent_as_it_is() -> None:
    assert Credential(registry_token="abc").bearer() == "Bearer abc"
    assert Credential("Aladdin", "open sesame").basic() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert Credential("_json_key", '{\n"a": 1}\n').basic() == "Basic X2pzb25fa2V5OnsKImEiOiAxfQo="


class Own:
    """A source as a user writes it."""

    def __init__(self, found: Found | None) -> None:
        self.found = found
        self.asked: list[tuple[str, str]] = []

    def find(self, registry: str, repository: str, /) -> Found | None:
        self.asked.append((registry, repository))
        return self.found


def test_a_chain_asks_no_further_than_to_the_first_answer() -> None:
    none, some, never = Own(None), Own(Found(PLANTED, "the vault")), Own(None)
    chain = Chain([Explicit({"quay.io": ("a", "b")}), none, some, never])
    assert chain.find("ghcr.io", "acme/app") is some.found
    assert (none.asked, some.asked, never.asked) == ([("ghcr.io", "acme/app")], [("ghcr.io", "acme/app")], [])
    assert [(step.place, step.outcome) for step in chain.search("ghcr.io", "acme/app")] == [
        ("Own", "has no credentials"),
        ("the vault", "user 'alice' with a registry token"),
    ]
    assert Chain([none]).find("ghcr.io", "acme/app") is None


def test_a_chain_of_chains_tells_every_step() -> None:
    chain = Chain([Chain([Own(None), Own(None)]), Explicit({"ghcr.io": ("a", "b")})])
    assert [step.place for step in chain.search("ghcr.io", "")] == ["Own", "Own", "the credentials given for ghcr.io"]


class Remembers(Own):
    """A source that answers from memory."""

    def forget(self, credential: Credential, /) -> None:
        self.found = None if self.found and self.found.credential == credential else self.found


def test_a_chain_forgets_where_there_is_a_memory() -> None:
    remembers = Remembers(Found(PLANTED, "memory"))
    chain = Chain([Chain([Own(None), remembers])])
    chain.forget(Credential("bob", "x"))
    assert chain.find("ghcr.io", "") is not None
    chain.forget(PLANTED)
    assert chain.find("ghcr.io", "") is None


def test_a_search_stops_at_what_it_finds() -> None:
    def search() -> Iterator[LookupStep]:
        yield LookupStep("a", "no")
        yield LookupStep("b", "yes", Found(PLANTED, "b"))
        raise AssertionError("looked on")

    found = first(search())
    assert found is not None
    assert found.source == "b"
