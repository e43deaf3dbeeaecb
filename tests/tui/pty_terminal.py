"""A terminal for tests: runs a command in a real pty of its own session and keeps what it shows as a pyte screen.

with PtyTerminal([sys.executable, "app.py"], size=(80, 24)) as terminal:
    terminal.wait_for("ready")
    terminal.send("q")
    assert terminal.wait_exit() == 0
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import pyte

LIMIT = 60.0  # seconds any condition is waited for; generous, as machines are shared

# Runs in the child: the pty becomes its controlling terminal, then the command takes its place.
# The exec keeps the pid, so that signals and exit status are those of the command.
_LAUNCHER = """
import fcntl, os, sys, termios
slave, command = int(sys.argv[1]), sys.argv[2:]
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
os.close(slave)
os.execvp(command[0], command)
"""

_QUERIES = re.compile(rb"\x1b\[(?:6n|5n|0?c|\?(2026|2048)\$p)")
_KEYBOARD_MODES = re.compile(rb"\x1b\[[<>=?][\d;]*u")  # pyte would show the "u"
_UNFINISHED = re.compile(rb"\x1b(\[[<>=?\d;]*)?\Z")
_LEFT_ALTERNATE_SCREEN = b"\x1b[?1049l"


class PtyTerminal:
    """One command in one terminal. Times are in seconds, sizes in (columns, rows).

    `answer` says whether cursor position queries (and device queries) get a reply, `answer_delay` after how long; a
    mode query (DECRQM) for synchronised output is answered with "not supported" unless `sync`.
    `stdin`, `stdout`, `stderr` replace the terminal on descriptors 0, 1, 2 (a file descriptor, or subprocess.PIPE).
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: tuple[int, int] = (80, 24),
        env: dict[str, str | None] | None = None,
        answer: bool = True,
        answer_delay: float = 0.0,
        sync: bool = False,
        cwd: str | os.PathLike[str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        self.answer = answer
        self.answer_delay = answer_delay
        self.sync = sync
        self.raw = bytearray()  # everything the program wrote
        self.asked = 0  # cursor position queries seen
        self.answered = 0
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self._changed = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self._closed = False
        self._searched = 0
        self._held_back = b""
        self._timers: list[threading.Timer] = []
        self.master, slave = os.openpty()
        self._set_size(*size)
        environ = {
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            "PYTHONFAULTHANDLER": "1",
        }
        kept = ("PATH", "HOME", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START", "TMPDIR")
        folders = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
        environ |= {name: os.environ[name] for name in (*kept, *folders) if name in os.environ}
        for name, value in (env or {}).items():
            environ.pop(name, None)
            if value is not None:
                environ[name] = value
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(slave), *command],
            stdin=slave if stdin is None else stdin,
            stdout=slave if stdout is None else stdout,
            stderr=slave if stderr is None else stderr,
            pass_fds=[slave],
            start_new_session=True,
            env=environ,
            cwd=cwd,
        )
        self.slave: int | None = slave  # kept, so that what the program leaves in the terminal can be looked at
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> PtyTerminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the command if it still runs, and give back every descriptor."""
        self._reading.set()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT)
        self._closed = True
        for timer in self._timers:
            timer.cancel()
            timer.join()
        self.forget_slave()
        self._reader.join(LIMIT)
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def forget_slave(self) -> None:
        """Close the test's own end of the terminal, so that the program's is the last."""
        if self.slave is not None:
            os.close(self.slave)
            self.slave = None

    # what the program shows

    def _read(self) -> None:
        while not self._closed:
            if not self._reading.wait(0.2):
                continue
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if not ready or not self._reading.is_set():
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: nobody has the other end any more
                return
            with self._changed:
                self.raw += data
                self._show(data)
                self._reply()
                self._changed.notify_all()

    def _show(self, data: bytes) -> None:
        data = self._held_back + data
        cut = _UNFINISHED.search(data)
        data, self._held_back = (data[: cut.start()], cut.group()) if cut else (data, b"")
        self._stream.feed(_KEYBOARD_MODES.sub(b"", data))

    def _reply(self) -> None:
        for query in _QUERIES.finditer(self.raw, self._searched):
            self._searched = query.end()
            what = query.group()
            if what == b"\x1b[6n":
                self.asked += 1
                if self.answer:
                    self._answer(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R".encode(), counts=True)
            elif what == b"\x1b[?2026$p" and self.answer:
                self._answer(b"\x1b[?2026;2$y" if self.sync else b"\x1b[?2026;0$y")
        self._searched = max(self._searched, len(self.raw) - 16)  # a query may be cut in two

    def _answer(self, data: bytes, counts: bool = False) -> None:
        def write() -> None:
            if not self._closed:
                os.write(self.master, data)
                self.answered += counts

        if self.answer_delay:
            self._timers = [timer for timer in self._timers if timer.is_alive()]
            self._timers.append(threading.Timer(self.answer_delay, write))
            self._timers[-1].start()
        else:
            write()

    @property
    def bytes_out(self) -> int:
        """How many bytes the program has written."""
        with self._changed:
            return len(self.raw)

    @property
    def lines(self) -> list[str]:
        """The rows of the screen as text, with trailing blanks."""
        with self._changed:
            buffer, columns = (
                self.screen.buffer,
                range(self.screen.columns),
            )  # pyte's own view fails on half a wide cell
            return ["".join(buffer[y][x].data for x in columns) for y in range(self.screen.lines)]

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)

    def cells(self) -> list[list[tuple[str, str, str, bool, bool, bool, bool]]]:
        """Every cell: character, colours, bold, italics, underscore, reverse."""
        with self._changed:
            return [
                [
                    (char.data, char.fg, char.bg, char.bold, char.italics, char.underscore, char.reverse)
                    for char in (row[x] for x in range(self.screen.columns))
                ]
                for row in (self.screen.buffer[y] for y in range(self.screen.lines))
            ]

    @property
    def in_alternate_screen(self) -> bool:
        with self._changed:
            return self.raw.rfind(b"\x1b[?1049h") > self.raw.rfind(_LEFT_ALTERNATE_SCREEN)

    # waiting

    def wait_for(self, what: str | Callable[[], object], limit: float = LIMIT) -> None:
        """Wait until the screen holds a text, or a condition is true; AssertionError with the screen if it never is."""
        condition = (lambda: what in self.text) if isinstance(what, str) else what
        end = time.monotonic() + limit
        with self._changed:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"not seen in {limit} s: {what}\n{self.text}")
                self._changed.wait(min(left, 0.05))

    def wait_quiet(self, seconds: float = 0.3, limit: float = LIMIT) -> int:
        """Wait until nothing has been written for so long; returns the number of bytes written so far."""
        end = time.monotonic() + limit
        count, since = self.bytes_out, time.monotonic()
        while time.monotonic() - since < seconds:
            if time.monotonic() > end:
                raise AssertionError(f"still writing after {limit} s\n{self.text}")
            time.sleep(0.01)
            if self.bytes_out != count:
                count, since = self.bytes_out, time.monotonic()
        return count

    def wait_exit(self, limit: float = LIMIT) -> int:
        """The exit status (negative: killed by that signal), with everything written before it read."""
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {limit} s\n{self.text}") from None
        if self._reading.is_set():
            self.wait_quiet(0.1)
        return status

    # what a person does

    def send(self, keys: str | bytes) -> None:
        """Type: text as it is, keys as the terminal sends them (`\\x1b[A` for up, `\\r` for enter)."""
        data = keys.encode() if isinstance(keys, str) else keys
        while data:
            data = data[os.write(self.master, data) :]

    def paste(self, text: str) -> None:
        """A bracketed paste."""
        self.send(f"\x1b[200~{text}\x1b[201~")

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        with self._changed:
            self.screen.resize(rows, columns)
            self._set_size(columns, rows)

    def stop_reading(self) -> None:
        """Like Ctrl-S at the emulator, or a dead link: what the program writes stays in the kernel until full."""
        self._reading.clear()

    def takes_output(self) -> bool:
        """Whether the program could write at least one byte now."""
        assert self.slave is not None
        return bool(select.select([], [self.slave], [], 0)[1])

    def resume_reading(self) -> None:
        self._reading.set()

    def hang_up(self) -> None:
        """Take the terminal away, as a closed window or a dead connection does."""
        self.forget_slave()
        self._closed = True
        self._reading.set()
        self._reader.join(LIMIT)
        os.close(self.master)
        self.master = -1

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    # what is left behind

    def attributes(self) -> list[object]:
        """The terminal's settings, as termios has them."""
        assert self.slave is not None
        return list(termios.tcgetattr(self.slave))

    def unread_input(self) -> bytes:
        """What was typed or answered and no program has read: a shell would get it as its next command line."""
        assert self.slave is not None
        settings = termios.tcgetattr(self.slave)
        raw = [*settings]
        raw[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self.slave, termios.TCSANOW, raw)
        data = b""
        while select.select([self.slave], [], [], 0.2)[0]:
            data += os.read(self.slave, 4096)
        termios.tcsetattr(self.slave, termios.TCSANOW, settings)
        return data
