"""python -m tests.bench [--targets] [--only NAME ...] [--quick] [--rounds N] [--json FILE]"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

from .figures import say
from .machine import machine_line
from .settings import Settings
from .targets import target_lines

BENCHES = {
    "rate": ("fetch_rate", "requests/s and CPU per fetch beside curl, aria2c, wget2, oha, aiohttp and httpx"),
    "screen": ("with_screen", "requests/s with the dashboard open, beside headless"),
    "body": ("large_body", "one body of 1 GiB, thrown away and saved, beside the same"),
    "link": ("slow_link", "500 fetches from a server that answers after 50 ms, beside the ideal schedule"),
    "memory": ("memory", "peak memory with 100,000 URLs"),
    "handles": ("handles", "1,000,000 handles made and let go; the census among them"),
    "overhead": ("overhead", "the engine's own cost per fetch"),
    "startup": ("startup", "time to the first full frame; CPU of --help"),
    "pool": ("pool_cost", "the pool: stock httpx and ours at 1, 16 and 100 connections"),
    "ledger": ("ledger", "what is left after 10,000 fetches with the collector off"),
    "cluster": ("cluster", "fetches on 1, 2 and 4 Dask workers beside those here, from hosts that take 200 ms"),
    "soak": ("soak", "200,000 fetches of every outcome in one process: memory, descriptors, ledger"),
    "keys": ("key_latency", "key to screen with 100,000 rows and 1,000 fetches in flight"),
    "bytes": ("terminal_bytes", "bytes to the terminal, live and idle"),
}
TARGETS = ("rate", "screen", "body", "link", "memory", "handles", "overhead", "startup")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure, side by side with other programs, and print one table. Needs nothing but the test "
        "dependencies; nginx, curl, aria2c, wget2, oha and aiohttp are used where they are installed. Servers are on "
        "127.0.0.1 only.",
        epilog="\n".join(f"{name:<10}{text}" for name, (_, text) in BENCHES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", choices=BENCHES, metavar="NAME", help="this bench; may be repeated")
    parser.add_argument("--targets", action="store_true", help=f"those with a target: {', '.join(TARGETS)}")
    parser.add_argument("--quick", action="store_true", help="smaller amounts and one round")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each contender (default: 5; --quick: 1)")
    parser.add_argument("--with-posting", action="store_true", help="install posting from PyPI to measure it too")
    parser.add_argument("--million", action="store_true", help="also measure the memory with 1,000,000 URLs")
    parser.add_argument("--alone", action="store_true", help="keys: without the other programs, in half the time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there too")
    given = parser.parse_args()
    settings = Settings(
        given.rounds or (1 if given.quick else 5), given.quick, given.with_posting, given.million, given.alone
    )
    machine = machine_line()
    print(f"{machine}\nMedian (least-most) of n runs, taken in turns; x: the median as a multiple of the reference's.")
    groups, failed = [], []
    for name in given.only or (TARGETS if given.targets else BENCHES):
        module = importlib.import_module(f".{BENCHES[name][0]}", __package__)
        try:
            measured = module.run(settings)
        except (OSError, RuntimeError) as error:
            say(f"{name} failed: {error}")
            failed.append(name)
            continue
        groups += measured
        for group in measured:
            print("", *group.lines(), sep="\n", flush=True)
    targets = [target for group in groups for target in group.targets]
    if targets:
        print("", *target_lines(targets), sep="\n")
    if given.json:
        result = {
            "machine": machine,
            "load at the end": os.getloadavg(),
            "failed": failed,
            "groups": [group.as_json() for group in groups],
        }
        given.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if failed:
        print(f"\nnot measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as user:  # runs are saved here, not among those of whoever measures
        os.environ["XDG_DATA_HOME"] = user
        sys.exit(main())
