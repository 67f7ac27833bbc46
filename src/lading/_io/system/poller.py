"""Interface for waiting for several sockets at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from socket import socket


class Poller(Protocol):
    """The part of `select.poll` that sockets need, with the events `READABLE` and `WRITABLE`."""

    def register(self, sock: socket | int, events: int, /) -> None:
        """Wait for events of a socket, or of its number, from now on."""

    def unregister(self, sock: socket | int, /) -> None:
        """Stop waiting for a socket, by itself or by its number."""

    def poll(self, milliseconds: float | None, /) -> list[tuple[int, int]]:
        """Wait for any event, and return the numbers of the sockets that have some, with these."""
        ...
