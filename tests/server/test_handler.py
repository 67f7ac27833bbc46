from __future__ import annotations

import errno
import io
import logging
import re
import sys
from pathlib import Path

import pytest

from lading._io import system
from lading._wire.endpoints import ENDPOINTS
from lading.digest import Digest
from lading.server import handler, responses
from lading.server.limits import ServerLimits
from lading.stores.layout import Layout
from tests.server.peer import Peer, image_manifest

CONTENT = b"0123456789"
DIGEST = Digest.of(CONTENT)


@pytest.mark.spec("name.registry")
@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a/b/c",
        "blobs",
        "blobs/sha256",
        "a/blobs/uploads",
        "x/manifests",
        "index.json",
        "oci-layout/blobs",
        "a.b_c__d---e",
        "tags/list",
    ],
)
def test_any_valid_name_is_a_repository_of_its_own(peer: Peer, name: str) -> None:
    raw = image_manifest(annotations={"name": name})
    digest = peer.push_blob(name, CONTENT)
    peer.push_blob(name, b"{}")
    assert peer.push_manifest(name, "v1", raw).status == 201
    assert peer.ask("GET", f"/v2/{name}/manifests/v1").body == raw
    assert peer.ask("GET", f"/v2/{name}/blobs/{digest}").body == CONTENT
    assert peer.ask("GET", f"/v2/{name}/tags/list").json == {"name": name, "tags": ["v1"]}
    assert peer.ask("GET", "/v2/_catalog").json == {"repositories": [name]}


def test_a_repository_inside_another_does_not_touch_it(peer: Peer) -> None:
    for name in ("a", "a/blobs", "a/blobs/sha256", "a/index.json", "a/oci-layout"):
        peer.push_image(name, "v1", annotations={"name": name})
    for path in ("a", "a/_blobs", "a/_blobs/sha256", "a/_index.json", "a/_oci-layout"):
        assert Layout.open(peer.root / path).tags() == ("v1",)


@pytest.mark.spec("name.registry")
@pytest.mark.parametrize(
    "name",
    [
        "..",
        "a/..",
        "../../etc",
        "A",
        "a//b",
        "a/",
        "-a",
        "a_",
        "_uploads",
        "a/_blobs",
        "a\\b",
        "a%2fb",
        "%2e%2e",
        "x" * 5000,
    ],
    ids=lambda name: name[:20],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_t_63_a_hostile_name_is_refused(peer: Peer, name: str, method: str) -> None:
    answer = peer.ask(method, f"/v2/{name}/manifests/v1", image_manifest())
    assert answer.status in {400, 404}
    assert answer.code == "NAME_INVALID"
    assert len(answer.body) < 1000
    assert not peer.root.exists()


@pytest.mark.parametrize("name", ["con", "a/nul", "aux.x/b", "x/com1"])
def test_t_63_a_name_that_is_a_device_of_windows_is_refused_there(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(system, "name_fault", system.windows_fault)
    for method, target in (("POST", "blobs/uploads/"), ("PUT", "manifests/v1"), ("DELETE", "manifests/v1")):
        answer = peer.ask(method, f"/v2/{name}/{target}", image_manifest())
        assert (answer.status, answer.code) == (400, "NAME_INVALID")
        assert "is the name of a device on Windows: choose another name" in answer.json["errors"][0]["message"]
    assert not peer.root.exists()
    peer.push_blob("b", CONTENT)
    assert peer.ask("GET", f"/v2/{name}/manifests/v1").status == 404
    assert peer.ask("POST", f"/v2/b/blobs/uploads/?mount={DIGEST}&from={name}").status == 202
    assert sorted(path.name for path in peer.root.iterdir()) == ["_uploads", "b"]


@pytest.mark.parametrize("digest", ["aux:0123", "foo:nul", "foo.con:0123", "foo:com1", "nul.a:0123"])
def test_t_63_a_digest_that_is_a_device_of_windows_is_not_looked_for_there(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, digest: str
) -> None:
    peer.push_blob("a", CONTENT)
    path = peer.root.joinpath("a", "blobs", *digest.split(":"))
    if sys.platform != "win32":
        path.parent.mkdir()
        path.write_bytes(CONTENT)
    assert peer.ask("GET", f"/v2/a/blobs/{digest}").status == (404 if sys.platform == "win32" else 200)
    monkeypatch.setattr(system, "name_fault", system.windows_fault)
    is_device = digest != "foo.con:0123"
    assert peer.ask("GET", f"/v2/a/blobs/{digest}").status == (404 if is_device or sys.platform == "win32" else 200)
    missing = 404 if sys.platform == "win32" else 202
    assert peer.ask("DELETE", f"/v2/a/blobs/{digest}").status == (400 if is_device else missing)


@pytest.mark.spec("end-3.tag-or-digest-refused", "http.registry", "errors.format", "errors.code-form", "errors.message")
@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2", 404),
        ("GET", "/V2/", 404),
        ("GET", "/v2//", 404),
        ("GET", "/v1/_ping", 404),
        ("GET", "/v2/a/manifests/", 404),
        ("GET", "/v2/a/blobs/v1", 400),
        ("GET", f"/v2/a/blobs/{DIGEST.upper()}", 400),
        ("POST", "/v2/", 405),
        ("PATCH", "/v2/a/manifests/v1", 405),
        ("GET", "/v2/a/blobs/uploads/", 405),
        ("DELETE", "/v2/_catalog", 405),
        ("TRACE", "/v2/", 405),
    ],
)
def test_a_request_for_no_endpoint_is_refused(peer: Peer, method: str, target: str, status: int) -> None:
    answer = peer.ask(method, target)
    assert answer.status == status
    assert answer.code in {"UNSUPPORTED", "DIGEST_INVALID", "NAME_INVALID"}
    assert ("Allow" in answer.headers) == (status == 405)


def test_t_67_a_method_cannot_be_overridden(peer: Peer) -> None:
    peer.push_image("a", "v1")
    assert peer.ask("GET", "/v2/a/manifests/v1", X_HTTP_Method_Override="DELETE").status == 200
    assert peer.ask("GET", "/v2/a/manifests/v1").status == 200


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
def test_t_69_a_damaged_repository_is_500_without_paths(
    peer: Peer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer.push_image("a", "v1")
    (peer.root / "a" / name).write_bytes(b"<html>")
    with caplog.at_level(logging.ERROR, "lading.server"):
        answer = Peer(peer.root).ask("GET", "/v2/a/manifests/v1")
    assert (answer.status, answer.code) == (500, "UNKNOWN")
    for secret in (str(peer.root), "Traceback", "html", "index.json", "oci-layout"):
        assert secret not in answer.body.decode()
    assert repr(str(peer.root))[1:-1] in caplog.text


def test_t_69_an_unexpected_failure_is_500_without_a_traceback(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret")

    peer.push_image("a", "v1")
    monkeypatch.setattr(Layout, "resolve", fail)
    answer = peer.ask("GET", "/v2/a/manifests/v1")
    assert (answer.status, answer.code) == (500, "UNKNOWN")
    assert b"secret" not in answer.body
    assert b"KeyError" not in answer.body


def test_a_repository_that_somebody_removed_is_unknown_and_can_be_pushed_again(peer: Peer) -> None:
    peer.push_image("a", "v1")
    peer.ask("GET", "/v2/a/manifests/v1")
    for path in sorted((peer.root / "a").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (peer.root / "a").rmdir()
    assert peer.ask("GET", "/v2/a/manifests/v1").code == "NAME_UNKNOWN"
    peer.push_image("a", "v2")
    assert peer.ask("GET", "/v2/a/tags/list").json["tags"] == ["v2"]


def test_what_content_raises_comes_through_as_it_is(peer: Peer) -> None:
    location = peer.start("a")
    error = OSError(errno.EIO, "the caller's own file")
    for method, target in (("PATCH", location), ("PUT", "/v2/a/manifests/v1"), ("PUT", f"{location}?digest={DIGEST}")):
        with pytest.raises(OSError, match="the caller's own file") as caught:
            peer.ask(method, target, error)
        assert caught.value is error


def test_a_failing_disk_leaves_no_file_open(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = peer.push_blob("a", CONTENT)
    opened: list[io.FileIO] = []

    def fail(file: io.FileIO, _headers: object) -> None:
        opened.append(file)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(responses, "file", fail)
    assert peer.ask("GET", f"/v2/a/blobs/{digest}").status == 500
    assert [file.closed for file in opened] == [True]


def test_a_registry_over_layouts_that_other_tools_wrote(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "theirs")
    peer = Peer(tmp_path, ServerLimits())
    assert peer.ask("GET", "/v2/theirs/tags/list").json["tags"] == []
    (layout.path / "index.json").write_bytes(
        b'{"schemaVersion":2,"manifests":[{"mediaType":"bad\\ntype","digest":"%s","size":2,'
        b'"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}' % Digest.of(b"{}").encode()
    )
    peer.push_blob("theirs", b"{}")
    answer = peer.ask("GET", "/v2/theirs/manifests/v1")
    assert (answer.status, answer.code) == (500, "UNKNOWN")


@pytest.mark.spec("categories.pull", "categories.others", "categories.claimed")
def test_every_row_of_the_table_is_answered() -> None:
    assert {*handler._BLOCKING, *handler._FLOWS} == set(ENDPOINTS)


@pytest.mark.spec("errors.codes", "errors.code-form")
def test_no_code_but_those_of_the_specification_is_sent() -> None:
    source = "".join(path.read_text() for path in Path(handler.__file__).parent.glob("*.py"))
    sent = set(re.findall(r'RefusedError\(\s*"([^"]*)"', source))
    # What goes wrong in the registry itself is a 5xx, and the list is of codes for 4xx.
    assert sent - {"UNKNOWN"} <= {
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DENIED",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "TOOMANYREQUESTS",
        "UNAUTHORIZED",
        "UNSUPPORTED",
    }
    assert len(sent) > 8
    assert all("status=5" in call for call in re.findall(r'RefusedError\("UNKNOWN"[^\n]*', source))
