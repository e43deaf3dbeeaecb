"""What Textual's own widgets do, as an app of a few lines.

python -m tests.bench.textual_peers empty | table ROWS LIVE_ROWS
"""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widgets import DataTable, Static

COLUMNS = ("number", "state", "url", "progress", "size", "rate", "age")
LIVE = ("progress", "size", "rate", "age")
REDRAWS = 4  # a second


class EmptyApp(App[None]):
    """A screen with one word on it."""

    def compose(self) -> ComposeResult:
        yield Static("ready")


class TableApp(App[None]):
    """A DataTable; four cells of each of its first `live` rows change four times a second."""

    def __init__(self, rows: int, live: int) -> None:
        super().__init__()
        self.animation_level = "none"
        self._rows = rows
        self._live = live
        self._tick = 0

    def compose(self) -> ComposeResult:
        yield DataTable[str](cursor_type="row")

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        for name in COLUMNS:
            table.add_column(name, key=name)
        for number in range(self._rows):
            url = f"127.0.0.1/k?{number}"
            table.add_row(f"#{number}", "200", url, "---", "1K", "0/s", "0.0s", key=str(number))
        if self._live:
            self.set_interval(1 / REDRAWS, self._change)

    def _change(self) -> None:
        self._tick += 1
        table = self.query_one(DataTable)
        part = self._tick % 100
        texts = (
            f"{'#' * (part // 10):<10}{part:3}%",
            f"{self._tick * 64}",
            f"{part}/s",
            f"{self._tick / REDRAWS:.1f}s",
        )
        for number in range(self._live):
            for column, text in zip(LIVE, texts, strict=True):
                table.update_cell(str(number), column, text)


def main() -> None:
    app = EmptyApp() if sys.argv[1] == "empty" else TableApp(int(sys.argv[2]), int(sys.argv[3]))
    app.run(mouse=False)


if __name__ == "__main__":
    main()
