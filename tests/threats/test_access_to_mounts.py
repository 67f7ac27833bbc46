"""Who may mount what, end-11: what a mount reads is another repository's (threat T-67)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading.testing import Setup
from tests.support.images import sha256
from tests.threats.access import PRIVATE, SECRET, Caller


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
