"""What single panes say: counts, ledger, session, sections of a fetch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fetch_engine.model.results import ErrorKind, FetchResult
from tests.tui.fake_link import FakeLink, active, busy, failure, result, snapshot
from tui.bridge.snapshot import FinishedRecord, HeldRow, SessionFacts, Snapshot
from tui.rows.describe import glimpse, short_url
from tui.screen.app import DashboardApp
from tui.screen.details import DetailsTarget
from tui.screen.panels.active import ActivePane
from tui.screen.panels.details import DetailsPane
from tui.screen.panels.refs import RefsPane
from tui.screen.panels.status import StatusLine
from tui.text.glyphs import ASCII
from tui.widgets.columns import Column, lay_out

anyio = pytest.mark.anyio
HELD = HeldRow(1, "http://h/", "200", 5.0, False, ())


def text(lines: list[list[tuple[str, str]]]) -> str:
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


async def shown_line(shot: Snapshot | None, size: tuple[int, int] = (80, 24)) -> str:
    app = DashboardApp(FakeLink(shot))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        return app.screen.query_one(StatusLine).render_line(0).text


@anyio
@pytest.mark.parametrize(
    ("shot", "says"),
    [
        (None, "STARTING"),
        (snapshot(), "session CLOSED"),
        (snapshot([active(1, "http://h/")], closing=True), "CLOSING"),
        (snapshot(closing=True), " CLOSED "),
        (snapshot([active(1, "http://h/")], waiting=99), "1 run +99 waiting"),
        (busy().latest, "session OPEN g1"),
        (busy().latest, "LIVE"),
    ],
)
async def test_the_status_line_says_how_things_stand(shot: Snapshot | None, says: str) -> None:
    assert says in await shown_line(shot)


@anyio
async def test_the_status_line_keeps_what_matters_most_when_narrow() -> None:
    line = await shown_line(busy().latest, (40, 10))
    for part in ("5 run", "2xx 39", "1 err", "refs 7", "LIVE"):
        assert part in line
    assert "generation 1" in await shown_line(busy().latest, (140, 40))


@anyio
@pytest.mark.parametrize(
    ("shot", "says", "role"),
    [
        (snapshot(), "opens with the first fetch", "faint"),
        (snapshot(done=3), "closed  after generation 1", "faint"),
        (
            snapshot((), [HeldRow(1, "http://h/", "200", 5.0, False, ())], done=1),
            "held open by 1 finished handle",
            "warn",
        ),
        (replace(snapshot(done=2), session=SessionFacts(False, 1, -1, 1, 1)), "leases -1", "bad"),
    ],
)
async def test_the_session_line_says_what_is_held_and_what_is_wrong(shot: Snapshot, says: str, role: str) -> None:
    app = DashboardApp(FakeLink(shot))
    async with app.run_test() as pilot:
        await pilot.pause()
        line = app.screen.query_one(RefsPane).above(0, 76)
        assert says in text([line])
        assert role in {span_role for part, span_role in line if part.strip() and part.strip() in says}


@anyio
async def test_the_ledger_stands_in_the_title_even_when_folded() -> None:
    app = DashboardApp(busy())
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        pane = app.screen.query_one(RefsPane)
        assert pane.size.height == 1
        assert "7 alive = 5 active + 2 held" in pane.render_line(0).text


@anyio
async def test_ascii_glyphs_are_used_where_asked() -> None:
    app = DashboardApp(busy(), glyphs=ASCII)
    async with app.run_test() as pilot:
        await pilot.pause()
        pane = app.screen.query_one(ActivePane)
        assert pane.render_line(0).text.startswith("+- 1 Active 5 ---")
        assert "######----" in pane.render_line(2).text


@given(st.text(max_size=200), st.integers(1, 80))
def test_short_urls_keep_their_end(url: str, width: int) -> None:
    short = short_url(f"https://{url}", width)
    assert short.isprintable()
    assert width < 12 or cell_len(short) <= width


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (result(1, body=b"").outcome, "(no body)"),
        (result(1, body=b'{\n  "a":   1\n}').outcome, '{ "a": 1 }'),
        (result(1, body=b"\x00\x01", content_type="").outcome, "[unknown type 2, not text]"),
        (failure(1, "http://h/", ErrorKind.DNS, "no such name").outcome, "dns: no such name"),
        (failure(1, "http://h/", ErrorKind.CANCELLED, "", body_size=2048).outcome, "cancelled at 2K"),
    ],
)
def test_a_glimpse_is_one_line(outcome: FetchResult, says: str) -> None:
    assert glimpse(outcome) == says
    assert len(glimpse(outcome, 5)) <= 5


columns = st.builds(
    Column[FinishedRecord], name=st.just("x"), width=st.integers(1, 12), cell=st.just(lambda row, width: ("", "")),
    share=st.integers(0, 3), rank=st.integers(0, 4),
)  # fmt: skip


@given(st.lists(columns, min_size=1, max_size=8), st.integers(0, 200))
def test_columns_share_the_width_and_the_least_needed_go_first(
    given_columns: list[Column[FinishedRecord]], width: int
) -> None:
    laid = lay_out(given_columns, width)
    total = sum(cells + 1 for _, cells in laid)
    assert all(column in [shown for shown, _ in laid] for column in given_columns if column.rank == 0)
    if any(column.rank for column, _ in laid):
        assert total <= width
    if total < width:
        assert not any(column.share for column, _ in laid)
    assert all(cells >= column.width for column, cells in laid)


@anyio
async def test_a_chosen_section_stays_when_the_subject_changes() -> None:
    app = DashboardApp(busy())
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        pane = app.screen.query_one(DetailsPane)
        pane.action_section(1)
        pane.show(DetailsTarget(result(2), result(2)))
        assert pane.sections[pane.current].name == "Headers"
