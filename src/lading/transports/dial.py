"""Connection to an origin: name resolution, proxy, TLS."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from lading._io import system
from lading._text import shortened
from lading._wire.messages import Origin
from lading._wire.private_addresses import is_below_localhost, is_public
from lading.errors import ConnectionFailedError, ForbiddenRedirectError, TimedOutError
from lading.headers import Headers
from lading.transports.cancellation import Abort
from lading.transports.connection import Connection, ResponseHeads
from lading.transports.network_settings import NetworkSettings
from lading.transports.proxies import Proxy
from lading.transports.request_writer import strip_zone, write_head
from lading.transports.socket_stream import SocketStream, reason

if TYPE_CHECKING:
    from lading.transports.tls import Trust

# Seconds that an attempt at one address has before the next one is started in parallel (RFC 8305, section 5).
_HEAD_START = 0.25


class Dialer:
    """Factory of connections by the network settings."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings
        self._trust: Trust | None = None

    def dial(self, origin: Origin, abort: Abort, *, public_only: bool = False) -> Connection:
        """Connect to an origin, through its proxy if it has one.

        With `public_only`, addresses of private networks are skipped; a proxy chooses addresses by itself.
        """
        settings = self._settings
        proxy = settings.proxies.choose(origin)
        if proxy:
            sock, peer = _connect(proxy.origin, origin, settings.connect_timeout, abort), None
        else:
            sock = _connect(origin, origin, settings.connect_timeout, abort, public_only=public_only)
            peer = sock.getpeername()[0]
        try:
            if origin.scheme == "https":
                if proxy:
                    self._open_tunnel(sock, proxy, origin, abort)
                sock = self._get_trust().wrap(sock, origin, settings.connect_timeout, abort)
                proxy = None
            stream = SocketStream(sock, str(origin), settings.idle_timeout, abort)
            return Connection(stream, proxy, peer, settings.min_rate)
        except BaseException:
            abort.release(sock)
            sock.close()
            raise

    def _get_trust(self) -> Trust:
        if self._trust is None:
            from lading.transports.tls import Trust  # plain HTTP does not need ssl and its import

            self._trust = Trust(self._settings)
        return self._trust

    def _open_tunnel(self, sock: socket.socket, proxy: Proxy, origin: Origin, abort: Abort) -> None:
        """Open a tunnel through a proxy (RFC 9110, section 9.3.6). Only this request carries its credentials."""
        target = f"{strip_zone(origin.host)}:{origin.port}"
        fields = [("Host", target), ("User-Agent", self._settings.user_agent)]
        if proxy.authorization:
            fields.append(("Proxy-Authorization", proxy.authorization))
        where = f"{origin}: the proxy {proxy.origin}"
        stream = SocketStream(sock, where, self._settings.connect_timeout, abort)
        stream.send(memoryview(write_head("CONNECT", target, Headers(fields))))
        head = ResponseHeads(stream, where).read_final()
        proxy.check(head.status, origin)
        if head.status >= 300:
            raise ConnectionFailedError(f"{where} refused to connect ({head.status})", temporary=head.status >= 500)
        if stream.leftover:
            raise ConnectionFailedError(f"{where} sent unexpected bytes into the tunnel")


_Address = tuple[int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def _connect(
    server: Origin, origin: Origin, timeout: float, abort: Abort, *, public_only: bool = False
) -> socket.socket:
    """Connect to the first address of a server that accepts; attempts at the others start in parallel with delays."""
    via = "" if server == origin else f" the proxy {server}:"
    race = _Race(_find(server, f"{origin}:{via}", public_only=public_only), abort)
    try:
        return race.run(f"{origin}:{via}", server.port, timeout)
    finally:
        race.end()


def _find(server: Origin, where: str, *, public_only: bool = False) -> list[_Address]:
    """Return the addresses of a server, alternating between families."""
    host = server.host.strip("[]").replace("%25", "%")
    if is_below_localhost(host):
        host = "localhost"  # some systems look names below it up in DNS, which could return any address
    try:
        # Bytes bypass the IDNA codec, which is slow to import and refuses names that DNS may well resolve.
        resolved = socket.getaddrinfo(host.encode("ascii"), server.port, type=socket.SOCK_STREAM)
    except OSError as error:
        again = error.errno == socket.EAI_AGAIN
        raise ConnectionFailedError(
            f"{where} cannot resolve host {shortened(host)}: {reason(error)}", temporary=again
        ) from error
    addresses = [(family, address) for family, _, _, _, address in resolved]
    if public_only:
        addresses = [(family, address) for family, address in addresses if is_public(str(address[0]))]
        if not addresses:
            raise ForbiddenRedirectError(f"{where} host {shortened(host)} has only private addresses: not dialled")
    first = [entry for entry in addresses if entry[0] == addresses[0][0]]
    other = [entry for entry in addresses if entry[0] != addresses[0][0]]
    return [entry for entry in chain.from_iterable(zip_longest(first, other)) if entry]


class _Race:
    """Parallel attempts to connect."""

    def __init__(self, addresses: list[_Address], abort: Abort) -> None:
        self._addresses: Iterator[_Address] = iter(addresses)
        self._abort = abort
        self._poll = system.poller()
        self._attempts: dict[int, socket.socket] = {}
        self._failure: OSError | None = None

    def run(self, where: str, port: int, timeout: float) -> socket.socket:
        deadline = time.monotonic() + timeout
        more = self._start_next()
        while self._attempts or more:
            wait = deadline - time.monotonic()
            if wait <= 0:
                raise TimedOutError(f"{where} no connection to port {port} within {timeout:g} s")
            if self._attempts and (winner := self._poll_once(min(wait, _HEAD_START) if more else wait)):
                return winner
            more = more and self._start_next()
        raise _explain(self._failure, where, port) from self._failure

    def end(self) -> None:
        """Close the sockets of all other attempts."""
        for sock in self._attempts.values():
            self._abort.release(sock)
            sock.close()

    def _start_next(self) -> bool:
        """Start an attempt at the next address; return False if there is none left."""
        entry = next(self._addresses, None)
        if entry is None:
            return False
        family, address = entry
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self._failure = error
            return True
        self._attempts[sock.fileno()] = sock
        self._abort.hold(sock)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        if system.is_connecting(code):
            self._poll.register(sock, system.WRITABLE)
        else:
            self._fail(sock, code)
        return True

    def _poll_once(self, wait: float) -> socket.socket | None:
        """Wait for an attempt to end; return its socket if it has connected."""
        for number, _ in self._abort.poll(self._poll, wait):
            sock = self._attempts[number]
            self._poll.unregister(number)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._abort.check()
            if not code:
                return self._attempts.pop(number)
            self._fail(sock, code)
        return None

    def _fail(self, sock: socket.socket, code: int) -> None:
        self._failure = system.socket_error(code)
        del self._attempts[sock.fileno()]
        self._abort.release(sock)
        sock.close()


def _explain(failure: OSError | None, where: str, port: int) -> ConnectionFailedError:
    code = failure.errno if failure else None
    if code == errno.ECONNREFUSED:
        return ConnectionFailedError(f"{where} connection refused: nothing listens on port {port}", refused=True)
    if code in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}:
        return ConnectionFailedError(f"{where} no network route to this host", temporary=False)
    return ConnectionFailedError(f"{where} cannot connect to port {port}: {failure and reason(failure)}")
