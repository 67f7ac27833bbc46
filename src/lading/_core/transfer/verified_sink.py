"""Verified sink: content being gathered, with the hash of everything so far.

Content left by an earlier process is hashed again and completed; if it turns out to be wrong, it is dropped. Only
verified content is kept.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Self

from lading._core.transfer.sinks import Sink
from lading._io.base import IO
from lading.digest import Digest
from lading.errors import VerificationError
from lading.stores.partial_files import USELESS
from lading.verification import Verifier


class VerifiedSink:
    """A sink with the verifier of its content.

    Every byte must be passed to the sink and to the current verifier; `write` does both. `is_inherited` is true if an
    earlier process left some of the content.
    """

    def __init__(self, sink: Sink, digest: Digest, size: int | None) -> None:
        self.sink = sink
        self.verifier = Verifier(digest, size)
        self.is_inherited = False
        self.has_leftover = True
        self._expected = (digest, size)

    @classmethod
    def begun(cls, make_sink: Callable[[Digest], Sink], digest: Digest, size: int | None) -> Self:
        """Create the sink, and begin to hash the content that an earlier process left. Blocks."""
        made = cls(make_sink(digest), digest, size)
        try:
            made.replay()
        except BaseException:
            made.sink.discard()
            raise
        return made

    def replay(self) -> None:
        """Hash the next chunk that an earlier process left, or drop everything if there is too much. Blocks."""
        try:
            self.has_leftover = self.sink.replay(self.verifier.update)
        except VerificationError:
            self.restart()
        self.is_inherited = self.verifier.seen > 0

    def write(self, piece: memoryview) -> None:
        """Append a piece. Raises `SizeMismatchError` as soon as the content exceeds the expected size."""
        self.verifier.update(piece)
        self.sink.write(piece)

    def restart(self) -> None:
        """Drop all content."""
        self.sink.restart()
        self.verifier = Verifier(*self._expected)
        self.is_inherited = self.has_leftover = False


@asynccontextmanager
async def filling(
    io: IO, make_sink: Callable[[Digest], Sink], digest: Digest, size: int | None
) -> AsyncGenerator[VerifiedSink]:
    """Yield a sink for the time of the context, and keep its content at the end if there was no error.

    The verifier must have accepted the content by then. After an error that does not concern the content, the partial
    content is left for a later process.
    """
    filled = await io.call(VerifiedSink.begun, make_sink, digest, size, discard=lambda late: late.sink.leave())
    try:
        while filled.has_leftover:
            await io.call(filled.replay)
        yield filled
        await io.call(filled.sink.commit)
    except USELESS:
        raise
    except BaseException:
        filled.sink.leave()
        raise
    finally:
        filled.sink.discard()
