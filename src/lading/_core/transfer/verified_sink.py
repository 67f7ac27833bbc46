"""Verified sink: content as it is gathered, with the hash of all that is there.

What an earlier process left is hashed again and gone on with; where it turns out to be wrong, it is forgotten. Nothing
is kept that is not verified.
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
    """A sink, and the verifier of what is in it.

    Every byte goes to the sink and to the verifier that there is by then: `write` does both. `is_inherited` says
    whether some of the content was left by an earlier process.
    """

    def __init__(self, sink: Sink, digest: Digest, size: int | None) -> None:
        self.sink = sink
        self.verifier = Verifier(digest, size)
        self.is_inherited = False
        self.has_leftover = True
        self._expected = (digest, size)

    @classmethod
    def begun(cls, make_sink: Callable[[Digest], Sink], digest: Digest, size: int | None) -> Self:
        """Make the sink, and begin to take up what an earlier process left. Blocks."""
        made = cls(make_sink(digest), digest, size)
        try:
            made.replay()
        except BaseException:
            made.sink.discard()
            raise
        return made

    def replay(self) -> None:
        """Take up the next of what an earlier process left, as far as it can be part of the content. Blocks."""
        try:
            self.has_leftover = self.sink.replay(self.verifier.update)
        except VerificationError:
            self.restart()
        self.is_inherited = self.verifier.seen > 0

    def write(self, piece: memoryview) -> None:
        """Append a piece. Raises `SizeMismatchError` as soon as there is more than expected."""
        self.verifier.update(piece)
        self.sink.write(piece)

    def restart(self) -> None:
        """Forget all that is there."""
        self.sink.restart()
        self.verifier = Verifier(*self._expected)
        self.is_inherited = self.has_leftover = False


@asynccontextmanager
async def filling(
    io: IO, make_sink: Callable[[Digest], Sink], digest: Digest, size: int | None
) -> AsyncGenerator[VerifiedSink]:
    """Give a sink for the time of the context, and keep what is in it if that is left without an error.

    The verifier must have accepted it by then. What an error breaks off that says nothing against the content is left
    for a later process.
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
