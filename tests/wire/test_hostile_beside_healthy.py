"""A peer that sends as much as it can, in the smallest pieces, beside one that answers well: others get their turns."""

from __future__ import annotations

import contextlib
import time

import anyio
import anyio.lowlevel
import pytest

from fetch_engine.http import chunked as chunked_module
from fetch_engine.http.chunked import MOST_CHUNKS, ChunkDecoder
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.results import ErrorKind

from .conftest import Client, Opener
from .servers import FINE, Connection, RawServer, fine

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "chunks of a byte": (CHUNKED, b"1\r\nx\r\n"),
    "chunks with extensions": (CHUNKED, b"1;" + b"e" * 2000 + b"\r\nx\r\n"),
    "trailers": (CHUNKED + b"0\r\n", b"a:\r\n"),
    "interim responses": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "interim responses with fields": (b"", b"HTTP/1.1 103 Early Hints\r\n" + b"a:\r\n" * 400 + b"\r\n"),
    "header lines": (b"HTTP/1.1 200 OK\r\n", b"a:\r\n"),
    "malformed header lines": (b"HTTP/1.1 200 OK\r\n", b"a b:\r\n"),
    "one header line": (b"HTTP/1.1 200 OK\r\na: ", b"x"),
}
UNHURRIED = Timeouts(connect=60, read=60, write=60, pool=60, total=None)


class Flood:
    """For each request `start`, then `piece` for ever. `sent` counts bytes."""

    def __init__(self, start: bytes, piece: bytes) -> None:
        self._start = start
        self._block = piece * (256 * 1024 // len(piece) + 1)
        self.sent = 0

    def __call__(self, connection: Connection) -> None:
        connection.request()
        connection.send(self._start)
        with contextlib.suppress(OSError):
            while True:
                connection.socket.sendall(self._block)
                self.sent += len(self._block)


class Steps:
    """Steps in which bodies are undone, and the turns of the loop between them."""

    def __init__(self, many: anyio.Event) -> None:
        self.many = many  # set when there were
        self.taken = self.longest = self.most_in_a_turn = self._in_turn = 0

    async def see_turns(self) -> None:
        while True:
            await anyio.lowlevel.checkpoint()
            self._in_turn = 0

    def count(self, data: bytes) -> bytes:
        self.taken += 1
        self._in_turn += 1
        self.most_in_a_turn = max(self.most_in_a_turn, self._in_turn)
        self.longest = max(self.longest, len(data))
        if self.taken == 100:
            self.many.set()
        return data


async def failure(client: Client, url: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url, timeouts=UNHURRIED)
    return caught.value


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_ends_as_protocol_before_it_has_sent_much(client: Client, name: str) -> None:
    flood = Flood(*FLOODS[name])
    with RawServer(flood) as server, anyio.fail_after(60):
        assert (await failure(client, server.url())).kind is ErrorKind.PROTOCOL
    # Sockets hold some megabytes too.
    assert flood.sent < 8 * chunked_module.OVERHEAD_ALLOWED + 16 * 1024 * 1024


@pytest.mark.parametrize("name", ["chunks of a byte", "chunks with extensions"])
async def test_others_get_their_turns_beside_a_flood(
    open_client: Opener, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By count: between two turns of the loop the flood gets a step of a bounded size, and no more."""
    monkeypatch.setattr(chunked_module, "OVERHEAD_ALLOWED", 1 << 60)  # it never ends by itself
    client = open_client(limits=Limits())
    steps = Steps(anyio.Event())
    monkeypatch.setattr(ChunkDecoder, "step", lambda decoder, step=ChunkDecoder.step: steps.count(step(decoder)))
    with RawServer(Flood(*FLOODS[name])) as hostile, RawServer(fine) as healthy, anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            group.start_soon(steps.see_turns)
            for _ in range(3):
                group.start_soon(failure, client, hostile.url())
            await steps.many.wait()
            before = steps.taken
            for _ in range(50):
                assert (await client.get(healthy.url(), timeouts=UNHURRIED)).body == FINE
            # For each turn that a healthy fetch needs, of which there are few, each of three floods gets a step or two.
            assert steps.taken - before < 50 * 3 * 20
            assert steps.most_in_a_turn <= 6
            assert steps.longest <= MOST_CHUNKS
            group.cancel_scope.cancel()


@pytest.mark.parametrize("name", FLOODS)
async def test_no_turn_is_long(client: Client, name: str) -> None:
    """In seconds of this thread's CPU, so that a busy machine does not count; a turn is some milliseconds at most."""
    longest = 0.0

    async def measure() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()
            await anyio.lowlevel.checkpoint()
            longest = max(longest, time.thread_time() - began)

    with RawServer(Flood(*FLOODS[name])) as server, anyio.fail_after(60):
        await failure(client, server.url())  # what is loaded late is loaded
        async with anyio.create_task_group() as group:
            group.start_soon(measure)
            for _ in range(3):
                await failure(client, server.url())
            group.cancel_scope.cancel()
    assert longest < 0.05
