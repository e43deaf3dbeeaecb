"""How long until the screen is there, and what `--help` costs."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial

from .child import PROGRAM, run_child
from .figures import Group, Run, take_turns
from .recorded_terminal import RecordedTerminal
from .settings import Settings
from .targets import at_most

SIZE = (80, 24)
SETTLED = 1.0  # seconds after the first output in which the screen is taken for complete
FULL = 0.9  # of the final screen's cells
OURS, HELP = "weakfetch-tui", "weakfetch-tui --headless --help"
FRAME, CPU = "full frame ms", "CPU ms"


def run(settings: Settings) -> list[Group]:
    rounds = settings.rounds if settings.quick else max(settings.rounds, 7)
    empty = "empty Textual app"
    peers = [sys.executable, "-m", "tests.bench.textual_peers", "empty"]
    frames: dict[str, Run] = {
        empty: partial(_first_frame, peers, "ready"),
        OURS: partial(_first_frame, PROGRAM, "weakfetch"),
    }
    bare = "python -c pass"
    helps: dict[str, Run] = {
        bare: partial(_cost, [sys.executable, "-c", "pass"]),
        HELP: partial(_cost, [*PROGRAM, "--headless", "--help"]),
    }
    screen = take_turns(f"start-up to the first full frame, {SIZE[0]}x{SIZE[1]}", rounds, frames, empty)
    ratio = screen.ratio(OURS, FRAME)
    screen.targets = [at_most(1.3, "x an empty Textual app", "time to the first full frame", ratio)]
    without = take_turns("start-up without a screen", rounds, helps, bare)
    without.targets = [at_most(150, "ms of CPU", HELP, without.median(HELP, CPU))]
    return [screen, without]


def _first_frame(command: Sequence[str], word: str) -> dict[str, float]:
    """From the start of the launcher, an interpreter of 10 to 20 ms, to the first byte and to 90 % of the cells."""
    with RecordedTerminal(command, size=SIZE) as terminal:
        while not terminal.pieces:
            if terminal.process.poll() is not None or time.perf_counter() - terminal.started_at > 30:
                raise RuntimeError("nothing was written")
            time.sleep(0.05)
        time.sleep(SETTLED)
        cpu = terminal.cpu()
        frames = terminal.replay(lambda: terminal.lines)
        terminal.quit()
    final = "".join(frames[-1][1])
    if word not in final:
        raise RuntimeError(f"the screen never came: {final}")
    marked = [place for place, cell in enumerate(final) if cell != " "]
    full = next(
        at
        for at, lines in frames
        if sum("".join(lines)[place] == final[place] for place in marked) >= FULL * len(marked)
    )
    return {
        "first byte ms": (frames[0][0] - terminal.started_at) * 1000,
        FRAME: (full - terminal.started_at) * 1000,
        CPU: cpu * 1000,
    }


def _cost(command: Sequence[str]) -> dict[str, float]:
    ran = run_child(command, quiet=True)
    return {"wall ms": ran.wall * 1000, CPU: ran.cpu * 1000}
