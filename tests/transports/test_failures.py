from __future__ import annotations

import pickle
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from lading._io import system
from lading._io.base import Cancellation
from lading._wire.messages import Origin, Request
from lading.errors import ConnectionFailedError, ForbiddenRedirectError, TimedOutError, TransportError
from lading.transports.network_settings import NetworkSettings
from lading.transports.socket_transport import SocketTransport
from tests.support.scripted import Peer, ScriptedServer, answers, exchange, get, read_all, steps

Serve = Callable[..., ScriptedServer]
Connect = Callable[..., SocketTransport]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves connections to a full listener open")


@pytest.fixture
def full() -> Iterator[Origin]:
    """An origin whose queue is full, so that the kernel does not even answer."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        yield Origin("http", "127.0.0.1", listener.getsockname()[1])


def test_refused_connection_names_the_port(transport: SocketTransport, closed: Origin) -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        transport.send(get(closed), Cancellation())
    assert str(caught.value) == f"{closed}: connection refused: nothing listens on port {closed.port}"
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301  # our own pickle


@pytest.mark.parametrize("host", ["x" * 64, "a..b", "."])
def test_host_that_cannot_be_is_not_found(transport: SocketTransport, host: str) -> None:
    with pytest.raises(ConnectionFailedError, match=r"^http://.*: cannot resolve host "):
        transport.send(get(Origin("http", host, 80)), Cancellation())


def test_unknown_host_is_not_found(transport: SocketTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(ConnectionFailedError) as caught:
        transport.send(get(Origin.of("http", "nowhere.example")), Cancellation())
    assert str(caught.value) == "http://nowhere.example: cannot resolve host nowhere.example: Name or service not known"


def answer_with(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
        for host, port in addresses
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@linux
def test_r_46_dead_address_costs_little_when_another_one_lives(
    serve: Serve, connect: Connect, full: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answers(OK))
    answer_with(monkeypatch, ("127.0.0.1", full.port), ("127.0.0.1", server.port))
    transport = connect(NetworkSettings(connect_timeout=10))
    assert exchange(transport, get(Origin.of("http", "both.example")))[0] == 200


def test_r_46_refused_address_costs_nothing_when_another_one_lives(
    serve: Serve, transport: SocketTransport, closed: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answers(OK))
    answer_with(monkeypatch, ("127.0.0.1", closed.port), ("127.0.0.1", server.port))
    assert exchange(transport, get(Origin.of("http", "both.example")))[0] == 200


def test_r_46_address_without_a_way_is_passed_over(
    serve: Serve, transport: SocketTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answers(OK))
    # A link-local address without a zone cannot be connected to, and connect() says so at once.
    answer_with(monkeypatch, ("fe80::1", server.port), ("127.0.0.1", server.port))
    assert exchange(transport, get(Origin.of("http", "both.example")))[0] == 200


def test_no_way_to_any_address_is_said(transport: SocketTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, ("fe80::1", 80))
    with pytest.raises(ConnectionFailedError, match=r"^http://six\.example: (cannot connect|there is no way)"):
        transport.send(get(Origin.of("http", "six.example")), Cancellation())


def test_r_46_family_that_the_system_lacks_is_passed_over(
    serve: Serve, transport: SocketTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answers(OK))
    unknown = (99, socket.SOCK_STREAM, 6, "", ("::1", 80))
    known = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    found = [unknown, known]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert exchange(transport, get(Origin.of("http", "both.example")))[0] == 200
    found.remove(known)
    transport.close()
    with pytest.raises(
        ConnectionFailedError, match=r"^http://both\.example: cannot connect to port 80: Address family"
    ):
        transport.send(get(Origin.of("http", "both.example")), Cancellation())


def test_addresses_are_tried_with_the_families_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    from lading.transports.dial import _find

    answer_with(monkeypatch, ("::1", 1), ("::1", 2), ("::1", 3), ("127.0.0.1", 4))
    assert [address[1] for _, address in _find(Origin.of("http", "a"), "")] == [1, 4, 2, 3]


def test_ipv6_literal(serve: Serve, transport: SocketTransport) -> None:
    try:
        server = serve(answers(OK), address="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert exchange(transport, get(server.origin))[0] == 200
    assert f"\r\nHost: [::1]:{server.port}\r\n".encode() in server.requests[0]


def test_ipv6_zone_reaches_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    from lading.transports.dial import _find

    asked: list[object] = []

    def lookup(host: object, *_: object, **__: object) -> None:
        asked.append(host)
        raise OSError(1, "no")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(ConnectionFailedError):
        _find(Origin.of("http", "[fe80::1%25eth0]:5000"), "")
    assert asked == [b"fe80::1%eth0"]


@linux
def test_connection_that_does_not_come_about_times_out(connect: Connect, full: Origin) -> None:
    transport = connect(NetworkSettings(connect_timeout=0.05))
    with pytest.raises(TimedOutError) as caught:
        transport.send(get(full), Cancellation())
    assert str(caught.value) == f"{full}: no connection to port {full.port} within 0.05 s"


def test_server_that_says_nothing_times_out(connect: Connect, silent: Origin) -> None:
    transport = connect(NetworkSettings(idle_timeout=0.05))
    with pytest.raises(TimedOutError) as caught:
        transport.send(get(silent), Cancellation())
    assert str(caught.value) == f"{silent}: timed out after 0.05 s while waiting for the response"


def trickle(first: bytes, byte: bytes) -> Callable[[Peer], None]:
    """Send a byte every hundredth of a second until the client has had enough."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(first)
        while not select.select([peer.socket], [], [], 0.01)[0]:
            peer.send(byte)

    return script


def test_t_40_header_that_comes_too_slowly_times_out_as_a_whole(serve: Serve, connect: Connect) -> None:
    server = serve(trickle(b"HTTP/1.1 200 OK\r\nA: ", b"b"))
    transport = connect(NetworkSettings(idle_timeout=0.4))
    with pytest.raises(TimedOutError, match=r"0\.4 s while waiting for the response"):
        transport.send(get(server.origin), Cancellation())


def test_body_that_stops_times_out_and_one_that_goes_on_does_not(serve: Serve, connect: Connect) -> None:
    server = serve(trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n", b"x"), answers(OK[:-1]))
    transport = connect(NetworkSettings(idle_timeout=0.4))
    assert exchange(transport, get(server.origin))[2] == b"x" * 60
    with pytest.raises(TimedOutError, match=r"timed out after 0\.4 s while reading the body"):
        exchange(transport, get(server.origin))


def test_without_an_idle_limit_a_request_waits_until_it_is_cancelled(
    serve: Serve, connect: Connect, silent: Origin
) -> None:
    transport = connect(NetworkSettings(idle_timeout=None))
    server = serve(trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"x"))
    sent = Request("PUT", server.origin, "/", body=b"x" * 100_000)
    assert exchange(transport, sent)[2] == b"x" * 9
    cancellation = Cancellation()
    timer = threading.Timer(0.1, cancellation.cancel)
    timer.start()
    with pytest.raises(TransportError, match="cancelled"):
        transport.send(get(silent), cancellation)
    timer.join()


def test_cancelled_request_is_not_sent(transport: SocketTransport, silent: Origin) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(TransportError, match="cancelled"):
        transport.send(get(silent), cancellation)


@linux
def test_cancelling_ends_the_wait_for_a_connection(transport: SocketTransport, full: Origin) -> None:
    cancellation = Cancellation()
    timer = threading.Timer(0.05, cancellation.cancel)
    timer.start()
    with pytest.raises(TransportError, match=r"cancelled$") as caught:
        transport.send(get(full), cancellation)
    assert type(caught.value) is TransportError
    timer.join()


def test_cancelling_ends_the_wait_for_an_answer(serve: Serve, transport: SocketTransport) -> None:
    cancellation = Cancellation()
    server = serve(steps(Peer.read_request, lambda _: cancellation.cancel(), Peer.wait_for_close))
    with pytest.raises(TransportError, match="cancelled") as caught:
        transport.send(get(server.origin), cancellation)
    assert type(caught.value) is TransportError


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 9", b"Transfer-Encoding: chunked", b"X: until-closed"],
    ids=["length", "chunked", "closed"],
)
def test_cancelling_ends_the_wait_for_a_body(serve: Serve, transport: SocketTransport, head: bytes) -> None:
    cancellation, head_is_read = Cancellation(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n5\r\na")
        assert head_is_read.wait(10)
        cancellation.cancel()
        peer.wait_for_close()

    server = serve(script)
    response = transport.send(get(server.origin), cancellation)
    head_is_read.set()
    with pytest.raises(TransportError, match="cancelled") as caught:
        read_all(response.body)
    assert type(caught.value) is TransportError
    response.body.close()


def read_whole(transport: SocketTransport, origin: Origin, cancellation: Cancellation) -> None:
    with closing(transport.send(get(origin), cancellation).body) as body:
        read_all(body)


@pytest.mark.parametrize("begun", [False, True], ids=["head", "body"])
def test_cancelling_ends_a_wait_that_a_shutdown_does_not_end(
    serve: Serve, transport: SocketTransport, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    # On Windows, a thread that waits for a socket does not see what another one does to it.
    monkeypatch.setattr(system, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(socket.socket, "shutdown", lambda *_: None)
    cancellation, is_asked, is_seen = Cancellation(), threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" * begun)
        is_asked.set()
        assert is_seen.wait(10)

    def cancel() -> None:
        assert is_asked.wait(10)
        cancellation.cancel()

    server = serve(script)
    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        with pytest.raises(TransportError, match="cancelled"):
            read_whole(transport, server.origin, cancellation)
    finally:
        is_seen.set()
        canceller.join()


def test_a_wait_in_slices_ends_at_the_timeout(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "LONGEST_WAIT", 0.05)
    slow = steps(
        Peer.read_request, lambda _: threading.Event().wait(0.3), lambda peer: peer.send(OK), Peer.wait_for_close
    )
    assert exchange(connect(), get(serve(slow).origin))[2] == b"hello"
    mute = serve(steps(Peer.read_request, Peer.wait_for_close))
    with pytest.raises(TimedOutError, match=r"timed out after 0\.2 s"):
        exchange(connect(NetworkSettings(idle_timeout=0.2)), get(mute.origin))


def test_cancelling_ends_the_sending(serve: Serve, transport: SocketTransport) -> None:
    cancellation = Cancellation()
    server = serve(steps(Peer.read_head, lambda _: cancellation.cancel(), Peer.wait_for_close))
    with pytest.raises(TransportError, match="cancelled") as caught:
        transport.send(Request("PUT", server.origin, "/", body=bytes(1 << 26)), cancellation)
    assert type(caught.value) is TransportError


def test_cancelling_after_the_end_does_not_touch_the_kept_connection(serve: Serve, transport: SocketTransport) -> None:
    server = serve(answers(OK, OK))
    cancellation = Cancellation()
    exchange(transport, get(server.origin), cancellation)
    cancellation.cancel()
    assert exchange(transport, get(server.origin))[2] == b"hello"
    assert server.accepted == 1


class Interrupting:
    size = 1 << 30

    def open(self) -> Interrupting:
        return self

    def readinto(self, buffer: memoryview, /) -> int:
        raise KeyboardInterrupt

    def close(self) -> None:
        pass


def test_interrupt_closes_the_connection(serve: Serve, transport: SocketTransport) -> None:
    ends: list[bytes] = []
    script = steps(Peer.read_head, lambda peer: ends.append(peer.wait_for_close()))
    with ScriptedServer(script) as server, pytest.raises(KeyboardInterrupt):
        transport.send(Request("PUT", server.origin, "/", body=Interrupting()), Cancellation())
    assert ends == [b""]


def public(origin: Origin) -> Request:
    return Request("GET", origin, "/", public_only=True)


def test_host_that_leads_inside_is_not_dialled_where_only_public_addresses_may_be(
    serve: Serve, transport: SocketTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answers(OK))
    answer_with(monkeypatch, ("127.0.0.1", server.port), ("10.0.0.1", 80), ("fc00::1", 80))
    with pytest.raises(ForbiddenRedirectError, match=r"host cdn\.example has only private addresses"):
        transport.send(public(Origin.of("http", "cdn.example")), Cancellation())
    assert not server.requests


def test_kept_connection_to_a_private_address_does_not_serve_where_only_public_ones_may(
    serve: Serve, transport: SocketTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_and_stay(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        peer.wait_for_close()

    server = serve(answer_and_stay)
    answer_with(monkeypatch, ("127.0.0.1", server.port))
    origin = Origin.of("http", "cdn.example")
    assert exchange(transport, get(origin))[0] == 200
    with pytest.raises(ForbiddenRedirectError):
        transport.send(public(origin), Cancellation())
    assert len(server.requests) == 1


def test_answer_knows_the_address_that_it_came_from(serve: Serve, transport: SocketTransport) -> None:
    response = transport.send(get(serve(answers(OK)).origin), Cancellation())
    response.body.close()
    assert response.peer == "127.0.0.1"
