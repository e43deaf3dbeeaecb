"""The file of the store: how it is opened, what is in it, whose runs are alive, and what it must not be."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from fetch_engine.store import place
from fetch_engine.store.place import LOCKS, DamagedStore, StoreError, is_there, store_error

VERSION = 3  # a new one needs a step in MIGRATIONS; an old file is brought up to it, a newer file is refused
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
  inputs TEXT NOT NULL,            -- JSON: lists of URLs, each with the form of what is made of them
  options TEXT NOT NULL DEFAULT 'null', -- JSON: options and their values, null where a secret was left out
  folder TEXT NOT NULL DEFAULT ''  -- that relative paths are to be taken from
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
  sent INTEGER NOT NULL DEFAULT 0, -- it must not be sent twice, and was about to be: in this sitting, counted from 1
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
CREATE UNIQUE INDEX results_by_number ON results(run, number) WHERE kind IS NOT 'host-busy';
CREATE INDEX results_by_fetch ON results(run, fetch);
CREATE INDEX failures ON results(run) WHERE kind IS NOT NULL;
CREATE TABLE sittings (            -- each time that a run was worked at, and what of its results it wrote out
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  first_place INTEGER NOT NULL,    -- of its own results
  again TEXT NOT NULL,             -- JSON: places of earlier results that it writes first, as ranges
  on_screen INTEGER NOT NULL,      -- they were shown
  file TEXT,                       -- JSON: where its lines go
  written INTEGER NOT NULL,        -- lines of results that were written, in this order
  "end" INTEGER NOT NULL,          -- offset in the file behind them
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
"""
MIGRATIONS: dict[int, str] = {  # from this version to the next
    1: "ALTER TABLE requests ADD COLUMN id TEXT",
    2: "ALTER TABLE requests ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;\n"
    "ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT 'null';\n"
    "ALTER TABLE runs ADD COLUMN folder TEXT NOT NULL DEFAULT '';\n"
    "DROP INDEX results_by_number;\n"
    "CREATE UNIQUE INDEX results_by_number ON results(run, number) WHERE kind IS NOT 'host-busy';\n"
    + SCHEMA[SCHEMA.index("CREATE TABLE sittings") :],
}


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """A connection that reads and writes, on a file of the current version that only its owner may open.

    Raises StoreError, DamagedStore where the file is no store.
    """
    try:
        if not is_there(path) and create:
            place.create(path, _build)
    except (OSError, sqlite3.Error) as error:
        raise store_error(path, error) from None
    return _opened(path, "rw", lambda database: patiently(lambda: _prepare(database, path)))


def connect_to_read(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A connection that only reads. Raises StoreError, also if there is no file."""
    if not is_there(path):
        raise StoreError(f"{path}: no such file")

    def is_old(database: sqlite3.Connection) -> bool:
        return check_version(database, path) < VERSION

    with contextlib.closing(_opened(path, "ro", lambda _: None)) as database:
        old = _checked(path, database, is_old)
    if old:
        connect(path, create=False).close()
    return _opened(path, "ro", lambda database: check_tables(database, path), check_same_thread=not any_thread)


def _opened(
    path: Path, mode: str, prepare: Callable[[sqlite3.Connection], object], *, check_same_thread: bool = True
) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY,
            isolation_level=None,
            check_same_thread=check_same_thread,
        )
    except (OSError, sqlite3.Error) as error:
        raise store_error(path, error) from None
    try:
        _checked(path, database, prepare)
    except BaseException:
        database.close()
        raise
    return database


def _checked(path: Path, database: sqlite3.Connection, ask: Callable[[sqlite3.Connection], T]) -> T:
    try:
        return ask(database)
    except sqlite3.Error as error:
        raise store_error(path, error) from None


def check_version(database: sqlite3.Connection, path: Path) -> int:
    """The version of the file. Raises StoreError for one that is newer than this program."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StoreError(f"{path} was written by a newer version of the program (schema {version}, known is {VERSION})")
    return int(version)


def check_tables(database: sqlite3.Connection, path: Path) -> None:
    """Raises DamagedStore where a table or column is missing: the file is somebody else's, or broken."""
    found = {(table, column) for table, column in database.execute(_COLUMNS)}
    if missing := _expected() - found:
        table, column = min(missing)
        raise DamagedStore(f"{path}: not a store of this program: {table} has no column {column}")


_COLUMNS = (
    "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns"
    " WHERE tables.type = 'table'"
)


@functools.cache
def _expected() -> frozenset[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        _run_script(database, SCHEMA)
        rows = database.execute(_COLUMNS).fetchall()
    return frozenset((table, column) for table, column in rows if not table.startswith("sqlite_"))


def _build(path: Path) -> None:
    """Make an empty file into a store."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        _prepare(database, path)


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    if check_version(database, path) < VERSION:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only before the first table
        with transaction(database):
            version = check_version(database, path)  # another program may have been quicker
            if version == 0:
                if database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() != (0,):
                    raise DamagedStore(f"{path}: is a database of another program")
                _run_script(database, SCHEMA)
            else:
                for step in range(version, VERSION):
                    _run_script(database, MIGRATIONS[step])
            database.execute(f"PRAGMA user_version = {VERSION}")
    check_tables(database, path)
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
        self._path = f"{path}{LOCKS}"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)

    def renew(self) -> None:
        """The store and its locks were set aside: go on with those of the new one. Raises OSError."""
        fresh = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        os.dup2(fresh, self._descriptor, inheritable=False)
        os.close(fresh)

    def take(self, run: int) -> bool:
        """Make this run ours. False if it is another process's."""
        if run < 0:  # of a damaged row, and no place in the file
            return True
        if run < 0:  # of a damaged row, and no place in the file
            return True
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, run)
        except BlockingIOError:
            return False
        except PermissionError:  # what some systems say instead
            return False
        return True

    def release(self, run: int) -> None:
        """Nobody's any more."""
        if run >= 0:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, run)

    def close(self) -> None:
        """Release every run."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
