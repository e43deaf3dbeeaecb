"""No two fetches end in one file; and what is at a place that is no file is written through. Over every transport."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from fetch_engine import FetchEngine, FetchRequest, FetchResult, Limits, RetryPolicy, Timeouts
from fetch_engine.model.checksum import Checksum
from fetch_engine.model.results import ErrorKind, FetchError
from fetch_engine.model.save_to import SaveTo
from fetch_engine.model.transport_options import TransportOptions

from .servers import Connection, RawServer

pytestmark = pytest.mark.anyio


def handle(connection: Connection) -> None:
    """The body is the path, and many bytes more."""
    while request := connection.request():
        path = request.split()[1]
        connection.answer(path + b"x" * 700_000, headers=f'ETag: "{path.decode()}"\r\n')


@pytest.fixture
def url() -> Iterator[Callable[[str], str]]:
    with RawServer(handle) as server:
        yield server.url


@pytest.fixture
def open_engine(transport_name: str) -> Callable[..., FetchEngine]:
    def opener(**more: object) -> FetchEngine:
        options = TransportOptions(client=transport_name)  # type: ignore[arg-type]
        return FetchEngine(transport=options, **more)  # type: ignore[arg-type]

    return opener


Open = Callable[..., FetchEngine]


async def save(engine: FetchEngine, url: str, save: SaveTo, **more: object) -> FetchResult | FetchError:
    task = engine.submit(FetchRequest(url, save=save, **more))  # type: ignore[arg-type]
    with anyio.fail_after(60):
        await engine.join()
    assert task.outcome is not None
    return task.outcome


def told(outcome: FetchResult | FetchError | None, folder: Path) -> str:
    """The name of the file, which must hold what its own URL gave."""
    assert isinstance(outcome, FetchResult)
    assert outcome.body_path is not None
    path = Path(outcome.body_path)
    assert path.parent == folder
    assert hashlib.sha256(path.read_bytes()).hexdigest() == outcome.sha256
    return path.name


@pytest.mark.parametrize("resume", [True, False])
async def test_equal_names_of_a_run_are_numbered(
    url: Callable[[str], str], open_engine: Open, tmp_path: Path, resume: bool
) -> None:
    paths = ["/a/index.html", "/b/index.html", "/c/INDEX.html", "/d/"]
    save_to = SaveTo(str(tmp_path), resume=resume, overwrite=True)
    async with open_engine() as engine:
        tasks = [engine.submit(FetchRequest(url(path), save=save_to)) for path in paths]
        await engine.join()
        tasks.append(engine.submit(FetchRequest(url("/e/index.html"), save=save_to)))
        await engine.join()
    names = [told(task.outcome, tmp_path) for task in tasks]
    assert len({name.lower() for name in names}) == 5
    assert sorted(os.listdir(tmp_path)) == sorted(names)


async def test_equal_names_of_two_runs_at_once_are_numbered(
    url: Callable[[str], str], open_engine: Open, tmp_path: Path
) -> None:
    async with open_engine() as one:
        first = await save(one, url("/a/x"), SaveTo(str(tmp_path), resume=True))
        async with open_engine() as other:
            second = await save(other, url("/b/x"), SaveTo(str(tmp_path), resume=True))
            third = await save(one, url("/c/x"), SaveTo(str(tmp_path)))
            fourth = await save(other, url("/d/x"), SaveTo(str(tmp_path), resume=True))
    names = [told(each, tmp_path) for each in (first, second, third, fourth)]
    assert names == ["x", "x-1", "x-2", "x-3"]
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    async with open_engine() as later:
        again = await save(later, url("/e/x"), SaveTo(str(tmp_path), resume=True))
    assert told(again, tmp_path) == "x"  # of a run that is over: replaced, as -C - says


async def test_a_name_of_the_users_is_refused_to_a_second_fetch(
    url: Callable[[str], str], open_engine: Open, tmp_path: Path
) -> None:
    mine = SaveTo(str(tmp_path), name="mine", overwrite=True)
    (tmp_path / "mine").write_bytes(b"old")
    async with open_engine() as engine:
        first = await save(engine, url("/a"), mine)
        second = await save(engine, url("/b"), mine)
    assert told(first, tmp_path) == "mine"
    assert isinstance(second, FetchError)
    assert second.kind is ErrorKind.STORAGE
    assert "another fetch of this run" in second.message
    async with open_engine() as engine:
        assert told(await save(engine, url("/c"), mine), tmp_path) == "mine"


async def test_a_failed_fetch_gives_its_name_back(open_engine: Open, tmp_path: Path) -> None:
    broken = threading.Event()

    def half(connection: Connection) -> None:
        while connection.request():
            if not broken.is_set():
                broken.set()
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                return
            connection.answer(b"whole")

    with RawServer(half) as server:
        async with open_engine(retry=RetryPolicy(retries=1, delay=0)) as engine:
            result = await save(engine, server.url("/x"), SaveTo(str(tmp_path), resume=True))
    assert told(result, tmp_path) == "x"
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("resume", [True, False])
async def test_a_fifo_is_written_through(
    url: Callable[[str], str], open_engine: Open, tmp_path: Path, resume: bool
) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    async with open_engine() as engine:
        task = engine.submit(
            FetchRequest(url("/a"), save=SaveTo(str(tmp_path), name="fifo", overwrite=True, resume=resume))
        )
        await anyio.sleep(0.1)
        thread.start()
        with anyio.fail_after(60):
            await engine.join()
    thread.join(60)
    assert isinstance(task.outcome, FetchResult)
    assert task.outcome.body_path is None
    assert [hashlib.sha256(each).hexdigest() for each in found] == [task.outcome.sha256]
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert os.listdir(tmp_path) == ["fifo"]


async def test_a_fetch_that_waits_for_a_reader_can_be_cancelled(
    url: Callable[[str], str], open_engine: Open, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    async with open_engine() as engine:
        task = engine.submit(FetchRequest(url("/a"), save=SaveTo(str(tmp_path), name="fifo", overwrite=True)))
        await anyio.sleep(0.3)
        task.cancel()
        with anyio.fail_after(30):
            await engine.join()
    assert isinstance(task.outcome, FetchError)
    assert task.outcome.kind is ErrorKind.CANCELLED
    assert stat.S_ISFIFO((tmp_path / "fifo").lstat().st_mode)


async def test_what_was_passed_on_is_not_sent_once_more(open_engine: Open, tmp_path: Path) -> None:
    def half(connection: Connection) -> None:
        while connection.request():
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 800_000)
            return

    path = tmp_path / "fifo"
    os.mkfifo(path)
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    thread.start()
    with RawServer(half) as server:
        async with open_engine(retry=RetryPolicy(retries=3, delay=0)) as engine:
            outcome = await save(engine, server.url("/x"), SaveTo(str(tmp_path), name="fifo", overwrite=True))
    thread.join(60)
    assert isinstance(outcome, FetchError)
    assert (outcome.kind, outcome.attempts) == (ErrorKind.INCOMPLETE, 1)
    assert len(found) == 1
    assert len(found[0]) <= 800_000


async def test_a_link_stays_and_its_target_is_replaced(
    url: Callable[[str], str], open_engine: Open, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("there/target")
    async with open_engine() as engine:
        result = await save(engine, url("/a"), SaveTo(str(tmp_path), name="link", overwrite=True))
        assert told(result, tmp_path) == "link"
        refused = await save(
            engine,
            url("/b"),
            SaveTo(str(tmp_path / "there"), name="up", overwrite=True, within=str(tmp_path / "there")),
        )
        assert isinstance(refused, FetchResult)
        (tmp_path / "there" / "out").symlink_to("../precious")
        (tmp_path / "precious").write_bytes(b"precious")
        save_to = SaveTo(str(tmp_path / "there"), name="out", overwrite=True, within=str(tmp_path / "there"))
        refused = await save(engine, url("/c"), save_to)
    assert isinstance(refused, FetchError)
    assert "a link leads out of" in refused.message
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "link").is_symlink()
    assert not (tmp_path / "there" / "target").is_symlink()


@asynccontextmanager
async def slow(chunks: int, stall: bool) -> AsyncIterator[tuple[Callable[[str], str], threading.Event]]:
    """Sends a piece every 0.1 s, `chunks` of 32; then stalls for good, or ends."""
    release = threading.Event()

    def drip(connection: Connection) -> None:
        while request := connection.request():
            if b"range:" in request.lower():
                start = int(request.lower().partition(b"range: bytes=")[2].partition(b"-")[0])
                connection.answer(
                    b"x" * (32_000 - start),
                    "206 Partial Content",
                    f'ETag: "v"\r\nContent-Range: bytes {start}-31999/32000\r\n',
                )
                continue
            connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 32000\r\nETag: "v"\r\n\r\n')
            for _ in range(chunks):
                connection.send(b"x" * 1000)
                if release.wait(0.1):
                    return
            if stall:
                release.wait(60)
                return

    with RawServer(drip) as server:
        try:
            yield server.url, release
        finally:
            release.set()


async def test_a_stalled_transfer_ends_and_what_came_is_kept(open_engine: Open, tmp_path: Path) -> None:
    timeouts = Timeouts(read=1, total=None)
    async with slow(20, stall=True) as (url, _), open_engine(timeouts=timeouts) as engine:
        broken = await save(engine, url("/long"), SaveTo(str(tmp_path)))
        assert isinstance(broken, FetchError)
        assert broken.kind is ErrorKind.TIMEOUT_READ
        kept = (tmp_path / ".long.part").stat().st_size
        assert 5000 <= kept <= 20_000
        assert sorted(name for name in os.listdir(tmp_path) if "names" not in name) == [".long.part", ".long.part.json"]
        whole = await save(engine, url("/long"), SaveTo(str(tmp_path), resume=True))
    assert isinstance(whole, FetchResult)
    assert (whole.status, whole.body_size) == (206, 32_000)
    assert (tmp_path / "long").read_bytes() == b"x" * 32_000
    assert os.listdir(tmp_path) == ["long"]


async def test_a_retry_goes_on_without_being_asked_to(open_engine: Open, tmp_path: Path) -> None:
    timeouts = Timeouts(read=1, total=None)
    retry = RetryPolicy(retries=1, delay=0)
    async with slow(20, stall=True) as (url, _), open_engine(timeouts=timeouts, retry=retry) as engine:
        whole = await save(engine, url("/long"), SaveTo(str(tmp_path)))
    assert isinstance(whole, FetchResult)
    assert (whole.status, whole.attempts, whole.body_size) == (206, 2, 32_000)
    assert os.listdir(tmp_path) == ["long"]


PACKED = gzip.compress(b"a tar" * 10_000)


@pytest.mark.parametrize(
    ("path", "headers", "name", "packed"),
    [
        ("/pkg.tar.gz", "Content-Encoding: x-gzip\r\n", None, True),
        ("/pkg.tgz?x=1", "Content-Encoding: gzip\r\n", None, True),
        ("/get", "Content-Encoding: gzip\r\nContent-Type: application/x-gzip\r\n", None, True),
        ("/get", 'Content-Encoding: gzip\r\nContent-Disposition: attachment; filename="p.tar.gz"\r\n', None, True),
        ("/get", "Content-Encoding: gzip\r\n", "pkg.tar.gz", True),
        ("/page.html", "Content-Encoding: gzip\r\nContent-Type: text/html\r\n", None, False),
        ("/pkg.tar", "Content-Encoding: gzip\r\nContent-Type: application/x-tar\r\n", None, False),
    ],
)
async def test_what_was_published_in_a_coding_is_saved_in_it(
    open_engine: Open, tmp_path: Path, path: str, headers: str, name: str | None, packed: bool
) -> None:
    def answer(connection: Connection) -> None:
        while connection.request():
            connection.answer(PACKED, headers=headers)

    wanted = PACKED if packed else gzip.decompress(PACKED)
    checksum = Checksum("sha256", hashlib.sha256(wanted).hexdigest())
    with RawServer(answer) as server:
        async with open_engine() as engine:
            save_to = SaveTo(str(tmp_path), name=name, by_header=name is None)
            result = await save(engine, server.url(path), save_to, checksum=checksum)
            seen = await save(engine, server.url(path), None)  # type: ignore[arg-type]
            raw = await save(engine, server.url(path), None, raw=True)  # type: ignore[arg-type]
    assert isinstance(result, FetchResult)
    (file,) = os.listdir(tmp_path)
    assert result.body_path == str(tmp_path / file)
    assert (tmp_path / file).read_bytes() == wanted
    assert isinstance(seen, FetchResult)
    assert isinstance(raw, FetchResult)
    assert (seen.body_size, raw.body_size) == (50_000, len(PACKED))


async def test_a_published_file_in_a_coding_is_gone_on_with(open_engine: Open, tmp_path: Path) -> None:
    asked: list[bytes] = []

    def answer(connection: Connection) -> None:
        while request := connection.request():
            asked.append(request)
            headers = 'ETag: "v"\r\nContent-Encoding: gzip\r\n'
            if b"Range: bytes=100-" in request:
                headers += f"Content-Range: bytes 100-{len(PACKED) - 1}/{len(PACKED)}\r\n"
                connection.answer(PACKED[100:], "206 Partial Content", headers)
            else:
                connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(PACKED)}\r\n{headers}\r\n".encode())
                connection.send(PACKED[:100])
                return

    with RawServer(answer) as server:
        async with open_engine(retry=RetryPolicy(retries=1, delay=0), limits=Limits()) as engine:
            result = await save(engine, server.url("/p.tar.gz"), SaveTo(str(tmp_path), resume=True))
    assert isinstance(result, FetchResult)
    assert (result.status, len(asked)) == (206, 2)
    assert (tmp_path / "p.tar.gz").read_bytes() == PACKED
