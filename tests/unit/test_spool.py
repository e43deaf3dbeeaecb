"""Bodies on disk: private, bounded, complete or not there, and gone with the process."""

# ruff: noqa: ASYNC240 (looks at small files of its own)

from __future__ import annotations

import errno
import gc
import hashlib
import os
import pathlib
import stat
import subprocess
import sys

import anyio
import pytest

from fetch_engine import FetchEngine, FetchFailed, FetchResult, Limits, Timeouts
from fetch_engine.bodies.sink import BodySink
from fetch_engine.bodies.spool import SpoolFolder
from fetch_engine.bodies.write_behind import BLOCK
from tests.wire.conftest import until
from tests.wire.servers import Connection, RawServer, answering

pytestmark = pytest.mark.anyio

BODY = bytes(range(256)) * 8 * 1024  # 2 MiB


def files(parent: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in parent.glob("*/*") if path.is_file()]


def response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def fill(spool: SpoolFolder, body: bytes, *, preview_size: int = 10, step: int = 1000) -> BodySink:
    sink = BodySink(Limits(preview_size=preview_size), spool)
    async with sink:
        for at in range(0, len(body), step):
            sink.write(body[at : at + step])
            if sink.is_due:
                await sink.flush()
        await sink.finish()
    return sink


@pytest.mark.parametrize("size", [0, 10, 11, 999, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
@pytest.mark.parametrize("step", [7919, 300_000])
async def test_a_body_longer_than_the_preview_is_all_in_its_file(tmp_path: pathlib.Path, size: int, step: int) -> None:
    spool = SpoolFolder(str(tmp_path / "spool"))
    body = (BODY * 2)[:size]
    sink = await fill(spool, body, step=step)
    if size <= 10:
        assert sink.path is None
        assert not (tmp_path / "spool").exists()
    else:
        assert sink.path is not None
        path = pathlib.Path(sink.path)
        assert path.read_bytes() == body
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert spool.size == size
    spool.close()
    assert not files(tmp_path)


async def test_the_oldest_bodies_go_first_and_are_counted(tmp_path: pathlib.Path) -> None:
    spool = SpoolFolder(str(tmp_path), max_bytes=2500)
    sinks = [await fill(spool, BODY[:1000]) for _ in range(4)]
    assert [sink.path is not None and os.path.exists(sink.path) for sink in sinks] == [False, False, True, True]
    assert (spool.evicted, spool.evicted_bytes, spool.size) == (2, 2000, 2000)
    too_long = await fill(spool, BODY[:2600])
    assert too_long.path is None
    assert "2500 bytes" in (too_long.not_spooled or "")
    assert spool.size == sum(path.stat().st_size for path in files(tmp_path))
    spool.close()


async def test_a_full_disk_fails_no_fetch(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = SpoolFolder(str(tmp_path))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RawServer(answering(response(BODY))) as server, monkeypatch.context() as patch:
        async with FetchEngine(spool=spool, limits=Limits(preview_size=100)) as engine:
            patch.setattr("fetch_engine.bodies.downloads.os.writev", full)
            result = await engine.submit(server.url())
            patch.undo()
    assert isinstance(result, FetchResult)
    assert (result.body_size, result.preview, result.body_path) == (len(BODY), BODY[:100], None)
    assert result.not_spooled == "No space left on device"
    assert not files(tmp_path)
    assert spool.size == 0
    spool.close()


async def test_a_folder_that_cannot_be_made_fails_no_fetch(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    sink = await fill(SpoolFolder(str(tmp_path / "file" / "below")), BODY)
    assert (sink.size, sink.path, sink.not_spooled) == (len(BODY), None, "Not a directory")


async def test_fetches_over_a_socket_are_spooled_and_headless_ones_are_not(tmp_path: pathlib.Path) -> None:
    spool = SpoolFolder(str(tmp_path))
    with RawServer(answering(response(BODY), response(b"short"))) as server:
        async with FetchEngine(spool=spool) as engine:
            result = await engine.submit(server.url())
            short = await engine.submit(server.url())
        assert result.body_path is not None
        assert hashlib.sha256(pathlib.Path(result.body_path).read_bytes()).hexdigest() == result.sha256
        assert short.body_path is None
        async with FetchEngine() as engine:
            assert (await engine.submit(server.url())).body_path is None
    spool.close()
    assert not files(tmp_path)
    assert not list(tmp_path.iterdir())


async def test_nothing_is_left_of_a_body_that_breaks_off(tmp_path: pathlib.Path) -> None:
    spool = SpoolFolder(str(tmp_path))

    def break_off(connection: Connection) -> None:
        connection.request()
        connection.send(response(BODY)[:-1])

    with RawServer(break_off) as server:
        async with FetchEngine(spool=spool) as engine:
            with pytest.raises(FetchFailed):
                await engine.submit(server.url())
    assert not files(tmp_path)
    assert spool.size == 0
    spool.close()


@pytest.mark.parametrize("way", ["cancel", "drop", "deadline", "leave"])
async def test_nothing_is_left_of_a_body_nobody_wants_any_more(tmp_path: pathlib.Path, way: str) -> None:
    spool = SpoolFolder(str(tmp_path))

    def hang(connection: Connection) -> None:
        connection.request()
        connection.send(response(BODY)[:-1])
        connection.gone()

    with RawServer(hang) as server:
        async with FetchEngine(spool=spool, timeouts=Timeouts(total=1.0 if way == "deadline" else 60)) as engine:
            task = engine.submit(server.url())
            await until(lambda: files(tmp_path))
            if way == "cancel":
                task.cancel()
            elif way == "drop":
                del task
                gc.collect(0)
            if way != "leave":
                with anyio.fail_after(60):
                    await engine.join()
                assert not files(tmp_path)
    assert not files(tmp_path)
    assert spool.size == 0
    spool.close()


DYING = """
import os, signal, sys
from fetch_engine.bodies.spool import SpoolFolder
spool = SpoolFolder(sys.argv[1])
spool.append(spool.create(), [b"left over"])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_folders_of_dead_processes_are_swept_and_those_of_living_ones_stay(tmp_path: pathlib.Path) -> None:
    living = SpoolFolder(str(tmp_path))
    path = living.create()
    (tmp_path / "something else").mkdir()
    subprocess.run([sys.executable, "-c", DYING, str(tmp_path)], check=False, timeout=30)
    assert len(files(tmp_path)) == 2
    assert SpoolFolder(str(tmp_path)).sweep() == 1
    assert files(tmp_path) == [pathlib.Path(path)]
    living.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["something else"]
    with pytest.raises(OSError, match="closed"):
        living.create()
