"""The URL field: history, completion, globs, curl commands, and the editor of the next request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.events import Paste
from textual.pilot import Pilot
from textual.widget import Widget

from fetch_engine import FetchRequest
from fetch_engine.curl.globbing import parse_glob
from tests.tui.fake_link import EVIL, FakeLink, active, result, snapshot
from tests.tui.test_keys import text_of
from tui.entry.commands import AddGlob, AddRequests, AddUrls
from tui.entry.history import EntryHistory
from tui.screen.app import DashboardApp
from tui.screen.panels.done import DonePane
from tui.screen.panels.url_bar import UrlInput, UrlNotice
from tui.screen.screens.confirm import ConfirmScreen, Question
from tui.screen.screens.dashboard import DashboardScreen
from tui.screen.screens.history_search import HistorySearchScreen, Matches
from tui.screen.screens.request_editor import EditorLine, RequestEditorScreen, SafeArea

pytestmark = pytest.mark.anyio


class Stage:
    """The program with the focus in the URL field."""

    def __init__(self, pilot: Pilot[None], link: FakeLink, app: DashboardApp) -> None:
        self.pilot, self.link, self.app = pilot, link, app
        self.press = pilot.press

    @property
    def field(self) -> UrlInput:
        return self.app.get_default_screen().query_one(UrlInput)

    @property
    def notice(self) -> str:
        notice = self.app.get_default_screen().query_one(UrlNotice)
        return notice.text if notice.display else ""

    async def paste(self, text: str, widget: Widget | None = None) -> None:
        (widget or self.field).post_message(Paste(text))
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        self.field.value = text
        self.field.cursor_position = len(text)
        await self.pilot.pause()

    def screen_text(self) -> str:
        """Every line that the screen shows."""
        shown = [widget.render_line(y).text for widget in self.app.screen.walk_children(Widget) if not widget.children
                 for y in range(widget.size.height)]  # fmt: skip
        return "\n".join(shown)


@asynccontextmanager
async def typing(
    *entries: str, link: FakeLink | None = None, size: tuple[int, int] = (80, 24), **options: object
) -> AsyncIterator[Stage]:
    link = FakeLink(snapshot()) if link is None else link
    app = DashboardApp(link, history=EntryHistory(entries), **options)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        await pilot.press("n")
        yield Stage(pilot, link, app)


@pytest.mark.parametrize(
    ("line", "url"),
    [("example.com/x", "https://example.com/x"), ("localhost:8080", "http://localhost:8080"), ("[::1]/a", "http://[::1]/a"),
     ("10.0.0.9", "http://10.0.0.9"), ("http://x/", "http://x/")],
)  # fmt: skip
async def test_a_missing_scheme_is_filled_in(line: str, url: str) -> None:
    async with typing() as stage:
        await stage.type(line)
        await stage.press("enter")
        assert stage.link.sent == [AddUrls((url,))]


async def test_history_of_earlier_runs_is_recalled_and_kept() -> None:
    kept: list[str] = []
    app = DashboardApp(FakeLink(snapshot()), history=EntryHistory(["https://old/"], kept.append))
    async with app.run_test() as pilot:
        await pilot.press("n", "up")
        field = app.screen.query_one(UrlInput)
        assert field.value == "https://old/"
        field.value = "https://user:s3cret@h/"
        await pilot.press("enter")
        assert kept == ["https://h/"]
        await pilot.press("up")
        assert field.value == "https://h/"


async def test_of_a_long_line_the_end_is_shown() -> None:
    async with typing("https://h/" + "a" * 100 + "/end") as stage:
        await stage.press("up")
        assert "a/end" in stage.field.render_line(0).text


async def test_ctrl_r_searches_and_enter_takes() -> None:
    async with typing("https://a/one", "https://b/two", "https://a/two") as stage:
        await stage.press("ctrl+r", *"two")
        screen = stage.app.screen
        assert isinstance(screen, HistorySearchScreen)
        shown = text_of(screen.query_one(Matches))
        assert "2 of 3" in shown
        assert shown.index("https://a/two") < shown.index("https://b/two")
        await stage.press("ctrl+r", "enter")
        assert stage.field.value == "https://b/two"
        assert stage.app.focused is stage.field
        assert stage.link.sent == []
        await stage.press("ctrl+r")
        assert "1 of 3" in text_of(stage.app.screen.query_one(Matches))  # it begins with what stands in the field
        await stage.press("escape")
        assert stage.field.value == "https://b/two"
        await stage.press("ctrl+r", *"nowhere", "enter")
        assert stage.field.value == "https://b/two"


@pytest.mark.parametrize("key", ["right", "end", "tab"])
async def test_a_host_seen_is_suggested_and_taken(key: str) -> None:
    async with typing("https://api.example.org/x") as stage:
        await stage.press(*"https://ap")
        await stage.pilot.pause()
        assert "https://api.example.org" in stage.field.render_line(0).text
        await stage.press(key)
        assert stage.field.value == "https://api.example.org"
        assert stage.app.focused is stage.field


async def test_fetched_hosts_are_suggested_and_tab_without_one_moves_on() -> None:
    async with typing(link=FakeLink(snapshot(done=1), [result(1, "https://user:s3cret@cdn.example.org/a")])) as stage:
        await stage.press(*"cd")
        await stage.pilot.pause()
        assert "cdn.example.org" in stage.field.render_line(0).text
        assert "s3cret" not in stage.field.render_line(0).text
        await stage.press("x", "end", "home", "tab")
        assert stage.field.value == "cdx"
        assert stage.app.focused is not stage.field


async def test_a_glob_says_how_many_and_a_large_one_is_asked_for() -> None:
    async with typing() as stage:
        await stage.type("https://h/[1-100]")
        assert stage.notice == "100 URLs"
        await stage.press("enter")
        assert stage.link.sent == [AddGlob(parse_glob("https://h/[1-100]"))]
        assert stage.notice == ""
        await stage.type("https://h/[1-1000000]")
        await stage.press("enter")
        assert isinstance(stage.app.screen, ConfirmScreen)
        assert "Fetch 1,000,000 URLs?" in text_of(stage.app.screen.query_one(Question))
        await stage.press("n")
        assert len(stage.link.sent) == 1
        await stage.press("up", "enter", "y")
        assert stage.link.sent[1:] == [AddGlob(parse_glob("https://h/[1-1000000]"))]


async def test_a_bad_glob_is_refused_with_its_place_and_stays() -> None:
    async with typing() as stage:
        await stage.type("https://h/[9-1]")
        assert stage.notice == ""  # it may still be typed at
        await stage.press("enter")
        assert stage.notice == "nothing added: the range runs backwards at character 11"
        assert "runs backwards" in stage.screen_text()
        assert (stage.link.sent, stage.field.value) == ([], "https://h/[9-1]")
        await stage.press("backspace")
        assert stage.notice == ""


async def test_a_pasted_curl_command_becomes_its_request() -> None:
    async with typing() as stage:
        await stage.paste("curl 'https://h/x' \\\r  -X PUT \\\r -H 'A: b' -d $'1\\n2' -o out \\\r --compressed")
        assert stage.field.value == "curl https://h/x -X PUT -H 'A: b' -d $'1\\n2' -o out --compressed"
        assert stage.notice == "PUT, 2 headers, body 3; not taken: -o"
        assert stage.link.sent == []
        await stage.press("enter")
        form = ("Content-Type", "application/x-www-form-urlencoded")
        made = FetchRequest("https://h/x", "PUT", (("A", "b"), form), b"1\n2", follow_redirects=False)
        assert stage.link.sent == [AddRequests((made,))]
        assert stage.notice == "not taken: -o"
        assert stage.field.value == ""


async def test_what_a_curl_command_lacks_is_named_and_nothing_added() -> None:
    async with typing() as stage:
        await stage.paste("curl -F a=b --digest https://h/")
        assert stage.notice == "nothing added: -F is not supported; --digest is not supported"
        await stage.press("enter")
        assert stage.link.sent == []
        assert "-F is not supported" in stage.screen_text()


async def test_globs_in_curl_commands_and_several_urls() -> None:
    async with typing() as stage:
        await stage.type("curl -k https://a/[1-2] https://b/")
        assert stage.notice == "3 requests, GET, any certificate"
        await stage.press("enter")
        one = FetchRequest("https://a/[1-2]", insecure=True, follow_redirects=False)
        two = FetchRequest("https://b/", insecure=True, follow_redirects=False)
        assert stage.link.sent == [AddGlob(parse_glob("https://a/[1-2]"), one), AddRequests((two,))]
        await stage.type("curl -g https://a/[1-2]")
        await stage.press("enter")
        assert stage.link.sent[2:] == [AddRequests((FetchRequest("https://a/[1-2]", follow_redirects=False),))]


async def test_a_paste_of_many_lines_reads_each_and_asks_for_many() -> None:
    async with typing() as stage:
        await stage.paste("a.example\nhttps://h/[1-2]\nb.example\nhttps://h/[3-1]\n# no\ncurl -I c.example\n")
        assert stage.link.sent == [
            AddUrls(("https://a.example",)),
            AddGlob(parse_glob("https://h/[1-2]")),
            AddUrls(("https://b.example",)),
            AddRequests((FetchRequest("http://c.example", "HEAD", follow_redirects=False),)),
        ]
        assert stage.notice.startswith("1 of the lines left out; the first: nothing added: the range runs backwards")
        await stage.paste("\n".join(f"http://h/{n}" for n in range(101)))
        assert isinstance(stage.app.screen, ConfirmScreen)
        await stage.press("y")
        assert stage.link.sent[4:] == [AddUrls(tuple(f"http://h/{n}" for n in range(101)))]


async def test_hostile_pastes_show_as_text_and_keep_their_meaning() -> None:
    async with typing() as stage:
        await stage.paste(EVIL)
        assert stage.field.value.isprintable()
        await stage.type("")
        await stage.paste(f"curl https://h/ --data-raw '{EVIL.replace(chr(0), '')}' -H 'X: \u202eö\ufe0f'")
        assert stage.field.value.isprintable()
        assert "\ufe0f" not in stage.field.value
        await stage.press("enter")
        *_, sent = stage.link.sent
        assert isinstance(sent, AddRequests)
        assert sent.requests[0].body.decode() == EVIL.replace("\0", "").replace("\r\n", "\n")
        assert sent.requests[0].headers[0] == ("X", "\u202eö\ufe0f")


SECRETS = [
    "https://user:s3cret@h/",
    "user:s3cret@h/x",
    "curl -u user:s3cret https://h/",
    "curl -uuser:s3cret https://h/",
    "curl -H 'Authorization: Bearer s3cret' https://h/",
    'curl -H "cookie: a=s3cret; b=s3cret" https://h/',
    "curl -b a=s3cret --url https://x:s3cret@h/",
    "curl -x http://me:s3cret@p:1 h/",
]


@pytest.mark.parametrize("line", SECRETS)
async def test_a_secret_is_never_on_the_screen_or_in_the_history(line: str) -> None:
    async with typing(size=(140, 40)) as stage:
        await stage.type(line)
        assert "s3cret" not in stage.screen_text()
        assert "*****" in stage.field.render_line(0).text
        await stage.press("enter")
        assert len(stage.link.sent) == 1
        assert "s3cret" in repr(getattr(stage.link.sent[0], "urls", "s3cret"))  # it is sent all the same
        assert not any("s3cret" in kept for kept in stage.field.history.entries)
        await stage.press("up", "ctrl+r")
        assert "s3cret" not in stage.screen_text()
        await stage.press("escape", "ctrl+e")
        assert "s3cret" not in stage.screen_text()


async def test_a_recalled_command_without_its_secret_is_not_sent() -> None:
    async with typing() as stage:
        await stage.type("curl -u user:s3cret https://h/")
        await stage.press("enter", "up", "enter")
        assert len(stage.link.sent) == 1
        assert "the value of Authorization was left out" in stage.notice


def editor_line(stage: Stage) -> str:
    return text_of(stage.app.screen.query_one("#editor-notice", EditorLine))


async def test_the_next_request_is_edited_and_sent() -> None:
    async with typing() as stage:
        await stage.type("h.example/[1-3]")
        await stage.press("ctrl+e")
        screen = stage.app.screen
        assert isinstance(screen, RequestEditorScreen)
        await stage.press(
            *(["backspace"] * 3), *"POST", "tab", "tab", *"A:b", "enter", *"broken", "tab", *"x=1", "ctrl+g"
        )
        assert "malformed header in line 2" in editor_line(stage)
        await stage.press("shift+tab", *(["backspace"] * 6), "ctrl+g")
        request = FetchRequest("h.example/[1-3]", "POST", (("A", "b"),), b"x=1")
        assert stage.link.sent == [AddGlob(parse_glob("h.example/[1-3]"), request)]
        assert isinstance(stage.app.screen, DashboardScreen)
        assert stage.app.focused is stage.field
        assert stage.field.value == ""
        kept = stage.field.history.entries[-1]
        assert kept == "curl -L -H 'A: b' -H Content-Type: --data-raw x=1 --url 'https://h.example/[1-3]'"


async def test_esc_keeps_the_draft_for_the_next_request() -> None:
    async with typing() as stage:
        await stage.press("ctrl+e", *(["backspace"] * 3), *"PUT", "tab", *"https://a/", "escape")
        assert stage.field.value == "https://a/"
        assert stage.notice == "PUT"
        await stage.press(*"b", "ctrl+e")
        assert isinstance(stage.app.screen, RequestEditorScreen)
        assert stage.app.screen.draft.url == "https://a/b"
        assert stage.app.screen.draft.method == "PUT"
        await stage.press("escape", "enter")
        assert stage.link.sent == [AddRequests((FetchRequest("https://a/b", "PUT"),))]
        await stage.type("https://c/")
        await stage.press("enter")  # it was for one request only
        assert stage.link.sent[1:] == [AddUrls(("https://c/",))]


async def test_the_editor_begins_with_what_the_command_line_asks_for() -> None:
    def make(url: str) -> FetchRequest:
        return FetchRequest(url, headers=(("X-Cli", "1"),), insecure=True)

    async with typing(make_request=make) as stage:
        await stage.type("https://h/")
        await stage.press("ctrl+e", "enter")
        assert stage.link.sent == [AddRequests((make("https://h/"),))]


POSTED = FetchRequest(
    "https://h/[1]", "POST", (("Authorization", "Bearer s3cret"), ("A", "b")), b"\0\xff", insecure=True
)


@pytest.mark.parametrize("pane", ["1", "2"])
async def test_a_row_s_request_is_repeated_and_edited(pane: str) -> None:
    done = result(1, POSTED.url)
    link = FakeLink(
        snapshot([active(2, POSTED.url, request=POSTED)], done=1),
        [type(done)(1, POSTED.url, done.outcome, done.finished_at, request=POSTED)],
    )
    async with typing(link=link) as stage:
        await stage.press("escape", pane, "r")
        assert link.sent == [AddRequests((POSTED,))]
        await stage.press("E")
        assert isinstance(stage.app.screen, RequestEditorScreen)
        shown = stage.screen_text()
        assert "Authorization: ***" in shown
        assert "s3cret" not in shown
        assert "2 that no text shows" in shown
        await stage.press("ctrl+g")
        assert link.sent[1:] == [AddRequests((POSTED,))]  # nothing was changed, nothing is lost


async def test_pastes_into_the_editor_are_harmless() -> None:
    async with typing() as stage:
        await stage.press("ctrl+e")
        for area in stage.app.screen.query(SafeArea):
            await stage.paste("a\tb\r\n" + EVIL, area)
            assert area.text.startswith("a\tb\n")
            assert all(char.isprintable() or char in "\n\t" for char in area.text)
        await stage.paste("https://h/\x1b[2J\nmore", stage.app.screen.query_one("#target"))
        assert stage.app.screen.draft.url == "https://h/␛[2J"  # type: ignore[attr-defined]


async def test_the_field_gives_the_focus_back() -> None:
    async with typing("https://h/") as stage:
        await stage.press("ctrl+r", "escape", "escape")
        assert isinstance(stage.app.focused, DonePane)


async def test_a_command_too_long_for_the_field_becomes_a_draft() -> None:
    async with typing() as stage:
        body = '{"a": 1}' * 5000
        await stage.paste(f"curl https://h/ -k --data-raw '{body}'")
        assert stage.field.value == "https://h/"
        assert stage.notice == "POST, 1 header, body 39.1K, any certificate"
        await stage.press("enter")
        (sent,) = stage.link.sent
        assert isinstance(sent, AddRequests)
        assert sent.requests[0].body == body.encode()
        await stage.paste(f"curl https://h/ https://i/ --data-raw '{body}'")
        assert stage.notice == "nothing added: the command is too long for one line"
        assert stage.field.value == ""
