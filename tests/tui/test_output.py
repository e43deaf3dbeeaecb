"""The last mile of output in a real terminal: the same screen as stock Textual, fewer bytes, and never blocked."""

from __future__ import annotations

import inspect
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest
from textual import events
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets import Static

from tests.tui.pty_terminal import LIMIT, PtyTerminal
from tui.terminal.driver import HUNG_UP, PacedApp, PacedDriver

PROBE = [sys.executable, str(Path(__file__).with_name("paced_probe.py"))]
STALL = 20  # seconds that must be more than enough for a loaded machine


def probe(kind: str = "paced", **options: object) -> PtyTerminal:
    terminal = PtyTerminal([*PROBE, kind], **options)  # type: ignore[arg-type]
    terminal.wait_for("typed")
    terminal.wait_quiet()
    return terminal


@dataclass
class Heart:
    """A file that the probe's event loop touches many times a second."""

    path: Path

    @property
    def env(self) -> dict[str, str | None]:
        return {"PROBE_HEART": str(self.path)}

    def beats(self, limit: float) -> bool:
        """Whether the loop gets on within the limit."""
        before, end = self.path.read_text(), time.monotonic() + limit
        while time.monotonic() < end:
            if (now := self.path.read_text()) and now != before:
                return True
            time.sleep(0.02)
        return False


@pytest.fixture
def heart(tmp_path: Path) -> Heart:
    return Heart(tmp_path / "heart")


@pytest.fixture
def paced() -> Iterator[PtyTerminal]:
    with probe() as terminal:
        yield terminal


def stopped(terminal: PtyTerminal) -> bool:
    return psutil.Process(terminal.process.pid).status() == psutil.STATUS_STOPPED


def back(terminal: PtyTerminal) -> bool:
    return terminal.in_alternate_screen


def left(terminal: PtyTerminal) -> bool:
    return not terminal.in_alternate_screen


def assert_repainting_changes_nothing(terminal: PtyTerminal) -> None:
    terminal.wait_quiet(1.2)  # longer than a frame waits for an answer
    before, count = terminal.cells(), terminal.bytes_out
    terminal.send("r")
    terminal.wait_for(lambda: terminal.bytes_out > count + 1000)
    terminal.wait_quiet(1.2)
    assert terminal.cells() == before


@pytest.mark.once
def test_the_screen_is_that_of_stock_textual_through_changes_resizes_and_suspension() -> None:
    def resize(columns: int, rows: int) -> None:
        for terminal in (stock, paced):
            terminal.resize(columns, rows)

    def send(keys: str) -> None:
        for terminal in (stock, paced):
            terminal.send(keys)

    def suspend() -> None:
        for terminal in (stock, paced):
            terminal.send("z")
            terminal.wait_for(partial(stopped, terminal))
            terminal.wait_for(partial(left, terminal))
            if terminal is paced:
                terminal.screen.reset()  # the alternate screen is blank when it is entered again
            terminal.signal(signal.SIGCONT)
            terminal.wait_for(partial(back, terminal))

    steps: list[Callable[[], None]] = [
        lambda: send("c"),
        lambda: send("a"),
        lambda: send("p"),
        lambda: resize(100, 30),
        lambda: send("o"),
        lambda: send("aa"),
        lambda: resize(60, 15),
        lambda: send("p"),
        lambda: send("o"),
        suspend,
        lambda: send("a"),
        lambda: resize(120, 40),
        lambda: send("\t"),
        lambda: send("übergrößenträger 漢"),
        lambda: send("\t"),
        lambda: send("ac"),
    ]
    with probe("stock") as stock, probe("paced") as paced:
        assert stock.cells() == paced.cells()
        for number, step in enumerate(steps):
            step()
            stock.wait_quiet()
            paced.wait_quiet()
            assert stock.cells() == paced.cells(), f"after step {number}\n{stock.text}\n{paced.text}"
        assert paced.bytes_out < stock.bytes_out / 2


def test_nothing_is_sent_while_nothing_changes(paced: PtyTerminal) -> None:
    count = paced.bytes_out
    time.sleep(1)
    assert paced.bytes_out == count
    paced.send("f")  # repaints all of it, as it was
    time.sleep(0.5)
    assert paced.bytes_out == count


@pytest.mark.parametrize("sync", [False, True])
def test_one_changed_cell_is_a_few_bytes(sync: bool) -> None:
    with probe(sync=sync) as terminal:
        count = terminal.bytes_out
        terminal.send("c")
        terminal.wait_for(lambda: "#" in terminal.lines[1])
        frame = bytes(terminal.raw[count : terminal.wait_quiet()])
        assert 0 < len(frame) < 60 + 16 * sync
        assert frame.startswith(b"\x1b[?2026h") is sync
        assert (b"\x1b[?2026l" in frame) is sync


def test_what_is_counted_is_what_the_terminal_got(paced: PtyTerminal) -> None:
    paced.send("aaq")
    assert paced.wait_exit() == 0
    counted = int(paced.text.split("ended 0 ")[1].split()[0])
    others = len("started\r\n") + len(f"ended 0 {counted}\r\n")
    assert counted == paced.bytes_out - others


@pytest.mark.once
def test_stock_textual_blocks_when_the_terminal_stops_reading(heart: Heart) -> None:
    with probe("stock", env=heart.env) as terminal:
        terminal.stop_reading()
        terminal.send("t")
        end = time.monotonic() + STALL
        while heart.beats(1.0):
            assert time.monotonic() < end, "the loop beats on: stock Textual no longer needs replacing here"
        terminal.signal(signal.SIGTERM)
        with pytest.raises(AssertionError, match="still running"):
            terminal.wait_exit(1.5)


@pytest.mark.timing
def test_a_terminal_that_stops_reading_does_not_stop_the_loop_nor_sigterm(heart: Heart) -> None:
    with probe(size=(200, 50), env=heart.env) as terminal:
        terminal.stop_reading()
        terminal.send("t")
        end = time.monotonic() + STALL
        while terminal.takes_output():
            assert heart.beats(2.0)
            assert time.monotonic() < end
        for _ in range(20):
            assert heart.beats(2.0)
        settings = terminal.attributes()
        began = time.monotonic()
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 128 + signal.SIGTERM
        assert time.monotonic() - began < 2.0
        assert terminal.attributes() != settings  # no longer raw


@pytest.mark.once
@pytest.mark.parametrize("answer", [True, False])
def test_a_terminal_that_reads_again_shows_the_right_screen(answer: bool) -> None:
    with probe(answer=answer) as terminal:
        terminal.stop_reading()
        for _ in range(60):
            terminal.send("a")
            time.sleep(0.02)
        terminal.send("\t")
        time.sleep(0.2)
        terminal.send("more")
        terminal.resume_reading()
        terminal.wait_for("漢60|")
        terminal.wait_for("more")
        terminal.send("\t")
        assert_repainting_changes_nothing(terminal)
        terminal.send("q")
        assert terminal.wait_exit() == 0


@pytest.mark.timing
def test_frames_wait_for_answers() -> None:
    with probe(answer_delay=0.25) as terminal:
        asked, began = terminal.asked, time.monotonic()
        terminal.send("t")
        time.sleep(2)
        terminal.send("q")
        assert terminal.wait_exit() == 0
        assert 4 <= terminal.asked - asked <= 2 * (time.monotonic() - began) / 0.25 + 4


@pytest.mark.timing
def test_a_terminal_that_never_answers_gets_two_frames_a_second() -> None:
    with probe(answer=False) as terminal:
        asked, began = terminal.asked, time.monotonic()
        terminal.send("t")
        time.sleep(2.2)
        frames = terminal.asked - asked
        assert 2 <= frames <= 2 * (time.monotonic() - began) + 4
        terminal.send("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize("delay", [0.0, 0.2])
@pytest.mark.parametrize("how", ["q", signal.SIGTERM, "z"])
def test_no_answer_is_left_for_the_shell(how: str | signal.Signals, delay: float) -> None:
    with probe(answer_delay=delay) as terminal:
        terminal.send("t")
        terminal.wait_for(lambda: terminal.asked > 6)
        if isinstance(how, signal.Signals):
            terminal.signal(how)
        else:
            terminal.send(how)
        if how == "z":
            terminal.wait_for(lambda: stopped(terminal))
        else:
            terminal.wait_exit()
        terminal.wait_for(lambda: not terminal.in_alternate_screen)
        terminal.wait_for(lambda: terminal.asked == terminal.answered)
        assert terminal.unread_input() == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_with_the_terminal_restored(number: signal.Signals) -> None:
    with PtyTerminal([*PROBE, "paced"]) as terminal:
        before = terminal.attributes()
        terminal.wait_for("typed")
        assert terminal.attributes() != before
        terminal.signal(number)
        assert terminal.wait_exit() == 128 + number
        assert terminal.attributes() == before
        assert not terminal.in_alternate_screen
        assert f"ended {128 + number}" in terminal.text
        end = bytes(terminal.raw)
        for mode in (b"25", b"7"):  # cursor, line wrap
            assert end.rfind(b"\x1b[?" + mode + b"h") > end.rfind(b"\x1b[?" + mode + b"l")
        assert end.rfind(b"\x1b[?2004l") > end.rfind(b"\x1b[?2004h")


def test_a_signal_right_at_the_start_ends_it() -> None:
    with PtyTerminal([*PROBE, "paced"]) as terminal:
        terminal.wait_for(lambda: b"\x1b[?1049h" in terminal.raw)
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 128 + signal.SIGTERM
        assert not terminal.in_alternate_screen


@pytest.mark.parametrize(("ignored", "drawing"), [(False, False), (True, False), (True, True)])
def test_a_terminal_that_is_gone_ends_it(ignored: bool, drawing: bool, heart: Heart) -> None:
    command = [*PROBE, "paced"]
    if ignored:
        command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command]
    terminal = PtyTerminal(command, env=heart.env)
    try:
        terminal.wait_for("typed")
        if ignored:
            os.kill(terminal.process.pid, signal.SIGHUP)
        if drawing:
            terminal.send("t")
        terminal.hang_up()
        assert terminal.process.wait(LIMIT) == HUNG_UP
    finally:
        terminal.close()


def test_stopped_from_outside_it_repaints_when_continued(paced: PtyTerminal) -> None:
    paced.signal(signal.SIGSTOP)
    paced.wait_for(lambda: stopped(paced))
    before = paced.cells()
    paced.screen.reset()
    paced.signal(signal.SIGCONT)
    paced.wait_for(lambda: paced.cells() == before)
    paced.send("a")
    paced.wait_for("漢1|")
    paced.send("q")
    assert paced.wait_exit() == 0


def test_suspension_may_be_repeated(paced: PtyTerminal) -> None:
    for _ in range(4):
        paced.send("az")
        paced.wait_for(lambda: stopped(paced))
        paced.signal(signal.SIGCONT)
        paced.wait_for(lambda: paced.in_alternate_screen)
    paced.wait_for("漢4|")
    threads = psutil.Process(paced.process.pid).num_threads()
    assert threads <= 5  # main, input, writer, signals, and Textual's own writer, which has nothing to do
    assert_repainting_changes_nothing(paced)


@pytest.mark.once
def test_suspension_in_the_middle_of_frames_leaves_the_screen_right(paced: PtyTerminal) -> None:
    paced.send("t")
    for _ in range(12):
        paced.wait_for(lambda count=paced.bytes_out: paced.bytes_out > count + 3000)  # type: ignore[misc]
        paced.signal(signal.SIGTSTP)
        paced.wait_for(partial(stopped, paced))
        paced.wait_for(partial(left, paced))
        paced.screen.reset()
        paced.signal(signal.SIGCONT)
        paced.wait_for(partial(back, paced))
    paced.send("t")
    assert_repainting_changes_nothing(paced)
    assert "head line" in paced.lines[0]


def test_an_error_in_the_app_is_shown_with_the_terminal_restored(paced: PtyTerminal) -> None:
    paced.send("e")
    assert paced.wait_exit() == 1
    assert not paced.in_alternate_screen
    assert b"probe failed" in paced.raw


PAYLOADS = [
    "\x1b[2J\x1b[31mred",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b]52;c;cHduZWQ=\x1b\\",
    "\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\",
    "\x1bP1$r\x1b\\\x1b_apc\x1b\\\x1bc",
    "\x9b2J\x9d52;c;cHduZWQ=\x9c",
    "\x00\x07\x08\x0e\x0f\x7f\x1a",
    "\u202egpj.exe\u2066\u2069\u200b\u200d\ufeff",
    "a\u2028b\u2029c\x85d\re\nf\tg",
    "\ud800\udfff",
    "\ue000\ufff9\U000e0041",
    "[bold]x[/nope] [@click=app.quit]y[/] [link=http://x]",
    "z" + "\u0301" * 40 + "❤\ufe0f👩\u200d🔧",
]


@pytest.mark.parametrize("neutralised", [True, False], ids=["safe", "as it came"])
def test_nothing_of_a_hostile_text_reaches_the_terminal_raw(neutralised: bool, tmp_path: Path) -> None:
    file = tmp_path / "text"
    env: dict[str, str | None] = {"PROBE_TEXT": str(file), "PROBE_SAFE": "1" if neutralised else None}
    with probe(env=env) as terminal:
        for number, payload in enumerate(PAYLOADS):
            file.write_bytes(f"<{number}{payload}>{number}".encode("utf-8", "surrogatepass"))
            before, count = terminal.text.splitlines()[1:], terminal.bytes_out
            terminal.send("u")
            terminal.wait_for(f"<{number}")
            written = bytes(terminal.raw[count : terminal.wait_quiet(0.1)]).decode()
            assert_only_known_sequences(written)
            if neutralised:
                assert f">{number}" in terminal.lines[0]
            assert terminal.text.splitlines()[1:] == before
        terminal.send("q")
        assert terminal.wait_exit() == 0


def assert_only_known_sequences(written: str) -> None:
    """Cursor moves, SGR and the query are all that a frame consists of besides visible text."""
    rest = re.sub(r"\x1b\[[\d;]*[HCm]|\x1b\[6n", "", written)
    hidden = [char for char in rest if not char.isprintable()]
    assert not hidden, (hidden, written)
    assert not any("\ufe00" <= char <= "\ufe0f" for char in rest)


def test_ascii_only_terminals_get_ascii_only() -> None:
    with probe(env={"LANG": "C", "LC_ALL": "C"}) as terminal:
        terminal.send("ap")
        terminal.wait_for("modal")
        terminal.wait_quiet()
        assert bytes(terminal.raw).isascii()
        assert "???" in terminal.text
        assert "+---" in terminal.text


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_without_a_terminal_it_is_any_app(anyio_backend: str) -> None:
    class Small(PacedApp[int]):
        def compose(self) -> Iterator[Static]:
            yield Static("hello", markup=False)

    app = Small()
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        app.repaint()
        assert "hello" in app.export_screenshot()
        assert app.bytes_written == 0
        app.exit(3)
    assert app.return_value == 3


def test_what_is_overridden_in_textual_is_still_there() -> None:
    assert list(inspect.signature(App._display).parameters) == ["self", "screen", "renderable"]
    assert PacedApp().driver_class is PacedDriver
    for name in ("process_message", "run_input_thread", "start_application_mode", "stop_application_mode", "close"):
        assert callable(getattr(LinuxDriver, name))
    source = inspect.getsource(LinuxDriver)
    for name in ("_sigtstp_application", "_sigcont_application", "exit_event", "_writer_thread"):
        assert f"self.{name}" in source
    strip = Strip.blank(4)
    assert list(LayoutUpdate([[strip]], Region(0, 0, 4, 1)).strips) == [[strip]]
    chops = ChopsUpdate([{0: strip}], [(0, 0, 4)], [[4]])
    assert (chops.chops, chops.spans, chops.chop_ends) == ([{0: strip}], [(0, 0, 4)], [[4]])
    assert issubclass(events.CursorPosition, events.Event)
