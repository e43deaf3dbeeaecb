"""Everything at a glance: what all fetches of this run came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from tui.bridge.snapshot import Snapshot
from tui.keys.table import bindings, hints
from tui.screen.panels.footer import Footer
from tui.screen.panels.overview import OverviewPane
from tui.screen.panels.status import StatusLine
from tui.screen.screens.once import ClosesOnce
from tui.text.meter import ScreenCost

if TYPE_CHECKING:
    from tui.screen.app import DashboardApp


class OverviewScreen(ClosesOnce, Screen[None]):
    """Goes on while the view is paused, as the status line does; esc goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("back")]

    def compose(self) -> ComposeResult:
        yield StatusLine()
        yield OverviewPane(cast("DashboardApp", self.app).totals)
        yield Footer(hints("text", "everywhere", "back"))

    def on_mount(self) -> None:
        app = cast("DashboardApp", self.app)
        self.show(app.snapshot, paused=app.paused, cost=app.cost)
        self.query_one(OverviewPane).focus()

    def show(self, snapshot: Snapshot | None, *, paused: bool, cost: ScreenCost) -> None:
        """Take the newest numbers."""
        self.query_one(StatusLine).show(snapshot, paused=paused, cost=cost)
        self.query_one(OverviewPane).show(snapshot, cost)

    def action_back(self) -> None:
        self.dismiss()
