"""A distance between a client and a registry: a relay on loopback, until Ctrl-C.

    python -m benchmarks.distance HOST:PORT [--rtt MS] [--rate MB]

Bytes arrive half a round trip time after they were sent, each way; a connection takes a round trip to open and starts
slowly; and each direction of it carries so many bytes a second and no more. `benchmarks.schedule` says when.

One thread does it all. What is under way is in a ring of bytes for each direction, with the times of arrival beside it,
and the relay reads no more from a sender than the schedule permits.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import mmap
import select
import signal
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.schedule import NEVER, Distance, Schedule

_PIECE = 256 << 10
# Of the relay's own sockets, in bytes: what is in them is beyond the schedule.
_BUFFER = 256 << 10
_READS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WRITES = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
# Told once whenever a socket becomes ready, so that no further call has to say what the relay waits for.
_EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Flow:
    """One direction of one connection, between sockets that do not block; what it carries is counted as `name`."""

    def __init__(
        self, name: str, source: socket.socket, sink: socket.socket, schedule: Schedule, counts: Counter[str]
    ) -> None:
        self.is_readable = self.is_writable = True
        self.has_ended = False
        self.wake = NEVER
        self._name, self._source, self._sink, self._schedule, self._counts = name, source, sink, schedule, counts
        # Memory that is not taken before it is written.
        self._ring = memoryview(mmap.mmap(-1, schedule.capacity))
        self._head = self._tail = 0
        self._arrivals: deque[tuple[float, int]] = deque()
        self._has_read_all = False
        self._writable_since = 0.0

    def advance(self, now: float) -> float:
        """Move what may be moved now; return when to come again, unless a socket becomes ready first.

        It ends with what the sender sends, or when the receiver takes nothing more.
        """
        self._deliver(now)
        if self.is_readable and not self._has_read_all and (room := self._schedule.room(now)):
            self._read(now, room)
            self._deliver(now)
        if self.has_ended:
            return NEVER
        arrival = self._arrivals[0][0] if self._arrivals and self.is_writable else NEVER
        if self._has_read_all or not self.is_readable:
            return arrival
        return min(arrival, self._schedule.next_room(now))

    def resume(self, now: float) -> None:
        """Note that the receiver takes bytes again: those that it kept waiting arrive now."""
        self.is_writable, self._writable_since = True, now

    def _read(self, now: float, room: int) -> None:
        if not self._arrivals:
            self._head = self._tail = 0
        try:
            count = self._source.recv_into(self._ring[self._head : self._head + min(room, _PIECE)])
        except BlockingIOError:
            self.is_readable = False
            # The kernel would wait 40 ms to acknowledge the last of them, and Nagle's algorithm for that.
            self._source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            return
        except OSError:  # as good as an end: what has left arrives all the same
            count = 0
        self._has_read_all = not count
        self._head = (self._head + count) % len(self._ring)
        self._counts[self._name] += count
        self._arrivals.append((self._schedule.leave(now, count), count))

    def _deliver(self, now: float) -> None:
        while self.is_writable and not self.has_ended and self._arrivals and self._arrivals[0][0] <= now:
            when, count = self._arrivals[0]
            try:
                if not count:
                    self.has_ended = True
                    self._sink.shutdown(socket.SHUT_WR)
                    return
                sent = self._sink.send(self._ring[self._tail : self._tail + count])
            except BlockingIOError:
                self.is_writable = False
                return
            except OSError:
                self.has_ended = True
                return
            self._tail = (self._tail + sent) % len(self._ring)
            # The loop comes a little late; what was in time counts from its time.
            self._schedule.arrive(max(when, self._writable_since), sent)
            if sent == count:
                self._arrivals.popleft()
            else:
                self._arrivals[0] = (when, count - sent)


@dataclass(frozen=True, slots=True)
class Connection:
    """Two sockets, and what flows between them."""

    near: socket.socket
    far: socket.socket
    up: Flow
    down: Flow

    @property
    def is_over(self) -> bool:
        """Whether nothing can pass any more."""
        return self.up.has_ended and self.down.has_ended


class Relay:
    """A relay to a registry at a distance.

    `address` is where to connect to. `counts` is what has passed: `connections`, and the bytes `sent` by clients and
    `received` by them.
    """

    def __init__(self, registry: str, distance: Distance) -> None:
        host, _, port = registry.rpartition(":")
        self._registry, self._distance = (host, int(port)), distance
        self.counts: Counter[str] = Counter()
        self._listener = _socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(256)
        self._listener.setblocking(False)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._stopping, self._stopped = socket.socketpair()
        self._connections: dict[int, Connection] = {}
        self._timers: list[tuple[float, int, Flow, Connection]] = []
        self._numbers = itertools.count()
        self._poll = select.epoll()

    def stop(self) -> None:
        """End `run`, in another thread."""
        self._stopping.send(b"\0")

    def run(self) -> None:
        """Relay until `stop`."""
        self._poll.register(self._listener, select.EPOLLIN)
        self._poll.register(self._stopped, select.EPOLLIN)
        with self._listener, self._stopped, self._stopping, contextlib.closing(self._poll):
            while True:
                # epoll(2) counts in milliseconds, select(2) in microseconds.
                until = self._timers[0][0] - time.monotonic() if self._timers else None
                select.select([self._poll.fileno()], [], [], until and max(until, 0.0))
                for number, events in self._poll.poll(0):
                    if number == self._stopped.fileno():
                        self._end()
                        return
                    if number == self._listener.fileno():
                        self._accept()
                    elif number in self._connections:
                        self._note(number, events)
                self._come_due()

    def _accept(self) -> None:
        try:
            near, _ = self._listener.accept()
        except OSError:  # the client is gone already
            return
        far = _socket()
        try:
            far.connect(self._registry)
        except OSError:
            near.close()
            far.close()
            return
        self._open(near, far)

    def _open(self, near: socket.socket, far: socket.socket) -> None:
        now, rtt = time.monotonic(), self._distance.rtt
        for each in (near, far):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What a registry says unasked may leave when it has accepted, a client's first bytes a half round trip later.
        up = Flow("sent", near, far, Schedule(self._distance, now + rtt), self.counts)
        down = Flow("received", far, near, Schedule(self._distance, now + rtt / 2), self.counts)
        connection = Connection(near, far, up, down)
        for each in (near, far):
            self._connections[each.fileno()] = connection
            self._poll.register(each, _EDGES)
        self.counts["connections"] += 1
        self._advance(up, connection, now)
        self._advance(down, connection, now)

    def _note(self, number: int, events: int) -> None:
        """Note for what a socket has become ready, and go on with that."""
        connection, now = self._connections[number], time.monotonic()
        is_near = number == connection.near.fileno()
        reading, writing = (connection.up, connection.down) if is_near else (connection.down, connection.up)
        if events & _READS and not reading.is_readable:
            reading.is_readable = True
            self._advance(reading, connection, now)
        if events & _WRITES and not writing.is_writable:
            writing.resume(now)
            self._advance(writing, connection, now)

    def _come_due(self) -> None:
        """Go on with what is due, once with each, so that none keeps the others waiting."""
        now, due = time.monotonic(), list[tuple[Flow, Connection]]()
        while self._timers and self._timers[0][0] <= now:
            when, _, flow, connection = heapq.heappop(self._timers)
            if flow.wake == when:
                flow.wake = NEVER
                due.append((flow, connection))
        for flow, connection in due:
            self._advance(flow, connection, now)

    def _advance(self, flow: Flow, connection: Connection, now: float) -> None:
        if connection.near.fileno() < 0:
            return
        when = flow.advance(now)
        if connection.is_over:
            self._close(connection)
        elif when != flow.wake:
            flow.wake = when
            if when != NEVER:
                heapq.heappush(self._timers, (when, next(self._numbers), flow, connection))

    def _close(self, connection: Connection) -> None:
        for each in (connection.near, connection.far):
            self._connections.pop(each.fileno())
            each.close()
        connection.up.wake = connection.down.wake = NEVER

    def _end(self) -> None:
        for connection in set(self._connections.values()):
            self._close(connection)


@contextmanager
def relayed(registry: str, distance: Distance) -> Generator[Relay]:
    """Relay meanwhile, in a thread."""
    relay = Relay(registry, distance)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield relay
    finally:
        relay.stop()
        thread.join()


def _socket() -> socket.socket:
    """Return a socket whose own buffers are small; those that it accepts are likewise."""
    made = socket.socket()
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    return made


def main() -> None:
    """Relay, and say at which address."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="of the registry")
    parser.add_argument("--rtt", type=float, default=0.0, help="milliseconds of a round trip")
    parser.add_argument("--rate", type=float, default=float("inf"), help="megabytes a second, each way")
    options = parser.parse_args()
    with relayed(options.address, Distance(options.rtt / 1000, options.rate * 1e6)) as relay:
        print(relay.address, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
