"""Long bodies on disk: one folder a run, private to the user, bounded in bytes, gone with the process.

A folder is locked (flock) for as long as its process lives, so that the next run can tell which are left over. Its
files are opened only to write a piece: a spool takes one descriptor, however many bodies there are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import threading
from collections import OrderedDict
from collections.abc import Sequence

import anyio
from anyio import to_thread

from fetch_engine.bodies.downloads import WRITERS
from fetch_engine.bodies.write_behind import WriteBehind
from fetch_engine.files.output_files import write_all
from fetch_engine.model.limits import GIB

_PREFIX = "bodies-"


class SpoolFolder:
    """Where bodies go. May be used from any thread; nothing touches the disk before the first body.

    parent: made where missing; holds the folders of all runs. max_bytes: of all bodies together; the oldest go first.
    evicted, evicted_bytes: what went by that.
    """

    def __init__(self, parent: str, max_bytes: int = GIB) -> None:
        self.parent = parent
        self.max_bytes = max_bytes
        self.size = 0
        self.evicted = 0
        self.evicted_bytes = 0
        self._path: str | None = None
        self._descriptor = -1
        self._growing: dict[str, int] = {}
        self._whole: OrderedDict[str, int] = OrderedDict()  # oldest first
        self._lock = threading.Lock()
        self._closed = False

    def create(self) -> str:
        """A new empty file. Raises OSError."""
        with self._lock:
            path = os.path.join(self._own_path(), secrets.token_hex(8))
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._growing[path] = 0
        return path

    def append(self, path: str, pieces: Sequence[bytes]) -> None:
        """Write to the end of a file. Raises OSError where the disk, or this folder, has no room for it."""
        size = sum(map(len, pieces))
        with self._lock:
            if path not in self._growing:
                raise OSError("the spool is closed")
            self._make_room(size)
            self._growing[path] += size
            self.size += size
        # Without O_CREAT: where the folder was removed meanwhile, nothing is left behind.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            write_all(descriptor, pieces)
        finally:
            os.close(descriptor)

    def keep(self, path: str) -> None:
        """A file is complete; from now on it may be evicted."""
        with self._lock:
            if path in self._growing:
                self._whole[path] = self._growing.pop(path)

    def remove(self, path: str) -> None:
        """A file is not wanted. Does nothing if it is gone."""
        with self._lock:
            self.size -= self._growing.pop(path, 0) + self._whole.pop(path, 0)
        _unlink(path)

    def share(self) -> str:
        """A new folder inside, for another process to write bodies to. Raises OSError."""
        with self._lock:
            path = os.path.join(self._own_path(), secrets.token_hex(4))
            os.mkdir(path, 0o700)
        return path

    def adopt(self, path: str, size: int) -> None:
        """A file that another process has completed in a folder of `share`; from now on it may be evicted."""
        with self._lock:
            if self._path is not None and os.path.dirname(os.path.dirname(path)) == self._path:
                self._whole[path] = size
                self.size += size
                self._make_room(0)

    def tidy(self, folder: str) -> None:
        """Remove what is in a folder of `share` and was not adopted: whoever wrote it is gone."""
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.path not in self._whole:
                    _unlink(entry.path)

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        with self._lock:
            self._closed = True
            self._growing.clear()
            self._whole.clear()
            self.size = 0
            path, self._path = self._path, None
            descriptor, self._descriptor = self._descriptor, -1
        if path is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)

    def sweep(self) -> int:
        """Remove the folders of processes that are dead; returns how many there were."""
        removed = 0
        with contextlib.suppress(OSError), os.scandir(self.parent) as entries:
            for entry in entries:
                if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                    removed += _remove_if_dead(entry.path)
        return removed

    def _own_path(self) -> str:
        if self._closed:
            raise OSError("the spool is closed")
        if self._path is None:
            self._path, self._descriptor = _own_folder(self.parent)
        return self._path

    def _make_room(self, count: int) -> None:
        while self.size + count > self.max_bytes:
            if not self._whole:
                raise OSError(f"the spool has no more than {self.max_bytes} bytes")
            path, size = self._whole.popitem(last=False)
            self.size -= size
            self.evicted += 1
            self.evicted_bytes += size
            _unlink(path)


class SpoolFile:
    """One body on its way to the disk. Used by one fetch; every call but `add` writes in a thread.

    error: why there is no file any more; a disk that is full fails no fetch.
    """

    __slots__ = ("_behind", "_folder", "_path", "error")

    def __init__(self, folder: SpoolFolder) -> None:
        self._folder = folder
        self._path: str | None = None
        self._behind = WriteBehind(WRITERS)
        self.error: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether `flush` is to be awaited before more is added."""
        return self._behind.is_due

    def add(self, data: bytes) -> None:
        """Bytes to be written."""
        if self.error is None:
            self._behind.add(data)

    async def flush(self) -> None:
        """Begin to write what is waiting, once what came before is written."""
        error = await self._behind.settle()
        if error is not None:
            self.error, error = error.strerror or str(error), None
            await self.discard()
        elif self._behind.size:
            self._behind.hand_over(self._write)

    async def finish(self) -> str | None:
        """Write the rest; the path, or None if nothing was added or there was an error."""
        for _ in range(2):  # what is being written, and what waits for it
            await self.flush()
        path, self._path = self._path, None
        if path is not None:
            self._folder.keep(path)
        return path

    async def discard(self) -> None:
        """Remove the file unless it was finished, also in a scope that was cancelled."""
        with anyio.CancelScope(shield=True):
            await self._behind.settle()
            self._behind.take()
            path, self._path = self._path, None
            if path is not None:
                await to_thread.run_sync(self._folder.remove, path)

    def _write(self, pieces: Sequence[bytes]) -> None:
        if self._path is None:
            self._path = self._folder.create()
        self._folder.append(self._path, pieces)


def _own_folder(parent: str) -> tuple[str, int]:
    """A new folder and the descriptor that holds its lock. Raises OSError."""
    os.makedirs(parent, mode=0o700, exist_ok=True)
    while True:
        path = os.path.join(parent, f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}")
        os.mkdir(path, 0o700)
        descriptor = _lock(path)
        if descriptor is not None:
            return path, descriptor
        # Somebody who sweeps was faster, and removes it.


def _lock(path: str) -> int | None:
    """A descriptor with the lock of the folder at `path`, None where another process has it or the folder is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found, held = os.stat(path, follow_symlinks=False), os.fstat(descriptor)
        if (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino) and stat.S_ISDIR(held.st_mode):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove_if_dead(path: str) -> bool:
    descriptor = _lock(path)
    if descriptor is None:
        return False
    try:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)
    return True


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
