"""What waits for the engine: read only as it is taken, each list in its turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fetch_engine import FetchRequest
from tui.bridge.backlog import Backlog


def taken(backlog: Backlog, most: int = 100) -> str:
    urls: list[str] = []
    while len(urls) < most and (request := backlog.take()) is not None:
        urls.append(request.url)
    return " ".join(urls)


def test_lists_take_turns_and_keep_their_order() -> None:
    backlog = Backlog()
    backlog.add(map(FetchRequest, ["a1", "a2", "a3"]), 3)
    backlog.add(map(FetchRequest, ["b1"]), 1)
    backlog.add([], 0)
    for name in ("f1", "f2", "f3"):
        backlog.feed(FetchRequest(name))
    assert (backlog.count, backlog.fed) == (7, 3)
    assert taken(backlog) == "f1 a1 f2 b1 f3 a2 a3"
    assert (backlog.count, backlog.fed, backlog.take()) == (0, 0, None)


def test_a_list_is_read_no_further_than_asked() -> None:
    read = []

    def endless() -> object:
        while True:
            read.append(1)
            yield FetchRequest(str(len(read)))

    backlog = Backlog()
    backlog.add(endless(), 10**18)  # type: ignore[arg-type]
    assert taken(backlog, 3) == "1 2 3"
    assert (len(read), backlog.count) == (3, 10**18 - 3)
    backlog.clear()
    assert (backlog.take(), backlog.count) == (None, 0)


@given(st.lists(st.integers(0, 3) | st.none()))
def test_nothing_is_lost_or_taken_twice(steps: list[int | None]) -> None:
    backlog, given_urls, seen = Backlog(), [], []
    for number, step in enumerate(steps):
        if step is None:
            request = backlog.take()
            seen += [request.url] if request else []
            continue
        urls = [f"{number}.{n}" for n in range(step or 1)]
        given_urls += urls
        if step:
            backlog.add(map(FetchRequest, urls), len(urls))
        else:
            backlog.feed(FetchRequest(urls[0]))
        assert backlog.count == len(given_urls) - len(seen)
    while request := backlog.take():
        seen.append(request.url)
    assert sorted(seen) == sorted(given_urls)
