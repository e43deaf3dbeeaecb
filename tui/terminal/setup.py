"""The terminal a dashboard runs on: is there one, whose is it, what can it show, and how does a signal end it.

Imports nothing heavy, as most of this happens before Textual is imported.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import select
import signal
import sys
import termios
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from tui.terminal.ending_signals import ENDING_SIGNALS, EndingSignals

if TYPE_CHECKING:
    from textual.app import App

_NO_SCREEN = {"", "dumb", "unknown"}
_NO_COLOUR = {"vt100", "vt102", "vt220"}
_NO_UNICODE = _NO_COLOUR | {"linux"}  # the console's font has 256 or 512 glyphs
_COERCED = {
    "C.UTF-8",
    "C.utf8",
    "UTF-8",
}  # PEP 538: what Python itself puts into LC_CTYPE when it starts in the C locale
_HINT = "use --headless to fetch without it"


class SavedStreams(NamedTuple):
    """Duplicates of those of descriptors 0, 1, 2 that were no terminal, and so were replaced by it."""

    stdin: int | None
    stdout: int | None
    stderr: int | None


def why_not(environ: Mapping[str, str] = os.environ) -> str | None:
    """A sentence that says why no dashboard can run here, or None if it can."""
    term = environ.get("TERM", "")
    if term in _NO_SCREEN:
        said = f"TERM is {term!r}" if term else "TERM is not set"
        return f"this terminal cannot show the dashboard ({said}); {_HINT}"
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return f"there is no terminal to show the dashboard on; {_HINT}"
    return None


def grab() -> SavedStreams | None:
    """Put the controlling terminal on those of descriptors 0, 1, 2 that are not on a terminal; call before Textual.

    Textual reads the keyboard from 0, asks 1 for the size and draws on 2. What was there before is returned: the caller
    reads URLs from `stdin`, writes results to `stdout`, and owns the descriptors. None if there is no terminal.
    """
    try:
        tty = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    if tty <= 2:  # one of the three was closed
        low, tty = tty, fcntl.fcntl(tty, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(low)
    saved: list[int | None] = []
    for fd in (0, 1, 2):
        if os.isatty(fd):
            saved.append(None)
            continue
        try:
            saved.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3))
        except OSError:  # closed
            saved.append(None)
        os.dup2(tty, fd)
    os.close(tty)
    _make_streams()
    return SavedStreams(*saved)


def _make_streams() -> None:
    """Python has no stream objects for descriptors that were closed when it started; Textual needs them."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, f"__{name}__") is None:
            stream = open(fd, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            setattr(sys, f"__{name}__", stream)
            if getattr(sys, name) is None:
                setattr(sys, name, stream)


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Defaults that Textual takes from the environment when it is imported, and streams that never fail to encode."""
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")  # an animated scroll costs sixteen times the bytes
    # Not how many frames there are, those come from keys and snapshots, but how long one waits for the beat of a timer:
    # up to two of them where another frame went out just before, 33 ms at Textual's own 60.
    environ.setdefault("TEXTUAL_FPS", "250")
    if environ.get("TERM", "") in _NO_COLOUR:
        environ.setdefault("NO_COLOR", "1")
    for stream in (sys.__stdout__, sys.__stderr__):
        # a stream that was opened on a file, and is on the terminal now, refuses
        with suppress(OSError):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="replace")


def wants_ascii(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this terminal is better not sent anything but ASCII, by its type and the locale (POSIX XBD 8.2)."""
    if environ.get("TERM", "") in _NO_UNICODE:
        return True
    lang = environ.get("LANG", "")
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or lang
    if locale in _COERCED and not environ.get("LC_ALL"):
        locale = lang or locale
    return bool(locale) and "utf8" not in locale.lower().replace("-", "")


def _let_go_of_dead_terminal() -> None:
    """Where the terminal is gone or has stopped reading, what is said from now on goes nowhere."""
    for fd in (0, 1, 2):
        if _is_dead(fd):
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, fd)
            os.close(null)


def _is_dead(fd: int) -> bool:
    try:
        termios.tcgetattr(fd)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return not poller.poll(0)


class LastSignal:
    """While entered, the first signal that asks for the end is noted, a second one ends the process.

    number: of the noted one, 0 without one. For the time in which what was asked for already happens.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> LastSignal:
        self._before = [(number, signal.signal(number, self._note)) for number in ENDING_SIGNALS]
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        self.number = number
        for each in ENDING_SIGNALS:
            signal.signal(each, signal.SIG_DFL)


async def run_app(app: App[Any], *, mouse: bool = False, signals: EndingSignals | None = None) -> int:
    """Run a Textual app on the terminal; returns the exit code.

    SIGTERM, SIGHUP and SIGINT end it with 128 + their number, the terminal restored. signals: those that are watched
    already, for longer than the app runs. The mouse is off by default: each of its movements would go up the link.
    """
    if signals is None:
        with EndingSignals(lambda _: abandon(app)) as signals:
            return await run_app(app, mouse=mouse, signals=signals)

    import asyncio

    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        signals.taken()
        if app.return_code is None:
            app.exit(return_code=128 + number)

    def take(number: int) -> None:
        with suppress(RuntimeError):  # the loop is closed, and what was asked for has happened
            loop.call_soon_threadsafe(end, number)

    # ctrl+c in a pager goes to the whole foreground, and is the pager's.
    signals.hand_to(take, lambda number: not (number == signal.SIGINT and getattr(app, "terminal_is_lent", False)))
    try:
        await app.run_async(mouse=mouse)
    finally:
        _let_go_of_dead_terminal()
    return app.return_code or 0


def abandon(app: App[Any]) -> None:
    """Give the terminal back as it was, from another thread, while the app is stuck."""
    from tui.terminal.driver import PacedApp

    if isinstance(app, PacedApp):
        app.give_terminal_back()
    _let_go_of_dead_terminal()
