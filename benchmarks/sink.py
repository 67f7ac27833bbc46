"""A registry that takes whatever is pushed and keeps nothing but manifests: what a push costs its client.

    python -m benchmarks.sink [--port 0] [--log] [--images DIR] [--limit N] [--hold MS] [--retry-after SECONDS]

It answers as the specification wants it for a push, and hashes no blob. The kernel drops blobs unread. `GET /-/counts`
says how many bytes of blobs came for each repository. `--log` writes a line for each request as Distribution does.

With `--images`, the image layouts in a directory can be pulled, each as a repository. With `--limit`, a request that
comes while so many are under way gets 429; `--hold` has each count for longer, by the round trip time of a relay.
`GET /-/crowd` returns what was under way in each tenth of a second since it was asked last.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl

from benchmarks.crowd import Crowd

_PIECE = 1 << 20
_LARGEST_HEAD = 64 << 10
_PATH = re.compile(r"/v2/(.+)/(manifests|blobs/uploads|blobs|tags)/([^/]*)", re.ASCII)
_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 404: "Not Found", 429: "Too Many Requests"}
# What an item ends with: a blob that is pulled, a blob that is pushed, a tag that is resolved.
_ITEMS = {
    ("GET", "blobs", 200),
    ("PUT", "blobs/uploads", 201),
    ("POST", "blobs/uploads", 201),
    ("HEAD", "manifests", 200),
}
# With this begins what a client sends that tries TLS first.
_HANDSHAKE = b"\x16"
# Where the kernel would write what is read, if it were not told to drop it.
_NOWHERE = bytearray(_PIECE)
_DROP = getattr(socket, "MSG_TRUNC", 0)


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def length(self) -> int | None:
        """How many bytes of a body follow; None if it comes in chunks."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return None
        return int(self.headers.get("content-length", "0"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and a body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Contents:
    """What the registry knows: manifests, and how many bytes of blobs came for each repository and upload.

    The image layouts in the directory `images` are repositories by their names.
    """

    def __init__(self, images: Path | None = None) -> None:
        self._manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self._blobs: dict[tuple[str, str], Path] = {}
        for index in images.glob("*/index.json") if images else ():
            self._load(index)
        self._received: Counter[str] = Counter()
        self._uploads: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, request: Request, size: int, body: bytes) -> Answer:
        """Answer a request with a body of `size` bytes, which is at hand if it is a manifest."""
        if request.path == "/-/counts":
            return Answer(200, {"Content-Type": "application/json"}, json.dumps(self._received).encode())
        found = _PATH.fullmatch(request.path)
        if found is None:
            return Answer(200 if request.path == "/v2/" else 404)
        name, kind, which = found.groups()
        if kind == "manifests":
            return self._manifest(request, name, which, body)
        if kind == "blobs/uploads":
            return self._upload(request, name, which, size)
        if kind == "tags":
            tags = [tag for repository, tag in list(self._manifests) if repository == name and ":" not in tag]
            content = json.dumps({"name": name, "tags": tags}).encode()
            return Answer(200, {"Content-Type": "application/json"}, content)
        return self._blob(name, which)

    def _blob(self, name: str, which: str) -> Answer:
        blob = self._blobs.get((name, which))
        if blob is None:
            return Answer(404)
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": which}
        return Answer(200, headers, blob.read_bytes())

    def _load(self, index: Path) -> None:
        name = index.parent.name
        for blob in (index.parent / "blobs" / "sha256").iterdir():
            self._blobs[name, f"sha256:{blob.name}"] = blob
        for entry in json.loads(index.read_text(encoding="utf-8"))["manifests"]:
            kept = (entry["mediaType"], self._blobs[name, entry["digest"]].read_bytes())
            for reference in (entry["digest"], entry["annotations"]["org.opencontainers.image.ref.name"]):
                self._manifests[name, reference] = kept

    def _manifest(self, request: Request, name: str, reference: str, body: bytes) -> Answer:
        if request.method == "PUT":
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            kept = (request.headers.get("content-type", "application/octet-stream"), body)
            with self._lock:
                self._manifests[name, reference] = self._manifests[name, digest] = kept
            return Answer(201, {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest})
        found = self._manifests.get((name, reference))
        if found is None:
            return Answer(404)
        digest = f"sha256:{hashlib.sha256(found[1]).hexdigest()}"
        return Answer(200, {"Content-Type": found[0], "Docker-Content-Digest": digest}, found[1])

    def _upload(self, request: Request, name: str, upload: str, size: int) -> Answer:
        """Take a part of a blob, or all of it. Nothing is ever mounted."""
        with self._lock:
            if not upload:
                upload = str(len(self._uploads))
            self._uploads[upload] += size
            self._received[name] += size
            total = self._uploads[upload]
        parameters = dict(parse_qsl(request.query))
        if request.method == "PUT" or (request.method == "POST" and "digest" in parameters):
            digest = parameters.get("digest", "")
            return Answer(201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})
        place = {"Location": f"/v2/{name}/blobs/uploads/{upload}", "Docker-Upload-UUID": upload}
        return Answer(202, {**place, "Range": f"0-{max(total - 1, 0)}"})


@dataclass(frozen=True, slots=True)
class Service:
    """What all connections share. `refusal` is what says that too many requests are under way."""

    contents: Contents = field(default_factory=Contents)
    crowd: Crowd = field(default_factory=Crowd)
    refusal: Answer = Answer(429)
    is_logging: bool = False

    def is_open(self, request: Request) -> bool:
        """Return whether a request is let in; what asks about the registry itself always is, and is not counted."""
        return request.path.startswith("/-/") or self.crowd.enter()

    def answer(self, request: Request, size: int, body: bytes) -> Answer:
        """Answer a request that was let in."""
        if request.path == "/-/crowd":
            return Answer(200, {"Content-Type": "application/json"}, json.dumps(self.crowd.record()).encode())
        return self.contents.answer(request, size, body)

    def note(self, request: Request, answer: Answer) -> None:
        """Note that a request that was let in is over."""
        if not request.path.startswith("/-/"):
            found = _PATH.fullmatch(request.path)
            self.crowd.leave(is_item=found is not None and (request.method, found[2], answer.status) in _ITEMS)


class Connection:
    """One connection, and what was read of it beyond what was asked for."""

    def __init__(self, connection: socket.socket, service: Service) -> None:
        self._socket, self._service = connection, service
        self._read = bytearray()

    def serve(self) -> None:
        """Answer one request after another until the client closes."""
        with self._socket, contextlib.suppress(OSError, EOFError, ValueError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                request = self._request()
                # It counts no more when it is answered: a client that has its response may ask again at once.
                self._answer(request, self._answered(request))
                if request.headers.get("connection", "").lower() == "close":
                    return

    def _answered(self, request: Request) -> Answer:
        """Return the answer to a request whose body is yet to be read."""
        is_open, answer = self._service.is_open(request), self._service.refusal
        try:
            if request.headers.get("expect", "").lower() == "100-continue":
                self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            size, body = self._body(request.length, is_kept="/manifests/" in request.path)
            if is_open:
                answer = self._service.answer(request, size, body)
            return answer
        finally:
            if is_open:
                self._service.note(request, answer)

    def _request(self) -> Request:
        line, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        pairs = (each.partition(":") for each in lines)
        return Request(method, path, query, {name.lower(): value.strip() for name, _, value in pairs})

    def _body(self, length: int | None, *, is_kept: bool) -> tuple[int, bytes]:
        """Read a body, and return its size, and its bytes if they are kept."""
        if length is not None:
            return length, self._take(length, is_kept=is_kept)
        pieces: list[bytes] = []
        size = 0
        while count := int(self._until(b"\r\n").partition(b";")[0], 16):
            pieces.append(self._take(count, is_kept=is_kept))
            size += count
            self._until(b"\r\n")
        while self._until(b"\r\n"):  # trailers
            pass
        return size, b"".join(pieces)

    def _until(self, end: bytes) -> bytes:
        """Return what comes before an end, and read past that."""
        while (at := self._read.find(end)) < 0:
            if len(self._read) > _LARGEST_HEAD or self._read.startswith(_HANDSHAKE):
                raise ValueError("not a head of HTTP")
            self._more()
        found = bytes(self._read[:at])
        del self._read[: at + len(end)]
        return found

    def _take(self, count: int, *, is_kept: bool) -> bytes:
        """Read so many bytes, and return them if they are kept."""
        while is_kept and len(self._read) < count:
            self._more()
        taken = bytes(self._read[:count]) if is_kept else b""
        left = count - min(count, len(self._read))
        del self._read[: count - left]
        while left:
            dropped = self._socket.recv_into(_NOWHERE, min(left, _PIECE), _DROP)
            if not dropped:
                raise EOFError
            left -= dropped
        return taken

    def _more(self) -> None:
        piece = self._socket.recv(_LARGEST_HEAD)
        if not piece:
            raise EOFError
        self._read += piece

    def _answer(self, request: Request, answer: Answer) -> None:
        if self._service.is_logging:
            target = request.path + f"?{request.query}" * bool(request.query)
            line = f'127.0.0.1 - - [{formatdate()}] "{request.method} {target} HTTP/1.1" {answer.status} '
            # One write a line, so that lines of several connections do not mix.
            sys.stdout.write(f'{line}{len(answer.body)} "" "{request.headers.get("user-agent", "")}"\n')
            sys.stdout.flush()
        headers = {
            "Docker-Distribution-API-Version": "registry/2.0",
            "Content-Length": str(len(answer.body)),
            **answer.headers,
        }
        lines = [f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}", *(": ".join(each) for each in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._socket.sendall(head if request.method == "HEAD" else head + answer.body)


def serve(listener: socket.socket, service: Service) -> None:
    """Serve whatever connects, until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            connection = Connection(listener.accept()[0], service)
            threading.Thread(target=connection.serve, daemon=True).start()


def main() -> None:
    """Serve, and say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free (default)")
    parser.add_argument("--log", action="store_true", help="write a line for each request")
    parser.add_argument("--images", type=Path, help="a directory of image layouts to serve")
    parser.add_argument("--limit", type=int, default=float("inf"), help="most requests under way")
    parser.add_argument("--hold", type=float, default=0.0, help="milliseconds for which each counts after its answer")
    parser.add_argument("--retry-after", type=int, help="seconds that the answer 429 asks for")
    options = parser.parse_args()
    waiting = {} if options.retry_after is None else {"Retry-After": str(options.retry_after)}
    crowd = Crowd(options.limit, options.hold / 1000)
    service = Service(Contents(options.images), crowd, Answer(429, waiting), is_logging=options.log)
    with socket.create_server(("127.0.0.1", options.port), backlog=256) as listener:
        print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(listener, service)


if __name__ == "__main__":
    main()
