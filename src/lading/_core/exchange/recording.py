"""Recording of exchanges: status and header fields of each response, beside the typed results.

For what a registry says and no method here returns: rate limits, its own fields, how many requests a call took.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from lading._wire import error_documents
from lading._wire.header_fields import PLAIN_FIELDS
from lading._wire.messages import Headers, Request


class RecordedExchange(msgspec.Struct, frozen=True):
    """One request and the head of its answer.

    `request` is its method, place and target, redacted as in errors; `sent` its fields, those that may hold secrets
    with REDACTED for a value. `headers` are those of the answer, as they came.
    """

    request: str
    sent: Headers
    status: int
    headers: Headers


class Recorder:
    """Keeps the exchanges of one client, for as many readers as there are. Redirects and retries are exchanges too."""

    def __init__(self) -> None:
        self._readers: dict[object, list[RecordedExchange]] = {}

    @contextmanager
    def record(self) -> Generator[list[RecordedExchange]]:
        """Give a list that grows with each exchange, of any thread or task, until the context is left."""
        exchanges: list[RecordedExchange] = []
        reader = object()
        self._readers[reader] = exchanges
        try:
            yield exchanges
        finally:
            del self._readers[reader]

    def note(self, request: Request, status: int, headers: Headers) -> None:
        """Record an exchange, if anybody wants it."""
        # Copied in one step: readers come and go in other threads.
        readers = tuple(self._readers.values())
        if readers:
            exchange = RecordedExchange(error_documents.describe(request), _redacted(request.headers), status, headers)
            for reader in readers:
                reader.append(exchange)


def _redacted(headers: Headers) -> Headers:
    return Headers((name, value if name.lower() in PLAIN_FIELDS else "REDACTED") for name, value in headers)
