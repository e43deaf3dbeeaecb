"""URL lists: whatever the bytes and however they are cut, each line gives one URL or none, by rule."""

from __future__ import annotations

import itertools
import os
import threading
import tracemalloc
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.inputs import lines as line_list
from tui.inputs.lines import LineSplitter
from tui.inputs.sources import UrlSource, open_input

BLANK = " \t\r\x0b\x0c"


def expected(data: bytes) -> list[str]:
    """The rule said once more, the slow way."""
    lines = [line.strip(BLANK.encode()) for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    return [line.decode("utf-8", "surrogateescape") for line in lines if line and not line.startswith(b"#")]


def split(data: bytes, cuts: list[int]) -> list[str]:
    splitter = LineSplitter()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
    urls = [url for start, end in itertools.pairwise(edges) for url in splitter.feed(data[start:end])]
    return urls + splitter.finish()


pieces = st.sampled_from(
    [b"\n", b"\r\n", b"#", b"\xef\xbb\xbf", b" ", b"\t", b"http://a/", b"\xff", b"\x00", b"\xe2\x80\xa8", b"x"]
)


@given(st.lists(pieces | st.binary(max_size=3), max_size=30).map(b"".join), st.lists(st.integers(0, 60), max_size=8))
def test_any_bytes_cut_anywhere_give_the_same_lines(data: bytes, cuts: list[int]) -> None:
    assert split(data, cuts) == expected(data)


@given(st.integers(0, 40), st.lists(st.integers(0, 60), max_size=8), st.booleans())
def test_a_line_above_the_limit_gives_one_invalid_url(extra: int, cuts: list[int], ended: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_list, "MAX_LINE", 10)
        data = b"a\n" + b"x" * (10 + extra) + b"\nb" + (b"\n" if ended else b"")
        assert split(data, cuts) == ["a", "x" * 10 + (" …" if extra else ""), "b"]


def read_pipe(data: bytes) -> int:
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as file:
            file.write(data)

    threading.Thread(target=write).start()
    return reading


async def collect(source: UrlSource) -> list[str]:
    return [url async for url in source]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["file", "pipe"])
async def test_files_and_pipes_are_read_whole(kind: str, tmp_path: Path) -> None:
    urls = [f"http://host{number}.example/päth" for number in range(5000)]
    data = ("\ufeff# list\r\n\r\n" + "\r\n".join(urls)).encode()
    (tmp_path / "urls").write_bytes(data)
    descriptor = open_input(str(tmp_path / "urls")) if kind == "file" else read_pipe(data)
    assert await collect(UrlSource(["first"], [descriptor])) == ["first", *urls]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.anyio
async def test_sources_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\n2")
    (tmp_path / "empty").write_bytes(b"")
    names = [str(tmp_path / "a"), os.devnull, str(tmp_path / "empty"), str(tmp_path / "a")]
    assert await collect(UrlSource(["0", "0"], [open_input(name) for name in names])) == ["0", "0", "1", "2", "1", "2"]


@pytest.mark.anyio
async def test_urls_come_while_the_pipe_is_open_and_a_wait_can_be_cancelled() -> None:
    reading, writing = os.pipe()
    source = UrlSource([], [reading])
    try:
        os.write(writing, b"one\ntw")
        assert await anext(source) == "one"
        with anyio.CancelScope(deadline=anyio.current_time() + 0.05) as scope:
            await anext(source)
        assert scope.cancelled_caught
        os.write(writing, b"o\n")
        assert await anext(source) == "two"
    finally:
        os.close(writing)
    assert await collect(source) == []


@pytest.mark.anyio
async def test_waiting_for_input_leaves_the_loop_free() -> None:
    reading, writing = os.pipe()
    turns = 0
    async with anyio.create_task_group() as group:
        group.start_soon(collect, UrlSource([], [reading]))
        while turns < 20:
            await anyio.sleep(0.001)
            turns += 1
        os.close(writing)


@pytest.mark.anyio
async def test_a_read_error_ends_the_source_and_is_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    source = UrlSource(["a"], [writing])  # open for writing only
    assert await collect(source) == ["a"]
    assert source.error == "Bad file descriptor"


@pytest.mark.anyio
async def test_close_ends_the_source() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"c\n")
    source = UrlSource(["a", "b"], [reading])
    assert await anext(source) == "a"
    source.close()
    os.close(writing)
    assert await collect(source) == []


@pytest.mark.anyio
async def test_endless_lines_take_bounded_memory() -> None:
    source = UrlSource([], [read_pipe(b"x" * 30_000_000 + b"\nhttp://a/\n")])
    tracemalloc.start()
    try:
        first, second = await collect(source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(first), second) == (line_list.MAX_LINE + 2, "http://a/")
    assert peak < 30_000_000 + 3_000_000  # the sender's bytes, and little more


def test_what_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(IsADirectoryError):
        open_input(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        open_input(str(tmp_path / "none"))
    assert len(os.listdir("/dev/fd")) == before
