"""What a path that is written to stands for, and how it is written: one rule for all files of the program.

A regular file is written beside its place and renamed when it is whole; a link that somebody named stays, and what it
points to is replaced. A device, a fifo or whatever else is no regular file is written through, as curl does: it is
never renamed over, created as a file, or removed. What another user has put into a folder that all may write to (/tmp)
is not followed, as the kernel has it (proc_sys_fs(5), protected_symlinks and protected_fifos).

Everything here touches the disk and raises OSError.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fetch_engine.files.file_names import hidden

STDOUT = 1
_MOST_LINKS = 40  # path_resolution(7)
_MOST_PIECES = os.sysconf("SC_IOV_MAX")
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK})
_NOBODY_READS = "nobody reads from it"
_LOOK_AGAIN = 0.05  # seconds
_SURE = select.PIPE_BUF  # bytes that a pipe which can be written to takes without blocking


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """folder, name: of what is written, links resolved. is_through: it is written through, not replaced.

    descriptor: that of ours which the path stands for, as /dev/fd/3.
    """

    folder: str
    name: str
    is_through: bool = False
    descriptor: int | None = None

    @property
    def path(self) -> str:
        return os.path.join(self.folder, self.name)


def find_place(path: str, *, follow: bool = True, within: str | None = None) -> OutputPlace:
    """Where writing to `path` leads. Raises OSError for a folder, for what we may not write to, and for bad links.

    follow: a link as the last part stands for its target; else it is replaced itself. within: a folder that is not to
    be left by links.
    """
    current = path
    status = _status(current)
    for _ in range(_MOST_LINKS):
        if status is None or not (stat.S_ISLNK(status.st_mode) and follow):
            break
        _refuse_planted(current, status)
        descriptor = _own_descriptor(current)
        if descriptor is not None:  # whatever it is on, with its place in it
            return OutputPlace(os.path.dirname(current), str(descriptor), is_through=True, descriptor=descriptor)
        target = os.path.join(os.path.dirname(current), os.readlink(current))
        current, status = target, _status(target)
    else:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    folder = os.path.realpath(os.path.dirname(current) or ".")
    if within is not None and not _is_within(folder, os.path.realpath(within)):
        raise OSError(errno.EPERM, f"a link leads out of {within}", path)
    place = OutputPlace(folder, os.path.basename(current), _is_special(status))
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if place.is_through and status is not None and stat.S_ISFIFO(status.st_mode):
        _refuse_planted(current, status)
    if status is not None and not stat.S_ISLNK(status.st_mode) and not os.access(current, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return place


def is_standard_output(path: str) -> bool:
    """Whether this path stands for what descriptor 1 is on, or is `-`; a device does not count, which many may use."""
    if path == "-":
        return True
    try:
        found, ours = os.stat(path), os.fstat(STDOUT)
    except (OSError, ValueError):
        return False
    return os.path.samestat(found, ours) and not stat.S_ISCHR(ours.st_mode) and not stat.S_ISBLK(ours.st_mode)


class Draft:
    """A file that is written beside its place. `commit` gives it its name, `discard` removes it; both close it."""

    def __init__(self, place: OutputPlace, mode: int = 0o666) -> None:
        self.place = place
        self.path = os.path.join(place.folder, hidden(place.name, f".{os.urandom(4).hex()}.part"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(self.path, flags, mode)

    def commit(self, *, sync: bool = False, overwrite: bool = True, private: bool = False) -> None:
        """Raises FileExistsError where something is there and is not to be replaced; then it is still a draft.

        private: whatever the modes of the file that is replaced were, only its owner may read the new one.
        """
        if overwrite:
            keep_access(self.descriptor, self.place.path)
        if private:
            os.fchmod(self.descriptor, 0o600)
        if sync:
            os.fsync(self.descriptor)
        if overwrite:
            replace(self.path, self.place.path)
        else:
            move_new(self.path, self.place.path)
        if sync:
            sync_folder(self.place.folder)
        self.close()

    def discard(self) -> None:
        """Does nothing after `commit`."""
        if self.descriptor >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
            self.close()

    def close(self) -> None:
        """Leave what is there as it is."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def write_file(
    path: str,
    pieces: Iterable[bytes],
    *,
    overwrite: bool = True,
    private: bool = False,
    sync: bool = False,
    patience: float = 10.0,
) -> int:
    """Write all pieces to `path` by the rule of this module; returns how many bytes.

    private: a new file is for its owner only. patience: seconds for somebody to read from a fifo.
    """
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    place = find_place(path)
    size = 0
    if place.is_through:
        deadline = time.monotonic() + patience

        def is_given_up() -> bool:
            return time.monotonic() > deadline

        descriptor = open_through(place, is_given_up)
        try:
            for piece in pieces:
                deadline = time.monotonic() + patience
                write_through(descriptor, [piece], is_given_up)
                size += len(piece)
        finally:
            os.close(descriptor)
        return size
    draft = Draft(place, 0o600 if private else 0o666)
    try:
        for piece in pieces:
            write_all(draft.descriptor, [piece])
            size += len(piece)
        draft.commit(sync=sync, overwrite=overwrite, private=private)
    finally:
        draft.discard()
    return size


def open_through(place: OutputPlace, is_given_up: Callable[[], bool]) -> int:
    """A descriptor of a place that is written through. Waits for somebody to read from a fifo."""
    if place.descriptor is not None:
        return os.dup(place.descriptor)
    # Without O_CREAT and O_TRUNC: where it has gone meanwhile, no file takes its place.
    while True:
        try:
            descriptor = os.open(place.path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            break
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(place.path).st_mode):
                raise
        if is_given_up():
            raise OSError(errno.ENXIO, _NOBODY_READS, place.path)
        time.sleep(_LOOK_AGAIN)
    if not _is_special(os.fstat(descriptor)):
        os.close(descriptor)
        raise OSError(errno.EBUSY, "it was replaced by a file", place.path)
    return descriptor


def write_through(descriptor: int, pieces: Iterable[bytes], is_given_up: Callable[[], bool]) -> None:
    """Write all of it to what may make us wait, and never for longer than until it is given up."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    for piece in pieces:
        left = memoryview(piece)
        while left:
            while not is_regular and not poll.poll(_LOOK_AGAIN * 1000):
                if is_given_up():
                    raise OSError(errno.ETIMEDOUT, _NOBODY_READS)
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(descriptor, left if is_regular else left[:_SURE]) :]


def write_all(descriptor: int, pieces: Sequence[bytes]) -> None:
    """Write all of it to a file, many pieces with one call."""
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


def keep_access(descriptor: int, path: str) -> None:
    """Who may not read the file that is replaced may not read the new one either (CVE-2022-32207)."""
    found = _status(path)
    if found is None or not stat.S_ISREG(found.st_mode):
        return
    ours = os.fstat(descriptor)
    if (found.st_uid, found.st_gid) != (ours.st_uid, ours.st_gid) and not _is_planted(path, found):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & 0o777)


def replace(path: str, place: str) -> None:
    """Rename over a file or a link, but over nothing else."""
    if _is_special(_status(place)):
        raise FileExistsError(errno.EEXIST, "not a regular file", place)
    os.replace(path, place)


def move_new(path: str, place: str) -> None:
    """Rename, but never over anything that is there. Raises FileExistsError."""
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


def sync_folder(folder: str) -> None:
    """Have the names in it on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _own_descriptor(path: str) -> int | None:
    """The descriptor of this process that a path under /dev/fd, or what it links to, stands for."""
    folder, name = os.path.split(path)
    return int(name) if name.isdecimal() and os.path.realpath(folder) == f"/proc/{os.getpid()}/fd" else None


def _is_special(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_IFMT(status.st_mode) not in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR)


def _is_within(folder: str, outer: str) -> bool:
    return os.path.commonpath([folder, outer]) == outer


def _is_planted(path: str, status: os.stat_result) -> bool:
    """Whether somebody else put it into a folder in which all may make files and nobody may remove those of others."""
    folder = os.stat(os.path.dirname(path) or ".")
    is_open = folder.st_mode & (stat.S_ISVTX | stat.S_IWOTH) == stat.S_ISVTX | stat.S_IWOTH
    return is_open and status.st_uid not in (os.geteuid(), folder.st_uid)


def _refuse_planted(path: str, status: os.stat_result) -> None:
    if _is_planted(path, status):
        raise PermissionError(errno.EACCES, "another user has put it there", path)
