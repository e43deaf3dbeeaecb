"""The file of the store: how it is opened, what is in it, whose runs are alive, and what it must not be."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

VERSION = 2  # a new one needs a step in MIGRATIONS; an old file is brought up to it, a newer file is refused
BUSY = 5.0  # seconds that one program waits for another's transaction
PATIENCE = 15.0  # seconds of a locked file after which it is given up on
T = TypeVar("T")

SCHEMA = """
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  started REAL NOT NULL,
  ended REAL,                      -- NULL: it runs, or was killed
  complete INTEGER NOT NULL DEFAULT 0, -- nothing was left when it ended
  arguments TEXT NOT NULL,         -- JSON, secrets masked
  inputs TEXT NOT NULL             -- JSON: lists of URLs, each with the form of what is made of them
);
CREATE TABLE forms (               -- what requests have in common
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  detail TEXT NOT NULL,            -- JSON: method, headers and what else there is but the body
  body BLOB NOT NULL,
  missing TEXT NOT NULL            -- JSON: what was masked
);
CREATE INDEX forms_by_run ON forms(run);
CREATE TABLE requests (
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  url NOT NULL,                    -- TEXT, or a BLOB where it is no Unicode
  masked INTEGER NOT NULL,
  form INTEGER NOT NULL,
  input INTEGER,                   -- which of the run's lists it is from
  withdrawn INTEGER NOT NULL DEFAULT 0,
  id TEXT,                         -- JSON: what the input calls it
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE results (
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  place INTEGER NOT NULL,          -- in the order in which they ended
  number INTEGER NOT NULL,
  fetch INTEGER NOT NULL,          -- the id that people saw
  finished REAL NOT NULL,
  status INTEGER,
  kind TEXT,                       -- of the error; NULL: there was a response
  detail TEXT NOT NULL,            -- JSON, all that is shown but the body
  preview BLOB,
  notes TEXT,                      -- JSON: what was odd about it
  PRIMARY KEY (run, place)
);
CREATE UNIQUE INDEX results_by_number ON results(run, number);
CREATE INDEX results_by_fetch ON results(run, fetch);
CREATE INDEX failures ON results(run) WHERE kind IS NOT NULL;
"""
MIGRATIONS: dict[int, str] = {  # from this version to the next
    1: "ALTER TABLE requests ADD COLUMN id TEXT",
}


class StoreError(Exception):
    """The store cannot be used; the message is for a person."""


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """A connection that reads and writes, on a file of the current version that only its owner may open.

    Raises StoreError.
    """
    try:
        if create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives its journal files the permissions of this one.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(describe(path, error)) from None
    try:
        patiently(lambda: _prepare(database, path))  # the change to WAL does not wait by itself
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise StoreError(describe(path, error)) from None
        raise
    return database


def connect_to_read(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A connection that only reads, of a file that is brought up to date first. Raises StoreError, also if there is
    no file."""
    try:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY,
            isolation_level=None,
            check_same_thread=not any_thread,
        )
    except sqlite3.Error as error:
        raise StoreError(describe(path, error)) from None
    try:
        if 0 < check_version(database, path) < VERSION:
            connect(path, create=False).close()  # brings it up to date, for this connection too
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise StoreError(describe(path, error)) from None
        raise
    return database


def check_version(database: sqlite3.Connection, path: Path) -> int:
    """The version of the file. Raises StoreError for one that is newer than this program."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StoreError(f"{path} was written by a newer version of the program (schema {version}, known is {VERSION})")
    return int(version)


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    if check_version(database, path) < VERSION:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only before the first table
        with transaction(database):
            version = check_version(database, path)  # another program may have been quicker
            if version == 0:
                _run_script(database, SCHEMA)
            else:
                for step in range(version, VERSION):
                    _run_script(database, MIGRATIONS[step])
            database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("PRAGMA journal_mode = WAL")
    # A crash of the program loses nothing that was committed, one of the machine at most the last commits.
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("PRAGMA journal_size_limit = 16777216")


def _run_script(database: sqlite3.Connection, script: str) -> None:
    """`executescript` would commit first."""
    for statement in script.split(";\n"):
        if statement.strip():
            database.execute(statement)


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is done in the block; waits at most BUSY seconds for other programs."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # the error that is under way says more
            database.execute("ROLLBACK")
        raise


def describe(path: Path, error: Exception) -> str:
    """What is wrong with the file, for a person."""
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror}"
    reason = str(error)
    if "unable to open" in reason and not path.exists():
        reason = "no such file"
    return f"{path}: {reason}"


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another program was at it, so that it may work a little later."""
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def patiently(act: Callable[[], T]) -> T:
    """Do it; again for a while where another program keeps the file locked. Raises sqlite3.Error."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


class RunLocks:
    """Which runs are alive: each locks the byte of its id in a file beside the store, as long as its process lives.

    One object a process: closing any descriptor of the file gives up all of the process's locks (POSIX fcntl).
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(f"{path}.runs", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, run: int) -> bool:
        """Make this run ours. False if it is another process's."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, run)
        except BlockingIOError:
            return False
        except PermissionError:  # what some systems say instead
            return False
        return True

    def release(self, run: int) -> None:
        """Nobody's any more."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, run)

    def close(self) -> None:
        """Release every run."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
