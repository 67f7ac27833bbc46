"""What no client can be faster than: the floors of a pull, as programs.

    python -m benchmarks.floors sha256 FILE…
    python -m benchmarks.floors socket http://HOST:PORT/PATH

The first hashes files that are in memory, the second reads the answer to a request and does nothing with it.
"""

from __future__ import annotations

import hashlib
import socket
import sys
from urllib.parse import urlsplit

_PIECE = 1 << 20


def hash_files(paths: list[str]) -> None:
    """Hash files one after another."""
    buffer = memoryview(bytearray(_PIECE))
    for path in paths:
        hashing = hashlib.sha256()
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # as plain as can be
            while count := file.readinto(buffer):
                hashing.update(buffer[:count])
        print(hashing.hexdigest())


def read_answers(urls: list[str]) -> None:
    """Read answers to their end, which the server marks by closing."""
    buffer = memoryview(bytearray(_PIECE))
    for url in urls:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 80)) as connection:
            head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode())
            total = 0
            while count := connection.recv_into(buffer):
                total += count
        print(total)


if __name__ == "__main__":
    {"sha256": hash_files, "socket": read_answers}[sys.argv[1]](sys.argv[2:])
