"""Which names in a folder are taken by fetches: of this engine, and of all programs that save into it at the same time.

A name that a fetch is about to use is a lock on one byte, gone with its process; a name that was used stays so for as
long as any of them saves there. Both are kept in a hidden file in the folder, which the last one to leave removes.
Names that differ only in case, or in the way Unicode composes characters, are one: to some file systems they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import struct
import threading
import unicodedata

FILE = ".weakfetch-tui.names"
_RECORD = 8  # bytes
_GUARD = 0  # the byte that each program in the folder shares
_TRIES = 20
# Locks of an open file and not of a process, which would give them all up whenever it closes the file anywhere.
_SET: int | None = getattr(fcntl, "F_OFD_SETLK", None)
_WAIT: int | None = getattr(fcntl, "F_OFD_SETLKW", None)


class NameClaims:
    """The names that one engine uses, by folder. May be used from any thread; raises no OSError."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}
        self._real: dict[str, str] = {}
        self._lock = threading.Lock()

    def folder(self, path: str) -> str:
        """The path of a folder with its links resolved, looked up once."""
        found = self._real.get(path)
        if found is None:
            found = self._real[path] = os.path.realpath(path)
        return found

    def take(self, folder: str, name: str) -> Claim | None:
        """The right to write the file of this name; None where another fetch has it. folder: exists, links resolved."""
        with self._lock:
            found = self._folders.get(folder)
            if found is None:
                found = self._folders[folder] = _Folder(folder)
        key = _key(name)
        return Claim(found, key) if found.take(key) else None

    @property
    def is_used(self) -> bool:
        """Whether there is anything to close."""
        return bool(self._folders)

    def close(self) -> None:
        """Leave all folders."""
        with self._lock:
            folders, self._folders = self._folders, {}
        for each in folders.values():
            each.close()


class Claim:
    """A name that nobody else may use until it is released, or for longer if it was used."""

    __slots__ = ("_folder", "_key")

    def __init__(self, folder: _Folder, key: int) -> None:
        self._folder: _Folder | None = folder
        self._key = key

    def used(self) -> None:
        """The file has its name."""
        self._end(used=True)

    def release(self) -> None:
        """There is no file. Does nothing after `used`."""
        self._end(used=False)

    def _end(self, *, used: bool) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.give_back(self._key, used=used)


class _Folder:
    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, FILE)
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._used: set[int] = set()
        self._read = 0
        self._descriptor = -1  # where it cannot be shared, only this engine's own fetches know of each other
        with contextlib.suppress(OSError):
            self._descriptor = _enter(self._path)

    def take(self, key: int) -> bool:
        with self._lock:
            if key in self._taken or key in self._used or not self._take_from_others(key):
                return False
            self._taken.add(key)
            return True

    def give_back(self, key: int, *, used: bool) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._taken.discard(key)
            if used:
                self._used.add(key)
            if self._descriptor >= 0:
                if used:
                    os.write(self._descriptor, key.to_bytes(_RECORD, "big"))  # O_APPEND
                _lock(self._descriptor, fcntl.F_UNLCK, key)

    def close(self) -> None:
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    if _lock(descriptor, fcntl.F_WRLCK, _GUARD):
                        os.unlink(self._path)
                os.close(descriptor)

    def _take_from_others(self, key: int) -> bool:
        if self._descriptor < 0:
            return True
        try:
            if not _lock(self._descriptor, fcntl.F_WRLCK, key):
                return False
            while records := os.pread(self._descriptor, 1 << 16, self._read):
                whole = len(records) // _RECORD * _RECORD
                self._used.update(int.from_bytes(records[at : at + _RECORD], "big") for at in range(0, whole, _RECORD))
                self._read += whole
                if not whole:
                    break
            if key in self._used:
                _lock(self._descriptor, fcntl.F_UNLCK, key)
                return False
        except OSError:
            pass  # a file system without locks
        return True


def _enter(path: str) -> int:
    """The file, shared with all who are in the folder; emptied for the first one. Raises OSError."""
    if _SET is None:
        return -1
    for _ in range(_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            is_first = _lock(descriptor, fcntl.F_WRLCK, _GUARD)
            if is_first and stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.ftruncate(descriptor, 0)  # of one that was killed
            _lock(descriptor, fcntl.F_RDLCK, _GUARD, wait=True)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.lstat(path), os.fstat(descriptor)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last one to leave has just removed it
    return -1


def _lock(descriptor: int, kind: int, at: int, *, wait: bool = False) -> bool:
    """False where somebody else has it."""
    command = _WAIT if wait else _SET
    assert command is not None
    try:
        # struct flock (fcntl(2)): type, whence, start, length, process
        fcntl.fcntl(descriptor, command, struct.pack("hhqqi0q", kind, os.SEEK_SET, at, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _key(name: str) -> int:
    """Above _GUARD, below the greatest offset."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    digest = hashlib.blake2b(folded.encode("utf-8", "surrogateescape"), digest_size=_RECORD)
    return int.from_bytes(digest.digest(), "big") >> 2 | 1
