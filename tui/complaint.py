"""Messages on standard error that can neither block the program's end, nor fail, nor play tricks on the terminal."""

from __future__ import annotations

import os
import select

PATIENCE = 500  # milliseconds for a reader of standard error that does not read


def complain(message: str) -> None:
    """Say it, each line under the program's name, what cannot be printed escaped. A reader that is gone is no error."""
    for line in message.split("\n"):
        write_stderr(f"weakfetch-tui: {printable(line)}")


def write_stderr(line: str) -> None:
    """Write a line as it is, if there is anybody to read it."""
    data = f"{line}\n".encode("utf-8", "backslashreplace")
    try:
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        # At most PIPE_BUF bytes: a pipe that is ready takes so many without blocking.
        while data and poll.poll(PATIENCE):
            data = data[os.write(2, data[:4096]) :]
    except OSError:
        return


def printable(text: str) -> str:
    """The text with control, format and other unprintable characters as escapes."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
