"""A body on its way into a file of its own: written beside its place, and moved there when it is whole.

Under its final name there is never half a file. Everything that touches the disk runs in a thread; what goes wrong
there is an AttemptFailed of kind `storage`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
from anyio import to_thread

from fetch_engine.behind import Behind, Crew
from fetch_engine.errors import AttemptFailed
from fetch_engine.file_names import file_name, numbered
from fetch_engine.partial import Partial, Validator
from fetch_engine.results import ErrorKind

EVERY = 1.0  # seconds after which what came is written however little it is: a killed program loses no more
_MOST_NUMBERS = 10_000
_MOST_PIECES = os.sysconf("SC_IOV_MAX")
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK})

WRITERS = Crew("writing", 8)  # a disk may be slow; what waits for it is no work for a processor


@dataclass(frozen=True, slots=True)
class SaveTo:
    """Where the body of a response with a status of 2xx goes.

    folder: made where missing. name: given by the user; None for that of the URL or, with `by_header`, of the response.
    overwrite: a file of that name is replaced, else the new one gets a number. resume: what an earlier fetch left half
    done is completed, where the server can prove that it is the same (RFC 9110 section 13.1.5); implies `overwrite`.
    sync: the file is on the disk before it gets its name.
    """

    folder: str
    name: str | None = None
    by_header: bool = False
    overwrite: bool = False
    resume: bool = False
    sync: bool = False

    def known_name(self, url: str) -> str | None:
        """The name, if it is known before the response."""
        if self.name is not None or not self.by_header:
            return self.name or file_name(url)
        return None


class Download:
    """One body. `finish` gives its path; `discard`, also after `finish`, removes what is not whole.

    partial: the file to go on with, or None for a temporary one. validator: what proves later that the same is resumed.
    """

    __slots__ = ("_behind", "_descriptor", "_name", "_partial", "_path", "_save", "_validator", "_written")

    def __init__(
        self, save: SaveTo, name: str, partial: Partial | None = None, validator: Validator | None = None
    ) -> None:
        self._save = save
        self._name = name
        self._partial = partial
        self._validator = validator
        self._descriptor = -1
        self._path = ""
        self._behind = Behind(WRITERS)
        self._written = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether `flush` is to be awaited before more is added."""
        behind = self._behind
        if behind.size and behind.is_free and time.monotonic() - self._written > EVERY:
            return True
        return behind.is_due

    def add(self, data: bytes) -> None:
        """Bytes to be written."""
        self._behind.add(data)

    async def flush(self) -> None:
        """Begin to write what is waiting, once what came before is written."""
        await self._settle()
        self._behind.hand_over(self._write)
        self._written = time.monotonic()

    async def finish(self) -> str:
        """Write the rest and give the file its name; returns its path."""
        await self._settle()
        try:
            return await to_thread.run_sync(self._complete)
        except OSError as error:
            reason = _reason(error)
        raise self._failure(reason)

    async def discard(self) -> None:
        """Close and remove what is not whole; keep it where it can be resumed."""
        with anyio.CancelScope(shield=True):
            await self._behind.settle()
            if self._path or self._partial is not None:
                await to_thread.run_sync(self._leave)

    async def _settle(self) -> None:
        error = await self._behind.settle()
        if error is not None:
            reason, error = _reason(error), None
            raise self._failure(reason)

    def _failure(self, reason: str) -> AttemptFailed:
        return AttemptFailed(ErrorKind.STORAGE, f"cannot save {self._name}: {reason}")

    # In a thread

    def _open(self) -> None:
        if self._path:
            return
        os.makedirs(self._save.folder, exist_ok=True)
        if self._partial is not None:
            self._partial.begin(self._validator)
            self._path, self._descriptor = self._partial.path, self._partial.descriptor
            self._keep_private()
            return
        path = os.path.join(self._save.folder, f".{self._name}.{secrets.token_hex(4)}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o666)
        self._path = path
        self._keep_private()

    def _keep_private(self) -> None:
        """Who may not read the file that is replaced may not read the new one either (CVE-2022-32207)."""
        if self._save.overwrite or self._save.resume:
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(os.path.join(self._save.folder, self._name))
                if stat.S_ISREG(found.st_mode):
                    os.fchmod(self._descriptor, stat.S_IMODE(found.st_mode) & 0o777)

    def _write(self, pieces: Sequence[bytes]) -> None:
        self._open()
        write_all(self._descriptor, pieces)

    def _complete(self) -> str:
        self._write(self._behind.take())
        if self._save.sync:
            os.fsync(self._descriptor)
        place = self._move()
        if self._save.sync:
            _sync_folder(self._save.folder)
        self._path = ""
        self._close()
        if self._partial is not None:
            self._partial.forget()
        return place

    def _move(self) -> str:
        final = os.path.join(self._save.folder, self._name)
        if self._save.overwrite or self._save.resume:
            os.replace(self._path, final)
            return final
        for number in range(_MOST_NUMBERS):
            place = os.path.join(self._save.folder, numbered(self._name, number))
            try:
                _move_new(self._path, place)
            except FileExistsError:
                continue
            return place
        raise FileExistsError(errno.EEXIST, "too many files of that name")

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            if self._partial is not None and self._validator is not None and self._behind.size:
                self._write(self._behind.take())
        path, self._path = self._path, ""
        self._close()
        if self._partial is not None:
            self._partial.leave()
        elif path:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _close(self) -> None:
        if self._descriptor >= 0 and self._partial is None:
            os.close(self._descriptor)
        self._descriptor = -1


def write_all(descriptor: int, pieces: Sequence[bytes]) -> None:
    """Write all of it, many pieces with one call. Raises OSError."""
    left = [memoryview(piece) for piece in pieces if piece]
    while left:
        written = os.writev(descriptor, left[:_MOST_PIECES])
        done = 0
        while done < len(left) and written >= len(left[done]):
            written -= len(left[done])
            done += 1
        del left[:done]
        if written:
            left[0] = left[0][written:]


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _move_new(path: str, place: str) -> None:
    """Rename, but never over a file that is there. Raises FileExistsError."""
    try:
        os.link(path, place, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links: the name is taken first, empty, and then given to the whole file.
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        os.replace(path, place)
    else:
        os.unlink(path)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
