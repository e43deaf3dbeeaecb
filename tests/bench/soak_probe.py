"""python -m tests.bench.soak_probe URL COUNT: fetches of every outcome; prints what grew, as JSON."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterator

import anyio
import psutil

from fetch_engine import FetchEngine, FetchError, Limits, RetryPolicy, Timeouts

PATHS = ("k", "k", "k", "gzip", "chunked", "missing", "redirect", "loop", "cut", "reset", "garbage", "badgzip", "close")
SAMPLE = 2_000
WARM = 10  # a tenth of all fetches


def urls(base: str, count: int) -> Iterator[str]:
    """Each path in turn, now and then a port where nobody listens and what is no URL."""
    for number in range(count):
        if number % 100 == 7:
            yield f"http://127.0.0.1:1/{number}"
        elif number % 100 == 57:
            yield "not a url"
        else:
            yield f"{base}/{PATHS[number % len(PATHS)]}?{number}"


async def soak(base: str, count: int) -> dict[str, float]:
    process = psutil.Process()
    outcomes: Counter[str] = Counter()
    samples: list[tuple[int, float]] = []
    limits = Limits(concurrency=64, per_host=64, preview_size=1024)
    async with FetchEngine() as engine:
        await engine.submit(f"{base}/k")  # opens what a process opens once
    before = process.num_fds()
    async with FetchEngine(limits=limits, timeouts=Timeouts(read=5), retry=RetryPolicy(1, delay=0.01)) as engine:
        seen = 0
        async for task in engine.as_completed(urls(base, count)):
            if seen % 50 == 0:  # one more that nobody waits for, dropped or cancelled under way
                doomed = engine.submit(f"{base}/slow?{seen}")
                if seen % 100 == 0:
                    doomed.cancel()
                del doomed
            outcome = task.outcome
            outcomes[str(outcome.kind) if isinstance(outcome, FetchError) else str(getattr(outcome, "status", ""))] += 1
            del task, outcome
            seen += 1
            if seen % (SAMPLE if count > 10 * SAMPLE else count // 20) == 0:
                samples.append((seen, process.memory_info().rss))
        census = engine.census()
        sessions = engine.session
    after = process.num_fds()
    print(dict(outcomes), file=sys.stderr)
    warm = [(place, rss) for place, rss in samples if place >= count / WARM]
    slope = statistics.linear_regression([place for place, _ in warm], [rss for _, rss in warm]).slope
    return {
        "RSS at a tenth, MB": warm[0][1] / 1e6,
        "RSS at the end, MB": warm[-1][1] / 1e6,
        "slope, bytes/fetch": slope,
        "opened": census.opened,
        "closed": census.closed,
        "alive": census.alive,
        "sessions opened": sessions.opened_generations,
        "descriptors before": before,
        "descriptors after": after,
    }


if __name__ == "__main__":
    print(json.dumps(anyio.run(soak, sys.argv[1], int(sys.argv[2]), backend_options={"use_uvloop": True})))
