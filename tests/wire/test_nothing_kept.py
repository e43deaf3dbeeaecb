"""Of fetches that are over nothing is left, whatever became of them: neither objects here nor entries in libcurl."""

from __future__ import annotations

import ctypes
import gc
import time
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import anyio
import pytest

from fetch_engine import FetchEngine, FetchError, FetchRequest, Limits, Timeouts
from fetch_engine.libcurl import transport as fast_transport
from fetch_engine.model.transport_options import TransportOptions
from tests.executors.peer import Peer
from tests.wire.servers import RawServer

pytestmark = [pytest.mark.anyio, pytest.mark.once]

Transport = Literal["httpx", "fast"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def counted() -> Counter[str]:
    """Objects by type, and what the tables among them hold."""
    gc.collect()
    objects = gc.get_objects()
    counts = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in objects if type(one) is not type)
    counts["in tables"] = sum(len(one) for one in objects if type(one) in (dict, list, set) and one is not objects)
    return counts


def mixed(url: str, count: int) -> Iterator[FetchRequest | str]:
    """Each of another path: answers, redirects, and every way to fail that takes no time."""
    port = url.rpartition(":")[2]
    for number in range(count):
        yield from (
            f"{url}/ok?{number}",
            f"{url}/404/{number}",
            f"{url}/there/127.0.0.1:{port}/ok?{number}",
            f"{url}/reset/{number}",
            f"{url}/cut/{number}",
            f"{url}/big/{number}",
            f"http://127.1.{number % 20}.1:1/{number}",  # nobody listens there; of hosts the last thousand are known
            f"http://[::{number}z]/",
            f"gopher{number}://h/",
            FetchRequest(f"{url}/ok?{number}", method="POST", body=b"x", headers=((f"X-{number}", "y"),)),
            FetchRequest(f"{url}/hang?{number}", timeouts=Timeouts(total=0.02)),
        )


@pytest.mark.parametrize("transport", ["httpx", "fast"])
async def test_objects_do_not_grow_with_a_mix_of_everything(transport: Transport) -> None:
    options = TransportOptions(client=transport, trust_env=False)
    limits = Limits(concurrency=32, per_host=32, preview_size=0)
    kinds: Counter[object] = Counter()

    peer = Peer()
    with RawServer(peer.handle) as server:
        async with FetchEngine(limits=limits, transport=options) as engine:

            async def fetch(count: int) -> None:
                async for task in engine.as_completed(mixed(server.url("/").rstrip("/"), count)):
                    outcome = task.outcome
                    kinds[outcome.kind if isinstance(outcome, FetchError) else 200] += 1
                    del task, outcome

            def kept() -> Counter[str]:
                peer.started.clear()
                peer.begun_at.clear()
                server._threads[:] = [one for one in server._threads if one.is_alive()]
                return counted()

            await fetch(20)
            before = kept()
            await fetch(100)
            deadline = time.monotonic() + 30
            # A path or host that is kept would be there a hundred times; the server's threads end a little later.
            while grown := {name: more for name, more in (kept() - before).items() if more > 60}:
                assert time.monotonic() < deadline, grown
                await anyio.sleep(0.05)
    assert len(kinds) >= 7, kinds
    assert not kinds["internal"]


class _Heap(ctypes.Structure):
    """What glibc tells of itself (mallinfo2(3)): ten counts, of which the eighth is the bytes in use."""

    _fields_ = [("before", ctypes.c_size_t * 7), ("in_use", ctypes.c_size_t), ("after", ctypes.c_size_t * 2)]


async def test_libcurl_keeps_nothing_of_hosts_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        pytest.skip("this C library does not tell how much is in use")
    mallinfo.restype = _Heap
    assert fast_transport.LOOKUP_KEPT <= 5
    monkeypatch.setattr(fast_transport, "LOOKUP_KEPT", 0)  # the same, without the wait
    options = TransportOptions(client="fast", trust_env=False)
    async with FetchEngine(limits=Limits(preview_size=0), transport=options) as engine:

        async def fetch(network: int, count: int) -> int:
            urls = (f"http://127.{network}.{number // 250}.{number % 250 + 1}:1/" for number in range(count))
            async for task in engine.as_completed(urls):
                assert isinstance(task.outcome, FetchError)
                del task
            gc.collect()
            in_use: int = mallinfo().in_use
            return in_use

        await fetch(9, 1500)
        before = await fetch(10, 1500)
        after = await fetch(11, 1500)
    assert after - before < 150_000, "it was 230 bytes for each host, 350,000 here"
