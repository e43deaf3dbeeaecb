"""A small app for the tests of output: run as a program, `stock` or `paced`, driven by keys.

c changes one cell, a fills the table with something else, f repaints all the same, p pushes a modal, o closes it,
t starts a ticker or stops it, r repaints, u shows text from outside as it came (file PROBE_TEXT), e raises, q quits.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tui.terminal.setup import prepare, run_app, wants_ascii

prepare()

from rich.segment import Segment  # noqa: E402
from rich.style import Style  # noqa: E402
from textual.app import App, ComposeResult  # noqa: E402
from textual.binding import Binding  # noqa: E402
from textual.containers import Horizontal  # noqa: E402
from textual.screen import ModalScreen  # noqa: E402
from textual.strip import Strip  # noqa: E402
from textual.timer import Timer  # noqa: E402
from textual.widget import Widget  # noqa: E402
from textual.widgets import Input, Static  # noqa: E402

from tui.terminal.driver import PacedApp  # noqa: E402

if TYPE_CHECKING:
    Base = App[None]
else:
    Base = PacedApp if sys.argv[1] == "paced" else App

BLUE, BOLD = Style.parse("white on blue"), Style.parse("bold yellow on black")


class Rows(Widget, can_focus=True):
    """Lines of ASCII, wide and combining characters, different in every generation."""

    generation = 0
    flag = " "

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        mark = "日本語テキスト" if (y + self.generation) % 3 == 0 else "ｆull e\u0301 ─│█" if y % 3 == 1 else "plain"
        text = f"{self.flag if y == 0 else ' '}{y:3d} {mark} {'x' * (self.generation * 7 % 40)}漢{self.generation}"
        style = BOLD if (y + self.generation) % 5 == 0 else BLUE
        return Strip([Segment(text, style), Segment("|", Style())]).adjust_cell_length(width, BLUE)


class Box(ModalScreen[None]):
    BINDINGS: ClassVar = [Binding("o", "app.unmodal")]
    DEFAULT_CSS = "Box { align: center middle; } Box Static { width: 21; height: 5; border: round red; }"

    def compose(self) -> ComposeResult:
        yield Static("漢字 modal", markup=False)


class Probe(Base):
    ticker: Timer | None = None
    ENABLE_COMMAND_PALETTE = False
    CSS = (
        "Horizontal { height: 1fr; } #side { width: 15; border: heavy green; } Rows { width: 1fr; } #raw { height: 1; }"
    )
    BINDINGS: ClassVar = [
        Binding("c", "cell"),
        Binding("a", "all"),
        Binding("f", "same"),
        Binding("p", "modal"),
        Binding("o", "unmodal"),
        Binding("t", "ticker"),
        Binding("r", "repaint_all"),
        Binding("u", "raw"),
        Binding("e", "fail"),
        Binding("z", "suspend_process"),
        Binding("q", "quit_now"),
    ]

    def compose(self) -> ComposeResult:
        yield Static("head line", id="raw", markup=False)
        with Horizontal():
            yield Rows()
            yield Static("side 横", id="side", markup=False)
        field = Input("typed")
        field.cursor_blink = False
        yield field

    def on_mount(self) -> None:
        for rows in self.query(Rows):  # none where a signal came before they were composed
            rows.focus()
        if heart := os.environ.get("PROBE_HEART"):
            self.set_interval(0.02, lambda: Path(heart).write_text(f"{time.monotonic()}"))

    def action_cell(self) -> None:
        rows = self.query_one(Rows)
        rows.flag = "#" if rows.flag == " " else " "
        rows.refresh()

    def action_all(self) -> None:
        rows = self.query_one(Rows)
        rows.generation += 1
        rows.refresh()

    def action_same(self) -> None:
        self.screen.refresh()

    def action_ticker(self) -> None:
        if self.ticker is None:
            self.ticker = self.set_interval(1 / 60, self.action_all)
        else:
            self.ticker.stop()
            self.ticker = None

    async def action_modal(self) -> None:
        await self.push_screen(Box())

    def action_unmodal(self) -> None:
        self.pop_screen()

    def action_repaint_all(self) -> None:
        self.repaint()  # type: ignore[attr-defined]

    def action_raw(self) -> None:
        text = Path(os.environ["PROBE_TEXT"]).read_text(encoding="utf-8", errors="surrogatepass")
        if "PROBE_SAFE" in os.environ:
            from tui.text.plain_text import safe

            text = safe(text)
        self.query_one("#raw", Static).update(text)

    def action_fail(self) -> None:
        raise RuntimeError("probe failed")

    def action_quit_now(self) -> None:
        self.exit()


if __name__ == "__main__":
    app = Probe()
    if sys.argv[1] == "paced":
        app.ascii_output = wants_ascii()  # type: ignore[attr-defined]
    print("started", flush=True)
    code = asyncio.run(run_app(app))
    print(f"ended {code}", getattr(app, "bytes_written", None), flush=True)
    sys.exit(code)
