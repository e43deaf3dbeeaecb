"""The dashboard over canned data, in the terminal it is started in: the argument is busy, evil or empty.

Further arguments: --ascii, and a theme.
"""

from __future__ import annotations

import asyncio
import sys

from tui.terminal import setup

setup.prepare()

from tests.tui.fake_link import FakeLink, busy, snapshot  # noqa: E402 (Textual reads what `prepare` has set)
from tests.tui.test_untrusted_text import evil_link  # noqa: E402
from tui.screen.app import DashboardApp  # noqa: E402
from tui.text.glyphs import glyphs_for  # noqa: E402
from tui.widgets.themes import THEMES  # noqa: E402

if __name__ == "__main__":
    link = {"busy": busy(), "evil": evil_link(), "empty": FakeLink(snapshot())}[sys.argv[1]]
    ascii_only = "--ascii" in sys.argv or setup.wants_ascii()
    theme = next((name for name in sys.argv[2:] if name in THEMES), "auto")
    app = DashboardApp(link, glyphs=glyphs_for(ascii=ascii_only), theme=theme)
    sys.exit(asyncio.run(setup.run_app(app)))
