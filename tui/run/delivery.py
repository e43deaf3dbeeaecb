"""What has reached standard output, told to the journal, so that a run that goes on writes the rest and nothing twice.

Into a pipe a line goes at once, and what was written is noted after it. Into a regular file it goes once its result is
saved: then the file never holds a result that the store does not know, and its length says which ones it has.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from fetch_engine.outputs.accounts import Format
from fetch_engine.store.delivery import UNKNOWN, Delivered, OutputFile, Sitting
from tui.run.journal import Journal

DOCUMENTS = ("har", "junit")  # formats that are of use only when they are whole


@dataclass(frozen=True, slots=True)
class Output:
    """Standard output, and what is written there. name: of the format."""

    name: str
    format: Format
    descriptor: int

    @property
    def is_document(self) -> bool:
        """Whether its lines are of use only together."""
        return self.name in DOCUMENTS

    def file(self) -> OutputFile | None:
        """As what it is remembered, None if it is no regular file, or its length says nothing."""
        status = os.fstat(self.descriptor)
        if self.is_document or not stat.S_ISREG(status.st_mode):
            return None
        appends = fcntl.fcntl(self.descriptor, fcntl.F_GETFL) & os.O_APPEND
        start = status.st_size if appends else os.lseek(self.descriptor, 0, os.SEEK_CUR)
        return OutputFile(_path(self.descriptor), status.st_dev, status.st_ino, start)

    def mend(self, known: Delivered) -> list[str]:
        """Take half a line from the end of the file, if an earlier sitting left one; gives what to tell of others."""
        notes = []
        here = self.file()
        for path, offset in known.half:
            file = next(each.file for each in reversed(known.sittings) if each.file and each.file.path == path)
            if here is not None and (file.device, file.inode) == (here.device, here.inode):
                os.ftruncate(self.descriptor, offset)
            else:
                notes.append(f"{path} ends in half a line, whose result is written again")
        return notes

    def begin(self, known: Delivered | None = None) -> tuple[bytes, OutputFile | None]:
        """What is to be written before the first result, and the file from there on.

        known: of earlier sittings; where their file goes on, it has its first line already.
        """
        file, head = self.file(), self.format.begin()
        if file is None:
            return head, None
        for sitting in known.sittings if known else ():
            earlier = sitting.file
            if earlier and (earlier.device, earlier.inode) == (file.device, file.inode) and earlier.start <= file.start:
                head = b""
        return head, OutputFile(file.path, file.device, file.inode, file.start + len(head))


class Delivery:
    """Between the journal and the writer of standard output, for one sitting. head: what comes before its results."""

    def __init__(
        self,
        journal: Journal | None = None,
        output: Output | None = None,
        sitting: Sitting | None = None,
        head: bytes = b"",
    ) -> None:
        self._journal = journal or Journal()
        self._sitting = sitting or Sitting()
        self._is_document = output is not None and output.is_document
        self._before = 1 if head else 0
        self._again = sum(end - first for first, end in self._sitting.again)
        self._descriptor = -1 if output is None else output.descriptor
        self._end = self._sitting.end - len(head)
        self.format = None if output is None else output.format
        self.head = head
        self.is_held = self._sitting.file is not None and self._journal.is_kept

    def begin(self, allow: Callable[[int], object]) -> None:
        """allow: told how many lines may be written, where they are held back."""
        if self.is_held:
            most = self._before + self._again - self._sitting.first_place
            self._journal.tell_saved(lambda places: allow(most + places))

    def wrote(self, lines: int, size: int) -> None:
        """So many lines have been written by now, in the last write so many bytes. In the writer's thread."""
        if self._sitting.file is not None and self._end != UNKNOWN:
            self._end += size
            if os.lseek(self._descriptor, 0, os.SEEK_CUR) != self._end:  # somebody else writes there too
                self._end = UNKNOWN
        if not self._is_document and lines > self._before:
            self._journal.delivered(lines - self._before, self._end)

    def hurry(self) -> None:
        """Nothing more comes for now: what is held back may go as soon as it is saved."""
        if self.is_held:
            self._journal.hurry()

    def completed(self) -> None:
        """All is written, also what comes last."""
        if self._is_document:
            self._journal.delivered(NO_END, self._end)


NO_END = 1 << 62  # lines of a document that is whole


def _path(descriptor: int) -> str:
    if hasattr(fcntl, "F_GETPATH"):  # macOS
        return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return os.path.realpath(f"/dev/fd/{descriptor}")


class OutputFailed(Exception):
    """Nothing more can be written. `errno` and `reason` as the system gave them."""

    def __init__(self, errno: int, reason: str) -> None:
        super().__init__(reason)
        self.errno = errno
        self.reason = reason
