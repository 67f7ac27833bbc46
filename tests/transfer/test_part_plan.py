"""The plan of the parts of a blob, in any order of events."""

from __future__ import annotations

from hypothesis import given, strategies as st

from lading._core.exchange.part_memory import OF_A_BLOB, PartMemory
from lading._core.transfer.part_plan import PIECE, Part, PartPlan

OFFSET, SIZE = 3 * PIECE + 5, 60 * PIECE + 7
ACTIONS = ["claim", "respond", "read", "deliver", "give back", "rescue"]


class Pull:
    """A pull whose connections do what a test says; `content` is what was delivered, as ranges."""

    def __init__(self) -> None:
        self.memory = PartMemory()
        self.plan = PartPlan(self.memory, OFFSET, SIZE, 0.0)
        self.now = 0.0
        assert self.plan.lead is not None
        self.reading: list[Part] = [self.plan.lead]
        self.asked: list[Part] = []
        self.reads = 0

    def act(self, action: str, which: int, amount: int) -> None:
        self.now += 1.0
        if action == "claim" and (part := self.plan.claim(1, amount % (6 * PIECE) + 1, amount % (3 * PIECE), self.now)):
            self.asked.append(part)
        elif action == "respond" and self.asked:
            part = self.asked.pop(which % len(self.asked))
            if self.plan.respond(part, self.now):
                self.reading.append(part)
        elif action == "read" and self.reading:
            self.read(self.reading[which % len(self.reading)], amount)
        elif action == "deliver":
            self.deliver()
        elif action == "give back" and (parts := self.reading + self.asked):
            part = parts[which % len(parts)]
            self.plan.give_back(part, self.now)
            self.reading = [other for other in self.reading if other is not part]
            self.asked = [other for other in self.asked if other is not part]
        elif action == "rescue" and (rescued := self.plan.rescue(PIECE, 3.0, self.now)):
            self.asked.append(rescued)

    def read(self, part: Part, amount: int) -> None:
        room = self.plan.room(part)
        if not room:
            self.reading = [other for other in self.reading if other is not part]
            return
        count = min(room, amount % PIECE + 1)
        self.reads += count
        self.plan.keep(part, memoryview(bytes(count)), self.now)

    def deliver(self) -> None:
        while self.plan.next() is not None:
            pass
        assert self.plan.delivered <= SIZE

    def finish(self) -> None:
        """Let everything that is left go well."""
        for _ in range(2000):
            self.act("claim", 0, 4 * PIECE)
            self.act("respond", 0, 0)
            for part in self.reading[:]:
                self.read(part, PIECE - 1)
            self.deliver()
            if self.plan.is_complete:
                return
        raise AssertionError(f"nothing goes on at {self.plan.delivered}")


@given(
    st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 100), st.integers(0, 100 * PIECE)), min_size=5, max_size=120
    )
)
def test_every_byte_is_delivered_once_whatever_connections_do(actions: list[tuple[str, int, int]]) -> None:
    pull = Pull()
    for action, which, amount in actions:
        pull.act(action, which, amount)
    pull.finish()
    assert pull.plan.delivered == SIZE
    pull.plan.close()
    assert pull.memory.reserve(128 << 20)


def test_the_first_response_ends_where_others_have_delivered_past_it() -> None:
    pull = Pull()
    lead = pull.reading[0]
    part = pull.plan.claim(1, PIECE, 0, 1.0)
    assert part is not None
    assert pull.plan.respond(part, 1.0)
    assert part.first == OFFSET
    assert pull.plan.room(part) == PIECE
    pull.plan.keep(part, memoryview(bytes(PIECE)), 1.0)
    pull.deliver()
    assert pull.plan.delivered == OFFSET + PIECE
    assert pull.plan.room(lead) == 0


def test_parts_end_within_the_memory_of_a_blob() -> None:
    plan = PartPlan(PartMemory(), 0, 1 << 30, 0.0)
    while (part := plan.claim(1, 5 << 20, PIECE, 0.0)) is not None:
        assert part.end <= OF_A_BLOB


def test_the_memory_of_all_blobs_is_bounded() -> None:
    memory = PartMemory()
    plans = [PartPlan(memory, 0, 1 << 30, 0.0) for _ in range(6)]
    claimed = 0
    for plan in plans:
        while (part := plan.claim(1, 4 << 20, PIECE, 0.0)) is not None:
            claimed += part.end - part.first
    assert 120 << 20 <= claimed <= 128 << 20
    for plan in plans:
        plan.close()
    assert memory.reserve(128 << 20)


def test_without_memory_the_first_missing_bytes_come_all_the_same() -> None:
    memory = PartMemory()
    assert memory.reserve(128 << 20)
    plan = PartPlan(memory, 0, 8 << 20, 0.0)
    assert plan.claim(1, PIECE, PIECE, 0.0) is None
    assert plan.lead is not None
    plan.give_back(plan.lead, 0.0)
    part = plan.claim(1, PIECE, PIECE, 0.0)
    assert part is not None
    assert (part.first, part.end) == (0, PIECE)
