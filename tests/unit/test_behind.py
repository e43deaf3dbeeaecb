"""Work in threads on the blocks of a body: in order, one at a time, and no more ahead of it than is allowed."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence

import anyio
import pytest

from fetch_engine.bodies.write_behind import AHEAD, BLOCK, WorkerThreads, WriteBehind

pytestmark = [pytest.mark.anyio, pytest.mark.once]

PIECE = bytes(64 * 1024)


async def fill(behind: WriteBehind, work: Callable[[Sequence[bytes]], None], size: int) -> None:
    """Add so many bytes as a body does."""
    for _ in range(size // len(PIECE)):
        behind.add(PIECE)
        if behind.is_due:
            assert await behind.settle() is None
            behind.hand_over(work)


async def test_the_loop_goes_on_until_enough_is_ahead_of_a_thread_that_is_slow() -> None:
    allowed = threading.Event()
    done: list[int] = []

    def slow(pieces: Sequence[bytes]) -> None:
        allowed.wait(10)
        done.append(sum(map(len, pieces)))

    crew = WorkerThreads("slow", 1)
    behind = WriteBehind(crew)
    await fill(behind, slow, BLOCK)
    assert not behind.is_free
    await fill(behind, slow, AHEAD - len(PIECE))  # waits for nobody
    assert not behind.is_due
    assert (done, crew.busy_with) == ([], BLOCK)
    behind.add(PIECE)
    assert behind.is_due
    with anyio.move_on_after(0.05) as scope:  # a cancellation loses nothing
        await behind.settle()
    assert scope.cancelled_caught
    allowed.set()
    assert await behind.settle() is None
    behind.hand_over(slow)
    assert await behind.settle() is None
    assert (done, crew.busy_with, behind.size) == ([BLOCK, AHEAD], 0, 0)


async def test_the_pieces_keep_their_order() -> None:
    seen: list[bytes] = []
    behind = WriteBehind(WorkerThreads("ordered", 4))
    pieces = [number.to_bytes(4, "big") * 16_384 for number in range(100)]
    for piece in pieces:
        behind.add(piece)
        if behind.is_due:
            await behind.settle()
            behind.hand_over(seen.extend)
    await behind.settle()
    assert seen + behind.take() == pieces


async def test_what_the_disk_has_against_it_is_returned_once_and_a_bug_is_raised() -> None:
    def full(_: Sequence[bytes]) -> None:
        raise OSError(errno.ENOSPC, "full")

    def a_bug(_: Sequence[bytes]) -> None:
        raise ValueError("bug")

    crew = WorkerThreads("failing", 1)
    behind = WriteBehind(crew)
    behind.hand_over(full)
    error = await behind.settle()
    assert error is not None
    assert error.errno == errno.ENOSPC
    assert await behind.settle() is None
    behind.hand_over(a_bug)
    with pytest.raises(ValueError, match="bug"):
        await behind.settle()
    assert crew.busy_with == 0
