"""The one table of keys, and every key on the real screen: what it sends, shows and focuses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.command import CommandPalette
from textual.events import Paste
from textual.pilot import Pilot

from tests.tui.fake_link import FakeLink, active, busy, result, snapshot
from tui.bridge.snapshot import Cancel, Command, Drop, SetRate, TogglePin
from tui.entry.commands import AddUrls
from tui.keys.table import FIELDS, KEYS, LIVE_TOGETHER, PLACES, in_place
from tui.screen.app import DashboardApp
from tui.screen.panels.active import ActivePane
from tui.screen.panels.details import DetailsPane
from tui.screen.panels.done import DonePane
from tui.screen.panels.footer import Footer
from tui.screen.panels.refs import RefsPane
from tui.screen.panels.status import StatusLine
from tui.screen.panels.url_bar import UrlInput, url_lines
from tui.screen.screens.ask import AskInput
from tui.screen.screens.confirm import ConfirmScreen, Question
from tui.screen.screens.copy import CopyScreen
from tui.screen.screens.dashboard import FOLLOW, DashboardScreen
from tui.screen.screens.details import DetailsScreen
from tui.screen.screens.help import HelpPane, HelpScreen
from tui.screen.screens.history_search import HistorySearchScreen
from tui.screen.screens.request_editor import RequestEditorScreen
from tui.widgets.line_widget import LineWidget
from tui.widgets.table import Table

pytestmark = pytest.mark.anyio


def text_of(widget: LineWidget) -> str:
    """What the widget shows."""
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


@asynccontextmanager
async def shown(
    link: FakeLink | None = None, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[None], FakeLink]]:
    link = busy() if link is None else link
    async with DashboardApp(link).run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot, link


def test_the_table_of_keys_is_sound() -> None:
    assert max(Counter(key.id for key in KEYS).values()) == 1
    assert {key.place for key in KEYS} == set(PLACES)
    assert {place for places in LIVE_TOGETHER for place in places} == set(PLACES) > set(FIELDS)
    for places in LIVE_TOGETHER:
        names = Counter(name for key in in_place(*places) for name in key.keys)
        assert max(names.values()) == 1, names.most_common(2)


@pytest.mark.parametrize(
    ("places", "owners"),
    [
        (("rows",), (Table, DashboardScreen)),
        (("screen",), (DashboardScreen,)),
        (("url",), (UrlInput,)),
        (("search",), (HistorySearchScreen,)),
        (("editor",), (RequestEditorScreen,)),
        (("text", "details"), (DetailsPane,)),
        (("text", "back"), (HelpScreen,)),
        (("back",), (DetailsScreen, HelpScreen)),
        (("box",), (ConfirmScreen,)),
        (("ask",), (AskInput,)),
        (("copy",), (CopyScreen,)),
        (("everywhere",), (DashboardApp,)),
    ],
)
def test_every_action_is_there(places: tuple[str, ...], owners: tuple[type, ...]) -> None:
    for key in in_place(*places):
        name = key.action.removeprefix("screen.").split("(")[0]
        if key.place == "text" and owners == (HelpScreen,):
            assert hasattr(HelpScreen, f"action_{name}")
        else:
            assert any(hasattr(owner, f"action_{name}") for owner in owners), key


COMMANDS: list[tuple[str, str, list[Command]]] = [
    ("1", "x", [Cancel(44)]),
    ("1", "d", [Drop(44)]),
    ("1", "m", [TogglePin(44)]),
    ("1", "r", [AddUrls(("https://api.example.org/items?page=3",))]),
    ("2", "d", [Drop(43)]),
    ("2", "r", [AddUrls(("http://example.org/old",))]),
    ("2", "m", [TogglePin(43)]),
    ("3", "m", [TogglePin(29)]),
    ("3", "d", [Drop(29)]),
]


@pytest.mark.parametrize(("pane", "key", "sent"), COMMANDS)
async def test_a_key_on_a_row_sends_its_command(pane: str, key: str, sent: list[Command]) -> None:
    async with shown() as (pilot, link):
        await pilot.press(pane, key)
        assert link.sent == sent


@pytest.mark.parametrize("pane", ["1", "2", "3"])
async def test_keys_on_an_empty_pane_do_no_harm(pane: str) -> None:
    async with shown(FakeLink(snapshot())) as (pilot, link):
        await pilot.press(pane, *"xdrmXjkgG", "enter", "pageup", "pagedown", "space")
        assert link.sent == []
        assert isinstance(pilot.app.screen, DashboardScreen)


async def test_numbers_and_tab_move_between_panes() -> None:
    async with shown() as (pilot, _):
        app = pilot.app
        for key, pane in (("1", ActivePane), ("2", DonePane), ("3", RefsPane)):
            await pilot.press(key)
            assert isinstance(app.focused, pane)
        await pilot.press("1", "tab")
        assert isinstance(app.focused, DonePane)
        await pilot.press("shift+tab")
        assert isinstance(app.focused, ActivePane)
        await pilot.press("shift+tab")
        assert isinstance(app.focused, UrlInput)


MOVES: list[tuple[str, Callable[[int, int], int]]] = [
    ("j", lambda at, page: at + 1),
    ("down", lambda at, page: at + 1),
    ("k", lambda at, page: at - 1),
    ("up", lambda at, page: at - 1),
    ("pagedown", lambda at, page: at + page - 1),
    ("pageup", lambda at, page: at - page + 1),
    ("g", lambda at, page: 0),
    ("home", lambda at, page: 0),
    ("G", lambda at, page: 40),
    ("end", lambda at, page: 40),
]


@pytest.mark.parametrize(("key", "place"), MOVES)
async def test_keys_move_the_cursor(key: str, place: Callable[[int, int], int]) -> None:
    async with shown() as (pilot, _):
        table = pilot.app.screen.query_one(DonePane)
        table.select(20)
        await pilot.press(key)
        assert table.cursor.place == place(20, table.page_height)
        selected = table.selected
        assert selected is not None
        assert f" {selected.id} " in text_of(table)


async def test_cancelling_all_asks_first() -> None:
    async with shown() as (pilot, link):
        await pilot.press("X")
        assert "Cancel 5 fetches" in text_of(pilot.app.screen.query_one(Question))
        await pilot.press("n")
        assert link.sent == []
        await pilot.press("X", "y")
        assert link.sent == [Cancel(None)]


async def test_q_goes_back_and_asks_at_the_top_while_something_runs() -> None:
    async with shown() as (pilot, _):
        app = pilot.app
        await pilot.press("enter")
        assert isinstance(app.screen, DetailsScreen)
        await pilot.press("q")
        assert isinstance(app.screen, DashboardScreen)
        await pilot.press("f", "q")
        assert not app.screen.has_class("-full")
        await pilot.press("q")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("q")
        assert isinstance(app.screen, DashboardScreen)
        await pilot.press("q", "y")
        assert app.return_code == 0


async def test_q_quits_at_once_when_nothing_runs() -> None:
    async with shown(FakeLink(snapshot(done=1), [result(1)])) as (pilot, _):
        await pilot.press("q")
        assert pilot.app.return_code == 0


@pytest.mark.parametrize(
    "keys",
    [
        ("ctrl+q",),
        ("ctrl+c",),
        ("n", "a", "shift+left", "ctrl+c"),
        ("enter", "ctrl+c"),
        ("question_mark", "ctrl+c"),
        ("X", "ctrl+c"),
        ("colon", "ctrl+c"),
    ],
)
async def test_ctrl_c_quits_from_anywhere(keys: tuple[str, ...]) -> None:
    async with shown() as (pilot, _):
        await pilot.press(*keys)
        await pilot.pause()
        assert pilot.app.return_code == 0


async def test_ctrl_z_suspends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(DashboardApp, "action_suspend_process", lambda self: asked.append(1))
    async with shown() as (pilot, _):
        await pilot.press("ctrl+z")
        assert asked == [1]


@pytest.mark.parametrize("key", ["n", "ctrl+l"])
async def test_the_url_field_adds_and_stays(key: str) -> None:
    async with shown() as (pilot, link):
        await pilot.press(key)
        field = pilot.app.focused
        assert isinstance(field, UrlInput)
        await pilot.press(*"h/?q", "enter")
        assert link.sent == [AddUrls(("https://h/?q",))]
        assert pilot.app.focused is field
        assert field.value == ""
        await pilot.press("enter", "space", "enter")
        assert len(link.sent) == 1
        await pilot.press("escape")
        assert isinstance(pilot.app.focused, DonePane)


async def test_up_and_down_recall_what_was_entered() -> None:
    async with shown() as (pilot, _):
        await pilot.press("n", "a", "enter", "b", "enter", "c")
        field = pilot.app.screen.query_one(UrlInput)
        seen = []
        for key in ("up", "up", "up", "down", "down", "down"):
            await pilot.press(key)
            seen.append(field.value)
        assert seen == ["b", "a", "a", "b", "c", "c"]
        await pilot.press("up", "up", "enter")
        assert field.history.entries == ["b", "a"]


async def test_a_paste_of_many_lines_adds_each() -> None:
    async with shown() as (pilot, link):
        await pilot.press("n")
        field = pilot.app.screen.query_one(UrlInput)
        field.post_message(Paste("http://a/\r\n\n  # no\nhttp://b/ \n"))
        await pilot.pause()
        assert link.sent == [AddUrls(("http://a/", "http://b/"))]
        assert field.value == ""
        field.post_message(Paste("http://c/\x1b[2J\n"))
        await pilot.pause()
        assert field.value == "http://c/␛[2J"
    assert url_lines("# a\n\n") == ()


async def test_enter_shows_a_frozen_copy_and_esc_goes_back() -> None:
    async with shown() as (pilot, link):
        await pilot.press("enter")
        pane = pilot.app.screen.query_one(DetailsPane)
        for section in ("Body", "Headers", "Timing", "TLS", "Redirects", "Refs"):
            assert f"[{section}" in text_of(pane)
            await pilot.press("right")
        assert "[Body]" in text_of(pane)
        await pilot.press("left")
        before = text_of(pane)
        link.latest = snapshot(done=40)
        link.finished = [result(99, "http://newer/")]
        pilot.app.pull()  # type: ignore[attr-defined]
        await pilot.pause()
        assert text_of(pane) == before
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, DashboardScreen)
        assert " 99 " in text_of(pilot.app.screen.query_one(DonePane))


async def test_details_scroll() -> None:
    body = "\n".join(f"line {n}" for n in range(300)).encode()
    async with shown(FakeLink(snapshot(done=1), [result(1, body=body, content_type="text/plain")])) as (pilot, _):
        await pilot.press("enter")
        pane = pilot.app.screen.query_one(DetailsPane)
        for key, line in (
            ("j", "line 1 "),
            ("down", "line 2 "),
            ("k", "line 1 "),
            ("pagedown", "line 18 "),
            ("pageup", "line 1 "),
            ("g", "line 0 "),
            ("G", "line 299 "),
            ("home", "line 0 "),
            ("end", "line 299 "),
        ):
            await pilot.press(key)
            assert line in text_of(pane), key


async def test_details_of_active_and_of_held_rows() -> None:
    async with shown() as (pilot, _):
        await pilot.press("1", "enter")
        assert "state: RECV" in text_of(pilot.app.screen.query_one(DetailsPane))
        await pilot.press("escape", "3", "j", "enter")
        pane = pilot.app.screen.query_one(DetailsPane)
        assert "frame local 'handle' fetch.py:88" in text_of(pane)
        assert "503 Service Unavailable" in text_of(pane)
        await pilot.press("right")
        assert "[Body]" in text_of(pane)


async def test_wide_screens_show_details_beside_the_rows() -> None:
    async with shown(size=(140, 40)) as (pilot, _):
        pane = pilot.app.screen.query_one(DetailsPane)
        assert "example.org/old" in text_of(pane)
        await pilot.press("j")
        await pilot.pause(0.2)
        assert "example.org/missing" in text_of(pane)
        await pilot.press("enter")
        assert pilot.app.focused is pane
        await pilot.press("q")
        assert isinstance(pilot.app.focused, DonePane)


async def test_details_follow_the_newest_row_unless_they_are_read() -> None:
    async with shown(size=(140, 40)) as (pilot, link):
        pane = pilot.app.screen.query_one(DetailsPane)
        await pilot.press("g")

        async def arrives(number: int) -> None:
            link.finished = [result(number, url=f"http://newest.test/{number}")]
            link.latest = snapshot(done=number)
            pilot.app.pull()  # type: ignore[attr-defined]
            await pilot.pause(FOLLOW + 0.3)

        await arrives(60)
        assert "newest.test/60" in text_of(pane)
        await pilot.press("enter")
        assert pilot.app.focused is pane
        await arrives(61)
        assert "newest.test/60" in text_of(pane)
        await pilot.press("q", "j")
        await pilot.pause(0.2)
        await arrives(62)  # the cursor is not on the newest row any more
        assert "newest.test/60" in text_of(pane)


async def test_pause_freezes_the_rows_but_not_the_counts() -> None:
    async with shown() as (pilot, link):
        await pilot.press("space")
        screen = pilot.app.screen
        status, done, active_pane = (screen.query_one(kind) for kind in (StatusLine, DonePane, ActivePane))
        assert "PAUSED" in text_of(status)
        rows_before = [text_of(done).splitlines()[1:], text_of(active_pane)]
        link.latest = snapshot([active(50, "http://new/")], done=44, failed=1)
        link.finished = [result(number) for number in range(60, 64)]
        pilot.app.pull()  # type: ignore[attr-defined]
        await pilot.pause()
        assert "2xx 44" in text_of(status)
        assert "paused, 4 more" in text_of(done)
        assert [text_of(done).splitlines()[1:], text_of(active_pane)] == rows_before
        await pilot.press("space")
        assert "LIVE" in text_of(status)
        assert " 63 " in text_of(done)
        assert "http://new" not in text_of(active_pane)
        assert "new/" in text_of(active_pane)


async def test_a_long_pause_loses_nothing_and_ends_without_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screen.app.WORK", 0.0)
    link = FakeLink(snapshot())
    async with DashboardApp(link, max_rows=4000).run_test() as pilot:
        app = pilot.app
        assert isinstance(app, DashboardApp)
        await pilot.press("space")
        ended = 0
        for _ in range(9):
            link.finished = [result(ended + number) for number in range(1000)]
            ended += 1000
            link.latest = snapshot(done=ended)
            app.pull()
            assert len(app.arrived) <= 4000  # while it lasts it needs no more memory than the rows there may be
        await pilot.pause()
        assert app.done.total == 0
        app.toggle_pause()
        assert app.arrived.total > 3000  # a piece at a time, and keys in between
        while app.arrived.total:
            link.finished = [result(ended)]  # more of them while the rows are taken in
            ended += 1
            app.pull()
            await asyncio.sleep(0.001)
        assert app.done.total == ended
        assert [app.done.row(place).id for place in range(4000)] == list(range(ended - 1, ended - 4001, -1))


async def test_the_redraw_rate_changes_in_steps_and_has_ends() -> None:
    async with shown() as (pilot, link):
        await pilot.press("+", "equals_sign", "minus")
        assert link.sent == [SetRate(5.0), SetRate(6.0), SetRate(5.0)]
        await pilot.press(*["minus"] * 9)
        assert link.sent[-1] == SetRate(1.0)
        await pilot.press(*["plus"] * 12)
        assert link.sent[-1] == SetRate(10.0)


async def test_full_size_shows_one_pane() -> None:
    async with shown() as (pilot, _):
        await pilot.press("3", "f")
        tables = pilot.app.screen.query(Table)
        assert [table.id for table in tables if table.display] == ["refs"]
        assert pilot.app.screen.query_one(RefsPane).size.height == 21
        await pilot.press("tab")
        assert [table.id for table in tables if table.display] == ["active"]
        await pilot.press("2")
        assert isinstance(pilot.app.focused, DonePane)
        assert [table.id for table in tables if table.display] == ["done"]
        await pilot.press("escape")
        assert len([table for table in tables if table.display]) == 3


async def test_a_pane_and_full_size_in_one_breath() -> None:
    async with shown() as (pilot, _):
        screen = pilot.app.screen
        assert isinstance(screen, DashboardScreen)
        screen.action_pane("active")  # two keys of one read: the focus has not moved in between
        screen.action_full()
        await pilot.pause()
        assert [table.id for table in screen.query(Table) if table.display] == ["active"]


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_lists_every_key(key: str) -> None:
    async with shown(size=(80, 160)) as (pilot, _):
        await pilot.press(key)
        text = text_of(pilot.app.screen.query_one(HelpPane))
        for entry in KEYS:
            line = next(line for line in text.splitlines() if entry.text in line and entry.labels in line)
            assert line.index(entry.labels) < line.index(entry.text)
        await pilot.press(key)
        assert isinstance(pilot.app.screen, DashboardScreen)


async def test_help_scrolls_on_a_small_screen() -> None:
    async with shown(size=(40, 10)) as (pilot, _):
        await pilot.press("question_mark", "G")
        pane = pilot.app.screen.query_one(HelpPane)
        assert "cancelled or dropped" in text_of(pane)
        await pilot.press("g", "j", "pagedown", "pageup", "k")
        assert "On a row" in text_of(pane)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, DashboardScreen)


@pytest.mark.once
@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
async def test_the_palette_runs_actions_by_name(key: str) -> None:
    async with shown() as (pilot, link):
        await pilot.press("1", key)
        assert isinstance(pilot.app.screen, CommandPalette)
        await pilot.press(*"cancel the sel")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert link.sent == [Cancel(44)]


async def test_the_footer_shows_keys_that_work_where_the_focus_is() -> None:
    async with shown(size=(140, 40)) as (pilot, _):
        footer = pilot.app.screen.query_one(Footer)
        for key in in_place("rows", "screen", "everywhere"):
            if key.footer:
                assert f"{key.label} {key.footer}" in text_of(footer)
        await pilot.press("n")
        assert "esc leave" in text_of(footer)
        assert "f1 help" in text_of(footer)
        assert "? help" not in text_of(footer)
        await pilot.press("escape", "enter")
        assert "esc back" in text_of(footer)


@pytest.mark.once
@pytest.mark.parametrize("size", [(80, 24), (60, 15), (40, 10), (20, 5), (5, 3), (1, 1)])
async def test_small_screens_degrade(size: tuple[int, int]) -> None:
    async with shown(size=size) as (pilot, _):
        for key in ("1", "2", "3", "n", "escape", "enter", "escape", "question_mark", "escape", "X", "escape", "f"):
            await pilot.press(key)
        if size[1] >= 10:
            assert "q quit" in text_of(pilot.app.screen.query_one(Footer))
            assert "refs 7" in text_of(pilot.app.screen.query_one(StatusLine))
