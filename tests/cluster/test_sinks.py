"""Bodies that workers put where all can reach them: the client gets a pointer, and each fetch ends once."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from fetch_engine import FetchEngine, Limits
from fetch_engine.bodies.shared_folder import SharedFolder
from fetch_engine.executors.dask.executor import DaskExecutor
from fetch_engine.model.results import ErrorKind, FetchError
from tests.cluster.pages import Pages
from tests.lifetimes.waiting import until
from tui.options.table import parse

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture(params=["", "file://"], ids=["folder", "url"])
def place(request: Any, tmp_path: Path) -> str:
    return f"{request.param}{tmp_path}/sink"


def contents(pointer: str) -> bytes:
    return Path(pointer.removeprefix("file://")).read_bytes()


async def test_the_result_has_a_pointer(cluster: Any, pages: Pages, place: str, tmp_path: Path) -> None:
    executor = DaskExecutor(cluster.scheduler_address)
    assert await executor.check_sink(SharedFolder(place)) is None
    async with FetchEngine(executor=executor, sink=SharedFolder(place), limits=Limits(preview_size=10)) as engine:
        tasks = [engine.submit(f"{pages.base}/0/{size}/a.bin") for size in (0, 10, 300_000) for _ in range(10)]
        results = [await task for task in tasks]
    for result in results:
        assert result.body_path is not None
        body = contents(result.body_path)
        assert (result.body_size, result.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert len({result.body_path for result in results}) == len(os.listdir(tmp_path / "sink")) == 30


async def test_what_is_run_again_lies_there_whole(cluster: Any, pages: Pages, place: str, tmp_path: Path) -> None:
    executor = DaskExecutor(cluster.scheduler_address)
    pages.held = asyncio.Event()
    async with FetchEngine(
        executor=executor, sink=SharedFolder(place), limits=Limits(per_host=20, preview_size=0)
    ) as engine:
        tasks = [engine.submit(f"{pages.base}/0/5000/{number}") for number in range(40)]
        await until(lambda: pages.running == 20, 20.0)
        busiest = max(executor.cluster.workers, key=lambda one: one.fetches).name.split()[0]
        await next(worker for worker in cluster.workers.values() if worker.address == busiest).close()
        pages.held.set()
        ended = {(await task).body_path for task in tasks}
    assert executor.cluster.rerun > 0
    assert len(ended) == 40
    sizes = {entry.stat().st_size for entry in os.scandir(tmp_path / "sink") if not entry.name.startswith(".")}
    assert sizes == {5000}


async def test_what_cannot_be_written_fails_once(cluster: Any, pages: Pages, place: str, tmp_path: Path) -> None:
    (tmp_path / "sink").write_text("no folder")
    async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address), sink=SharedFolder(place)) as engine:
        ended = [task.outcome async for task in engine.as_completed(f"{pages.base}/0/9/{n}" for n in range(20))]
    assert [one.kind for one in ended if isinstance(one, FetchError)] == [ErrorKind.STORAGE] * 20
    assert sum(pages.hits.values()) == 20


async def test_dropped_in_the_midst_nothing_stays(cluster: Any, place: str, tmp_path: Path) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 600_000)
        await reader.read()  # the head, and the end
        writer.close()

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with FetchEngine(executor=DaskExecutor(cluster.scheduler_address), sink=SharedFolder(place)) as engine:
            task = engine.submit(url)
            await until(lambda: bool(list(tmp_path.glob("sink/.*"))), 20.0)
            del task
            await until(lambda: not os.listdir(tmp_path / "sink"), 20.0)


async def test_a_protocol_that_the_workers_do_not_have_is_told_at_the_start(cluster: Any) -> None:
    why = await DaskExecutor(cluster.scheduler_address).check_sink(SharedFolder("nonsense://u:s3cret@host/x"))
    assert why is not None
    assert "fsspec knows no protocol nonsense://" in why
    assert "s3cret" not in why


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sink", "/x"], "--cluster"),
        (["--sink", "x", "--cluster", "local"], "absolute path or a URL"),
        (["--sink", "/x", "--cluster", "local", "-O"], "not with -o, -O"),
        (["--sink=ftp://me:s3cret@h/x?y", "--cluster", "local"], "plain URL"),
    ],
)
def test_a_sink_that_cannot_be_used_is_refused(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse([*arguments, "http://localhost/"], stdout_is_terminal=False, environ={})
    assert caught.value.code == 2
    printed = capfd.readouterr().err
    assert said in printed
    assert "s3cret" not in printed
