from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from benchmarks.distance import Flow, Relay, relayed
from benchmarks.schedule import FIRST_WINDOW, NEVER, Distance, Schedule

MIB = 1 << 20
SECONDS = 30.0


@contextmanager
def listening() -> Generator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield listener


def at(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def connected(relay: Relay, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Return the ends of a new connection through a relay."""
    host, _, port = relay.address.rpartition(":")
    near = socket.create_connection((host, int(port)), timeout=SECONDS)
    far, _ = listener.accept()
    far.settimeout(SECONDS)
    return near, far


def received(end: socket.socket) -> bytes:
    """Return all that comes until the other end closes."""
    pieces: list[bytes] = []
    while piece := end.recv(MIB):
        pieces.append(piece)
    return b"".join(pieces)


DISTANCES = [Distance(), Distance(rtt=0.002), Distance(rate=256e6), Distance(0.001, 64e6)]


@pytest.mark.parametrize("distance", DISTANCES, ids=str)
def test_bytes_pass_both_ways_in_order_and_are_counted(distance: Distance) -> None:
    question, answer = bytes(range(256)) * 100, bytes(range(251)) * 40_000
    with listening() as listener, relayed(at(listener), distance) as relay:
        for number in (1, 2):
            near, far = connected(relay, listener)
            with near, far:
                near.sendall(question)
                near.shutdown(socket.SHUT_WR)
                assert received(far) == question
                answering = threading.Thread(target=lambda far=far: (far.sendall(answer), far.close()))
                answering.start()
                assert received(near) == answer
                answering.join()
            expected = {"connections": number, "sent": number * len(question), "received": number * len(answer)}
            assert relay.counts == expected


def test_an_answer_arrives_though_the_registry_takes_nothing_more() -> None:
    with listening() as listener, relayed(at(listener), Distance(rtt=0.001)) as relay:
        near, far = connected(relay, listener)
        with near:
            far.sendall(b"no")
            far.close()
            assert received(near) == b"no"


def test_a_client_may_go_on_when_the_registry_has_said_all() -> None:
    with listening() as listener, relayed(at(listener), Distance(rtt=0.001)) as relay:
        near, far = connected(relay, listener)
        with near, far:
            far.shutdown(socket.SHUT_WR)
            assert received(near) == b""
            near.sendall(b"more")
            near.shutdown(socket.SHUT_WR)
            assert received(far) == b"more"


def test_a_client_that_is_gone_ends_the_connection_to_the_registry() -> None:
    with listening() as listener, relayed(at(listener), Distance(rtt=0.001)) as relay:
        near, far = connected(relay, listener)
        with far:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            near.close()
            with pytest.raises(ConnectionError):
                far.sendall(bytes(64 * MIB))


def test_no_registry_ends_the_connection_of_the_client() -> None:
    with listening() as listener:
        address = at(listener)
    with relayed(address, Distance()) as relay:
        host, _, port = relay.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as near:
            assert received(near) == b""


def test_the_end_of_a_relay_ends_its_connections() -> None:
    with listening() as listener:
        with relayed(at(listener), Distance()) as relay:
            near, far = connected(relay, listener)
        with near, far:
            for end in (near, far):
                with pytest.raises(ConnectionError):
                    end.sendall(bytes(64 * MIB))


@contextmanager
def flow(distance: Distance) -> Generator[tuple[Flow, socket.socket, socket.socket, Counter[str]]]:
    """Give one direction that opens at 1 by a clock of its own, its sender, its receiver, and what it counts."""
    with listening() as listener:
        sender, receiver = (socket.create_connection(listener.getsockname(), timeout=SECONDS) for _ in range(2))
        source, sink = (listener.accept()[0] for _ in range(2))
    with sender, receiver, source, sink:
        for end in (source, sink):
            end.setblocking(False)
        counts: Counter[str] = Counter()
        yield Flow("sent", source, sink, Schedule(distance, opened=1), counts), sender, receiver, counts


def advanced(moving: Flow, now: float) -> float:
    """Advance until the time of the next thing to do is another; return it."""
    while (when := moving.advance(now)) <= now:
        pass
    return when


def test_a_flow_holds_bytes_back_until_they_arrive() -> None:
    with flow(Distance(rtt=1)) as (moving, sender, receiver, _):
        sender.sendall(b"abc")
        sender.shutdown(socket.SHUT_WR)
        assert advanced(moving, 0) == 1
        while (when := advanced(moving, 1)) != 1.5:
            assert when == NEVER
            moving.is_readable = True
        assert advanced(moving, 1.25) == 1.5
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            receiver.recv(9)
        receiver.settimeout(SECONDS)
        assert advanced(moving, 1.5) == NEVER
        assert receiver.recv(9) == b"abc"


def test_a_flow_reads_no_more_than_the_window() -> None:
    with flow(Distance(rtt=1)) as (moving, sender, receiver, counts):
        sender.sendall(bytes(10 * FIRST_WINDOW))
        for now, trips in ((1, 1), (1.5, 1), (2, 3), (2.5, 3), (3, 7)):
            while counts["sent"] < trips * FIRST_WINDOW:
                moving.is_readable = True
                moving.advance(now)
            advanced(moving, now)
            assert counts["sent"] == trips * FIRST_WINDOW
        receiver.setblocking(True)


def pushed(moving: Flow, sender: socket.socket) -> bool:
    """Send a piece and move it on; return whether the sender had to stop."""
    try:
        sender.send(bytes(MIB))
    except BlockingIOError:
        return True
    moving.is_readable = True
    advanced(moving, 1)
    return False


def test_a_receiver_that_does_not_read_stops_the_sender() -> None:
    with flow(Distance()) as (moving, sender, receiver, counts):
        sender.setblocking(False)
        assert any(pushed(moving, sender) for _ in range(100))
        assert not moving.is_writable
        stopped = counts["sent"]
        while counts["sent"] == stopped:
            receiver.recv(MIB)
            moving.resume(2)
            moving.is_readable = True
            advanced(moving, 2)
