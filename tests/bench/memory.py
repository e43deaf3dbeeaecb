"""How much memory a long list of URLs takes beyond what the program takes for one."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from .child import run_program
from .figures import Group, Run, take_turns
from .server import file_server
from .settings import Settings
from .targets import at_most

MB = 1e6
LIMIT = 3600.0  # seconds
PEAK, ABOVE = "peak RSS MB", "above 1 URL, MB"


def run(settings: Settings) -> list[Group]:
    counts = [1, 1_000, settings.pick(100_000, 20_000), *([1_000_000] if settings.million else [])]
    with file_server() as (_, url), tempfile.TemporaryDirectory() as folder:
        contenders: dict[str, Run] = {}
        for count in counts:
            urls = Path(folder, str(count))
            with urls.open("w") as file:
                file.writelines(f"{url}/k?{number}\n" for number in range(count))
            contenders[_name(count)] = partial(_peak, urls)
        group = take_turns("peak memory of --headless -j 64 --per-host 64", 1, contenders)
    idle = group.median(_name(1), PEAK)
    assert idle is not None
    for values in group.values.values():
        values[ABOVE] = [peak - idle for peak in values[PEAK]]
    group.targets = [
        at_most(40, "MB above one URL", f"{_name(count)} headless, peak memory", group.median(_name(count), ABOVE))
        for count in counts[2:]
    ]
    return [group]


def _name(count: int) -> str:
    return f"{count:,} URL{'s' * (count > 1)}"


def _peak(urls: Path) -> dict[str, float]:
    ran = run_program("--headless", "-j", "64", "--per-host", "64", "-i", str(urls), limit=LIMIT)
    return {PEAK: ran.max_rss / MB}
