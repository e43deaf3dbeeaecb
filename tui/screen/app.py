"""The dashboard: pulls frozen snapshots at the redraw rate, shows them, sends commands back by id."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import SystemCommand
from textual.binding import BindingType
from textual.css.query import NoMatches
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from fetch_engine import FetchRequest
from tui.bridge.link import EngineLink
from tui.bridge.snapshot import Command, SetRate, Snapshot
from tui.entry.history import EntryHistory, SeenHosts
from tui.keys.choices import Choices
from tui.keys.table import PLACES, bindings, in_place
from tui.rows.finished_store import MAX_ROWS, DoneRows
from tui.rows.stored_rows import StoredRows
from tui.rows.totals import BATCH, Totals
from tui.run.counts import fetches
from tui.screen.screens.confirm import ConfirmScreen
from tui.screen.screens.once import Palette
from tui.screen.typing_app import TypingApp
from tui.text.glyphs import UNICODE, Glyphs
from tui.text.meter import Meter, ScreenCost
from tui.widgets.line_widget import LOOKS
from tui.widgets.themes import OWN, THEMES

if TYPE_CHECKING:
    from tui.screen.screens.overview import OverviewScreen

WORK = 0.008  # seconds of the screen's loop at a time
BREATH = 0.002  # seconds in between, for keys
PIECE = 256  # rows moved between two looks at the clock
RATES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # redraws a second


class DashboardApp(TypingApp):
    """Widgets hold ids and frozen records only; every handle stays in the engine's thread behind `link`.

    fps: redraws a second. glyphs: what the terminal can show. colours: "full", "ansi" for the terminal's own sixteen,
    which takes half the bytes, or None for "full" where the terminal says that it has them and NO_COLOR is not set.
    theme: one of THEMES, or "auto" for dark where there are colours for it. max_rows: of finished fetches. choices:
    where theme and redraw rate are noted that the user chooses; both are given as the settings have them.
    """

    TITLE = "weakfetch"
    CSS_PATH = Path(__file__).with_name("theme.tcss")  # absolute, so that subclasses find it
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("everywhere")]
    COMPONENT_CLASSES: ClassVar[set[str]] = {*LOOKS}
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    class SnapshotReady(Message):
        """There is something to pull. Many at once count as one."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, DashboardApp.SnapshotReady)

    def __init__(
        self,
        link: EngineLink,
        *,
        fps: float = 4.0,
        glyphs: Glyphs = UNICODE,
        colours: str | None = None,
        theme: str = "auto",
        max_rows: int = MAX_ROWS,
        choices: Choices | None = None,
        stored: StoredRows | None = None,
        history: EntryHistory | None = None,
        make_request: Callable[[str], FetchRequest] = FetchRequest,
    ) -> None:
        if colours is None:
            has_all = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
            colours = "full" if has_all and not os.environ.get("NO_COLOR") else "ansi"
        self.choices = Choices() if choices is None else choices
        self._settings = fps, theme
        theme = self.choices.get("theme", theme)
        self._auto = "ansi" if colours == "ansi" else "dark"
        name = self._auto if theme not in THEMES else theme
        super().__init__(ansi_color=name == "ansi")
        self.link = link
        self.snapshot: Snapshot | None = None
        self.paused = False
        self.fps = min(max(self.choices.get("fps", fps), RATES[0]), RATES[-1])
        self.glyphs = glyphs
        self.ascii_output = glyphs is not UNICODE
        self.done = DoneRows(max_rows) if stored is None else stored.rows(max_rows)
        self.arrived = DoneRows(max_rows)  # ended while the view was paused, and not among the others yet
        self.totals = Totals()
        self.history = EntryHistory() if history is None else history
        self.hosts = SeenHosts()
        for line in self.history.entries:
            self.hosts.note(line)
        self.make_request = make_request  # from a URL as given
        self._counting = False  # totals, in pieces
        self.cost = ScreenCost(self.fps)
        self._sent = Meter(time.monotonic())
        self.on_first_frame: Callable[[], object] | None = None
        self.animation_level = "none"
        for own in OWN:
            self.register_theme(own)
        self._begin_with(THEMES[name])
        self._ticks: Timer | None = None
        self._overview: OverviewScreen | None = None

    @property
    def running(self) -> int:
        """Fetches that were asked for and have not ended, as far as it is known, by the newest snapshot."""
        s = self.snapshot
        return 0 if s is None else s.census.queued + s.census.running + s.waiting

    @property
    def has_more(self) -> bool:
        """Whether a list whose length is not known is still being read, by the newest snapshot."""
        return self.snapshot is not None and self.snapshot.has_more

    def _begin_with(self, theme: str) -> None:
        """As `self.theme = theme`, after which Textual would parse its style sheets a second time."""
        if not self.available_themes[theme].dark:
            self.theme = theme
            return
        self.set_reactive(DashboardApp.theme, theme)
        self.add_class(f"-theme-{theme}")
        self.stylesheet.set_variables(self.get_css_variables())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"rule": "ansi_default", "faint": "ansi_default", "selection": "ansi_default"}

    def get_default_screen(self) -> Screen[None]:
        return self.dashboard

    def on_mount(self) -> None:
        self._ticks = self.set_interval(1 / self.fps, self.pull)
        self.pull()

    def on_ready(self) -> None:
        """Textual has shown the first frame."""
        if self.on_first_frame is not None:
            self.on_first_frame()

    # data in

    def snapshot_ready(self) -> None:
        """Say that `link.latest` changed. May be called from any thread."""
        self.post_message(self.SnapshotReady())

    def on_dashboard_app_snapshot_ready(self) -> None:
        self.pull()

    def pull(self) -> None:
        """Take what is new from the link and show it."""
        snapshot = self.link.latest  # before the records, which are at least as new then
        finished = self.link.take_finished()
        (self.arrived if self.paused or self.arrived.total else self.done).add(finished)
        for record in finished:
            self.hosts.note(record.url)
        counted = self.totals.add(finished, snapshot)
        if counted == BATCH and not self._counting:
            self._counting = True
            self.set_timer(BREATH, self._count_on)
        cost = self._screen_cost()
        if finished or counted or snapshot is not self.snapshot or cost.speed != self.cost.speed:
            self.snapshot, self.cost = snapshot, cost
            self._show()

    def _count_on(self) -> None:
        counted = self.totals.add((), self.snapshot)
        self._counting = counted == BATCH
        if self._counting:
            self.set_timer(BREATH, self._count_on)
        elif counted:
            self._show()

    def _screen_cost(self) -> ScreenCost:
        sent = self.bytes_written
        self._sent.read(sent, time.monotonic())
        return ScreenCost(self.fps, round(self._sent.rate / 1024) * 1024, sent)

    def _show(self) -> None:
        # One more snapshot may come while the screen is being taken down, its widgets already gone.
        if self.dashboard.is_mounted:
            with suppress(NoMatches):
                self.dashboard.show(self.snapshot, paused=self.paused)
        overview = self._overview
        if overview is not None and overview.is_mounted and overview in self.screen_stack:
            overview.show(self.snapshot, paused=self.paused, cost=self.cost)

    def toggle_pause(self) -> None:
        """Freeze what the panes show, or show what came meanwhile."""
        self.paused = not self.paused
        self._take_in()

    def _take_in(self) -> None:
        """Put what ended while the view was paused to the other rows, some milliseconds of work at a time."""
        end = time.perf_counter() + WORK
        while not self.paused and self.done.absorb(self.arrived, PIECE):
            if time.perf_counter() > end:
                self._show()
                self.set_timer(BREATH, self._take_in)
                return
        self._show()

    # commands out

    def send(self, command: Command) -> None:
        """Hand a command to the engine's thread."""
        self.link.send(command)

    def change_rate(self, by: int) -> None:
        """Redraw at the next higher or lower rate."""
        nearest = min(range(len(RATES)), key=lambda at: abs(RATES[at] - self.fps))
        self.fps = RATES[max(0, min(nearest + by, len(RATES) - 1))]
        if self._ticks is not None:
            self._ticks.stop()
        self._ticks = self.set_interval(1 / self.fps, self.pull)
        self.choices.keep("fps", self.fps, setting=self._settings[0])
        self.send(SetRate(self.fps))
        self.cost = self._screen_cost()
        self._show()

    def choose_theme(self, name: str) -> None:
        """Show another of THEMES, or "auto", now and in later runs."""
        self.choices.keep("theme", name, setting=self._settings[1])
        shown = THEMES.get(name, THEMES[self._auto])
        self.ansi_color = shown == THEMES["ansi"]
        self.theme = shown

    # screens and the end

    def action_help(self) -> None:
        from tui.screen.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_overview(self) -> None:
        from tui.screen.screens.overview import OverviewScreen

        if isinstance(self.screen, OverviewScreen):
            self.screen.action_back()
        else:
            self._overview = OverviewScreen()
            self.push_screen(self._overview)

    def leave(self) -> None:
        """Quit; ask first while something runs."""
        count = self.running
        if not count:
            self.exit()
            return
        more = ", and there may be more in the list" if self.has_more else ""
        question = f"{fetches(count)} {'is' if count == 1 else 'are'} not done{more}. Quit and cancel?"
        self.push_screen(ConfirmScreen(question, "quit"), self._leave_confirmed)

    def _leave_confirmed(self, yes: bool | None) -> None:
        if yes:
            self.exit()

    async def action_quit(self) -> None:
        self.exit()

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        live = {each.binding.id: each for each in screen.active_bindings.values()}
        for key in in_place(*PLACES):
            found = live.get(key.id)
            if found is None or key.id == "palette":
                continue
            run = partial(self.run_action, found.binding.action, found.node)
            yield SystemCommand(key.text[0].upper() + key.text[1:], f"key {key.labels}" if key.keys else "", run)
        for name in (*THEMES, "auto"):
            yield SystemCommand(f"Theme {name}", "colours, now and in later runs", partial(self.choose_theme, name))
        yield SystemCommand("Picture", "save the screen as SVG", self.deliver_screenshot)
