"""How far a source of requests has been read."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fetch_engine import FetchRequest


class CountedRequests:
    """Counts the requests that are taken from a source: `given`; `ended` says that there are no more."""

    def __init__(self, requests: AsyncIterator[FetchRequest]) -> None:
        self._requests = requests
        self.given = 0
        self.ended = False

    def __aiter__(self) -> AsyncIterator[FetchRequest]:
        return self

    async def __anext__(self) -> FetchRequest:
        try:
            request = await anext(self._requests)
        except StopAsyncIteration:
            self.ended = True
            raise
        self.given += 1
        return request
