"""Copies of many tags: several at the same time, and told in the order of the tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from lading._core.copying.copy import Copying
from lading._core.copying.plan import Copied
from lading._core.transfer.async_target import Readable
from lading._io.base import IO, mutex
from lading.errors import ClientClosedError, LadingError, NotFoundError
from lading.events import EventHandler, Warned

# How often to list the tags again, to see whether one was removed.
_MOST_LOOKS = 10

OnResult: TypeAlias = Callable[[str, Copied | LadingError], object]


class Vanished:
    """Tags that were listed, and removed from the source before they were copied."""

    def __init__(self, source: Readable, emit: EventHandler) -> None:
        self._source = source
        self._emit = emit
        self._looks = 0

    async def has(self, tag: str, error: LadingError) -> bool:
        """Return whether an error means that a tag was removed, and warn of it: the tags are listed again.

        They are not listed for ever: beyond `_MOST_LOOKS` such errors, a tag that is not found is a failure.
        """
        if not isinstance(error, NotFoundError) or (error.side, error.digest) != ("source", None):
            return False
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            return False
        try:
            listed = [each async for each in self._source.tags()]
        except LadingError:
            return False  # the tag has failed, which must not cost the results of the others
        if tag in listed:
            return False
        self._emit(Warned(self._source.name, f"tag {tag!r} was removed during the copy: not copied"))
        return True


class _Results:
    """Results by tag, each told when those of all tags before it are; None for a tag that was removed."""

    def __init__(self, tags: Sequence[str], on_result: OnResult | None) -> None:
        self.in_order: dict[str, Copied | LadingError] = {}
        self._tags = tags
        self._on_result = on_result
        self._guard = mutex()
        self._waiting: dict[str, Copied | LadingError | None] = {}
        self._next = 0

    def add(self, tag: str, result: Copied | LadingError | None) -> None:
        """Add the result of one tag, from any thread."""
        with self._guard:
            self._waiting[tag] = result
            while self._next < len(self._tags) and (tag := self._tags[self._next]) in self._waiting:
                self._next += 1
                told = self._waiting.pop(tag)
                if told is None:
                    continue
                self.in_order[tag] = told
                if self._on_result is not None:
                    self._on_result(tag, told)


async def copy_each(
    io: IO, copying: Copying, tags: Sequence[str], vanished: Vanished, on_result: OnResult | None, *, fail_fast: bool
) -> dict[str, Copied | LadingError]:
    """Copy tags: content that they share is copied once, and each is as if they were copied one after another.

    The first one is copied alone: it tells how many pulls are left, and whether logins work. With `fail_fast`, all are
    copied one after another, so that none is after an error.
    """
    tags = list(dict.fromkeys(tags))
    results = _Results(tags, on_result)
    limit = 1 if fail_fast else copying.at_once()

    async def copy(tag: str) -> bool:
        """Copy a tag, and return whether that succeeded or the tag is gone."""
        result: Copied | LadingError
        try:
            result = await (copying.copy if limit == 1 else copying.copy_one_of_several)(tag, (tag,))
        except ClientClosedError:
            raise
        except LadingError as error:
            if await vanished.has(tag, error):
                results.add(tag, None)
                return True
            result = error
        results.add(tag, result)
        return not isinstance(result, LadingError)

    if fail_fast:
        for tag in tags:
            if not await copy(tag):
                break
    else:
        await io.map(copy, tags[:1], limit=1)
        await io.map(copy, tags[1:], limit=limit)
    return results.in_order


def check_all(results: Mapping[str, Copied | LadingError]) -> None:
    """Raise the first error, which keeps an archive from being written without some of its tags."""
    failures = {tag: result for tag, result in results.items() if isinstance(result, LadingError)}
    for tag, first in failures.items():
        first.args = (f"tag {tag}: {first}",)
        for other, error in failures.items():
            if error is not first:
                first.add_note(f"tag {other}: {error}")
        raise first
