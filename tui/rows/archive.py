"""Finished fetches that are no longer in memory: the seam to where they are kept, and a few pages of them at hand."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from tui.bridge.snapshot import FinishedRecord

PAGE = 64  # rows read at a time: more than a screen of them, read in some milliseconds
PAGES = 8


class Archive(Protocol):
    """Every finished fetch, whole, by key: its number in order of arrival, from 0, over all runs that are shown.

    Called on the screen's loop, so every method returns within some milliseconds. Neither raises where nothing is
    found or the disk fails: what cannot be read is left out.
    """

    def load(self, first_key: int, count: int) -> list[FinishedRecord | None]:
        """The records with the keys from `first_key` on, `count` at most, in order of key; None for an unreadable one.

        Fewer where the newest are not written yet.
        """

    def find(self, fetch_id: int) -> FinishedRecord | None:
        """The newest record of the fetch with this id."""


class NoArchive:
    """An archive in which nothing is kept."""

    def load(self, first_key: int, count: int) -> list[FinishedRecord | None]:
        return []

    def find(self, fetch_id: int) -> FinishedRecord | None:
        return None


class Pages:
    """Records of an archive by key, the pages that were used last kept in memory."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self._pages: OrderedDict[int, list[FinishedRecord | None]] = OrderedDict()

    def record(self, key: int) -> FinishedRecord | None:
        """The record with this key, None if the archive does not give it."""
        number, at = divmod(key, PAGE)
        page = self._pages.get(number, [])
        if at >= len(page):  # not read, or read before the archive had all of it
            page = self._pages[number] = self.archive.load(number * PAGE, PAGE)
            while len(self._pages) > PAGES:
                self._pages.popitem(last=False)
        self._pages.move_to_end(number)
        return page[at] if at < len(page) else None
