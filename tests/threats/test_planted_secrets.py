"""Twelve secrets, planted wherever there is place for one, and looked for wherever anything is shown (T-08)."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path

import pytest

from lading.testing import Change, Cut, Drop, EditDocument, EditField, Fault, Redirect, Refuse, Say
from tests.support.images import Image, sha256
from tests.threats.stage import ACCESS, PASSWORD, USER, Face, Place, registry_at, write_config

PLANTED = {
    "password": PASSWORD,
    "password, as sent": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    "own field": "k3y-of-the-user-0001",
    "signature": "s1gnature-of-the-store-0002",
    "sas signature": "s1g-sas-0003",
    "upload state": "st4te-of-the-upload-0004",
    "cookie": "c00kie-0005",
    "parameter of a challenge": "ch4llenge-0006",
    "refresh token": "r3fresh-0007",
    "echoed token": "t0ken-of-the-registry-0008",
    "identity token": "1dentity-0009",
    "fragment": "fr4gment-0010",
}
AT_LEAST = 12


@pytest.fixture
def planted(reg: Place, evil: Place, face: Face, storage: Path, home: Path) -> Face:
    """A registry that puts all of them wherever it can, and somebody who logs in there."""
    face.options["headers"] = {"X-Api-Key": PLANTED["own field"]}
    face.arguments += ["--header", f"X-Api-Key: {PLANTED['own field']}"]
    store = registry_at(evil, storage, access=None)
    store.order(Change(add={"Set-Cookie": f"sid={PLANTED['cookie']}"}))
    registry = registry_at(reg, storage)

    def issued(document: dict[str, object]) -> dict[str, object]:
        return {**document, "refresh_token": PLANTED["refresh token"]}

    registry.order(EditDocument(issued), "* /token")
    registry.order(Change(add={"Set-Cookie": f"sid={PLANTED['cookie']}"}))
    registry.order(
        EditField("WWW-Authenticate", lambda value: f'{value},error="{PLANTED["parameter of a challenge"]}"')
    )
    registry.order(EditField("Location", lambda value: f"{value}?_state={PLANTED['upload state']}"), "POST /v2/*")
    signature = (("X-Amz-Signature", PLANTED["signature"]), ("sig", PLANTED["sas signature"]))
    registry.order(Redirect(evil.url, query=signature), "GET /v2/*/blobs/sha256:*")
    return face


def told(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


def check(seen: str) -> None:
    assert [name for name, secret in PLANTED.items() if secret in seen] == []


def test_there_are_enough_of_them() -> None:
    assert len(set(PLANTED.values())) >= AT_LEAST


def test_t08_nothing_is_shown_of_what_goes_well(
    planted: Face, reg: Place, cargo: Image, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    repository = f"{reg.name}/acme/app"
    done = [
        planted.ping(reg.name),
        planted.tags(repository),
        planted.pull_manifest(repository, "1"),
        planted.pull_blob(repository, sha256(cargo.layer)),
        planted.push_blob(repository, b"new content"),
    ]
    assert [each.failed for each in done] == [False] * 5
    check("\n".join([*(each.seen for each in done), told(caplog)]))
    # They were there to be seen.
    sent = "\n".join(f"{seen.target} {dict(seen.headers)}" for seen in reg.requests)
    assert all(PLANTED[name] in sent for name in ("password, as sent", "own field", "upload state"))


@pytest.mark.parametrize("shape", ["document", "page", "text", "json"])
def test_t08_nothing_is_shown_of_an_error_that_repeats_it_all(
    *, planted: Face, reg: Place, shape: str, storage: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    registry = registry_at(reg, storage)
    registry.order(Say(200, json.dumps({"token": PLANTED["echoed token"]}).encode()), "* /token")
    echoed = (
        f"Authorization: Bearer {PLANTED['echoed token']} X-Api-Key: {PLANTED['own field']} "
        f"at /x?sig={PLANTED['sas signature']}&X-Amz-Signature={PLANTED['signature']}&_state={PLANTED['upload state']}"
    )
    answers: dict[str, Fault] = {
        "document": Refuse("DENIED", echoed, headers={"Set-Cookie": PLANTED["cookie"]}),
        "page": Say.page(403, echoed),
        "text": Say.text(403, echoed),
        "json": Say(403, json.dumps({"details": echoed, "token": PLANTED["echoed token"]}).encode()),
    }
    registry.order(Say(401, headers={"WWW-Authenticate": _challenge(reg)}), "GET /v2/*", times=1)
    registry.order(answers[shape], "GET /v2/*")
    done = planted.tags(f"{reg.name}/acme/app")
    assert done.failed
    check(done.seen + told(caplog))
    assert any(PLANTED["echoed token"] in str(seen.headers.get("Authorization")) for seen in reg.requests)


def test_t08_nothing_is_shown_of_a_refused_login(planted: Face, reg: Place, storage: Path) -> None:
    registry_at(reg, storage).order(
        Say(401, json.dumps({"details": f"wrong: {PLANTED['password']} {PLANTED['password, as sent']}"}).encode()),
        "* /token",
    )
    done = planted.ping(reg.name)
    assert done.failed
    check(done.seen)


def test_t08_nothing_is_shown_of_a_refused_redirect(planted: Face, reg: Place, storage: Path, cargo: Image) -> None:
    registry = registry_at(reg, storage)
    where = f"ftp://u:{PLANTED['password']}@store.example/x?sig={PLANTED['sas signature']}#{PLANTED['fragment']}"
    registry.order(Say(307, headers={"Location": where}), "GET /v2/*/blobs/*")
    done = planted.pull_blob(f"{reg.name}/acme/app", sha256(cargo.layer))
    assert done.failed
    check(done.seen)


def test_t08_nothing_is_shown_of_a_connection_that_breaks(
    planted: Face, reg: Place, evil: Place, storage: Path, cargo: Image
) -> None:
    broken = registry_at(evil, storage, access=None)
    broken.order(Cut(10), "GET /v2/*", times=1)
    broken.order(Drop(), "GET /v2/*")
    done = planted.pull_blob(f"{reg.name}/acme/app", sha256(cargo.layer))
    assert done.failed
    check(done.seen)


def test_t08_nothing_is_shown_of_an_identity_token(face: Face, reg: Place, home: Path, storage: Path) -> None:
    write_config(home, [])
    entry = {"identitytoken": PLANTED["identity token"]}
    (home / ".docker" / "config.json").write_text(json.dumps({"auths": {reg.name: entry}}))
    registry_at(reg, storage, access=ACCESS)
    done = face.tags(f"{reg.name}/acme/app")
    assert done.failed
    check(done.seen)
    assert any(PLANTED["identity token"].encode() in seen.content for seen in reg.requests)


def test_a_reference_with_a_password_is_refused_without_repeating_it(face: Face) -> None:
    done = face.tags(f"https://{USER}:{PLANTED['password']}@registry.example/acme/app")
    assert done.failed
    check(done.seen)


def _challenge(place: Place) -> str:
    more = f'error_description="{PLANTED["parameter of a challenge"]}"'
    return f'Bearer realm="{place.url}/token",service="registry",{more}'
