"""Registries for tests: the embedded one, with users and with faults to order, on a port of loopback or without any."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from lading._io.base import IO, Handler, RequestBody
from lading._io.blocking import BlockingIO
from lading._wire.messages import Origin, Request, Response
from lading.server.access_control import AccessControl, Basic, Bearer
from lading.server.handler import EmbeddedRegistry
from lading.server.limits import ServerLimits
from lading.server.token_server import TokenRules, TokenServer
from lading.server.users_and_rights import Access
from lading.testing.faults import Fault, Faults
from lading.testing.scripted_exchanges import Seen, Watch
from lading.transports.direct import DirectTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a registry for tests is like.

    With `access`, users log in by `scheme`; the token server of `bearer` is at `rules.path` of the registry's own
    origin unless `realm` is another URL.
    """

    limits: ServerLimits = field(default_factory=ServerLimits)
    access: Access | None = None
    scheme: Literal["basic", "bearer"] = "bearer"
    realm: str | None = None
    rules: TokenRules = field(default_factory=TokenRules)


class TestRegistry:
    """An embedded registry, its faults, and the requests that it got. A `Handler`.

    `name` is what references begin with, `root` the directory with a layout for each repository.
    """

    # pytest collects classes by such names: this is none of a test's.
    __test__ = False

    def __init__(self, root: Path, io: IO, origin: Origin, setup: Setup) -> None:
        self.origin: Final = origin
        self.root: Final = root
        registry = EmbeddedRegistry(root, io, setup.limits)
        self.tokens: Final = TokenServer(setup.access, io.now, setup.rules) if setup.access is not None else None
        self._faults = Faults(_guarded(registry, setup, origin, self.tokens), io)
        self._watch = Watch(self._faults)

    @property
    def name(self) -> str:
        return self.origin.authority

    @property
    def requests(self) -> list[Seen]:
        """The requests that came, in order; to be cleared at will."""
        return self._watch.requests

    def order(self, fault: Fault, requests: str = "* *", *, times: int | None = None, after: int = 0) -> None:
        """Have a fault; see `Faults.order`."""
        self._faults.order(fault, requests, times=times, after=after)

    def expire_tokens(self) -> None:
        """Let every token that was given out expire now."""
        if self.tokens is not None:
            self.tokens.revoke()

    def release(self) -> None:
        """End the waits of faults."""
        self._faults.release()

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request."""
        return await self._watch.handle(request, content)


class Sites:
    """A handler of several origins: what a client reaches without sockets under the names of hosts."""

    def __init__(self, sites: dict[str, Handler]) -> None:
        self._sites: Final = {_authority(url): site for url, site in sites.items()}

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Have a request answered by its origin. Raises `LookupError` for one that is not there."""
        site = self._sites.get(str(request.origin))
        if site is None:
            raise LookupError(f"this test has no {request.origin}")
        return await site.handle(request, content)


@contextmanager
def serving(root: Path, setup: Setup | None = None, *, host: str = "127.0.0.1") -> Generator[TestRegistry]:
    """Serve a registry for tests on a free port, for the time of a `with` block (needs the extra `lading[cli]`)."""
    # Only here is a server of HTTP needed.
    from lading.server.serving import hosting

    made: list[TestRegistry] = []

    def build(io: IO, origin: Origin) -> Handler:
        made.append(TestRegistry(root, io, origin, setup or Setup()))
        return made[0]

    with hosting(build, host=host):
        try:
            yield made[0]
        finally:
            made[0].release()


def direct(
    root: Path, setup: Setup | None = None, *, url: str = "https://registry.example"
) -> tuple[TestRegistry, DirectTransport]:
    """Make a registry for tests and the transport that reaches it, and nothing else, without sockets."""
    scheme, _, authority = url.partition("://")
    registry = TestRegistry(root, BlockingIO(), Origin.of(scheme, authority), setup or Setup())
    return registry, DirectTransport(Sites({url: registry}))


class _Paths:
    """Two handlers on one origin: one for a path, the other for the rest."""

    def __init__(self, path: str, one: Handler, rest: Handler) -> None:
        self._path = path
        self._one = one
        self._rest = rest

    async def handle(self, request: Request, content: RequestBody) -> Response:
        handler = self._one if request.target.partition("?")[0] == self._path else self._rest
        return await handler.handle(request, content)


def _guarded(registry: Handler, setup: Setup, origin: Origin, tokens: TokenServer | None) -> Handler:
    if setup.access is None or tokens is None:
        return registry
    if setup.scheme == "basic":
        return AccessControl(registry, Basic(setup.access))
    realm = setup.realm or f"{origin}{setup.rules.path}"
    return _Paths(setup.rules.path, tokens, AccessControl(registry, Bearer(tokens, realm)))


def _authority(url: str) -> str:
    scheme, _, authority = url.partition("://")
    return str(Origin.of(scheme, authority))
