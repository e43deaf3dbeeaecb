"""What of a run's results has been written out: noted after each write, and looked up where the output is a file.

A run is worked at in sittings: the first, and one for each time that it is resumed. The lines of a sitting are first
those results of earlier ones that it writes again, then its own, by place; so one number says which were written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

Ranges = tuple[tuple[int, int], ...]
"""Places from the first of each pair up to, not including, the second; in order."""

UNKNOWN = -1  # end of a file into which others write as well
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A regular file that lines go to. start: offset of the first line of a result."""

    path: str
    device: int
    inode: int
    start: int


@dataclass(frozen=True, slots=True)
class Sitting:
    """One sitting. first_place: of its own results. again: places of earlier results that it writes first.

    on_screen: its results were shown. file: where its lines go, None for what cannot be looked at again. written: lines
    of results that were written. end: offset behind them, UNKNOWN where others write into the file too.
    """

    number: int = 0
    first_place: int = 0
    again: Ranges = ()
    on_screen: bool = False
    file: OutputFile | None = None
    written: int = 0
    end: int = 0

    def places(self, next_first: int) -> Ranges:
        """Of its lines, in order; next_first: the first place of the sitting after it."""
        return (*self.again, (self.first_place, max(self.first_place, next_first)))

    def delivered(self, next_first: int) -> Ranges:
        """The places of what was written, or shown."""
        if self.on_screen:
            return ((self.first_place, next_first),)
        return tuple(_first_of(self.places(next_first), self.written))


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is to be known when a run goes on. sittings: as the files say it is. undelivered: places.

    half: of files that end within a line of ours, the path and the offset at which that line begins.
    """

    sittings: tuple[Sitting, ...]
    undelivered: Ranges
    half: tuple[tuple[str, int], ...] = ()


def look_up(sittings: Sequence[Sitting], total: int) -> Delivered:
    """Where the sittings of a run with so many results have got to. Files that are gone, or others by now, are left to
    what was noted; one that became shorter has lost what was at its end."""
    found: list[Sitting] = []
    half: dict[str, int] = {}
    undelivered: Ranges = ((0, total),)
    for at, sitting in enumerate(sittings):
        next_first = sittings[at + 1].first_place if at + 1 < len(sittings) else total
        seen = _looked_up(sitting, _length(sitting.places(next_first)), half, last=at + 1 == len(sittings))
        found.append(seen)
        for first, end in seen.delivered(next_first):
            undelivered = _without(undelivered, first, end)
    return Delivered(tuple(found), undelivered, tuple(half.items()))


def as_ranges(places: Iterable[int]) -> Ranges:
    """Places in ascending order as ranges."""
    ranges: list[tuple[int, int]] = []
    for place in places:
        if ranges and ranges[-1][1] == place:
            ranges[-1] = (ranges[-1][0], place + 1)
        else:
            ranges.append((place, place + 1))
    return tuple(ranges)


def _looked_up(sitting: Sitting, lines: int, half: dict[str, int], *, last: bool) -> Sitting:
    file = sitting.file
    if file is None or sitting.end == UNKNOWN:
        return sitting
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return sitting
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (file.device, file.inode):
            return sitting
        end, written = max(sitting.end, file.start), sitting.written
        if status.st_size < end:  # what was there is gone
            written, end = _count_lines(descriptor, file.start, status.st_size, lines)
        elif last:
            more, end = _count_lines(descriptor, end, status.st_size, lines - written)
            written += more
            if end < status.st_size and written < lines:
                half[file.path] = end
    except (OSError, OverflowError):
        return sitting
    finally:
        os.close(descriptor)
    return replace(sitting, written=written, end=end)


def _count_lines(descriptor: int, start: int, size: int, most: int) -> tuple[int, int]:
    """How many whole lines are there between two offsets, at most so many, and where the last of them ends."""
    count, end, at = 0, start, start
    while at < size and count < most and (chunk := os.pread(descriptor, min(_CHUNK, size - at), at)):
        found = -1
        while count < most and (found := chunk.find(b"\n", found + 1)) >= 0:
            count += 1
            end = at + found + 1
        at += len(chunk)
    return count, end


def _length(ranges: Ranges) -> int:
    return sum(end - first for first, end in ranges)


def _first_of(ranges: Ranges, count: int) -> Iterator[tuple[int, int]]:
    for first, end in ranges:
        taken = min(count, end - first)
        if taken:
            yield first, first + taken
        count -= taken


def _without(ranges: Ranges, gone: int, until: int) -> Ranges:
    left: list[tuple[int, int]] = []
    for first, end in ranges:
        left += [pair for pair in ((first, min(end, gone)), (max(first, until), end)) if pair[0] < pair[1]]
    return tuple(left)
