"""The files that results go to beside standard output, as --report names them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Sequence

from fetch_engine.files.output_files import Draft, find_place, open_through


class ReportFile:
    """A file that is written as the run goes. One that is there is replaced at the end of the run, and stays till then.

    descriptor: to write to. A new file is for its owner only. Raises OSError; also waits for a reader of a fifo.
    """

    def __init__(self, path: str) -> None:
        place = find_place(path)
        self.path = place.path
        self.is_through = place.is_through
        self._draft: Draft | None = None
        self._is_new = False
        if place.is_through:
            self.descriptor = open_through(place, lambda: False)
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self.descriptor = os.open(place.path, flags, 0o600)
            self._is_new = True
        except FileExistsError:
            self._draft = Draft(place, 0o600)
            self.descriptor = self._draft.descriptor

    def commit(self) -> None:
        """What was written is whole: in place of what was there. Raises OSError."""
        if self._draft is not None:
            self._draft.commit()
        self.close()

    def abandon(self) -> None:
        """The run has not begun: have everything as it was. Does nothing after `commit` and `close`."""
        if self._is_new and self.descriptor >= 0:
            os.unlink(self.path)
        self.give_up()

    def give_up(self) -> None:
        """It could not be written to its end: what was there stays."""
        if self._draft is not None:
            self._draft.discard()
        self.close()

    def close(self) -> None:
        """Leave it as it is; what has no name yet keeps that of a draft."""
        descriptor, self.descriptor = self.descriptor, -1
        if self._draft is not None:
            self._draft.close()
        elif descriptor >= 0:
            os.close(descriptor)


def open_reports(named: Iterable[tuple[str, str]], stack: contextlib.ExitStack) -> list[tuple[str, ReportFile]]:
    """The files of --report by their formats. Raises ValueError."""
    reports: list[tuple[str, ReportFile]] = []
    for name, path in named:
        try:
            report = ReportFile(path)
        except OSError as error:
            raise ValueError(f"cannot write {path}: {error.strerror}") from None
        stack.callback(report.abandon)
        if any(report.path == other.path and not other.is_through for _, other in reports):
            raise ValueError(f"argument --report: {path} is named twice")
        reports.append((name, report))
    return reports


def end_reports(reports: Sequence[tuple[str, ReportFile]], broken: Collection[int]) -> list[str]:
    """Give the files their names; gives what to say of those that could not be written."""
    problems = []
    for _, report in reports:
        if report.descriptor in broken:
            report.give_up()
            continue
        try:
            report.commit()
        except OSError as error:
            problems.append(f"cannot write {report.path}: {error.strerror}")
    return problems
