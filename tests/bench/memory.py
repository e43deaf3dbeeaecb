"""How much memory a long list of URLs takes beyond what the program takes for one."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from .child import run_program
from .figures import Group, Run, take_turns
from .server import file_server
from .settings import Settings

MB = 1e6
LIMIT = 3600.0  # seconds


def run(settings: Settings) -> list[Group]:
    counts = (1, 1_000, settings.pick(100_000, 20_000))
    with file_server() as (_, url), tempfile.TemporaryDirectory() as folder:
        contenders: dict[str, Run] = {}
        for count in counts:
            urls = Path(folder, str(count))
            urls.write_text("".join(f"{url}/k?{number}\n" for number in range(count)))
            contenders[f"{count:,} URL{'s' * (count > 1)}"] = partial(_peak, urls)
        group = take_turns("peak memory of --headless -j 64 --per-host 64", 1, contenders)
    idle = group.median("1 URL", "peak RSS MB")
    assert idle is not None
    for values in group.values.values():
        values["above 1 URL, MB"] = [peak - idle for peak in values["peak RSS MB"]]
    return [group]


def _peak(urls: Path) -> dict[str, float]:
    ran = run_program("--headless", "-j", "64", "--per-host", "64", "-i", str(urls), limit=LIMIT)
    return {"peak RSS MB": ran.max_rss / MB}
