"""The client: registries and repositories by name. The verbs that take whole references are its bases."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lading._core.exchange.connecting import origin_of, sockets
from lading._core.exchange.exchange import Exchange
from lading._core.exchange.recording import RecordedExchange
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.retry import Retries
from lading._core.exchange.settings import MOST_RANGES, Budgets, Settings
from lading._core.exchange.turns import Turns
from lading._core.exchange.url_gate import Gate
from lading._core.repository.registry import AsyncRegistry
from lading._core.repository.repository import AsyncRepository
from lading._core.transfer.concurrency import many
from lading._core.verbs.content import ContentVerbs
from lading._core.verbs.images import ImageVerbs
from lading._io.base import IO, Transport, ignore
from lading._io.body_reading import one_at_a_time
from lading._wire.messages import Headers, Origin
from lading.events import EventHandler
from lading.reference import Reference, RegistryName
from lading.target import AnyReference, as_reference

if TYPE_CHECKING:
    from lading.auth.credentials import Credential, CredentialSource
    from lading.descriptor import Descriptor

# What a short command does without is imported where it is first needed, here and in the verbs: such a command would
# take twice as long.


class AsyncClient(ContentVerbs, ImageVerbs):
    """A client of registries. Close it, or use it as a context manager.

    A registry on loopback is spoken to over plain HTTP, every other one over HTTPS, unless its name is in `plain_http`
    or a scheme in front of a reference says otherwise. Certificates are checked against the system's, or those in
    `ca_file` (PEM) if given; for the registries in `insecure` they are not checked. `client_certificates` gives a
    registry a PEM file, or a pair of files for certificate and key, to be shown to that registry alone.

    `credentials` are pairs of user name and password, or `Credential`s, by registry (`ghcr.io`) or namespace
    (`ghcr.io/acme`), or any source of such; without them, those that docker, podman and their helpers keep are used.

    `headers` are sent to every registry, but never to another host that a registry names. `timeout` is how many seconds
    may pass without a byte. `concurrency` is how many blobs move at once; of those below 1 MiB four times as many, if
    it is more than 1. `on_event` is told what happens (`lading.events`). `budgets`, `gate` and `retries` bound what a
    server can make the client take, do and repeat. `transport` replaces sockets, in tests for instance; it is closed
    with the client. On Pyodide `fetch` replaces them, which has certificates of its own.

    `ranges` is over how many connections, 16 at most, a blob of 64 MiB or more comes into a file or layout. More than 1
    helps where a registry limits each connection, costs time where it does not, and takes up to 48 MiB of memory for
    each such blob.

    `state` is a directory for what later processes need: to go on with an upload that was broken off, and to know which
    blobs of layouts are hashed already. By default that is `lading` in `$XDG_STATE_HOME` or `~/.local/state`; with
    False, nothing is noted, and nothing found.

    One client serves any number of threads (blocking face) or tasks of one event loop (async face).
    """

    def __init__(
        self,
        *,
        plain_http: Iterable[str] = (),
        insecure: Iterable[str] = (),
        ca_file: str | os.PathLike[str] | None = None,
        client_certificates: Mapping[str, str | tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        concurrency: int = 4,
        ranges: int = 1,
        credentials: CredentialSource | Mapping[str, Credential | tuple[str, str]] | None = None,
        budgets: Budgets | None = None,
        gate: Gate | None = None,
        retries: Retries | None = None,
        on_event: EventHandler | None = None,
        state: str | os.PathLike[str] | bool = True,
        transport: Transport | None = None,
        _io: IO | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be 1 or more, not {concurrency}")
        if not 1 <= ranges <= MOST_RANGES:
            raise ValueError(f"ranges must be 1 to {MOST_RANGES}, not {ranges}")
        self._plain_http = frozenset(RegistryName.parse(name).name for name in plain_http)
        self._concurrency = concurrency
        self._settings = Settings(
            emit=one_at_a_time(on_event) if on_event else ignore,
            credentials=lambda: _source(credentials),
            headers=Headers((headers or {}).items()),
            budgets=budgets or Budgets(),
            gate=gate or Gate(),
            retries=retries or Retries(),
            state=state,
            ranges=ranges,
        )
        self._io = _io or _async_io()
        self._turns = Turns(self._io)
        self._exchanges: dict[Origin, Exchange] = {}
        self._transport = transport or sockets(insecure, ca_file, client_certificates or {}, timeout)

    def registry(self, name: str) -> AsyncRegistry:
        """Return a registry by its name: `[http://|https://]host[:port]`. Raises `InvalidReferenceError`."""
        registry = RegistryName.parse(name)
        return AsyncRegistry(self._exchange(registry))

    def repository(self, name: str) -> AsyncRepository:
        """Return a repository by its name, spelled as in a reference without tag and digest.

        Raises `InvalidReferenceError`.
        """
        return self._repository_of(Reference.parse_repository(name))

    async def resolve(self, references: Iterable[str | AnyReference]) -> list[Descriptor]:
        """Return what each of many references stands for, in their order, asking many questions at once (end-3, HEAD).

        A reference is to a manifest in any place. Raises `NotFoundError` for the first one found that stands for
        nothing.
        """
        return await self._io.map(self._resolve, map(as_reference, references), limit=many(self._concurrency))

    def record(self) -> AbstractContextManager[list[RecordedExchange]]:
        """Record what goes over the wire, for the time of a `with` block: a list that grows with each exchange.

        Its entries have the redacted request, and status and header fields of the answer as they came.
        """
        return self._settings.recorder.record()

    async def close(self) -> None:
        """Close every connection and give back the threads."""
        self._transport.close()
        self._io.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _resolve(self, reference: AnyReference) -> Descriptor:
        if isinstance(reference, Reference):
            return await self._repository_of(reference).manifests.resolve(reference.tag_or_digest or "latest")
        from lading._core.copying.references import selector_of

        async with self._resolver().readable(reference) as place:
            return await place.resolve(selector_of(reference))

    def _repository_of(self, reference: Reference) -> AsyncRepository:
        return AsyncRepository(self._remote(reference), reference.registry)

    def _remote(self, reference: Reference) -> RemoteRepository:
        exchange = self._exchange(RegistryName(reference.registry, reference.scheme))
        return RemoteRepository(exchange, reference.repository)

    def _exchange(self, registry: RegistryName) -> Exchange:
        origin = origin_of(registry, self._plain_http)
        # Two threads may make one each; the one that stays is the one that both go on with.
        made = Exchange(self._io, self._transport, registry.name, origin, self._settings)
        return self._exchanges.setdefault(origin, made)


def _async_io() -> IO:
    if sys.platform == "emscripten":
        from lading._io.browser import BrowserIO

        return BrowserIO()
    from lading._io.event_loop import AsyncIO

    return AsyncIO()


def _source(
    credentials: CredentialSource | Mapping[str, Credential | tuple[str, str]] | None,
) -> CredentialSource:
    if credentials is None:
        from lading.auth.docker_config import kept

        return kept()
    from lading.auth.credentials import Explicit

    return Explicit(credentials) if isinstance(credentials, Mapping) else credentials
