"""lading on Pyodide: under Node.js, and in a browser against a registry on another origin than the page."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from lading._io.base import IO, Handler
from lading._wire.messages import Origin
from lading.server.cross_origin import CrossOrigin
from lading.server.handler import EmbeddedRegistry
from lading.server.serving import hosting, running
from lading.testing import Faults, Redirect
from tests.support.programs import require
from tests.support.pyodide import Pyodide, package, require_pyodide

HERE = Path(__file__).parent
SECONDS = 90.0
TYPES = {".mjs": "text/javascript", ".html": "text/html", ".wasm": "application/wasm", ".json": "application/json"}
EXPECTED = {
    "tags": ["1"],
    "digest": True,
    "same": True,
    "part": True,
    "mounted": 3,
    "problems": 0,
    "streamed": True,
    "archived": 4,
    "kind": "artifact",
    "chunks": True,
    "unknown": "ManifestUnknownError",
    "closed": "ConnectionFailedError",
    "blocking": "TransportError",
}


@pytest.fixture
def closed() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"127.0.0.1:{port}"


def test_every_flow_runs_under_node(tmp_path: Path, closed: str) -> None:
    node, pyodide = require("node"), require_pyodide()
    (tmp_path / "lading.zip").write_bytes(package())
    files = [pyodide.directory, pyodide.wheel, tmp_path / "lading.zip", HERE / "program.py"]
    with running(tmp_path / "registry") as registry:
        done = subprocess.run(
            [node, HERE / "node.mjs", *files, registry.authority, closed],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert not done.returncode, done.stderr[-2000:]
    assert json.loads(done.stdout) == EXPECTED


def test_every_flow_runs_in_a_browser(tmp_path: Path, closed: str) -> None:
    chromium, pyodide = require("chromium"), require_pyodide()
    with (
        site(pyodide) as (page, results),
        running(tmp_path / "registry", pages=[page]) as registry,
        browsing(chromium, tmp_path, f"{page}/page.html?registry={registry.authority}&closed={closed}"),
    ):
        assert results.get(timeout=SECONDS) == EXPECTED


def test_a_browser_follows_a_registry_to_its_store(tmp_path: Path, closed: str) -> None:
    chromium, pyodide = require("chromium"), require_pyodide()
    root = tmp_path / "registry"
    with site(pyodide) as (page, results), running(root, pages=["*"]) as store:

        def build(io: IO, _: Origin) -> Handler:
            faults = Faults(EmbeddedRegistry(root, io), io)
            faults.order(Redirect(str(store)), "GET /v2/*/blobs/sha256:*")
            return CrossOrigin(faults, [page])

        with (
            hosting(build) as registry,
            browsing(chromium, tmp_path, f"{page}/page.html?registry={registry.authority}&closed={closed}"),
        ):
            assert results.get(timeout=SECONDS) == EXPECTED


def test_a_browser_keeps_a_registry_from_a_page_that_it_does_not_allow(tmp_path: Path, closed: str) -> None:
    chromium, pyodide = require("chromium"), require_pyodide()
    with (
        site(pyodide) as (page, results),
        running(tmp_path / "registry") as registry,
        browsing(chromium, tmp_path, f"{page}/page.html?registry={registry.authority}&closed={closed}"),
    ):
        assert "ConnectionFailedError" in results.get(timeout=SECONDS)["error"]


@contextmanager
def site(pyodide: Pyodide) -> Generator[tuple[str, SimpleQueue[Any]]]:
    """Serve the page and what it loads; what the page sends goes into the queue."""
    results: SimpleQueue[Any] = SimpleQueue()
    files = {"/wheel": pyodide.wheel.read_bytes(), "/lading": package()}
    files["/program"] = (HERE / "program.py").read_bytes()

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            place = pyodide.directory / Path(path).name if path.startswith("/pyodide/") else HERE / Path(path).name
            content = files.get(path) or (place.read_bytes() if place.is_file() else None)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", TYPES.get(place.suffix, "application/octet-stream"))
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def do_POST(self) -> None:
            results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # so the parent calls it
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", results
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def browsing(chromium: str, directory: Path, page: str) -> Generator[None]:
    """Keep a page open in a browser of its own, without a window."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-dev-shm-usage", f"--user-data-dir={directory / 'profile'}"]
    with subprocess.Popen(
        [chromium, *options, page], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()
