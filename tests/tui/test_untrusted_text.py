"""Text from outside goes through every widget, and nothing but text comes out."""

from __future__ import annotations

import unicodedata

import pytest
from textual.events import Paste
from textual.strip import Strip

from fetch_engine.model.results import ErrorKind, FetchState, Hop, Timings
from tests.tui.fake_link import EVIL, FakeLink, active, failure, result, snapshot
from tui.bridge.snapshot import FinishedRecord, HeldRow
from tui.screen.app import DashboardApp
from tui.screen.panels.details import DetailsPane
from tui.widgets.line_widget import LineWidget

pytestmark = pytest.mark.anyio

URL = f"http://h/{EVIL}"


def evil_link() -> FakeLink:
    records: list[FinishedRecord] = [
        result(
            1,
            URL,
            body=(EVIL * 30).encode(),
            content_type="text/html; " + EVIL,
            final_url=URL,
            reason=EVIL,
            http_version=EVIL,
            headers=((EVIL, EVIL), ("x", EVIL)),
            redirects=(Hop(URL, 301, Timings()),),
            remote_address=EVIL,
            sha256=EVIL,
        ),
        result(2, URL, body=f'{{"{EVIL}": "{EVIL}"}}'.encode(), content_type="application/json"),
        result(3, URL, body=EVIL.encode() + bytes(range(256)), content_type=EVIL),
        result(4, "h" * 100_000, body=b"z" * 65536, content_type="text/plain"),
        failure(5, URL, ErrorKind.CONNECT, EVIL, final_url=URL, redirects=(Hop(URL, 302),)),
        failure(6, URL, ErrorKind.CANCELLED, EVIL),
    ]
    held = [HeldRow(1, URL, EVIL, 9.0, False, (EVIL, "list"))]
    return FakeLink(snapshot([active(7, URL, FetchState.RECEIVING, body_size=5)], held, done=4, failed=2), records)


def assert_only_text(strips: list[Strip]) -> None:
    for strip in strips:
        for segment in strip:
            if segment.control:
                continue
            bad = [char for char in segment.text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")]
            assert not bad, (bad, segment.text)
            assert segment.style is None or (not segment.style.link and "@click" not in segment.style.meta)


def screen_strips(app: DashboardApp) -> list[Strip]:
    """What the compositor would send for the whole screen."""
    return app.screen._compositor.render_strips()


async def look(app: DashboardApp) -> str:
    strips = screen_strips(app)
    assert_only_text(strips)
    for widget in app.screen.query(LineWidget):
        assert_only_text([widget.render_line(y) for y in range(widget.size.height)])
    return "\n".join(strip.text for strip in strips)


@pytest.mark.once
@pytest.mark.parametrize("size", [(80, 24), (140, 40), (40, 10)])
async def test_no_widget_lets_anything_but_text_through(size: tuple[int, int]) -> None:
    app = DashboardApp(evil_link())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        seen = await look(app)
        if size == (80, 24):
            assert "[/b][@click" in seen  # shown as it is, not taken for markup
        for pane, rows in (("2", 6), ("1", 1), ("3", 1)):
            await pilot.press(pane, "g")
            for _ in range(rows):
                await pilot.press("enter")
                for _ in app.screen.query_one(DetailsPane).sections:
                    await pilot.press("G")
                    await look(app)
                    await pilot.press("right", "g")
                    seen = await look(app)
                await pilot.press("escape", "j")
                await look(app)
        assert "[/b]" in seen or size == (40, 10)


async def test_no_password_in_a_url_is_shown() -> None:
    url = "http://user:tops3cret@h/x"
    held = [HeldRow(1, url, "200", 9.0, False, ())]
    app = DashboardApp(FakeLink(snapshot([active(7, url)], held=held), [result(1, url)]))
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        seen = [await look(app)]
        for pane in "123":
            await pilot.press(pane, "enter")
            for _ in app.screen.query_one(DetailsPane).sections:
                await pilot.press("right")
                seen.append(await look(app))
            await pilot.press("escape")
    assert all("tops3cret" not in text for text in seen)
    assert all("h/x" in text for text in seen)


async def test_the_url_field_shows_pasted_and_recalled_text_only() -> None:
    link = FakeLink(snapshot())
    app = DashboardApp(link)
    async with app.run_test() as pilot:
        await pilot.press("n")
        assert app.focused is not None
        app.focused.post_message(Paste(EVIL.replace("\r\n", "")))
        await pilot.pause()
        assert "[/b][@click=app.quit]" in await look(app)
        await pilot.press("enter", "up")
        assert r"***@click=app.quit]" in await look(app)  # what stands before may be a password
        assert len(link.sent) == 1


async def test_the_tests_would_notice() -> None:
    from rich.segment import Segment

    with pytest.raises(AssertionError):
        assert_only_text([Strip([Segment("a\x1b[2J")])])
    with pytest.raises(AssertionError):
        assert_only_text([Strip([Segment("\u202e")])])
