"""Bodies on their way from the loop to the thread that writes: in order, in turns, and no block lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from evidence.ingest.streaming import BLOCKS_AT_MOST, BLOCKS_KEPT, PAUSE, TURN_SIZE, Belt, Blocks, Turn
from evidence.storage.frames import FRAME_SIZE
from tests.support.uploading import footage_like

Take = Callable[[memoryview], None]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def left_in(blocks: Blocks) -> int:
    """Count the blocks that are left, taking them."""
    return sum(1 for _ in iter(blocks.another, None))


async def carried(body: bytes, take: Take, blocks: Blocks, executor: ThreadPoolExecutor, *, first: int) -> None:
    belt = Belt(take, blocks, executor, first=first)
    try:
        for at in range(0, len(body), 300_007):
            await belt.load(body[at : at + 300_007])
        await belt.unload()
    finally:
        belt.close()


@pytest.mark.parametrize("first", [FRAME_SIZE, 1, FRAME_SIZE - 17])
def test_blocks_are_taken_in_order_and_end_where_frames_do(executor: ThreadPoolExecutor, first: int) -> None:
    body, taken, blocks = footage_like(5 * FRAME_SIZE + 9), list[bytes](), Blocks()

    asyncio.run(carried(body, lambda block: taken.append(bytes(block)), blocks, executor, first=first))

    assert b"".join(taken) == body
    assert [len(block) for block in taken[:-1]] == [first] + [FRAME_SIZE] * (len(taken) - 2)
    assert left_in(blocks) == BLOCKS_KEPT


def test_a_body_waits_when_all_its_blocks_are_full() -> None:
    go_on, blocks = Event(), Blocks()
    part = bytes(FRAME_SIZE)

    def take(_: memoryview) -> None:
        go_on.wait(30)

    async def load(thread: ThreadPoolExecutor) -> int:
        belt = Belt(take, blocks, thread, first=FRAME_SIZE)
        loaded = 0
        try:
            while loaded < 2 * BLOCKS_AT_MOST:
                await asyncio.wait_for(belt.load(part), timeout=0.5)
                loaded += 1
        except TimeoutError:
            pass
        finally:
            go_on.set()
            await belt.unload()
            belt.close()
            # The last block may still be on its way back: its thread is done when it takes what is next.
            await asyncio.wrap_future(thread.submit(int))
            await asyncio.sleep(0)
        return loaded

    with ThreadPoolExecutor(1) as thread:
        assert asyncio.run(load(thread)) == BLOCKS_AT_MOST
    assert left_in(blocks) == BLOCKS_KEPT


def test_what_goes_wrong_in_the_thread_is_raised_and_nothing_more_is_taken(executor: ThreadPoolExecutor) -> None:
    taken, blocks = list[int](), Blocks()

    def take(block: memoryview) -> None:
        taken.append(len(block))
        if len(taken) == 2:
            raise OSError("the disk failed")

    with pytest.raises(OSError, match="the disk failed"):
        asyncio.run(carried(bytes(9 * FRAME_SIZE), take, blocks, executor, first=FRAME_SIZE))

    assert len(taken) == 2
    assert left_in(blocks) == BLOCKS_KEPT


def test_turns_go_round() -> None:
    order: list[str] = []

    async def send(name: str, turn: Turn) -> None:
        for _ in range(4):
            await turn.begin()
            order.append(name)
            await asyncio.sleep(0)
            turn.use(TURN_SIZE // 2)
        turn.end()

    async def both() -> None:
        turns = asyncio.Semaphore(1)
        await asyncio.gather(send("a", Turn(turns)), send("b", Turn(turns)))

    asyncio.run(both())

    assert "".join(order) == "aabbaabb"


async def slow(turn: Turn, *, comes_back: asyncio.Event) -> AsyncIterator[bytes]:
    await turn.begin()
    turn.use(1)
    yield b"x"
    await comes_back.wait()
    await turn.begin()
    turn.use(1)
    yield b"y"


def test_who_drips_keeps_nobody_waiting_either() -> None:
    """However often a byte comes: the turn is for a part at a time, and is another's in between."""

    async def drip(turn: Turn, dripping: asyncio.Event) -> None:
        while True:
            await turn.begin()
            dripping.set()
            turn.use(1)
            await asyncio.sleep(PAUSE / 10)

    async def send_beside() -> float:
        turns, dripping = asyncio.Semaphore(1), asyncio.Event()
        dripper = asyncio.ensure_future(drip(Turn(turns), dripping))
        await dripping.wait()
        loop, other = asyncio.get_running_loop(), Turn(turns)
        began = loop.time()
        for _ in range(40):  # as many turns of its own
            await asyncio.wait_for(other.begin(), timeout=20 * PAUSE)
            other.use(TURN_SIZE)
            await asyncio.sleep(PAUSE / 20)
        dripper.cancel()
        return loop.time() - began

    # Were it one pause for each turn, it would be four seconds.
    assert asyncio.run(send_beside()) < 40 * PAUSE / 2


def test_a_slow_sender_keeps_nobody_waiting() -> None:
    async def wait() -> tuple[bytes, float]:
        turns, comes_back = asyncio.Semaphore(1), asyncio.Event()
        parts = slow(Turn(turns), comes_back=comes_back)
        heard = await anext(parts)
        loop = asyncio.get_running_loop()
        began = loop.time()
        other = Turn(turns)
        await asyncio.wait_for(other.begin(), timeout=20 * PAUSE)
        waited = loop.time() - began
        other.use(TURN_SIZE)
        comes_back.set()
        return heard + await anext(parts), waited

    heard, waited = asyncio.run(wait())

    assert heard == b"xy"
    assert waited >= PAUSE / 2, "the control: the turn was the slow sender's until then"
