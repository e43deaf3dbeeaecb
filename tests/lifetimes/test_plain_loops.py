"""The engine in a loop that anyio did not start: asyncio.run, uvloop.run, trio.run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import anyio
import pytest

from fetch_engine import FetchEngine, FetchFailed, Limits
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.processes import run_script
from tests.lifetimes.waiting import all_let_go, until

pytestmark = pytest.mark.usefixtures("collector_off")

HOST = "http://a.test"


async def use() -> None:
    with checked_wire() as wire:
        async with FetchEngine(open_transport=wire.open, limits=Limits(concurrency=2), grace=0.0) as engine:
            assert (await engine.submit(f"{HOST}/ok")).status == 200
            await anyio.sleep(0.01)
            assert (await engine.submit(f"{HOST}/to/b.test/ok")).status == 200
            with pytest.raises(FetchFailed):
                await engine.submit(f"{HOST}/hang", timeout=0.01)
            tasks = [engine.submit(f"{HOST}/hang") for _ in range(10)]
            kept = engine.submit("http://c.test/ok")
            await until(lambda: wire.in_flight == 2)
            threading.Thread(target=tasks.clear).start()
            assert (await kept).status == 200  # its place comes free in a callback, outside of any task
            del kept

            async def source() -> AsyncIterator[str]:
                for _ in range(5):
                    yield f"{HOST}/ok"

            assert len([task.state async for task in engine.as_completed(source())]) == 5
            await all_let_go(engine)


def test_asyncio() -> None:
    asyncio.run(use())


def test_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(use())


def test_trio() -> None:
    trio = pytest.importorskip("trio")
    trio.run(use)


def test_without_sniffio() -> None:
    """anyio does without it on asyncio."""
    ended = run_script(
        """
        from tests.lifetimes.test_plain_loops import use
        asyncio.run(use())
        """,
        first="import sys; sys.modules['sniffio'] = None",
    )
    assert (ended.returncode, ended.stderr) == (0, "")
