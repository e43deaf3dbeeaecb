"""Requests that wait to be handed to the engine, in bounded memory however many they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from fetch_engine import FetchRequest


class Backlog:
    """Takes one request from each list in turn, so that a short list does not wait for the end of a long one.

    A list is an iterable that is read only as its requests are taken.
    """

    def __init__(self) -> None:
        self._fed: deque[FetchRequest] = deque()
        self._lists: deque[tuple[Iterator[FetchRequest], int]] = deque()
        self._fed_turn = False
        self.count = 0  # requests that wait in all

    @property
    def fed(self) -> int:
        """Requests that wait and came by `feed`."""
        return len(self._fed)

    def feed(self, request: FetchRequest) -> None:
        """Add one request to the list of those that come one by one."""
        self._fed.append(request)
        self.count += 1

    def add(self, requests: Iterable[FetchRequest], count: int) -> None:
        """Add a list of exactly `count` requests."""
        if count:
            self._lists.append((iter(requests), count))
            self.count += count

    def take(self) -> FetchRequest | None:
        """The next request, None if none waits."""
        if not self.count:
            return None
        self.count -= 1
        self._fed_turn = bool(self._fed) and (not self._lists or not self._fed_turn)
        if self._fed_turn:
            return self._fed.popleft()
        requests, left = self._lists.popleft()
        if left > 1:
            self._lists.append((requests, left - 1))
        return next(requests)

    def clear(self) -> None:
        """Forget what waits."""
        self._fed.clear()
        self._lists.clear()
        self.count = 0
