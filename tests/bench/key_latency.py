"""Key to screen: keys at uneven times, whatever came of the one before, until what they change is on the screen."""

from __future__ import annotations

import contextlib
import os
import random
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO

import pyte

from .child import PROGRAM
from .figures import Group, Run, percentile, take_turns
from .recorded_terminal import RecordedTerminal
from .screens import focused_pane, selected_done_row
from .server import drip_server, file_server
from .settings import Settings

SIZE = (80, 24)
LOAD = 400_000  # URLs at most while keys are pressed under load
DEPTH = 15  # rows the cursor walks down before it walks up again
GAPS = (0.1, 0.4)  # seconds between two keys, least and most
LATE = 4  # so many keys later, what a key should have changed is taken as never seen
PATIENCE = 600.0  # seconds for 100,000 fetches
DOWN, UP = ("j", "\x1b[B"), ("k", "\x1b[A")

Look = Callable[[pyte.Screen], str]


def run(settings: Settings) -> list[Group]:
    from . import key_peers  # which needs what is defined here

    keys = settings.pick(100, 30)
    rows, in_flight = settings.pick(100_000, 10_000), settings.pick(1_000, 100)
    contenders: dict[str, Run] = {"weakfetch-tui": lambda: _dashboard(keys, rows, in_flight)}
    if not settings.alone:
        contenders |= key_peers.contenders(settings, keys, rows)
    load = os.getloadavg()[0]
    title = f"key to screen, {rows:,} rows, {SIZE[0]}x{SIZE[1]}, {keys} keys a kind and turn, load {load:.1f}"
    group = Group(title)
    for name, measures in take_turns(title, min(settings.rounds, 3), contenders).values.items():
        for measure, values in measures.items():
            kind, _, unit = measure.partition(": ")
            for value in values:
                group.add(f"{name}, {kind}", {unit: value})
    return [group]


def _dashboard(keys: int, rows: int, in_flight: int) -> dict[str, float]:
    with file_server() as (_, url), drip_server() as drip, _fed_program(in_flight + 64) as (terminal, stdin):
        feed = _Feed(stdin, f"{url}/k")
        feed.give(rows)
        text = terminal.wait_until(lambda text: f"2 Done {rows} " in text and " 0 run " in text, PATIENCE)
        if f" 2xx {rows:,} " not in text:
            raise RuntimeError(f"some fetches failed:\n{text}")
        terminal.press("2" + "j" * 3)
        time.sleep(1)
        terminal.show()
        walk, panes = Walk(terminal, selected_done_row), _Panes(terminal)
        found = named("idle, cursor", walk.measure(keys)) | named("idle, panes", panes.measure(keys))
        terminal.press("2")
        _Feed(stdin, f"{drip}/drip").give(in_flight)
        terminal.wait_until(lambda text: f" {in_flight} run " in text, PATIENCE)
        time.sleep(3)
        kind = f"{in_flight:,} in flight"
        found |= named(f"{kind}, cursor", walk.measure(keys)) | named(f"{kind}, panes", panes.measure(keys))
        terminal.press("2")
        feed.start()
        terminal.wait_until(lambda text: f" 2xx {rows:,} " not in text)
        before, since = _done(terminal), time.perf_counter()
        kind = f"{in_flight:,} in flight and full load"
        found |= named(f"{kind}, cursor", walk.measure(keys)) | named(f"{kind}, panes", panes.measure(keys))
        rate = (_done(terminal) - before) / (time.perf_counter() - since)
        feed.stop()
        terminal.quit()
    return found | {f"{kind}, cursor: fetches/s": rate}


@contextlib.contextmanager
def _fed_program(concurrency: int) -> Iterator[tuple[RecordedTerminal, IO[bytes]]]:
    command = [*PROGRAM, "-j", str(concurrency), "--per-host", str(concurrency), "-i", "-"]
    with RecordedTerminal(command, size=SIZE, stdin=subprocess.PIPE) as terminal:
        stdin = terminal.process.stdin
        assert stdin is not None
        try:
            yield terminal, stdin
        finally:
            with contextlib.suppress(OSError):  # what was not read any more
                stdin.close()


class _Feed:
    """URLs for the program's standard input."""

    def __init__(self, stdin: IO[bytes], url: str) -> None:
        self._stdin = stdin
        self._url = url
        self._next = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._give_more)

    def give(self, count: int) -> None:
        lines = [f"{self._url}?{number}\n" for number in range(self._next, self._next + count)]
        self._next += count
        self._stdin.write("".join(lines).encode())
        self._stdin.flush()

    def start(self) -> None:
        """Go on giving as fast as they are taken."""
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True

    def _give_more(self) -> None:
        with contextlib.suppress(OSError):  # the program has ended
            while not self._stopping and self._next < LOAD:
                self.give(100)


class Walk:
    """The cursor goes down and up some rows; which ones was learned by going slowly."""

    def __init__(
        self,
        terminal: RecordedTerminal,
        look: Look,
        down: tuple[str, ...] = DOWN,
        up: tuple[str, ...] = UP,
        depth: int = DEPTH,
    ) -> None:
        self._terminal = terminal
        self._look: Callable[[], str] = lambda: look(terminal.screen)
        self._down, self._up = down, up
        self._rows = [self._look()]
        self._depth = depth
        for _ in range(depth):
            terminal.press(down[0])
            terminal.wait_until(lambda _: self._look() not in ("", self._rows[-1]))
            self._rows.append(self._look())
        for _ in range(depth):
            terminal.press(up[0])
        terminal.wait_until(lambda _: self._look() == self._rows[0])

    def measure(self, keys: int) -> list[float | None]:
        place, by = 0, 1
        sequence = []
        for number in range(keys):
            place += by
            direction = self._down if by > 0 else self._up
            sequence.append((direction[number % len(direction)], self._rows[place]))
            if place in (0, self._depth):
                by = -by
        for _ in range(place):  # back to where the next measurement starts
            sequence.append((self._up[0], self._rows[place := place - 1]))
        return latencies(self._terminal, self._look, sequence)[:keys]


class _Panes:
    """The keyboard goes from pane to pane."""

    def __init__(self, terminal: RecordedTerminal) -> None:
        self._terminal = terminal

    def measure(self, keys: int) -> list[float | None]:
        sequence = [(pane, pane) for pane in ("3", "1", "2") * (keys // 3)]
        return latencies(self._terminal, lambda: focused_pane(self._terminal.screen), sequence)


def latencies(
    terminal: RecordedTerminal, look: Callable[[], str], sequence: list[tuple[str, str]]
) -> list[float | None]:
    """Seconds from each key to the first screen that shows what it leads to; None where that was never seen."""
    chance = random.Random(1)
    terminal.show()
    sent = []
    due = time.perf_counter() + 0.5
    for key, _ in sequence:
        due += chance.uniform(*GAPS)
        time.sleep(max(0.0, due - time.perf_counter()))
        sent.append(terminal.press(key))
    time.sleep(1.5)
    seen = terminal.replay(look)
    found: list[float | None] = []
    for number, ((_, wanted), at) in enumerate(zip(sequence, sent, strict=True)):
        end = sent[number + LATE] if number + LATE < len(sent) else float("inf")
        found.append(next((then - at for then, state in seen if at <= then < end and state == wanted), None))
    return found


def named(kind: str, found: list[float | None]) -> dict[str, float]:
    times = [seconds * 1000 for seconds in found if seconds is not None]
    if not times:
        raise RuntimeError(f"{kind}: no key was seen on the screen")
    return {
        f"{kind}: p50 ms": percentile(times, 0.5),
        f"{kind}: p90 ms": percentile(times, 0.9),
        f"{kind}: p99 ms": percentile(times, 0.99),
        f"{kind}: never seen": len(found) - len(times),
    }


def _done(terminal: RecordedTerminal) -> int:
    found = re.search(r"2xx ([\d,]+)", terminal.show())
    return int(found[1].replace(",", "")) if found else 0
