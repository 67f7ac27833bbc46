"""A line between a client and a registry that is slow in a known way: a relay on loopback, until Ctrl-C.

    python -m benchmarks.slow_line HOST:PORT [--rate MB] [--delay MS]

Each connection carries so many bytes a second and no more, and each request is held back for a time, as if it came from
far away.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

_PIECE = 64 << 10
_PAUSE = 0.002


@contextmanager
def slow_line(address: str, *, rate: float = float("inf"), delay: float = 0.0) -> Generator[str]:
    """Relay to a registry; `rate` is in bytes a second for each connection, `delay` in seconds for each request."""
    host, _, port = address.rpartition(":")
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    far = socket.create_connection((host, int(port)))
                    for source, sink, pace in ((near, far, (delay, rate)), (far, near, (0.0, rate))):
                        threading.Thread(target=_carry, args=(source, sink, *pace), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _carry(source: socket.socket, sink: socket.socket, delay: float, rate: float) -> None:
    """Carry bytes one way until their end. What follows a pause is a new request, and late."""
    buffer, free = memoryview(bytearray(_PIECE)), 0.0
    with contextlib.suppress(OSError):
        while count := source.recv_into(buffer):
            now = time.monotonic()
            if delay and now - free > _PAUSE:
                time.sleep(delay)
                now += delay
            free = max(free, now) + count / rate
            sink.sendall(buffer[:count])
            time.sleep(max(0.0, free - time.monotonic()))
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """Relay, and say at which address."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="of the registry")
    parser.add_argument("--rate", type=float, default=float("inf"), help="megabytes a second for each connection")
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds for each request")
    options = parser.parse_args()
    with slow_line(options.address, rate=options.rate * 1e6, delay=options.delay / 1000) as address:
        print(address, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
