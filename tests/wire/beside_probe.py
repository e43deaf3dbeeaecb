"""python -m tests.wire.beside_probe FILE GOOD: fetch the URLs of a file together; prints as JSON when those of GOOD are
done: how many are right, and the median and the last by seconds of the clock and by those of this process's CPU."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import anyio

from fetch_engine import FetchEngine, FetchResult, Limits, Timeouts

from .servers import FINE


async def main(urls: list[str], good: str) -> dict[str, float]:
    done: list[tuple[float, float]] = []
    limits = Limits(concurrency=400, per_host=400, max_body=8 * 2**20)
    async with FetchEngine(limits=limits, timeouts=Timeouts(read=1, total=3)) as engine:
        await engine.submit(f"{good}/fine")  # loads what all need
        clock, cpu = time.perf_counter(), time.process_time()
        async for task in engine.as_completed(urls):
            outcome = task.outcome
            if task.url.startswith(good) and isinstance(outcome, FetchResult) and outcome.preview == FINE:
                done.append((time.perf_counter() - clock, time.process_time() - cpu))
            del task, outcome
    middle, last = done[len(done) // 2], done[-1]
    return {"good": len(done), "median": middle[0], "median cpu": middle[1], "last": last[0], "last cpu": last[1]}


if __name__ == "__main__":
    given = Path(sys.argv[1]).read_text().split("\n")
    print(json.dumps(anyio.run(main, given, sys.argv[2], backend_options={"use_uvloop": True})))
