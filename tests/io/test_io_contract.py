"""What every IO promises to the flows, and what cancellation does under a loop."""

from __future__ import annotations

import asyncio
import io as streams
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio

from lading import AsyncClient, Cancellation, Headers, Origin, Request, Response, StorageError
from lading._io.base import IO, advance, step, steps
from lading._io.blocking import BlockingIO
from lading._io.event_loop import AsyncIO
from tests.support.transports import PATIENCE, Silent

REGISTRY = "localhost:5000"


async def test_call_gives_the_result_or_raises(io: IO) -> None:
    assert await io.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await io.call(divmod, 7, 0)


async def test_map_keeps_the_order_of_the_items(io: IO) -> None:
    async def double(item: int) -> int:
        return await io.call(lambda: item * 2)

    assert await io.map(double, range(20), limit=4) == [item * 2 for item in range(20)]
    assert await io.map(double, [], limit=4) == []


async def test_map_runs_as_many_at_once_as_its_limit_and_no_more(io: IO) -> None:
    together = threading.Barrier(3)
    lock = threading.Lock()
    running, most = 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(PATIENCE)  # passes only if three of them are here at once
        with lock:
            running -= 1

    async def one(_: int) -> None:
        await io.call(work)

    await io.map(one, range(6), limit=3)
    assert most == 3


async def test_workers_of_map_are_started_as_its_limit_grows_and_end_as_it_falls(io: IO) -> None:
    two, five = threading.Barrier(2), threading.Barrier(5)
    lock = threading.Lock()
    limit, running, most_at_the_end = 2, 0, 0

    def work(item: int) -> None:
        nonlocal limit, running, most_at_the_end
        with lock:
            running += 1
            if item >= 12:
                most_at_the_end = max(most_at_the_end, running)
        if item < 2:
            two.wait(PATIENCE)
            limit = 5
        elif item < 7:
            five.wait(PATIENCE)  # passes only if five of them are here at once
            limit = 1
        with lock:
            running -= 1

    async def one(item: int) -> int:
        await io.call(work, item)
        return item

    # Four of the five workers end with the items that they have, so that one is left for the last items.
    assert await io.map(one, range(40), limit=lambda _: limit) == list(range(40))
    assert most_at_the_end == 1


async def test_map_tells_its_limit_how_many_work_and_0_at_the_end(io: IO) -> None:
    told: list[int] = []

    def limit(working: int) -> int:
        told.append(working)
        return 3

    async def one(_: int) -> None:
        await io.call(lambda: None)

    await io.map(one, range(9), limit=limit)
    assert (max(told), told[-1]) == (3, 0)


async def test_a_signal_ends_a_wait_and_so_does_the_time(io: IO) -> None:
    signal, waiting = io.signal(), threading.Event()

    async def wait() -> None:
        waiting.set()
        await signal.wait(PATIENCE)

    async def give() -> None:
        assert await io.call(waiting.wait, PATIENCE)
        signal.set()

    async def run(flow: Callable[[], Awaitable[None]]) -> None:
        await flow()

    before = io.now()
    await io.map(run, [wait, give], limit=2)
    await io.signal().wait(0.01)
    assert 0.01 <= io.now() - before < PATIENCE


async def test_map_raises_the_first_failure_and_not_a_group(io: IO) -> None:
    async def fail(item: int) -> None:
        await io.call(lambda: None)
        if item == 1:
            raise LookupError("the second")

    with pytest.raises(LookupError, match="the second"):
        await io.map(fail, range(3), limit=3)


async def test_map_within_map(io: IO) -> None:
    async def inner(item: int) -> int:
        return await io.call(lambda: item + 1)

    async def outer(item: int) -> list[int]:
        return await io.map(inner, range(item), limit=2)

    assert await io.map(outer, range(4), limit=2) == [[], [1], [1, 2], [1, 2, 3]]


async def test_a_failure_breaks_the_waits_of_the_others(io: IO) -> None:
    """The registry is silent until the exchange is cancelled; the other part fails only when that wait has begun."""
    wire = Silent()

    async def exchange() -> None:
        await io.send(wire, Request("GET", Origin("http", "localhost", 5000), "/v2/"))

    async def fail() -> None:
        assert await io.call(wire.began.wait, PATIENCE)
        raise LookupError("first")

    async def run(flow: Callable[[], Awaitable[None]]) -> None:
        await flow()

    with pytest.raises(LookupError):
        await io.map(run, [exchange, fail], limit=2)
    assert wire.ended.is_set()


async def test_a_lock_lets_one_in_at_a_time(io: IO) -> None:
    lock = io.lock()
    inside: list[int] = []

    async def enter(item: int) -> None:
        async with lock:
            inside.append(item)
            await io.call(lambda: None)
            assert inside.pop() == item

    await io.map(enter, range(20), limit=4)


async def test_sleep_passes_time(io: IO) -> None:
    before = io.now()
    await io.sleep(0.01)
    assert io.now() - before >= 0.01


async def test_sleep_in_map_ends_when_another_part_fails(io: IO) -> None:
    sleeping = threading.Event()

    async def sleep() -> None:
        sleeping.set()
        await io.sleep(PATIENCE * 100)

    async def fail() -> None:
        await io.call(sleeping.wait, PATIENCE)
        raise LookupError("first")

    async def run(flow: Callable[[], Awaitable[None]]) -> None:
        await flow()

    before = io.now()
    with pytest.raises(LookupError):
        await io.map(run, [sleep, fail], limit=2)
    assert io.now() - before < PATIENCE


def interrupt() -> None:
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_a_map_and_all_its_waits() -> None:
    io = BlockingIO()
    sleeping = threading.Barrier(2)

    async def wait(interrupts: bool) -> None:
        sleeping.wait(PATIENCE)
        if interrupts:
            interrupt()  # reaches the main thread, which waits for the map
        await io.sleep(PATIENCE * 100)

    before = io.now()
    with pytest.raises(KeyboardInterrupt):
        step(io.map(wait, [False, True], limit=2))
    assert io.now() - before < PATIENCE


def test_step_names_what_was_awaited_in_vain() -> None:
    async def flow() -> None:
        await asyncio.sleep(1)

    with pytest.raises(RuntimeError, match="awaited <Future"):
        asyncio.run(stepped_inside(flow))


async def stepped_inside(flow: Callable[[], Awaitable[None]]) -> None:
    step(flow())


def test_steps_and_advance_iterate_over_a_flow() -> None:
    async def count() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    assert list(steps(count())) == [0, 1, 2]
    counting = count()
    assert [advance(counting) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StopIteration):
        advance(counting)


async def begun_and_cancelled(wire: Silent) -> None:
    """Begin an exchange in a task of its own, cancel that, and wait for it."""
    async with AsyncClient(transport=wire) as client:
        task = asyncio.create_task(client.registry(REGISTRY).ping())
        await asyncio.to_thread(wire.began.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_cancelling_an_asyncio_task_ends_its_exchange_before_the_task() -> None:
    wire = Silent()

    async def main() -> None:
        await begun_and_cancelled(wire)
        assert wire.ended.is_set()

    asyncio.run(main())


def test_a_timeout_of_asyncio_ends_the_exchange() -> None:
    wire = Silent()

    async def main() -> None:
        async with AsyncClient(transport=wire) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await client.registry(REGISTRY).ping()

    asyncio.run(main())
    assert wire.ended.is_set()


@pytest.mark.usefixtures("trio_loop")
def test_cancelling_a_trio_scope_ends_its_exchange() -> None:
    wire = Silent()

    async def main() -> None:
        async with AsyncClient(transport=wire) as client, trio.open_nursery() as nursery:
            nursery.start_soon(client.registry(REGISTRY).ping)
            await trio.to_thread.run_sync(wire.began.wait, PATIENCE)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert wire.ended.is_set()


def test_a_response_that_arrives_as_its_task_is_cancelled_is_closed() -> None:
    body = streams.BytesIO(b"x")
    wire = Silent(late=Response(200, Headers(), body))
    asyncio.run(begun_and_cancelled(wire))
    assert body.closed


def test_close_ends_the_threads() -> None:
    before = set(threading.enumerate())

    async def main() -> None:
        io = AsyncIO(threads=4)
        await io.map(lambda _: io.call(threading.get_ident), range(8), limit=4)
        threads = set(threading.enumerate()) - before
        assert threads
        io.close()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    asyncio.run(main())


def test_a_cancellation_calls_what_is_attached_once_and_nothing_that_was_detached() -> None:
    calls: list[str] = []
    cancellation = Cancellation()
    cancellation.attach(lambda: calls.append("attached"))
    cancellation.detach(cancellation.attach(lambda: calls.append("detached")))
    assert not cancellation.wait(0)
    cancellation.cancel()
    cancellation.cancel()
    assert cancellation.wait(0)
    cancellation.attach(lambda: calls.append("late"))
    assert calls == ["attached", "late"]


def test_blocking_io_is_shared_by_threads() -> None:
    io = BlockingIO()

    async def one(item: int) -> int:
        return await io.call(lambda: item)

    def run(results: list[list[int]]) -> None:
        results.append(step(io.map(one, range(50), limit=4)))

    results: list[list[int]] = []
    threads = [threading.Thread(target=run, args=(results,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert results == [list(range(50))] * 4


def test_a_result_that_nobody_will_see_is_discarded() -> None:
    began, may_end = threading.Event(), threading.Event()
    discarded: list[str] = []

    def work() -> str:
        began.set()
        assert may_end.wait(PATIENCE)
        return "late"

    async def main() -> None:
        io = AsyncIO(threads=1)
        task = asyncio.create_task(io.call(work, discard=discarded.append))
        await asyncio.to_thread(began.wait, PATIENCE)
        task.cancel()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert discarded == ["late"]
        io.close()

    asyncio.run(main())


async def test_a_wait_for_a_lock_ends_when_another_item_fails(io: IO) -> None:
    lock = io.lock()

    async def work(item: str) -> None:
        if item == "fails":
            raise StorageError("the disk is full")
        async with lock:
            raise AssertionError

    async with lock:
        with pytest.raises(StorageError):
            await io.map(work, ["waits", "fails"], limit=2)
