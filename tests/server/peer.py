"""The embedded registry asked without sockets: the tests write requests and read whole answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lading._io.base import step
from lading._io.blocking import BlockingIO
from lading._wire.messages import Origin, Request
from lading.digest import Digest
from lading.headers import Headers
from lading.media_types import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from lading.server.handler import EmbeddedRegistry
from lading.server.limits import ServerLimits

ORIGIN = Origin("http", "localhost", 80)


class Pieces:
    """Content that comes in pieces; one that is an exception is raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = iter(pieces)

    async def read(self) -> bytes:
        piece = next(self._pieces, b"")
        if isinstance(piece, Exception):
            raise piece
        return piece


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        return self.headers.get(name)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The one code of an error document, which is there and complete."""
        (error,) = self.json["errors"]
        assert self["Content-Type"] == "application/json"
        assert error["message"]
        return str(error["code"])


class Peer:
    """A client that does exactly what it is told."""

    def __init__(self, root: Path, limits: ServerLimits | None = None) -> None:
        self.root = root
        self.registry = EmbeddedRegistry(root, BlockingIO(), limits)

    def ask(self, method: str, target: str, *pieces: bytes | Exception, **headers: str) -> Answer:
        fields = Headers((name.replace("_", "-"), value) for name, value in headers.items())
        response = step(self.registry.handle(Request(method, ORIGIN, target, fields), Pieces(*pieces)))
        body = bytearray()
        buffer = memoryview(bytearray(64 * 1024))
        while count := response.body.readinto(buffer):
            body += buffer[:count]
        response.body.close()
        answer = Answer(response.status, response.headers, bytes(body))
        _check_framing(method, answer)
        return answer

    def push_blob(self, name: str, content: bytes, algorithm: str = "sha256") -> Digest:
        digest = Digest.of(content, algorithm)
        assert self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content).status == 201
        return digest

    def push_manifest(self, name: str, tag_or_digest: str, raw: bytes, media_type: str = OCI_MANIFEST) -> Answer:
        return self.ask("PUT", f"/v2/{name}/manifests/{tag_or_digest}", raw, Content_Type=media_type)

    def push_image(self, name: str, tag: str, **more: Any) -> Digest:
        """Push an image with an empty config and no layers."""
        self.push_blob(name, b"{}")
        raw = image_manifest(**more)
        assert self.push_manifest(name, tag, raw).status == 201
        return Digest.of(raw)

    def start(self, name: str) -> str:
        """Begin an upload and return its location."""
        location = self.ask("POST", f"/v2/{name}/blobs/uploads/")["Location"]
        assert location is not None
        return location


def _check_framing(method: str, answer: Answer) -> None:
    """Check what holds for every answer: its length, and error documents for every refusal that has a body."""
    length = answer["Content-Length"]
    if answer.status == 204:
        assert (length, answer.body) == (None, b"")
    elif method == "HEAD":
        assert length is not None
        assert answer.body == b""
    else:
        assert length == str(len(answer.body))
    if answer.status >= 400 and answer.body:
        assert answer.json["errors"]
    assert answer["Docker-Distribution-API-Version"] == "registry/2.0"


def descriptor(content: bytes, media_type: str, digest: str | None = None) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest or Digest.of(content), "size": len(content)}


def image_manifest(layers: Iterable[dict[str, Any]] | None = (), **more: Any) -> bytes:
    """Write an image manifest with the empty config; fields that are None are left out."""
    fields = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(b"{}", OCI_EMPTY),
        "layers": None if layers is None else list(layers),
        **more,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def image_index(*manifests: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests, **more}).encode()
