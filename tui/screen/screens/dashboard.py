"""The one screen: status, URL field, active, done, references, footer; the details beside them where there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus
from textual.reactive import reactive
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from fetch_engine import FetchRequest
from tui.bridge.snapshot import (
    ActiveRow,
    Cancel,
    Collect,
    Drop,
    FindHolders,
    FinishedRecord,
    HeldRow,
    Snapshot,
    TogglePin,
)
from tui.entry.commands import AddRequests, AddUrls
from tui.entry.read import ParsedInput
from tui.keys.table import bindings, hints
from tui.run.counts import fetches
from tui.screen.details import DetailsTarget
from tui.screen.next_warning import next_warned
from tui.screen.panels.active import ActivePane
from tui.screen.panels.details import DetailsPane
from tui.screen.panels.done import DonePane
from tui.screen.panels.footer import Footer
from tui.screen.panels.refs import RefsPane
from tui.screen.panels.status import StatusLine
from tui.screen.panels.url_bar import UrlBar, UrlFacts, UrlInput
from tui.screen.panels.warnings import WarningLine, WarningsBox, WarningSummary
from tui.screen.record_actions import RecordActions
from tui.screen.screens.confirm import ConfirmScreen
from tui.screen.screens.details import DetailsScreen
from tui.screen.screens.sized import SizedNow
from tui.widgets.filter_field import FilterField
from tui.widgets.frame import Frame
from tui.widgets.table import Table

if TYPE_CHECKING:
    from tui.screen.app import DashboardApp

REST = 0.05  # seconds the cursor stays on a row before its details are made
FOLLOW = 1.0  # seconds between two rows that the details show by themselves, as the cursor stays on the newest
WIDE = 120
SHORT = 20


class DashboardScreen(SizedNow, Screen[None], RecordActions):
    """Shows what the app pulled from the engine and turns keys into commands."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("screen")]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 (Textual's own declaration)
    VERTICAL_BREAKPOINTS = [(0, "-short"), (SHORT, "-medium"), (32, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = "#done"
    focused = reactive[Widget | None](None, repaint=False)  # the panes repaint what the focus changes, and no more

    def __init__(self) -> None:
        super().__init__()
        self._rest: Timer | None = None
        self._orders: dict[str, str] = {}  # of each table, before the user chose another
        self._quiet = False  # whether the warnings are hidden
        self._pane = "done"  # the pane that has the focus, or had it last

    @property
    def _app(self) -> DashboardApp:
        return cast("DashboardApp", self.app)

    def compose(self) -> ComposeResult:
        yield StatusLine()
        yield UrlBar(self._app.history, self._app.hosts, self._app.make_request)
        with Horizontal(id="panes"):
            with Vertical(id="tables"):
                yield ActivePane()
                yield DonePane(self._app.done)
                yield RefsPane()
            with Vertical(id="side"):
                yield DetailsPane()
                yield WarningsBox()
        yield WarningLine()
        yield Footer(hints("screen", "rows", "everywhere"))

    def on_mount(self) -> None:
        for table in self.query(Table):
            natural = table.rows.order
            self._orders[table.id or ""] = natural
            table.rows.order = self._app.choices.get(f"order of {table.id}", natural)
        self.show(self._app.snapshot, paused=self._app.paused)

    def show(self, snapshot: Snapshot | None, *, paused: bool) -> None:
        """Hand a snapshot to everything that shows a part of it; while paused only the counts."""
        app = self._app
        self.query_one(StatusLine).show(snapshot, paused=paused, cost=app.cost)
        done = self.query_one(DonePane)
        if snapshot is not None:
            history = len(self.query_one(UrlInput).history)
            self.query_one(UrlFacts).show(history, snapshot.census.running, snapshot.concurrency)
            if not paused:
                active, refs = self.query_one(ActivePane), self.query_one(RefsPane)
                active.active_rows.rows = snapshot.active
                active.waiting, active.has_more = snapshot.waiting, snapshot.has_more
                active.resting = snapshot.resting
                refs.held_rows.rows, refs.snapshot = snapshot.held, snapshot
                active.update()
                refs.update()
        done.arrived = app.arrived.total if paused else 0
        if paused:
            done.repaint()
        else:
            done.update()
            self._follow()
        self._show_warnings()

    # panes

    def on_resize(self) -> None:
        self.call_after_refresh(self._join_frames)

    @on(DescendantFocus)
    def _focus_moved(self, event: DescendantFocus) -> None:
        typing = isinstance(event.widget, UrlInput)
        footer = self.query_one(Footer)
        if typing:
            footer.show(hints("url", "everywhere", typing=True))
        elif isinstance(event.widget, FilterField):
            footer.show(hints("filter", "everywhere", typing=True))
        elif isinstance(event.widget, DetailsPane):
            footer.show(hints("details", "text", "everywhere", "back"))
        else:
            footer.show(hints("screen", "rows", "everywhere"))
        if isinstance(event.widget, Table) and event.widget.id:
            self._pane = event.widget.id
            self._mark_current()
            if self.has_class("-wide"):
                self._show_details()

    def _mark_current(self) -> None:
        for pane in self.query(Table):
            pane.set_class(pane.id == self._pane, "-current")
        self.call_after_refresh(self._join_frames)

    def _join_frames(self) -> None:
        panes: list[Frame] = [pane for pane in self.query(Table) if pane.display]
        for pane in panes:
            pane.joins = pane is not panes[0]
            pane.closes = pane is panes[-1]
        self._show_warnings()

    def _table(self) -> Table[FinishedRecord | ActiveRow | HeldRow]:
        return cast("Table[FinishedRecord | ActiveRow | HeldRow]", self.query_one(f"#{self._pane}", Table))

    def action_pane(self, name: str) -> None:
        self._pane = name  # at once: the focus moves later, and the next key may have come with this one
        self.set_focus(self.query_one(f"#{name}"))

    def action_next_pane(self, by: int) -> None:
        if self.has_class("-full"):
            names = ["active", "done", "refs"]
            self.set_class(False, "-full")
            self.action_pane(names[(names.index(self._pane) + by) % 3])
            self.set_class(True, "-full")
        elif by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_full(self) -> None:
        self.toggle_class("-full")
        self._mark_current()

    def action_focus_url(self) -> None:
        self.set_focus(self.query_one(UrlInput))

    @on(UrlInput.Left)
    def action_escape(self) -> None:
        if isinstance(self.focused, Table):
            if self.focused.clear_filter():
                return
            self.remove_class("-full")
            self._mark_current()
        else:
            self.action_pane(self._pane)

    def action_back(self) -> None:
        if isinstance(self.focused, DetailsPane) or self.has_class("-full"):
            self.action_escape()
        else:
            self._app.leave()

    # warnings

    def _show_warnings(self) -> None:
        snapshot, row = self._app.snapshot, self._table().selected
        lines = () if snapshot is None else snapshot.warnings
        told = WarningSummary(
            lines, 0 if snapshot is None else snapshot.bugs, row.id if row else 0, row.warnings if row else ()
        )
        box, line = self.query_one(WarningsBox), self.query_one(WarningLine)
        beside = self.has_class("-wide") and not self.has_class("-full")
        shown = bool(lines) and not self._quiet
        box.display = shown and beside
        line.display = shown and not beside and not self.has_class("-short")
        self.query_one(DetailsPane).closes = not box.display
        for widget in (box, line):
            widget.show(told)
        hidden = not (box.display or line.display)
        self.query_one(StatusLine).warn(len(lines) if hidden else 0, told.bugs)

    def action_hide_warnings(self) -> None:
        self._quiet = not self._quiet
        self._show_warnings()

    def action_next_warning(self) -> None:
        tables = list(self.query(Table))
        found = next_warned(tables, next(at for at, table in enumerate(tables) if table.id == self._pane))
        if found is not None and (name := found[0].id):
            self.action_pane(name)
            found[0].select(found[1])

    # details

    @on(Table.Moved)
    def _moved(self) -> None:
        self._show_warnings()
        if self.has_class("-wide"):
            if self._rest is not None:
                self._rest.stop()
            self._rest = self.set_timer(REST, self._show_details)

    def _follow(self) -> None:
        """Where the selected row changed by itself, have the details change too, if they are not being read."""
        details, row = self.query_one(DetailsPane), self._table().selected
        if row is None or details.has_focus or not self.has_class("-wide"):
            return
        if details.subject is None:
            self._show_details()
        elif details.subject.row.id != row.id and self._rest is None:
            self._rest = self.set_timer(FOLLOW, self._show_details)

    def _subject(self) -> DetailsTarget | None:
        """What the selected row stands for, as a frozen copy."""
        table, done = self._table(), self._app.done
        row = table.selected
        if row is None:
            return None
        if isinstance(row, FinishedRecord):
            whole, trimmed = done.whole(table.rows.key(table.cursor.place))
            held = self._app.snapshot.held if self._app.snapshot is not None else ()
            return DetailsTarget(whole, whole, trimmed, next((each for each in held if each.id == whole.id), None))
        return DetailsTarget(row, done.find(row.id) if isinstance(row, HeldRow) else None)

    def acted_on(self) -> DetailsTarget | None:
        return self._subject()

    def _show_details(self) -> None:
        if self._rest is not None:
            self._rest.stop()
            self._rest = None
        if (subject := self._subject()) is not None:
            self.query_one(DetailsPane).show(subject)

    def action_details(self) -> None:
        subject = self._subject()
        if subject is None:
            return
        if self.has_class("-wide") and not self.has_class("-full"):
            self._show_details()
            self.query_one(DetailsPane).focus()
        else:
            self.app.push_screen(DetailsScreen(subject))

    @on(Table.Sorted)
    def _sorted(self, message: Table.Sorted) -> None:
        name = message.table.id or ""
        self._app.choices.keep(f"order of {name}", message.table.rows.order, setting=self._orders[name])

    # commands

    @on(UrlInput.Entered)
    def _entered(self, message: UrlInput.Entered) -> None:
        entry = message.entry
        if entry.count > message.unasked:
            question = f"Fetch {entry.count:,} URLs?"
            self.app.push_screen(ConfirmScreen(question, "fetch them"), lambda yes: self._start(entry) if yes else None)
        else:
            self._start(entry)

    def _start(self, entry: ParsedInput) -> None:
        for command in entry.commands:
            self._app.send(command)

    def action_cancel(self) -> None:
        if (row := self._table().selected) is not None:
            self._app.send(Cancel(row.id))

    def action_drop(self) -> None:
        if (row := self._table().selected) is not None:
            self._app.send(Drop(row.id))

    def action_pin(self) -> None:
        if (row := self._table().selected) is not None:
            self._app.send(TogglePin(row.id))

    def action_holders(self) -> None:
        if isinstance(row := self._table().selected, HeldRow):
            self._app.send(FindHolders(row.id))

    def action_collect(self) -> None:
        self._app.send(Collect())

    def action_again(self) -> None:
        if (row := self._table().selected) is not None:
            request = self._request_of(row)
            self._app.send(AddUrls((row.url,)) if request is None else AddRequests((request,)))

    def action_edit_request(self) -> None:
        if (row := self._table().selected) is not None:
            self.query_one(UrlInput).edit(self._request_of(row) or self._app.make_request(row.url))

    def _request_of(self, row: FinishedRecord | ActiveRow | HeldRow) -> FetchRequest | None:
        known = self._app.done.find(row.id) if isinstance(row, HeldRow) else row
        return None if known is None else known.request

    def action_cancel_all(self) -> None:
        count, more = self._app.running, self._app.has_more
        if count or more:
            question = f"Cancel {count:,} fetches that have not ended?" if count != 1 else "Cancel the one fetch left?"
            if more:
                question = f"Cancel {fetches(count)} and read no further in the list?"
            self.app.push_screen(ConfirmScreen(question, "cancel all"), self._cancel_confirmed)

    def _cancel_confirmed(self, yes: bool | None) -> None:
        if yes:
            self._app.send(Cancel(None))

    def action_pause(self) -> None:
        self._app.toggle_pause()

    def action_faster(self, by: int) -> None:
        self._app.change_rate(by)
