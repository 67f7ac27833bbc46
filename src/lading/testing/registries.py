"""Test registries: the embedded registry with users and faults, on a port of loopback or without sockets."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Final, Literal

from lading import _values
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
    """Configuration of a test registry."""

    limits: ServerLimits = field(default_factory=ServerLimits)
    """Limits and switches of the registry."""
    access: Access | None = None
    """Users and their rights; without it, every request is permitted."""
    scheme: Literal["basic", "bearer"] = "bearer"
    """Authentication scheme, if there is `access`."""
    realm: str | None = None
    """URL of the token server, by default `rules.path` at the registry's own origin."""
    rules: TokenRules = field(default_factory=TokenRules)
    """Behaviour of the token server."""

    def __post_init__(self) -> None:
        _values.expect(self.limits, ServerLimits, "limits")
        _values.expect(self.access, (Access, NoneType), "access")
        _values.choice(self.scheme, "scheme", ("basic", "bearer"))
        _values.expect(self.realm, (str, NoneType), "realm")
        _values.expect(self.rules, TokenRules, "rules")


class TestRegistry:
    """Embedded registry with faults, which keeps the requests that it received. A `Handler`."""

    # pytest collects classes with such names, and this is not a test.
    __test__ = False

    def __init__(self, root: Path, io: IO, origin: Origin, setup: Setup) -> None:
        _check(root, setup)
        _values.expect(origin, Origin, "origin")
        self.origin: Final = origin
        """Scheme, host and port of the registry."""
        self.root: Final = root
        """Directory with an image layout for each repository."""
        registry = EmbeddedRegistry(root, io, setup.limits)
        self.tokens: Final = TokenServer(setup.access, io.now, setup.rules) if setup.access is not None else None
        """Token server of the registry, None without `Setup.access`."""
        self._faults = Faults(_guarded(registry, setup, origin, self.tokens), io)
        self._watch = Watch(self._faults)

    @property
    def name(self) -> str:
        """Host and port of the registry, with which references to it begin."""
        return self.origin.authority

    @property
    def requests(self) -> list[Seen]:
        """Requests received, in the order in which they were answered. A test may clear the list."""
        return self._watch.requests

    def order(
        self, fault: Fault, requests: str = "* *", *, times: int | None = None, after: int = 0, optional: bool = False
    ) -> None:
        """Add a fault: see `Faults.order`."""
        self._faults.order(fault, requests, times=times, after=after, optional=optional)

    def finish(self) -> None:
        """Raise `AssertionError` if a fault that was ordered a number of times has never applied.

        The fixtures of the pytest plugin call it after the test, and so does `serving` at the end of its block.
        """
        self._faults.finish()

    def expire_tokens(self) -> None:
        """Revoke every issued token."""
        if self.tokens is not None:
            self.tokens.revoke()

    def release(self) -> None:
        """End all current and future waits of faults."""
        self._faults.release()

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request."""
        return await self._watch.handle(request, content)


class Sites:
    """Handler of several origins: passes each request to the handler of its origin. `sites` is keyed by URL."""

    def __init__(self, sites: dict[str, Handler]) -> None:
        _values.mapping(sites, "sites", object)
        self._sites: Final = {_authority(url): site for url, site in sites.items()}

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request with the handler of its origin. Raises `LookupError` for an unknown origin."""
        site = self._sites.get(str(request.origin))
        if site is None:
            raise LookupError(f"this test has no {request.origin}")
        return await site.handle(request, content)


@contextmanager
def serving(root: Path, setup: Setup | None = None, *, host: str = "127.0.0.1") -> Generator[TestRegistry]:
    """Serve a test registry on a free port during a `with` block (requires the extra `lading[cli]`).

    Raises `AssertionError` at its end if a fault that was ordered a number of times has never applied.
    """
    # Imported here because only this function needs an HTTP server.
    from lading.server.serving import hosting

    _check(root, setup)
    made: list[TestRegistry] = []

    def build(io: IO, origin: Origin) -> Handler:
        made.append(TestRegistry(root, io, origin, setup or Setup()))
        return made[0]

    with hosting(build, host=host):
        try:
            yield made[0]
        finally:
            made[0].release()
        made[0].finish()


def direct(
    root: Path, setup: Setup | None = None, *, url: str = "https://registry.example"
) -> tuple[TestRegistry, DirectTransport]:
    """Make a test registry, and a transport that reaches only this registry, without sockets."""
    _check(root, setup)
    _values.expect(url, str, "url")
    scheme, _, authority = url.partition("://")
    registry = TestRegistry(root, BlockingIO(), Origin.of(scheme, authority), setup or Setup())
    return registry, DirectTransport(Sites({url: registry}))


def _check(root: Path, setup: Setup | None) -> None:
    _values.expect(root, Path, "root", "write Path(root)")
    _values.expect(setup, (Setup, NoneType), "setup")


class _Paths:
    """Handler that combines two handlers on one origin: one for a path, the other for the rest."""

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
