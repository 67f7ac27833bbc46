"""Where a registry sends a client, and what goes along (threats, section 1, T-01, T-03 to T-07, T-10)."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from lading.testing import Change, EditField, Redirect, RefuseField, Say
from tests.support.images import Image, sha256
from tests.support.scripted import Peer, ScriptedServer
from tests.threats.stage import BASIC, PASSWORD, Face, Place, registry_at, stored
from tests.transports.test_tls import AUTHORITY, CERTIFICATES, CLIENT

BLOBS = "GET /v2/*/blobs/sha256:*"
KEY = "k3y-of-my-own"
SECRETS = (PASSWORD, BASIC, KEY, "Bearer ")


@pytest.fixture
def keyed(face: Face) -> Face:
    """A face that brings a field of the user's own."""
    face.options["headers"] = {"X-Api-Key": KEY}
    face.arguments += ["--header", f"X-Api-Key: {KEY}"]
    return face


@pytest.fixture(params=["basic", "bearer"])
def scheme(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.mark.parametrize("other", ["evil", "neighbour"])
def test_t01_t07_a_redirect_to_another_origin_takes_no_secret_along(
    *, places: dict[str, Place], reg: Place, keyed: Face, storage: Path, cargo: Image, scheme: str, other: str
) -> None:
    elsewhere = places[other]
    elsewhere.put(registry_at(elsewhere, storage, access=None))
    registry_at(reg, storage, scheme=scheme).order(Redirect(elsewhere.url), BLOBS)
    done = keyed.pull_blob(f"{reg.name}/acme/app", sha256(cargo.layer))
    assert not done.failed
    assert (keyed.directory / "blob").read_bytes() == cargo.layer
    assert len(elsewhere.requests) == 1
    assert elsewhere.holds(*SECRETS) == []
    assert all(seen.headers.get("X-Api-Key") == KEY for seen in reg.requests if seen.target.startswith("/v2/"))


def test_t01_a_redirect_never_leaves_tls(secure: Place, evil: Place, face: Face, storage: Path, cargo: Image) -> None:
    registry_at(secure, storage).order(Redirect(evil.url), BLOBS)
    done = face.pull_blob(f"{secure.name}/acme/app".replace("localhost", "https://localhost"), sha256(cargo.layer))
    assert done.failed
    assert "not encrypted" in done.seen
    assert evil.requests == []


def test_t01_the_way_back_does_not_bring_the_secrets_back(
    *, reg: Place, evil: Place, keyed: Face, storage: Path, cargo: Image, scheme: str
) -> None:
    back = "/v2/acme/app/blobs/" + sha256(cargo.layer)
    registry_at(reg, storage, scheme=scheme).order(Redirect(evil.url), BLOBS, times=1, after=1)
    evil.say((Say(307, headers={"Location": f"{reg.url}{back}?back"}), "GET *"))
    keyed.pull_blob(f"{reg.name}/acme/app", sha256(cargo.layer))
    assert evil.holds(*SECRETS) == []
    [returned] = [seen for seen in reg.requests if seen.target.endswith("?back")]
    assert {"authorization", "x-api-key"}.isdisjoint(name.lower() for name, _ in returned.headers)


def test_t01_a_401_of_another_host_gets_no_credentials(
    reg: Place, evil: Place, face: Face, storage: Path, cargo: Image
) -> None:
    registry_at(reg, storage).order(Redirect(evil.url), BLOBS)
    challenges = {"WWW-Authenticate": f'Bearer realm="{reg.url}/token",service="registry",scope="x:y:pull"'}
    evil.say((Say(401, headers=challenges), "* *"))
    before = len(reg.requests)
    done = face.pull_blob(f"{reg.name}/acme/app", sha256(cargo.layer))
    assert done.failed
    assert evil.holds(*SECRETS) == []
    assert not any("x:y:pull" in seen.target for seen in reg.requests[before:])


def test_t01_redirects_end(reg: Place, evil: Place, face: Face, storage: Path, cargo: Image) -> None:
    registry_at(reg, storage).order(Redirect(evil.url), BLOBS)
    evil.say((Say(307, headers={"Location": "/round/and/round"}), "GET *"))
    assert face.pull_blob(f"{reg.name}/acme/app", sha256(cargo.layer)).failed
    assert len(evil.requests) <= 10


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_push_is_not_sent_to_where_a_redirect_changes_the_method(
    reg: Place, evil: Place, library: Face, storage: Path, status: int
) -> None:
    registry_at(reg, storage).order(Redirect(evil.url, status), "POST /v2/*")
    assert library.push_blob(f"{reg.name}/acme/app", b"new").failed
    assert evil.requests == []


@pytest.mark.parametrize(
    "to", ["{evil}", "//{evil_name}", "{neighbour}", "http://u:p@{reg_name}", "{reg}#@{evil_name}"]
)
def test_t03_an_upload_location_elsewhere_gets_no_secret_and_no_false_success(
    *, reg: Place, evil: Place, neighbour: Place, keyed: Face, storage: Path, to: str
) -> None:
    target = to.format(evil=evil.url, evil_name=evil.name, neighbour=neighbour.url, reg=reg.url, reg_name=reg.name)
    registry_at(reg, storage).order(EditField("Location", lambda location: target + location), "POST /v2/*")
    for other in (evil, neighbour):
        other.say((Say(201, headers={"Location": "/x"}), "PUT *"), (Say(202, headers={"Location": "/x"}), "PATCH *"))
    done = keyed.push_blob(f"{reg.name}/acme/app", b"new content")
    assert evil.holds(*SECRETS) == []
    assert neighbour.holds(*SECRETS) == []
    # Whoever says 201 elsewhere has not put the blob into the registry.
    assert done.failed or stored(storage, "acme/app", sha256(b"new content")) == b"new content"


def test_t03_an_upload_location_never_leaves_tls(secure: Place, evil: Place, face: Face, storage: Path) -> None:
    registry_at(secure, storage).order(EditField("Location", lambda location: evil.url + location), "POST /v2/*")
    assert face.push_blob(f"https://{secure.name}/acme/app", b"new content").failed
    assert evil.requests == []


@pytest.mark.parametrize(
    "to",
    ["{evil}/v2/acme/app/tags/list", "//{evil_name}/x", "{neighbour}/x", "http://u:p@{reg_name}/v2/x", "ftp://x/y"],
)
def test_t04_a_link_elsewhere_is_not_followed(
    *, reg: Place, evil: Place, neighbour: Place, keyed: Face, storage: Path, to: str
) -> None:
    link = to.format(evil=evil.url, evil_name=evil.name, neighbour=neighbour.url, reg_name=reg.name)
    registry_at(reg, storage).order(Change(add={"Link": f'<{link}>; rel="next"'}), "GET /v2/*/tags/list")
    assert keyed.tags(f"{reg.name}/acme/app").failed
    assert (evil.requests, neighbour.requests) == ([], [])


def test_t04_a_link_in_full_to_the_own_origin_is_followed(reg: Place, face: Face, storage: Path) -> None:
    registry_at(reg, storage).order(
        Change(add={"Link": f'<{reg.url}/v2/acme/app/tags/list?last=3>; rel="next"'}),
        "GET /v2/*/tags/list",
        times=1,
        after=1,
    )
    done = face.tags(f"{reg.name}/acme/app")
    assert done.value == ["1", "2", "3"]


def test_t05_a_foreign_layer_is_not_asked_for(reg: Place, evil: Place, face: Face, storage: Path, cargo: Image) -> None:
    layer = {
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": sha256(b"far away"),
        "size": 8,
        "urls": [f"{evil.url}/far"],
        "annotations": {"org.opencontainers.image.title": "far.bin"},
    }
    manifest = json.loads(cargo.manifest) | {"layers": [layer]}
    registry_at(reg, storage)
    assert not face.push_manifest(f"{reg.name}/acme/app", "foreign", json.dumps(manifest).encode()).failed
    evil.say((Say(401, headers={"WWW-Authenticate": f'Bearer realm="{evil.url}/t"'}), "GET *"))
    assert face.pull(f"{reg.name}/acme/app:foreign").failed
    assert evil.requests == []
    assert not (face.directory / "files" / "far.bin").exists()


def test_t06_a_client_certificate_is_for_its_registry_alone(
    secure: Place, face: Face, storage: Path, cargo: Image
) -> None:
    shown: list[object] = []

    def script(peer: Peer) -> None:
        assert isinstance(peer.socket, ssl.SSLSocket)
        shown.append(peer.socket.getpeercert())
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(cargo.layer) + cargo.layer)
        peer.wait_for_close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    context.load_verify_locations(AUTHORITY)
    context.verify_mode = ssl.CERT_OPTIONAL
    face.options["client_certificates"] = {secure.name: CLIENT}
    face.arguments += ["--cert", CLIENT]
    with ScriptedServer(script, tls=context) as server:
        registry_at(secure, storage).order(Redirect(f"https://localhost:{server.port}"), BLOBS)
        done = face.pull_blob(f"https://{secure.name}/acme/app", sha256(cargo.layer))
        assert not done.failed, done.seen
    assert not any(shown)
    assert len(shown) == 1


def test_t10_cookies_are_not_kept(reg: Place, face: Face, storage: Path, cargo: Image) -> None:
    registry = registry_at(reg, storage)
    registry.order(RefuseField("Cookie", Say.text(403, "CSRF token not found in request")))
    registry.order(Change(add={"Set-Cookie": "sid=0123456789; Path=/"}))
    assert not face.pull_manifest(f"{reg.name}/acme/app", "1").failed
    assert not face.push_blob(f"{reg.name}/acme/app", b"another").failed
    assert all("Cookie" not in seen.headers for seen in reg.requests)
