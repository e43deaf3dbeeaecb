"""The last mile from Textual to the terminal: cell differences, a writer that never blocks, frames paced by the link.

Stock Textual re-sends what it redraws, and its bounded write queue blocks the event loop (and with it every signal
handler) once the terminal stops reading. Both are replaced here, behind Textual's own driver.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from textual import events

# The two kinds of update Textual has for a full screen are private; tests/tui/test_output.py notices their loss.
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App, ReturnType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Offset, Size
from textual.message import Message
from textual.screen import Screen

from tui.terminal.cell_diff import CellDiff
from tui.terminal.frame_pacing import Flow
from tui.terminal.size import UNKNOWN, drawn_size
from tui.terminal.tty_writer import TtyWriter

HUNG_UP = 128 + signal.SIGHUP
# What Textual's own stop writes, and the end of a frame, an attribute and the mouse that it would have ended before.
_GIVEN_BACK = (
    "\x1b[?2026l\x1b[m\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
_COLOURS = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR}


class PacedDriver(LinuxDriver):
    """Textual's driver for Unix with another way out: TtyWriter instead of its write queue, and answers counted."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.flow = Flow()
        self.active = False  # the terminal is ours to draw on
        self._output: TtyWriter | None = None
        self._written_before = 0
        self._frame: list[str] | None = None
        self._thread = threading.get_ident()
        # Until the first resize the app takes this one; were it another, two layouts would be under way from the start.
        self._size = self._get_terminal_size()

    def _get_terminal_size(self) -> tuple[int, int]:
        # os and not shutil: with COLUMNS and LINES in the environment no resize would be seen
        for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
            with suppress(AttributeError, ValueError, OSError):
                return drawn_size(*os.get_terminal_size(stream.fileno()))  # type: ignore[union-attr]
        return UNKNOWN

    def _query_in_band_window_resize(self) -> None:
        """SIGWINCH tells of a new size. In band come any numbers, and pixels of 0, by which Textual divides."""

    @property
    def bytes_written(self) -> int:
        """Bytes the terminal has taken since the start."""
        return self._written_before + (self._output.written if self._output else 0)

    @property
    def backlog(self) -> int:
        """Bytes the terminal has not taken yet."""
        return self._output.pending if self._output else 0

    def begin_frame(self) -> None:
        """Keep what is written from here on back, so that a frame reaches the terminal in one piece."""
        self._frame = []

    def end_frame(self, painted: bool) -> None:
        """Send the frame, if anything was painted in it."""
        frame, self._frame = self._frame or [], None
        if painted:
            self.write("".join(frame) + self.flow.sent())

    def write(self, data: str) -> None:
        """Queue data for the terminal; never blocks, and drops it while there is no terminal to write to."""
        if self._frame is not None and threading.get_ident() == self._thread:
            self._frame.append(data)
        elif self._output is not None:
            self._output.write(data)

    def start_application_mode(self) -> None:
        self._stop_output()
        self.flow = Flow()
        self._output = TtyWriter(sys.__stderr__.fileno() if sys.__stderr__ else 2, self._hung_up)
        self._output.start()
        before = self._writer_thread
        super().start_application_mode()  # type: ignore[no-untyped-call]
        # a process in the background gets no terminal; it is stopped, and tries again when it is continued
        self.active = self._writer_thread is not before
        if self.active and isinstance(self._app, PacedApp):
            self._app.repaint()

    def stop_application_mode(self) -> None:
        self.active = False
        self.flow.settle()
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        self._stop_output()

    def give_back(self) -> None:
        """Leave the terminal as it was found, from another thread: the event loop is stuck and draws no more."""
        self.active = False
        self.exit_event.set()
        if self.attrs_before is not None:
            with suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        if self._output is not None:
            self._output.write(_GIVEN_BACK)
            self._output.stop()

    def _stop_output(self) -> None:
        if self._output is not None:
            self._output.stop()
            self._written_before += self._output.written
            self._output = None

    def process_message(self, message: Message) -> None:
        # runs in the input thread; nobody but us asks for the cursor's position
        if isinstance(message, events.CursorPosition):
            self.flow.answer()
            if self.active and isinstance(self._app, PacedApp):
                self._later(self._app.flush_frame)
            return
        if isinstance(message, events.Resize):  # told in band, with whatever numbers
            size = Size(*drawn_size(*message.size))
            message = events.Resize(size, size, size, message.pixel_size)
        super().process_message(message)

    def run_input_thread(self) -> None:
        try:
            super().run_input_thread()
        except OSError:  # EIO
            self._hung_up()

    def _hung_up(self) -> None:
        self.active = False
        self.exit_event.set()  # at the end of the file the input thread would read it for ever
        self._later(self._leave)

    def _leave(self) -> None:
        if self._app.return_code is None:
            self._app.exit(return_code=HUNG_UP)

    def _later(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and all is over
            self._loop.call_soon_threadsafe(callback)

    # Textual handles both signals on the spot, between any two instructions of a frame, or of what takes the screen
    # down. They wait for the loop; the stop itself then happens inside the loop's callback.

    def _sigtstp_application(self, *_: Any) -> None:
        if self.active:
            self._later(super()._sigtstp_application)
        else:
            super()._sigtstp_application()

    def _sigcont_application(self, *_: Any) -> None:
        self._later(self._continued)

    def _continued(self) -> None:
        if not self.active:
            if self._app.return_code is None:  # a terminal that goes away continues what it ends
                super()._sigcont_application()
        elif isinstance(self._app, PacedApp):
            self._app.repaint()  # stopped by SIGSTOP: the terminal was never given back


class _Frame(CompositorUpdate):
    """The difference, made at the moment when Textual really writes it."""

    def __init__(self, cells: CellDiff) -> None:
        self.cells = cells
        self.painted = False

    def render_segments(self, console: Console) -> str:
        self.painted = True
        return self.cells.flush()


class PacedApp(App[ReturnType]):
    """An App whose screen goes out as cell differences, at the pace of the terminal.

    Without a real terminal (`run_test`, web) it behaves as any App. Set `ascii_output` before the run for a terminal
    that shows ASCII only: whatever is drawn then goes out in its ASCII form.
    """

    ascii_output: bool = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._cells = CellDiff()
        self._shown_cursor: Offset | None = None
        self._next_try: asyncio.TimerHandle | None = None

    def get_driver_class(self) -> type[Driver]:
        stock = super().get_driver_class()
        return PacedDriver if stock is LinuxDriver else stock

    @property
    def bytes_written(self) -> int:
        """Bytes sent to the terminal since the start."""
        return self._driver.bytes_written if isinstance(self._driver, PacedDriver) else 0

    def give_terminal_back(self) -> None:
        """Leave the terminal as it was found, at once and from any thread. Nothing is drawn afterwards."""
        if isinstance(self._driver, PacedDriver):
            self._driver.give_back()

    def repaint(self) -> None:
        """Write every cell again: something else may have written to the terminal."""
        self._cells.forget_shown()
        self._shown_cursor = None
        self.flush_frame()

    # The one way by which Textual 8.2 shows anything. There is no public one between the compositor and the driver.
    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if not isinstance(self._driver, PacedDriver) or self._driver.is_inline:
            super()._display(screen, renderable)
            return
        size = screen.outer_size
        if (self._cells.width, self._cells.height) != size:
            self._cells = CellDiff(ascii=self.ascii_output)
            self._cells.resize(*size)
        if isinstance(renderable, LayoutUpdate):
            self._want_layout(renderable)
        elif isinstance(renderable, ChopsUpdate):
            self._want_chops(renderable)
        self.flush_frame()
        self.post_display_hook()

    def _want_layout(self, update: LayoutUpdate) -> None:
        left, top, width, _ = update.region
        for y, strips in enumerate(update.strips, top):
            self._cells.put(left, y, strips, left + width, self._colours)

    def _want_chops(self, update: ChopsUpdate) -> None:
        colours = self._colours
        for y, start, stop in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is not None and x < stop and end > start:
                    self._cells.put(x, y, (strip,), min(end, stop), colours)

    @property
    def _colours(self) -> ColorSystem:
        return _COLOURS.get(self.console.color_system or "", ColorSystem.TRUECOLOR)

    def flush_frame(self) -> None:
        """Send what differs, or come back for it when the terminal has caught up."""
        driver = self._driver
        if not isinstance(driver, PacedDriver) or not driver.active or not self.screen_stack:
            return
        if not self._cells.changed and self.cursor_position == self._shown_cursor:
            return
        if wait := driver.flow.wait_before_next(driver.backlog):
            if self._next_try is None:
                self._next_try = asyncio.get_running_loop().call_later(wait, self._try_again)
            return
        if self._next_try is not None:
            self._next_try.cancel()
            self._next_try = None
        frame = _Frame(self._cells)
        driver.begin_frame()
        try:
            super()._display(self.screen, cast("RenderableType", frame))
        finally:
            driver.end_frame(frame.painted)
        if frame.painted:
            self._shown_cursor = self.cursor_position

    def _try_again(self) -> None:
        self._next_try = None
        self.flush_frame()
