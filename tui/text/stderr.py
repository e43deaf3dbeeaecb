"""Messages on standard error that can neither block the program's end, nor fail, nor play tricks on the terminal."""

from __future__ import annotations

import os
import re
import select

STDERR = 2
PATIENCE = 500  # milliseconds for a reader of standard error that does not read
# What alone the masking changes, or more: all else is said without loading it, as most usage errors are.
_SUSPECT = re.compile(r"[=@%]|eyJ|bearer|basic|digest|negotiate|token|cookie|key|secret|auth", re.IGNORECASE)
_CLEAR = b"\r\x1b[K"  # back to the start of the line, and erase it (ECMA-48 EL)


class _Status:
    """What stands on the terminal's last row and is not to stay there."""

    shown = b""


_status = _Status()


def print_error(message: str) -> None:
    """Say it, each line under the program's name, secrets of URLs masked and what cannot be printed escaped.

    A reader that is gone is no error.
    """
    for line in message.split("\n"):
        write_stderr(f"weakfetch-tui: {printable(without_secrets(line))}")


def without_secrets(line: str) -> str:
    """The line as `masked_text` of the engine has it."""
    if _SUSPECT.search(line) is None:
        return line
    from fetch_engine.model.redaction import masked_text

    return masked_text(line)


def print_error_now(message: str) -> bool:
    """As `print_error` in one line. False, and nothing is said, where standard error takes nothing now."""
    try:
        poll = select.poll()
        poll.register(STDERR, select.POLLOUT)
        if not poll.poll(0):
            return False
        os.write(STDERR, _over_status(f"weakfetch-tui: {printable(message)}")[:4096])
    except OSError:
        pass  # a reader that is gone is no error
    return True


def write_stderr(line: str) -> None:
    """Write a line as it is, if there is anybody to read it; over the status, which comes back when it next changes."""
    data = _over_status(line)
    try:
        poll = select.poll()
        poll.register(STDERR, select.POLLOUT)
        # At most PIPE_BUF bytes: a pipe that is ready takes so many without blocking.
        while data and poll.poll(PATIENCE):
            data = data[os.write(STDERR, data[:4096]) :]
    except OSError:
        return


def _over_status(line: str) -> bytes:
    data = (_CLEAR if _status.shown else b"") + f"{line}\n".encode("utf-8", "backslashreplace")
    _status.shown = b""
    return data


def show_status(text: str) -> bool:
    """Write ASCII text in place of the status before, cut to one row of the terminal; "" clears it.

    False where the terminal does not take it now: there is no waiting for it.
    """
    if not (text or _status.shown):
        return True
    try:
        poll = select.poll()
        poll.register(STDERR, select.POLLOUT)
        if not poll.poll(0):
            return False
        # The last column stays free: a row that is full may count as two.
        shown = text.encode()[: max(0, os.get_terminal_size(STDERR).columns - 1)]
        os.write(STDERR, _CLEAR + shown)
    except OSError:
        return False
    _status.shown = shown
    return True


def printable(text: str) -> str:
    """The text with control, format and other unprintable characters as escapes."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
