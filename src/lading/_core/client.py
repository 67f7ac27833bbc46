"""Client: registries and repositories by name. The verbs that take references are its base classes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from lading._core.exchange.connecting import CertificateFiles, origin_of, sockets
from lading._core.exchange.exchange import Exchange
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.retry import Retries
from lading._core.exchange.settings import MOST_RANGES, Budgets, Settings, minimum_rate
from lading._core.exchange.turns import Turns
from lading._core.exchange.url_gate import Gate
from lading._core.repository.registry import AsyncRegistry
from lading._core.repository.repository import AsyncRepository
from lading._core.transfer.concurrency import LARGE_AT_ONCE
from lading._core.verbs.content import ContentVerbs
from lading._core.verbs.images import ImageVerbs
from lading._core.verbs.names import NameVerbs
from lading._core.verbs.single_contents import SingleContentVerbs
from lading._io.base import CANNOT_PICKLE, IO, Transport, ignore
from lading._io.body_reading import one_at_a_time
from lading._values import expect, integer, mapping, methods, number, one_or_many, path, plain_function
from lading._wire.messages import Origin
from lading.events import EventHandler
from lading.headers import TRANSPORT_FIELDS, Headers
from lading.raw_response import RawResponse
from lading.reference import Reference, RegistryName

if TYPE_CHECKING:
    from lading.auth.credentials import Credential, CredentialSource

# What a short command does without is imported where it is first needed, here and in the verbs: otherwise such a
# command would take twice as long.


class AsyncClient(NameVerbs, ContentVerbs, SingleContentVerbs, ImageVerbs):
    """A client of registries. Close it, or use it as a context manager.

    Parameters:
    - `plain_http`: names of registries (`HOST[:PORT]`) to be contacted over HTTP instead of HTTPS. Registries on
      loopback always are, and those that a reference names with `http://`.
    - `insecure`: names of registries whose certificates are not checked.
    - `ca_file`: PEM file with the certificates to trust instead of those of the system.
    - `client_certificates`: client certificate for each registry that wants one: a PEM file with certificate and key,
      or a pair of files.
    - `headers`: header fields for every request to a registry. They are not sent to other hosts that a registry names.
    - `timeout`: seconds without a byte after which a request fails; None for no limit. The minimum rate and the limits
      for whole answers (`Budgets`) hold all the same.
    - `concurrency`: number of blobs that are transferred at once, and of blobs below 1 MiB and questions four times as
      many if it is more than 1. By default 4, and as many small blobs and questions as pay, up to 64 for each host.
    - `ranges`: most connections, 1 to 16, over which one large blob is pulled into a file or layout; by default 8. One
      is opened at a time, while that adds 10 % to the rate, and 16 to one host at most. Parts that wait for earlier
      ones take up to 48 MiB of memory of each blob, and 128 MiB in all.
    - `credentials`: pairs of user name and password, or `Credential`s, by registry (`ghcr.io`) or namespace
      (`ghcr.io/acme`); or a source of credentials. By default, those that docker, podman and their helpers keep.
    - `budgets`, `gate`, `retries`: bounds on what a server can make the client receive, follow and repeat.
    - `on_event`: plain function that is called with every event (`lading.events`), from one thread at a time.
    - `state`: directory for what later processes need: uploads to resume, and the digests of layout blobs that were
      hashed before. True for `lading` in `$XDG_STATE_HOME` or `~/.local/state` (on Windows `%LOCALAPPDATA%`), False
      for none.
    - `links_below`: directory below which the targets of symbolic links in image layouts may be, as in those of Bazel.
      Links that lead to below the layout itself are always read; nothing is written through a link.
    - `transport`: replaces sockets, in tests for instance; it is closed with the client. On Pyodide, the browser's
      `fetch` replaces them, which has certificates of its own.

    One client serves any number of threads (blocking face) or tasks of one event loop (async face). After `close`,
    everything that it gave out raises `ClientClosedError`.

    Raises `StorageError` if `ca_file` or a client certificate does not exist or cannot be read,
    `TypeError` and `ValueError` for arguments of a wrong type or value, and `InvalidReferenceError` for the name
    of a registry.
    """

    def __init__(
        self,
        *,
        plain_http: str | Iterable[str] = (),
        insecure: str | Iterable[str] = (),
        ca_file: str | os.PathLike[str] | None = None,
        client_certificates: Mapping[str, CertificateFiles] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 60.0,
        concurrency: int | None = None,
        ranges: int | None = None,
        credentials: CredentialSource | Mapping[str, Credential | tuple[str, str]] | None = None,
        budgets: Budgets | None = None,
        gate: Gate | None = None,
        retries: Retries | None = None,
        on_event: EventHandler | None = None,
        state: str | os.PathLike[str] | bool = True,
        links_below: str | os.PathLike[str] | None = None,
        transport: Transport | None = None,
        _io: IO | None = None,
    ) -> None:
        number(timeout, "timeout", unit="seconds", above=0, none=True)
        integer(concurrency, "concurrency", least=1, none=True)
        integer(ranges, "ranges", least=1, most=MOST_RANGES, none=True)
        expect(budgets, (Budgets, type(None)), "budgets", "write Budgets(…)")
        expect(gate, (Gate, type(None)), "gate", "write Gate(…)")
        expect(retries, (Retries, type(None)), "retries", "write Retries(tries=…)")
        mapping(headers, "headers", none=True)
        for name in headers or {}:
            if name.lower() in TRANSPORT_FIELDS:
                raise ValueError(f"headers must not have {name[:80]!r}: the transport sets it")
        mapping(client_certificates, "client_certificates", (str, os.PathLike, tuple), none=True)
        path(ca_file, "ca_file", none=True)
        if not isinstance(state, bool):
            path(state, "state")
        path(links_below, "links_below", none=True)
        if on_event is not None:
            plain_function(on_event, "on_event")
        if transport is not None:
            methods(transport, "transport", ("send", "close"))
        insecure = one_or_many(insecure, "insecure")
        self._plain_http = frozenset(RegistryName.parse(name).name for name in one_or_many(plain_http, "plain_http"))
        self._concurrency = LARGE_AT_ONCE if concurrency is None else concurrency
        source = None if credentials is None else _source(credentials)
        self._settings = Settings(
            emit=one_at_a_time(on_event) if on_event else ignore,
            credentials=_kept if source is None else lambda: source,
            headers=Headers((headers or {}).items()),
            budgets=budgets or Budgets(),
            gate=gate or Gate(),
            retries=retries or Retries(),
            state=state,
            learns_width=concurrency is None,
            ranges=ranges,
            links_below=links_below,
        )
        self._io = _io or _async_io()
        self._turns = Turns(self._io)
        self._exchanges: dict[Origin, Exchange] = {}
        self._transport = transport or sockets(
            insecure, ca_file, client_certificates or {}, timeout, minimum_rate(self._settings.budgets)
        )

    def registry(self, name: str) -> AsyncRegistry:
        """Return a registry by its name: `[http://|https://]HOST[:PORT]`. Raises `InvalidReferenceError`."""
        registry = RegistryName.parse(name)
        return AsyncRegistry(self._exchange(registry), registry)

    def repository(self, name: str) -> AsyncRepository:
        """Return a repository by its name, written as in a reference, without tag and digest: `ghcr.io/acme/app`.

        Raises `InvalidReferenceError`.
        """
        reference = Reference.parse_repository(name)
        return AsyncRepository(self._remote(reference), reference.registry)

    def record(self) -> AbstractContextManager[list[RawResponse]]:
        """Record the responses to what this task or thread asks of registries within a `with` block.

        The list grows with each response, redirects and retries included. What operations of the block do in tasks and
        threads of their own is recorded; what other tasks and threads ask with the same client is not.
        """
        self._settings.lifetime.check()
        return self._settings.recorder.record()

    async def close(self) -> None:
        """Close all connections and end the worker threads. Closing again does nothing."""
        self._settings.lifetime.end()
        self._transport.close()
        self._io.close()

    async def __aenter__(self) -> Self:
        self._settings.lifetime.check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _remote(self, reference: Reference) -> RemoteRepository:
        exchange = self._exchange(RegistryName(reference.registry, reference.scheme))
        return RemoteRepository(exchange, reference.repository)

    def _exchange(self, registry: RegistryName) -> Exchange:
        self._settings.lifetime.check()
        origin = origin_of(registry, self._plain_http)
        # Two threads may make one each; both go on with the one that was stored first.
        made = Exchange(self._io, self._transport, registry.name, origin, self._settings)
        return self._exchanges.setdefault(origin, made)

    def __reduce__(self) -> NoReturn:
        raise TypeError(CANNOT_PICKLE)


def _async_io() -> IO:
    if sys.platform == "emscripten":
        from lading._io.browser import BrowserIO

        return BrowserIO()
    from lading._io.event_loop import AsyncIO

    return AsyncIO()


def _source(credentials: Any) -> CredentialSource:
    if isinstance(credentials, Mapping):
        from lading.auth.credentials import Explicit

        return Explicit(credentials)
    if not _is_source(credentials):
        raise TypeError(
            f"credentials must be a mapping or a source of credentials, not {type(credentials).__name__}: "
            "write {'ghcr.io': (user, password)}"
        )
    source: CredentialSource = credentials
    return source


def _is_source(value: object) -> bool:
    # Strings and classes have a method of this name, too.
    return not isinstance(value, (str, bytes, type)) and callable(getattr(value, "find", None))


def _kept() -> CredentialSource:
    from lading.auth.docker_config import docker_credentials

    return docker_credentials()
