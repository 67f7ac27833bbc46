"""Plan of the parts of one blob: who fetches which bytes, and what waits for earlier ones. It waits for nothing.

The lead is the response that began the pull and has all the rest of the blob. It is read in order until it reaches
bytes that another connection is known to fetch. So a part that is refused, or asked for in the wrong place, costs
nothing.
"""

from __future__ import annotations

from lading._core.exchange.part_memory import OF_A_BLOB, PartMemory
from lading._io.base import mutex

PIECE: int = 1 << 20
"""Most bytes that a connection reads before they are passed on."""
_AHEAD = 4 << 20


class Part:
    """Bytes from `first` to `end`, of which those before `reached` have arrived. `at`: seconds, of the last arrival."""

    __slots__ = ("at", "end", "first", "has_response", "is_owned", "is_reserved", "reached")

    def __init__(self, first: int, end: int, at: float, *, is_reserved: bool = False, is_owned: bool = True) -> None:
        self.first = self.reached = first
        self.end = end
        self.at = at
        self.is_reserved = is_reserved
        self.is_owned = is_owned
        self.has_response = False


class PartPlan:
    """The parts of a blob of `size` bytes, of which those before `offset` are there. Any thread may use it.

    What is in memory is reserved. Parts end at most `OF_A_BLOB` bytes after the first byte that is missing.
    """

    def __init__(self, memory: PartMemory, offset: int, size: int, now: float) -> None:
        self.delivered = offset
        self.size = size
        self.lead: Part | None = Part(offset, size, now)
        self._memory = memory
        self._reserved = 0
        self._guard = mutex()
        # In order, until they were delivered, without the lead; only the bytes before the first of them may be in none.
        self._parts: list[Part] = []
        self._ready: dict[int, tuple[memoryview, bool]] = {}
        self._lead_reads_to = offset
        self._is_being_delivered = False

    @property
    def is_complete(self) -> bool:
        """Whether every byte was delivered."""
        return self.delivered >= self.size

    def claim(self, least: int, length: int, margin: int, now: float) -> Part | None:
        """Take a part that a connection gave back, or the next one of up to `length` bytes; None if none may begin now.

        It has at least `least` bytes, unless it is the last. The first one begins `margin` bytes after the lead.
        """
        with self._guard:
            for part in self._parts:
                if not part.is_owned:
                    part.is_owned, part.has_response, part.at = True, False, now
                    return part
            first = self._claimed(margin)
            end = min(first + length, self.size, self.delivered + OF_A_BLOB)
            if end < min(first + least, self.size) or first >= end:
                return None
            is_reserved = self._reserve(end - first)
            # The first missing bytes need no memory of their own: they are passed on as they come.
            if not is_reserved and first > self.delivered:
                return None
            self._parts.append(Part(first, end, now, is_reserved=is_reserved))
            return self._parts[-1]

    def unclaimed(self) -> int:
        """Return the number of bytes that are in no part."""
        with self._guard:
            return max(0, self.size - self._claimed(0))

    def rescue(self, length: int, stall: float, now: float) -> Part | None:
        """Take the part that all others wait for from its connection, if nothing has come for `stall` seconds."""
        with self._guard:
            for part in [self.lead] if self.lead is not None else list(self._parts):
                if part.is_owned and part.reached == self.delivered < part.end and now > part.at + stall:
                    rest = self._split(part, self._end_of_rest(part, length), now)
                    rest.is_owned = True
                    return rest
            return None

    def respond(self, part: Part, now: float) -> bool:
        """Note that the response with a part has begun; return False if the lead has already come to it."""
        with self._guard:
            if not any(part is known for known in self._parts):
                return False
            part.has_response, part.at = True, now
            return True

    def room(self, part: Part) -> int:
        """Return the bytes that may be read into a part now; 0 at its end."""
        with self._guard:
            if part is not self.lead:
                return min(PIECE, part.end - part.reached)
            end = next((other.first for other in self._parts if other.has_response), self.size)
            count = min(PIECE, end - part.reached, part.end - part.reached)
            if not count and part.end == self.size:
                self.lead = None
            self._lead_reads_to = part.reached + count
            self._overtake(self._lead_reads_to)
            return count

    def keep(self, part: Part, piece: memoryview, now: float) -> None:
        """Keep what has arrived of a part, until all before it was delivered."""
        with self._guard:
            piece = piece[: part.end - part.reached]
            part.at = now
            if piece:
                self._ready[part.reached] = (piece, part.is_reserved)
                part.reached += len(piece)

    def give_back(self, part: Part, now: float) -> None:
        """Leave the rest of a part to another connection."""
        with self._guard:
            if part is self.lead:
                if part.reached < self.size:
                    self._split(part, self._end_of_rest(part, PIECE), now)
            elif part.reached < part.end and any(part is known for known in self._parts):
                self._split(part, part.end, now)

    def begin_delivery(self) -> bool:
        """Return whether the caller is to deliver now: the next bytes are there, and no other thread delivers."""
        with self._guard:
            if self._is_being_delivered or self.delivered not in self._ready:
                return False
            self._is_being_delivered = True
            return True

    def next(self) -> memoryview | None:
        """Return the next bytes in order, which count as delivered; None if they are not there, which ends this."""
        with self._guard:
            ready = self._ready.pop(self.delivered, None)
            if ready is None:
                self._is_being_delivered = False
                return None
            piece, is_reserved = ready
            self.delivered += len(piece)
            while self._parts and self._parts[0].end <= self.delivered:
                self._parts.pop(0)
            if self.lead is not None and self.lead.reached < self.delivered:
                # It was just passing on its last bytes, and those of others after them.
                self.lead.end, self.lead = self.lead.reached, None
            if is_reserved:
                self._release(len(piece))
            return piece

    def is_ahead(self, part: Part) -> bool:
        """Return whether a part without memory of its own has to wait until its bytes are delivered."""
        return not part.is_reserved and part.reached - self.delivered > _AHEAD

    def close(self) -> None:
        """Drop what was not delivered."""
        with self._guard:
            self._ready.clear()
            self._release(self._reserved)

    def _claimed(self, margin: int) -> int:
        if self._parts:
            return self._parts[-1].end
        if self.lead is not None:
            return max(self._lead_reads_to, self.lead.reached) + margin
        # The last bytes of the lead may not have been delivered yet.
        return max(self.delivered, self._lead_reads_to)

    def _end_of_rest(self, part: Part, length: int) -> int:
        """Return the end of what a connection gives back: its part, or for the lead what no other has."""
        if part is not self.lead:
            return part.end
        return self._parts[0].first if self._parts else min(self.size, part.reached + length)

    def _split(self, part: Part, end: int, now: float) -> Part:
        """End a part where it is, and put a part without a connection in the place of its rest, up to `end`."""
        rest = Part(part.reached, end, now, is_reserved=part.is_reserved, is_owned=False)
        part.end = part.reached
        if part is self.lead:
            self.lead, self._lead_reads_to = None, part.reached
            self._parts.insert(0, rest)
        else:
            place = next(place for place, known in enumerate(self._parts) if known is part)
            self._parts[place : place + 1] = [part, rest] if part.first < part.reached else [rest]
        return rest

    def _overtake(self, end: int) -> None:
        """Take parts, or their beginnings, out of the plan that the lead reads itself: none has a response yet."""
        while self._parts and self._parts[0].first < end:
            part = self._parts[0]
            to = part.end if part.is_owned else min(end, part.end)
            if part.is_reserved:
                self._release(to - part.first)
            if to == part.end:
                self._parts.pop(0)
            else:
                part.first = part.reached = to

    def _reserve(self, count: int) -> bool:
        if not self._memory.reserve(count):
            return False
        self._reserved += count
        return True

    def _release(self, count: int) -> None:
        self._reserved -= count
        self._memory.release(count)
