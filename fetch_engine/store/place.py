"""Where the store's file is: what may stand there, how it is made, and how one that is damaged is set aside."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# What SQLite and we keep beside the file. The log goes first wherever they move: beside another file it would be
# replayed into that one.
LOG_FILES = ("-wal", "-shm")
LOCKS = ".runs"
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StoreError(Exception):
    """The store cannot be used; the message is for a person."""


class DamagedStore(StoreError):
    """The file is not a store of this program, or not a whole one."""


def describe(path: Path, error: Exception) -> str:
    """What is wrong with the file, for a person."""
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror}"
    reason = str(error)
    if "unable to open" in reason and not os.path.lexists(path):
        reason = "no such file"
    return f"{path}: {reason}"


def store_error(path: Path, error: Exception) -> StoreError:
    """What to raise for an error of the system or of SQLite."""
    return (DamagedStore if is_damage(error) else StoreError)(describe(path, error))


def is_damage(error: Exception) -> bool:
    """Whether it says that the file itself is broken."""
    return (
        isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGE
    ) or isinstance(error, DamagedStore)


def is_there(path: Path) -> bool:
    """Whether there is a store. Raises StoreError where that cannot be found out, or where something else is there."""
    for suffix in (*LOG_FILES, LOCKS, ""):
        each = f"{path}{suffix}"
        try:
            mode = os.stat(each).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise StoreError(describe(path, error)) from None
        if not stat.S_ISREG(mode):  # opening a fifo or a device may block, or do something
            raise StoreError(f"{each}: is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file")
    return os.path.exists(path)


def identity(path: Path) -> tuple[int, int] | None:
    """Which file is there, None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def create(path: Path, build: Callable[[Path], None]) -> None:
    """Make the file, unless there is one: built beside its place, and put there when it is whole.

    A program that is killed meanwhile leaves nothing but a file of another name. Raises OSError, sqlite3.Error.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(path.parent):
        if os.path.lexists(path):
            return
        for old in path.parent.glob(f"{path.name}.new-*"):  # of killed ones: nobody else is at it now
            old.unlink(missing_ok=True)
        new = path.with_name(f"{path.name}.new-{os.getpid()}")
        # SQLite gives its journal files the permissions of this one.
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        try:
            build(new)
            for suffix in LOG_FILES:  # of a store that somebody has deleted
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            os.rename(new, path)
        finally:
            for suffix in ("", "-journal", *LOG_FILES):
                Path(f"{new}{suffix}").unlink(missing_ok=True)


def set_aside(path: Path, damaged: tuple[int, int] | None) -> Path | None:
    """Give the damaged file, and what belongs to it, another name; None where somebody else has done so by now.

    damaged: its `identity`. Raises OSError.
    """
    with _alone_in(path.parent):
        if damaged is None or identity(path) != damaged:
            return None
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        number = 1
        while os.path.lexists(aside):
            number += 1
            aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{number}")
        for suffix in (*LOG_FILES, LOCKS, ""):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{path}{suffix}", f"{aside}{suffix}")
        return aside


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other programs from making or moving the file meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # file systems without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
