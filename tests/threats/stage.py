"""Several origins on loopback, each of which plays what a test wants and keeps what it was sent, and three faces.

The origins run for the whole session; a test puts handlers on them. A face does one thing with lading as a user would:
in Python, with and without a loop, or by the command, in a process of its own. The credentials are those of a
`config.json` in the test's home directory, so that all three find them as users have them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lading import AsyncClient, Client, Digest, Event, Retries
from lading._io.base import IO, Handler, RequestBody
from lading._wire.messages import Origin, Request, Response
from lading.server.repositories import Repositories
from lading.testing import Access, Fault, Faults, Say, Seen, Setup, TestRegistry, User, Watch
from tests.cli.process import SECONDS, environment
from tests.support import forked

USER, PASSWORD = "ann", "s3cret-pass-word"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
ACCESS = Access(users=(User(USER, PASSWORD),))
NOTHING_HERE = Say.text(418, "nobody should ask this")


_QUICK = Retries(tries=2, first_wait=0.0)


class Place:
    """An origin that answers as the handler does which a test puts there; without one, with 418."""

    def __init__(self, io: IO, origin: Origin) -> None:
        self.io = io
        self.origin = origin
        self.clear()

    def clear(self) -> None:
        """Be a stranger again, who was asked nothing."""
        self._faults = Faults(_Nobody(), self.io)
        self._faults.order(NOTHING_HERE)
        self._watch = Watch(self._faults)

    def put(self, handler: Handler) -> None:
        """Answer with this handler from now on."""
        self._watch = Watch(handler)

    def say(self, *faults: tuple[Fault, str]) -> None:
        """Answer with these, and everything else with 418."""
        handler = Faults(_Nobody(), self.io)
        for fault, requests in faults:
            handler.order(fault, requests)
        handler.order(NOTHING_HERE)
        self.put(handler)

    @property
    def url(self) -> str:
        return str(self.origin)

    @property
    def name(self) -> str:
        return self.origin.authority

    @property
    def requests(self) -> list[Seen]:
        return self._watch.requests

    def holds(self, *secrets: str) -> list[str]:
        """Return the requests in which one of the secrets stands, in whichever way."""
        return [str(seen) for seen in self.requests if any(secret in rendered(seen) for secret in secrets)]

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request."""
        return await self._watch.handle(request, content)


class _Nobody:
    async def handle(self, request: Request, content: RequestBody) -> Response:
        raise AssertionError("everything is answered before this")


def rendered(seen: Seen) -> str:
    """Return all of a request as text, its Basic credentials decoded as well."""
    fields = "\n".join(f"{name}: {value}" for name, value in seen.headers)
    decoded = ""
    with suppress(ValueError):
        decoded = base64.b64decode((seen.headers.get("Authorization") or "").partition(" ")[2]).decode("latin-1")
    return f"{seen.method} {seen.target}\n{fields}\n{decoded}\n{seen.content.decode('latin-1')}"


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: the value, or the error; and every text that a user or a log may get to see of it."""

    value: Any = None
    error: BaseException | None = None
    code: int = 0
    seen: str = ""

    @property
    def failed(self) -> bool:
        return self.error is not None or self.code != 0


@dataclass
class Face:
    """One of the three ways to use lading. `options` are those of the client, `arguments` the same for the command."""

    name: str
    directory: Path
    options: dict[str, Any] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)

    def tags(self, repository: str) -> Done:
        return self._do(
            ["tags", repository],
            lambda client: list(client.repository(repository).tags.list()),
            lambda client: _collected(client.repository(repository).tags.list()),
        )

    def ping(self, registry: str) -> Done:
        return self._do(
            ["ping", registry],
            lambda client: client.registry(registry).ping(),
            lambda client: client.registry(registry).ping(),
        )

    def pull_blob(self, repository: str, digest: str) -> Done:
        """Pull a blob to the file `blob`."""
        path = self.directory / "blob"
        return self._do(
            ["blob", "pull", f"{repository}@{digest}", "-o", "blob"],
            lambda client: client.repository(repository).blobs.pull_file(digest, path),
            lambda client: client.repository(repository).blobs.pull_file(digest, path),
        )

    def pull_manifest(self, repository: str, reference: str) -> Done:
        mark = "@" if ":" in reference else ":"
        return self._do(
            ["manifest", "pull", f"{repository}{mark}{reference}"],
            lambda client: client.repository(repository).manifests.pull(reference).raw,
            lambda client: _raw(client, repository, reference),
        )

    def push_blob(self, repository: str, content: bytes) -> Done:
        path = self.directory / "content"
        path.write_bytes(content)
        return self._do(
            ["blob", "push", repository, "content"],
            lambda client: client.repository(repository).blobs.push_file(path),
            lambda client: client.repository(repository).blobs.push_file(path),
        )

    def push_manifest(self, repository: str, tag: str, raw: bytes) -> Done:
        (self.directory / "manifest").write_bytes(raw)
        return self._do(
            ["manifest", "push", f"{repository}:{tag}", "manifest"],
            lambda client: client.repository(repository).manifests.push(raw, tag),
            lambda client: client.repository(repository).manifests.push(raw, tag),
        )

    def pull(self, reference: str) -> Done:
        """Pull the files of an artifact into the directory `files`."""
        files = self.directory / "files"
        return self._do(
            ["pull", reference, "-o", "files"],
            lambda client: client.pull(reference, files),
            lambda client: client.pull(reference, files),
        )

    def _do(
        self,
        words: list[str],
        blocking: Callable[[Client], Any],
        loop: Callable[[AsyncClient], Coroutine[Any, Any, Any]],
    ) -> Done:
        if self.name == "command":
            return self._command(words)
        events: list[str] = []

        def listen(event: Event) -> None:
            events.append(f"{event!r} {event}")

        options: dict[str, Any] = {"retries": _QUICK, "timeout": 10.0, **self.options, "on_event": listen}

        async def run() -> Any:
            async with AsyncClient(**options) as client:
                events.append(repr(client))
                return await loop(client)

        try:
            if self.name == "asyncio":
                value = asyncio.run(run())
            else:
                with Client(**options) as client:
                    events.append(repr(client))
                    value = blocking(client)
        except Exception as error:  # noqa: BLE001  # it is what the tests are about
            return Done(error=error, seen="\n".join((*events, everything_of(error))))
        return Done(value, seen="\n".join(events))

    def _command(self, words: list[str]) -> Done:
        arguments = [*words, "-v", "--retries", "0", "--timeout", "10", *self.arguments]
        done = forked.run(arguments, self.directory, environment(), b"", SECONDS)
        text = done.stderr.decode()
        assert "Traceback" not in text
        return Done(_output(words[0], done.stdout), code=done.returncode, seen=text)


def _output(verb: str, stdout: bytes) -> Any:
    return stdout.decode().splitlines() if verb == "tags" else stdout


async def _collected(items: Any) -> list[str]:
    return [item async for item in items]


async def _raw(client: AsyncClient, repository: str, reference: str) -> bytes:
    return (await client.repository(repository).manifests.pull(reference)).raw


def everything_of(error: BaseException) -> str:
    """Return every text in which an error may come to light: itself, its causes, its notes, its pickle, a traceback."""
    found = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(error.args), repr(vars(error))]
    with suppress(Exception):
        found.append(pickle.dumps(error).decode("latin-1"))
    found += [everything_of(chained) for chained in (error.__cause__, error.__context__) if chained is not None]
    return "\n".join([*found, *getattr(error, "__notes__", [])])


def write_config(home: Path, registries: list[str], password: str = PASSWORD) -> None:
    """Have credentials for these registries, as `docker login` leaves them."""
    (home / ".docker").mkdir(exist_ok=True)
    entry = {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}
    path = home / ".docker" / "config.json"
    path.touch(0o600)
    path.write_text(json.dumps({"auths": dict.fromkeys(registries, entry)}))


def registry_at(place: Place, root: Path, **setup: Any) -> TestRegistry:
    """Put a registry on an origin, with the user's account: by token unless the setup says otherwise."""
    options: dict[str, Any] = {"access": ACCESS, **setup}
    registry = TestRegistry(root, place.io, place.origin, Setup(**options))
    place.put(registry)
    return registry


def stored(root: Path, name: str, digest: str) -> bytes | None:
    """Return a blob of a repository, as it is on disk."""
    layout = Repositories(root).find(name)
    file = layout.open_blob(Digest(digest)) if layout is not None else None
    if file is None:
        return None
    with file:
        return file.read()
