"""When frames may go out, and the writer they go out through."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator

import pytest

from tui.terminal import frame_pacing as flow_module
from tui.terminal.frame_pacing import ASK, BACKLOG, FIRST_ANSWER, FORGET, IN_FLIGHT, LAPSE, Flow
from tui.terminal.tty_writer import STOP_LIMIT, TtyWriter

LIMIT = 60.0


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(flow_module, "time", clock)
    return clock


def test_two_frames_may_be_on_their_way(clock: Clock) -> None:
    flow = Flow()
    for _ in range(IN_FLIGHT):
        assert flow.wait_before_next(0) == 0
        assert flow.sent() == ASK
    assert flow.wait_before_next(0) == LAPSE
    flow.answer()
    assert flow.wait_before_next(0) == 0


def test_without_answers_a_frame_goes_out_now_and_then(clock: Clock) -> None:
    flow = Flow()
    frames, end = 0, clock.now + 20
    while clock.now < end:
        if wait := flow.wait_before_next(0):
            clock.now += wait
        else:
            flow.sent()
            frames += 1
    assert 20 / LAPSE <= frames <= 20 / LAPSE + IN_FLIGHT * (20 / FORGET + 1)


def test_a_lost_answer_is_forgotten(clock: Clock) -> None:
    flow = Flow()
    for _ in range(3):
        flow.sent()
        flow.sent()
        flow.answer()  # one of two is lost
        clock.now += FORGET + 1
        assert flow.wait_before_next(0) == 0


def test_frames_wait_while_the_terminal_has_not_taken_the_last(clock: Clock) -> None:
    flow = Flow()
    assert flow.wait_before_next(BACKLOG + 1) > 0
    assert flow.wait_before_next(BACKLOG) == 0


def test_settling_waits_for_the_answers_on_their_way() -> None:
    flow = Flow()
    flow.sent()
    flow.answer()
    flow.sent()
    timer = threading.Timer(0.1, flow.answer)
    timer.start()
    began = time.monotonic()
    flow.settle()
    assert 0.05 < time.monotonic() - began < LIMIT
    timer.join()
    assert flow.sent() == ""


@pytest.mark.parametrize("answered_before", [False, True])
@pytest.mark.timing
def test_settling_gives_up_on_a_silent_terminal(answered_before: bool) -> None:
    flow = Flow()
    flow.sent()
    if answered_before:
        flow.answer()
        flow.sent()
    began = time.monotonic()
    flow.settle()
    assert time.monotonic() - began < FIRST_ANSWER + 0.5
    began = time.monotonic()
    flow.settle()
    assert time.monotonic() - began < FIRST_ANSWER / 2


@pytest.fixture
def pty() -> Iterator[tuple[int, int]]:
    master, slave = os.openpty()
    yield master, slave
    for fd in (master, slave):
        try:
            os.close(fd)
        except OSError:
            continue


def read_all(fd: int, count: int) -> bytes:
    data = b""
    while len(data) < count and select.select([fd], [], [], LIMIT)[0]:
        data += os.read(fd, 65536)
    return data


def test_everything_is_written_in_order(pty: tuple[int, int]) -> None:
    writer = TtyWriter(pty[1], lambda: None)
    writer.start()
    texts = [f"<{number}>" * 50 for number in range(500)]
    for text in texts:
        writer.write(text)
    expected = "".join(texts).encode()
    assert read_all(pty[0], len(expected)) == expected
    writer.stop()
    assert not writer.is_alive()
    assert writer.written == len(expected)
    assert writer.pending == 0
    writer.write("after the end")
    assert not select.select([pty[0]], [], [], 0.1)[0]


def test_what_there_is_room_for_waits_for_no_thread(pty: tuple[int, int]) -> None:
    writer = TtyWriter(pty[1], lambda: None)
    writer.write("at once")
    assert read_all(pty[0], 7) == b"at once"
    assert (writer.written, writer.pending) == (7, 0)
    writer.start()
    writer.stop()


def test_what_is_queued_at_the_end_is_still_written(pty: tuple[int, int]) -> None:
    writer = TtyWriter(pty[1], lambda: None)
    writer.start()
    writer.write("last words \ud800")
    writer.stop()
    assert read_all(pty[0], 12) == b"last words ?"


@pytest.mark.timing
def test_a_terminal_that_takes_nothing_blocks_neither_writing_nor_the_end(pty: tuple[int, int]) -> None:
    writer = TtyWriter(pty[1], lambda: None)
    writer.start()
    began = time.monotonic()
    for _ in range(100):
        writer.write("x" * 10_000)
    assert writer.pending > 500_000
    writer.stop()
    assert time.monotonic() - began < STOP_LIMIT + 1
    assert not writer.is_alive()
    assert writer.pending == 0
    assert os.get_blocking(pty[1])  # the other openings of the terminal stay as they were


def test_a_terminal_that_hangs_up_is_told_once(pty: tuple[int, int]) -> None:
    calls: list[int] = []
    hung_up = threading.Event()

    def on_hang_up() -> None:
        calls.append(1)
        hung_up.set()

    writer = TtyWriter(pty[1], on_hang_up)
    writer.start()
    os.close(pty[0])
    assert hung_up.wait(LIMIT)
    writer.write("into the void")
    writer.stop()
    assert calls == [1]
    assert not writer.is_alive()


def test_what_is_no_terminal_is_written_to_all_the_same() -> None:
    read, write = os.pipe()
    writer = TtyWriter(write, lambda: None)
    os.close(write)
    writer.start()
    writer.write("to a pipe")
    writer.stop()
    assert read_all(read, 9) == b"to a pipe"
    os.close(read)


def test_a_writer_leaves_no_descriptor_open(pty: tuple[int, int]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        writer = TtyWriter(pty[1], lambda: None)
        writer.start()
        writer.stop()
    assert len(os.listdir("/proc/self/fd")) == before
