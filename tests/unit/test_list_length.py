"""How long a list is: told where it can be known, and the same number that reading it gives."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tui.inputs import list_length
from tui.inputs.list_length import count_urls
from tui.inputs.sources import UrlSource

pytestmark = pytest.mark.anyio
SITEMAP = b"<?xml version='1.0'?><urlset><url><loc>http://a/1</loc></url><url><loc>http://a/2</loc></url></urlset>"
INDEX = b"<?xml version='1.0'?><sitemapindex><sitemap><loc>http://a/s.xml</loc></sitemap></sitemapindex>"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def told(path: Path, form: str = "auto") -> list[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        numbers: list[int] = []
        count_urls(descriptor, form, numbers.append)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
        return numbers
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"", 0),
        (b"# a comment\n\nhttp://a/\r\n  http://b/  \nhttp://c/", 3),
        (b'{"url": "http://a/"}\n\n{"url": "http://b/", "method": "PUT"}\n', 2),
        (SITEMAP, 2),
    ],
)
async def test_the_number_is_that_which_reading_gives(tmp_path: Path, content: bytes, count: int) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    assert told(path) == [count]
    source = UrlSource([], [os.open(path, os.O_RDONLY)])
    assert len([url async for url in source]) == count


def test_where_it_cannot_be_known_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list"
    path.write_bytes(INDEX)
    assert told(path) == []
    monkeypatch.setattr(list_length, "MOST", 10)
    assert told(path, "lines") == []
    read, write = os.pipe()
    numbers: list[int] = []
    count_urls(read, "lines", numbers.append)
    assert numbers == []
    os.close(read)
    os.close(write)


def test_a_long_list_is_counted_beside_the_program(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"http://a.example/some/path\n" * 20_000)
    done = threading.Event()
    numbers: list[int] = []
    descriptor = os.open(path, os.O_RDONLY)

    def tell(count: int) -> None:
        numbers.append(count)
        done.set()

    count_urls(descriptor, "auto", tell)
    os.close(descriptor)  # as where the list is given up meanwhile
    assert done.wait(60)
    assert numbers == [20_000]
