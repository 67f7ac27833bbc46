"""Recording of responses: status, header fields and documents, next to the typed results.

For what a registry says and no method here returns: rate limits, its own fields, how many requests a call took.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec.structs import force_setattr

from lading._wire.error_documents import raw_response
from lading._wire.messages import Request
from lading.headers import Headers
from lading.raw_response import RawResponse

_MOST_BYTES = 64 << 20


class Recorder:
    """Keeps the responses of one client for those tasks and threads that asked for them.

    A recording belongs to the context (PEP 567) that began it: tasks and worker threads that an operation starts have
    a copy of it, other tasks and threads do not.
    """

    @contextmanager
    def record(self) -> Generator[list[RawResponse]]:
        """Give a list that grows with each response to this task or thread, until the context is left."""
        recording = _Recording(self)
        _RECORDINGS.set((*_RECORDINGS.get(), recording))
        try:
            yield recording.responses
        finally:
            # A task that outlives the block may still hold the recording.
            recording.is_open = False
            _RECORDINGS.set(tuple(each for each in _RECORDINGS.get() if each is not recording))

    def note(self, request: Request, status: int, headers: Headers) -> RawResponse | None:
        """Record the head of a response; None if it is not recorded. `keep_body` adds the body."""
        recordings = self._recordings()
        if not recordings:
            return None
        response = raw_response(request, status, headers)
        for recording in recordings:
            recording.responses.append(response)
        return response

    def keep_body(self, response: RawResponse | None, content: bytes) -> None:
        """Add the body to a response that was recorded, if all recordings have room for it."""
        recordings = self._recordings()
        if response is None or any(len(content) > recording.room for recording in recordings):
            return
        for recording in recordings:
            recording.room -= len(content)
        force_setattr(response, "body", content)

    def _recordings(self) -> list[_Recording]:
        return [each for each in _RECORDINGS.get() if each.recorder is self and each.is_open]


class _Recording:
    __slots__ = ("is_open", "recorder", "responses", "room")

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.responses: list[RawResponse] = []
        self.room = _MOST_BYTES
        self.is_open = True


_RECORDINGS: ContextVar[tuple[_Recording, ...]] = ContextVar("lading recordings", default=())
