from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from lading import Budgets, Client, Retries, TimedOutError
from lading._io import body_reading
from lading._io.base import Body, Cancellation
from lading._io.body_reading import read_all
from lading._wire.messages import Response
from lading.headers import Headers
from tests.support.scripted import Peer, ScriptedServer, answers

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


class Slow:
    """A body that gives a byte every twenty seconds of the clock, and never ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(body_reading, "time", SimpleNamespace(monotonic=lambda: self.now))

    def readinto(self, buffer: memoryview, /) -> int:
        self.now += 20.0
        buffer[:1] = b" "
        return 1

    def close(self) -> None:
        """Nothing is open."""


def test_t_40_a_body_that_trickles_is_read_until_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    body = Body(Response(200, Headers(), slow), Cancellation())
    with pytest.raises(TimedOutError, match=r"the page arrives too slowly: 4 bytes in 60 seconds"):
        read_all(body, 1000, "the page", 60.0)
    assert slow.now == 80.0


@pytest.mark.parametrize("sent", [b"", b"2\r\n{}\r\n", b"2;extension=", b"2\r\n{}\r\n0\r\nTrailer: "])
def test_t_40_a_body_that_stops_is_waited_for_until_its_time_is_up(sent: bytes) -> None:
    """Without a minimum rate, and long before the idle timeout of a minute."""
    budgets = Budgets(seconds=0.1, min_rate=0)
    with ScriptedServer(answers(HEAD + sent)) as server:
        client = Client(budgets=budgets, retries=Retries(tries=1), timeout=60.0)
        with client, pytest.raises(TimedOutError, match=r"arrives too slowly: [02] bytes in 0\.1 seconds"):
            list(client.repository(f"{server.origin.scheme}://127.0.0.1:{server.port}/a").tags.list())


def test_t_40_extensions_of_chunks_that_go_on_for_ever_are_not_read_on() -> None:
    closed = threading.Event()

    def trickle(peer: Peer) -> None:
        peer.read_head()
        peer.send(HEAD + b"1;")
        while not closed.wait(0.01):
            peer.send(b"x")

    with ScriptedServer(trickle) as server:
        client = Client(budgets=Budgets(seconds=0.2, min_rate=0), retries=Retries(tries=1))
        with client, pytest.raises(TimedOutError, match=r"arrives too slowly: 0 bytes in 0\.2 seconds"):
            list(client.repository(f"{server.origin.scheme}://127.0.0.1:{server.port}/a").tags.list())
        closed.set()
