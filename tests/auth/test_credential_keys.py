from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lading.auth.credential_keys import CredentialKey, matching, server
from lading.auth.credentials import Credential, Explicit
from lading.auth.docker_config import DockerConfig
from lading.errors import InvalidReferenceError
from lading.reference import Reference
from tests.support.hostile import much

HUB = "https://index.docker.io/v1/"


# T-12: a key of a file, what is asked for, and whether the credential is sent.
PAIRS = [
    ("ghcr.io", "ghcr.io/acme/app", True),
    ("ghcr.io", "GHCR.io/acme/app", True),
    ("https://ghcr.io", "ghcr.io/acme/app", True),
    ("http://ghcr.io/", "ghcr.io/acme/app", True),
    ("https://ghcr.io/v2/", "ghcr.io/acme/app", True),
    ("ghcr.io/v2/", "ghcr.io/acme/app", True),
    ("GHCR.IO", "ghcr.io/acme/app", True),
    ("GHCR.IO", "Ghcr.io/acme/app", True),
    ("HTTPS://GHCR.io/V2/", "ghcr.io/acme/app", False),
    ("HTTPS://GHCR.io/v2/", "ghcr.io/acme/app", True),
    ("GHCR.io/acme", "ghcr.io/acme/app", True),
    ("GHCR.io/Acme", "ghcr.io/acme/app", False),
    ("GHCR.io:443", "ghcr.io/acme/app", False),
    ("G\u0130HCR.io", "gihcr.io/acme/app", False),
    ("doc\u212aer.io", "alpine", False),
    ("https://INDEX.docker.io/v1/", "alpine", True),
    ("Docker.io", "alpine", True),
    ("Registry.Corp.Example:5000", "registry.corp.example:5000/app", True),
    ("LOCALHOST:5000", "localhost:5000/app", True),
    ("[FE80::1]:5000", "[fe80::1]:5000/app", True),
    ("ghcr.io.", "ghcr.io/acme/app", False),
    ("ghcr.io:443", "ghcr.io/acme/app", False),
    ("ghcr.io", "ghcr.io:443/acme/app", False),
    ("ghcr.io:443", "ghcr.io:443/acme/app", True),
    ("ghcr.io@evil.example", "ghcr.io/acme/app", False),
    ("user@ghcr.io", "ghcr.io/acme/app", False),
    ("evil-ghcr.io", "ghcr.io/acme/app", False),
    ("cr.io", "ghcr.io/acme/app", False),
    ("ghcr.io.evil.example", "ghcr.io/acme/app", False),
    ("ghcr.io", "ghcr.io.evil.example/acme/app", False),
    ("ghcr.\u0456o", "ghcr.io/acme/app", False),
    ("*.io", "ghcr.io/acme/app", False),
    ("ghcr.io/acme", "ghcr.io/acme/app", True),
    ("ghcr.io/acme/", "ghcr.io/acme/app", True),
    ("ghcr.io/acme", "ghcr.io/acme/team/app", True),
    ("ghcr.io/acme/app", "ghcr.io/acme/app", True),
    ("ghcr.io/acme/app", "ghcr.io/acme/app/part", True),
    ("ghcr.io/acme/ap", "ghcr.io/acme/app", False),
    ("ghcr.io/acme", "ghcr.io/acme-evil/app", False),
    ("ghcr.io/acme-evil", "ghcr.io/acme/app", False),
    ("ghcr.io/acme/app:1", "ghcr.io/acme/app", False),
    ("ghcr.io/../acme", "ghcr.io/acme/app", False),
    ("ghcr.io/v2", "ghcr.io/acme/app", False),
    ("ghcr.io/v2", "ghcr.io/v2/app", True),
    (HUB, "alpine", True),
    (HUB, "docker.io/acme/app", True),
    (HUB, "index.docker.io/acme/app", True),
    ("https://index.docker.io/v1", "alpine", True),
    ("docker.io", "registry-1.docker.io/acme/app", True),
    ("index.docker.io", "acme/app", True),
    ("registry-1.docker.io", "acme/app", True),
    ("docker.io/acme", "acme/app", True),
    ("docker.io/library", "alpine", True),
    ("docker.io/acme", "alpine", False),
    ("docker.io:444", "alpine", False),
    ("hub.docker.com", "alpine", False),
    ("evil.docker.io", "alpine", False),
    (HUB, "evil.docker.io.example/acme/app", False),
    ("docker.io", "docker.io:444/acme/app", False),
    ("localhost:5000", "localhost:5000/app", True),
    ("localhost:5000", "localhost:5001/app", False),
    ("localhost", "localhost:5000/app", False),
    ("127.0.0.1:5000", "127.1:5000/app", False),
    ("[::1]:5000", "[::1]:5000/app", True),
    ("[0:0:0:0:0:0:0:1]:5000", "[::1]:5000/app", False),
    ("", "alpine", False),
    ("https://", "alpine", False),
]


@pytest.mark.parametrize(("key", "asked", "sent"), PAIRS, ids=[f"{key or '-'} for {asked}" for key, asked, _ in PAIRS])
def test_a_key_covers_its_own_registry_and_namespace_only(key: str, asked: str, sent: bool) -> None:
    reference = Reference.parse(asked)
    config = DockerConfig.parse(f'{{"auths": {{"{key}": {{"auth": "YTpi"}}}}}}'.encode(), "config.json")
    found = [step.found for step in config.search(reference.registry, reference.repository) if step.found]
    assert bool(found) is sent


@pytest.mark.parametrize(
    ("keys", "asked", "chosen"),
    [
        (["ghcr.io", "ghcr.io/acme", "ghcr.io/acme/app"], "ghcr.io/acme/app", "ghcr.io/acme/app"),
        (["ghcr.io", "ghcr.io/acme", "ghcr.io/acme/app"], "ghcr.io/acme/other", "ghcr.io/acme"),
        (["ghcr.io/acme", "ghcr.io"], "ghcr.io/acme-evil/app", "ghcr.io"),
        (["https://ghcr.io", "ghcr.io"], "ghcr.io/acme/app", "ghcr.io"),
        (["docker.io", HUB], "alpine", HUB),
        (["index.docker.io", "docker.io"], "alpine", "index.docker.io"),
        (["GHCR.io", "ghcr.io"], "ghcr.io/acme/app", "ghcr.io"),
        (["GHCR.io", "https://ghcr.io"], "ghcr.io/acme/app", "https://ghcr.io"),
        (["GHCR.io/acme", "ghcr.io"], "ghcr.io/acme/app", "GHCR.io/acme"),
        (["https://INDEX.docker.io/v1/", "index.docker.io"], "alpine", "index.docker.io"),
    ],
)
def test_the_longest_namespace_wins_then_the_canonical_spelling(keys: list[str], asked: str, chosen: str) -> None:
    reference = Reference.parse(asked)
    found = matching(dict.fromkeys(keys, 0), reference.registry, reference.repository)
    assert found[0][1] == chosen


def test_a_key_is_spelled_as_docker_spells_it() -> None:
    assert str(CredentialKey("docker.io")) == server("docker.io") == HUB
    assert str(CredentialKey("docker.io", "acme")) == "docker.io/acme"
    assert str(CredentialKey("ghcr.io")) == server("ghcr.io") == "ghcr.io"


def test_a_registry_as_a_whole_is_not_covered_by_a_namespace() -> None:
    assert CredentialKey("ghcr.io").covers("ghcr.io", "")
    assert not CredentialKey("ghcr.io", "acme").covers("ghcr.io", "")


def test_credentials_given_in_code_are_found_by_the_same_rules() -> None:
    given = Explicit({"GHCR.io": ("a", "1"), "ghcr.io/acme": Credential("b", "2"), "index.docker.io": ("c", "3")})
    names = {
        asked: found.credential.username
        for asked in ("ghcr.io/x/app", "ghcr.io/acme/app", "alpine", "quay.io/acme/app")
        if (found := given.find((reference := Reference.parse(asked)).registry, reference.repository))
    }
    assert names == {"ghcr.io/x/app": "a", "ghcr.io/acme/app": "b", "alpine": "c"}


@pytest.mark.parametrize("key", ["", "ghcr.io/Acme:1", "https://", "alice:sesame@ghcr.io", "ghcr .io"])
def test_a_key_given_in_code_that_is_none_is_an_error_without_the_password(key: str) -> None:
    with pytest.raises(InvalidReferenceError) as raised:
        Explicit({key: ("alice", "sesame")})
    assert "sesame" not in str(raised.value)
    assert "HOST[:PORT]" in str(raised.value)


@given(st.text(max_size=80) | st.text("abc.:/-@v12[]https", max_size=40))
def test_no_text_makes_the_reader_fail_and_what_is_read_is_stable(text: str) -> None:
    key = CredentialKey.parse(text)
    if key is not None:
        assert CredentialKey.parse(str(key)) == key


@pytest.mark.parametrize("unit", ["a/", "a.", "a-", "https://", "["])
def test_hostile_keys_cost_linear_time(unit: str) -> None:
    assert CredentialKey.parse(much(unit)) is None
