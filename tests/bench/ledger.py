"""What is left after many fetches without a screen and without the garbage collector: reference counts alone."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from .child import run_child
from .figures import Group, take_turns
from .server import file_server
from .settings import Settings

_NO_COLLECTOR = "import gc, sys; gc.disable(); from tui.cli import main; sys.exit(main())"


def run(settings: Settings) -> list[Group]:
    fetches = settings.pick(10_000, 1_000)
    with file_server() as (_, url), tempfile.TemporaryDirectory() as folder:
        urls = Path(folder, "urls")
        urls.write_text("".join(f"{url}/{'k' if number % 10 else 'missing'}?{number}\n" for number in range(fetches)))

        def ledger() -> dict[str, float]:
            ran = run_child([sys.executable, "-c", _NO_COLLECTOR, "--headless", "--exit-report", "-i", str(urls)])
            report = json.loads(ran.stderr.splitlines()[-1])
            report["lines written"] = len(ran.stdout.splitlines())
            return {name.replace("_", " "): float(value) for name, value in report.items()}

        title = f"ledger, {fetches:,} fetches, a tenth of them 404, gc off"
        return [take_turns(title, 1, {"weakfetch-tui --headless --exit-report": ledger})]
