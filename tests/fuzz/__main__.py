"""Search one parser for input that breaks its promises: `python -m tests.fuzz globbing --seconds 600`.

Guided by coverage, with atheris from PyPI, which the other tests do not need. Each place that fails is told once, with
the input, and the search goes on; the exit code is 1 if there was any.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

SLOW = 2.0  # seconds of CPU for one input: text from outside must not be able to stop the program
LONGEST = 2048  # bytes


def main() -> None:
    """Run until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    atheris: Any = importlib.import_module("atheris")
    atheris.enabled_hooks.add("str")
    with atheris.instrument_imports(include=["fetch_engine", "tui"]):
        from tests.fuzz import targets
    target = targets.TARGETS[given.target]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            Path(folder, str(number)).write_bytes(seed)
        search = _Search(target, given.seconds)
        atheris.Setup([sys.argv[0], folder, f"-max_len={LONGEST}", "-len_control=20"], search.one_input)
        atheris.Fuzz()


class _Search:
    def __init__(self, target: Any, limit: float) -> None:
        self._check, self._name = target.check, target.name
        self._end = time.monotonic() + limit
        self._inputs = 0
        self._found: set[str] = set()

    def one_input(self, data: bytes) -> None:
        self._inputs += 1
        started = time.process_time()
        try:
            self._check(data)
        except Exception as error:  # noqa: BLE001 - each one is a finding
            last = traceback.extract_tb(error.__traceback__)[-1]
            self._tell(f"{type(error).__name__} {last.filename}:{last.lineno}", data, traceback.format_exc())
        if (spent := time.process_time() - started) > SLOW:
            self._tell("slow", data, f"{spent:.1f} s of CPU")
        if time.monotonic() > self._end:
            self._finish()

    def _tell(self, place: str, data: bytes, text: str) -> None:
        if place not in self._found:
            self._found.add(place)
            print(f"FOUND {place}\ninput: {data!r}\n{text}", flush=True)

    def _finish(self) -> NoReturn:
        print(f"{self._name}: {self._inputs:,} inputs, {len(self._found)} findings", flush=True)
        os._exit(1 if self._found else 0)  # libFuzzer has no other way out of its loop


if __name__ == "__main__":
    main()
