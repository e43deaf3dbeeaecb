"""The user's own programs on a body: the pager and the editor, with the terminal lent to them meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

from tui.screen.body.source import BodySource
from tui.screen.saving import pieces_of, suffix_of

if TYPE_CHECKING:
    from textual.app import App

_RAW = re.compile(r"-+(raw-control-chars|RAW-CONTROL-CHARS)")
_PAGERS = ("less", "more")
_EDITORS = ("editor", "nano", "vi")


class NoProgram(Exception):
    """There is no such program; says so in words."""


def pager_command(environ: Mapping[str, str] = os.environ) -> list[str]:
    """$PAGER as its user wrote it, without what would let escape sequences through. Raises NoProgram."""
    command = _command("PAGER", environ.get("PAGER", ""), _PAGERS)
    return [command[0], *_without_raw(command[1:])] if _is_less(command) else command


def editor_command(environ: Mapping[str, str] = os.environ) -> list[str]:
    """$VISUAL or $EDITOR as its user wrote it. Raises NoProgram."""
    name = "VISUAL" if environ.get("VISUAL") else "EDITOR"
    return _command(name, environ.get(name, ""), _EDITORS)


def environment_for(command: list[str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the program's environment is to be: for less, without what shows raw bytes, runs filters on the file, or
    leaves at once where the file fits on the screen."""
    changed = dict(environ)
    if _is_less(command):
        changed["LESS"] = "-M"
        changed.pop("LESSOPEN", None)
    return changed


async def show_body(app: App[Any], source: BodySource, command: list[str]) -> str:
    """Run a program on a copy of a body and wait for its end; returns what to tell the user, "" for nothing.

    The copy is private to the user and gone afterwards. The event loop goes on: a signal still ends the program.
    """
    descriptor, path = tempfile.mkstemp(suffix=suffix_of(source.content_type), prefix="weakfetch-")
    try:
        await asyncio.to_thread(_write_copy, source, descriptor)
        return await _run(app, [*command, path])
    except OSError as error:
        return f"cannot write a copy of the body: {error.strerror or error}"
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _write_copy(source: BodySource, descriptor: int) -> None:
    with open(descriptor, "wb") as file:
        file.writelines(pieces_of(source))


async def _run(app: App[Any], command: list[str]) -> str:
    try:
        with lent(app):
            try:
                process = await asyncio.create_subprocess_exec(*command, env=environment_for(command))
            except OSError as error:
                return f"cannot run {command[0]}: {error.strerror or error}"
            try:
                code = await process.wait()
            finally:
                if process.returncode is None:
                    process.terminate()
    except SuspendNotSupported:
        return "this terminal cannot be lent to another program"
    # Lower ones are how pagers and editors say that something was declined, 130 that it was interrupted.
    return f"{os.path.basename(command[0])} ended with {code}" if code > 2 and code != 130 else ""


@contextlib.contextmanager
def lent(app: App[Any]) -> Any:
    """The terminal is another program's; ctrl+c there is not meant for us (see `terminal.run_app`)."""
    app.terminal_is_lent = True  # type: ignore[attr-defined]
    try:
        with app.suspend():
            yield
    finally:
        app.terminal_is_lent = False  # type: ignore[attr-defined]


def _command(variable: str, value: str, defaults: tuple[str, ...]) -> list[str]:
    try:
        command = shlex.split(value)
    except ValueError as error:
        raise NoProgram(f"${variable} cannot be understood: {error}") from None
    if not command:
        found = next((name for name in defaults if shutil.which(name)), None)
        if found is None:
            raise NoProgram(f"${variable} is not set, and {' or '.join(defaults)} not found")
        return [found]
    if shutil.which(command[0]) is None:
        raise NoProgram(f"program not found: {command[0]!r} (from ${variable})")
    return command


def _is_less(command: list[str]) -> bool:
    return os.path.basename(command[0]) == "less"


def _without_raw(arguments: list[str]) -> list[str]:
    kept = []
    for argument in arguments:
        if _RAW.fullmatch(argument):
            continue
        is_cluster = re.fullmatch(r"-[A-Za-z]+", argument) is not None
        kept.append(argument.replace("r", "").replace("R", "") if is_cluster else argument)
    return [argument for argument in kept if argument != "-"]
