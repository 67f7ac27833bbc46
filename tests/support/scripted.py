"""A server on loopback that does what a script says, byte for byte: what no well-behaved server can be made to do."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from lading._io.base import Cancellation, Transport
from lading._wire.messages import Origin, Reader, Request
from lading.headers import Headers

# Longer than any answer takes; a script that waits in vain fails instead of hanging.
_PATIENCE = 20.0


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, requests: list[bytes]) -> None:
        self.socket = sock
        self._requests = requests
        self._rest = b""

    def read_head(self) -> bytes:
        while b"\r\n\r\n" not in self._rest:
            received = self.socket.recv(65536)
            if not received:
                raise EOFError(f"the client closed after {self._rest[:200]!r}")
            self._rest += received
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        self._requests.append(head)
        return head

    def read(self, size: int) -> bytes:
        data = bytearray(self._rest[:size])
        self._rest = self._rest[size:]
        while len(data) < size:
            received = self.socket.recv(min(size - len(data), 1 << 20))
            if not received:
                raise EOFError(f"the client closed after {len(data)} of {size} bytes")
            data += received
        return bytes(data)

    def read_request(self) -> tuple[bytes, bytes]:
        head = self.read_head()
        length = re.search(rb"\r\nContent-Length: ([0-9]+)", head)
        return head, self.read(int(length[1])) if length else b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def wait_for_close(self) -> bytes:
        """Return the beginning of what still comes until the client closes."""
        data = self._rest
        with contextlib.suppress(ConnectionError):
            while received := self.socket.recv(1 << 20):
                data = (data + received)[: 1 << 20]
        return data

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Peer], object]


def answers(*raw: bytes, then_close: bool = False) -> Script:
    """Answer as many requests, then close, or wait until the client does."""

    def run(peer: Peer) -> None:
        for answer in raw:
            peer.read_request()
            peer.send(answer)
        if not then_close:
            peer.wait_for_close()

    return run


def steps(*actions: Callable[[Peer], object]) -> Script:
    """Do one thing after another."""

    def run(peer: Peer) -> None:
        for action in actions:
            action(peer)

    return run


def repeats(raw: bytes) -> Script:
    """Answer every request in the same way until the client closes."""

    def run(peer: Peer) -> None:
        with contextlib.suppress(EOFError):
            while True:
                peer.read_request()
                peer.send(raw)

    return run


def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass on what either side says, until both have ended."""
    back = threading.Thread(target=_pump, args=(other, one))
    back.start()
    _pump(one, other)
    back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class ScriptedServer:
    """Serves the first connection by the first script, and so on; each has its thread.

    Leaving the context waits for the scripts and raises what went wrong in them, such as a connection without a script.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.accepted = 0
        self._scripts = scripts
        self._tls = tls
        self._errors: list[BaseException] = []
        self._listener = socket.create_server(
            (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
        )
        self._end, self._ended = socket.socketpair()
        self._threads = [threading.Thread(target=self._accept)]
        host = f"[{address}]" if ":" in address else address
        self.port: int = self._listener.getsockname()[1]
        self.origin = Origin("https" if tls else "http", host, self.port)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
        self._threads[0].join()
        for thread in self._threads[1:]:
            thread.join()
        if self._errors and error is None:
            raise ExceptionGroup("the script failed", [e for e in self._errors if isinstance(e, Exception)])

    def _accept(self) -> None:
        """Accept until the end is told, and then what has connected before."""
        with self._listener, self._ended:
            self._listener.setblocking(False)
            while True:
                ended = self._ended in select.select([self._listener, self._ended], [], [])[0]
                with contextlib.suppress(BlockingIOError):
                    while True:
                        self._start(self._listener.accept()[0])
                if ended:
                    return

    def _start(self, sock: socket.socket) -> None:
        number, self.accepted = self.accepted, self.accepted + 1
        if number >= len(self._scripts):
            self._errors.append(AssertionError(f"connection {number + 1} was not expected"))
            sock.close()
            return
        thread = threading.Thread(target=self._serve, args=(sock, self._scripts[number]))
        self._threads.append(thread)
        thread.start()

    def _serve(self, sock: socket.socket, script: Script) -> None:
        sock.settimeout(_PATIENCE)
        try:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            script(Peer(sock, self.requests))
        except (ssl.SSLError, ConnectionError):
            # The client refused the certificate, or hung up: the test sees that on its side.
            pass
        except BaseException as error:  # noqa: BLE001  # it is raised again in the thread of the test
            self._errors.append(error)
        finally:
            sock.close()


def get(origin: Origin, target: str = "/v2/", method: str = "GET", **fields: str) -> Request:
    return Request(method, origin, target, Headers(fields.items()))


def exchange(
    transport: Transport, request: Request, cancellation: Cancellation | None = None
) -> tuple[int, Headers, bytes]:
    """Send a request and read the whole body of the answer."""
    response = transport.send(request, cancellation or Cancellation())
    try:
        body = read_all(response.body)
    finally:
        response.body.close()
    return response.status, response.headers, body


def read_all(body: Reader) -> bytes:
    content, buffer = bytearray(), memoryview(bytearray(1 << 16))
    while count := body.readinto(buffer):
        content += buffer[:count]
    return bytes(content)
