"""The dashboard over canned data in the terminal it is started in: `dashboard_probe.py busy|evil|empty`."""

from __future__ import annotations

import asyncio
import sys

from tui import terminal

terminal.prepare()

from fake_link import FakeLink, busy, snapshot  # noqa: E402 (Textual reads what `prepare` has set)
from test_untrusted_text import evil_link  # noqa: E402

from tui.app import DashboardApp  # noqa: E402

if __name__ == "__main__":
    links = {"busy": busy, "evil": evil_link, "empty": lambda: FakeLink(snapshot())}
    sys.exit(asyncio.run(terminal.run_app(DashboardApp(links[sys.argv[1]]()))))
