"""Output that blocks, ends or fails never holds up the event loop."""

from __future__ import annotations

import errno
import fcntl
import os
import threading

import anyio
import pytest

from tui.headless.line_writer import PIECE, ROOM, LineWriter
from tui.run.delivery import OutputFailed

pytestmark = pytest.mark.anyio


class Pipe:
    """A pipe of the smallest size, read on demand."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, 1031, 4096)  # F_SETPIPE_SZ

    def read_all(self) -> bytes:
        os.close(self.writing)
        with open(self.reading, "rb") as file:
            return file.read()


async def test_lines_arrive_in_order_and_at_once() -> None:
    pipe = Pipe()
    writer = LineWriter(pipe.writing)
    for number in range(50):
        await writer.put(b"%d\n" % number)
        assert await anyio.to_thread.run_sync(os.read, pipe.reading, 100) == b"%d\n" % number
    await writer.drain()
    writer.close()
    assert pipe.read_all() == b""


async def test_a_slow_reader_holds_back_the_producer_and_nobody_else() -> None:
    pipe = Pipe()
    writer = LineWriter(pipe.writing)
    line = b"x" * 999 + b"\n"
    put = 0

    async def produce() -> None:
        nonlocal put
        while put < 2000:
            await writer.put(line)
            put += 1

    received: list[bytes] = []
    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        for _ in range(50):
            await anyio.sleep(0.002)
        assert ROOM - 1000 < put * 1000 < ROOM + 20_000
        reader = threading.Thread(target=lambda: received.append(read_to_end(pipe.reading)))
        reader.start()
    await writer.drain()
    writer.close()
    os.close(pipe.writing)
    await anyio.to_thread.run_sync(reader.join)
    os.close(pipe.reading)
    assert received == [line * 2000]


def read_to_end(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


async def test_a_stopped_reader_is_given_up_after_a_while_and_leaves_whole_lines() -> None:
    pipe = Pipe()
    writer = LineWriter(pipe.writing)
    lines = [b"%04d" % number * 25 + b"\n" for number in range(200)]
    for line in lines:
        await writer.put(line)
    with pytest.raises(OutputFailed):
        await writer.drain(patience=0.2)
    received = os.read(pipe.reading, PIECE * 2)
    assert received.endswith(b"\n")
    assert b"".join(lines).startswith(received)
    threading.Thread(target=read_to_end, args=(pipe.reading,)).start()
    await writer.drain()
    writer.close()
    os.close(pipe.writing)


async def test_a_reader_that_went_away_is_an_error_of_the_writer_alone() -> None:
    pipe = Pipe()
    writer = LineWriter(pipe.writing)
    os.close(pipe.reading)
    await writer.put(b"x\n")
    with anyio.fail_after(60):
        await writer.failed()
    with pytest.raises(OutputFailed) as failure:
        await writer.put(b"x\n")
    assert failure.value.errno == errno.EPIPE
    writer.close()
    os.close(pipe.writing)


async def test_a_full_disk_is_told() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = LineWriter(descriptor)
    await writer.put(b"x\n")
    with pytest.raises(OutputFailed, match="No space left"):
        await writer.drain()
    writer.close()
    os.close(descriptor)


async def test_a_descriptor_left_non_blocking_by_others_works() -> None:
    pipe = Pipe()
    os.set_blocking(pipe.writing, False)
    writer = LineWriter(pipe.writing)
    for _ in range(100):
        await writer.put(b"y" * 99 + b"\n")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(read_to_end(pipe.reading)))
    reader.start()
    await writer.drain()
    writer.close()
    os.close(pipe.writing)
    await anyio.to_thread.run_sync(reader.join)
    assert received == [(b"y" * 99 + b"\n") * 100]
