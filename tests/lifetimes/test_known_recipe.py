"""Three fetches of different durations, one cancelled, one dropped: the known recipe, and the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lifetimes.processes import run_script
from tests.wire.servers import Connection, RawServer

DURATIONS = {"/short": 0.0, "/middle": 0.3, "/long": 0.6}


def answer_in_time(connection: Connection) -> None:
    while request := connection.request():
        path = request.split()[1].decode()
        time.sleep(DURATIONS[path])
        connection.answer(b"x" * 100)


@pytest.fixture
def urls() -> Iterator[list[str]]:
    with RawServer(answer_in_time) as server:
        yield [server.url(path) for path in DURATIONS]


def test_the_known_recipe_closes_nothing(urls: list[str]) -> None:
    ended = run_script(
        """
        from tests.lifetimes.known_recipe import main
        try:
            asyncio.run(main(sys.argv[1:]))
        except asyncio.CancelledError:
            print("cancelled")
        gc.collect()
        """,
        *urls,
        warnings="always",
    )
    assert ended.stdout == "cancelled\n"  # the other two fetches gave nothing
    assert ended.stderr.count("coroutine 'AsyncClient.aclose' was never awaited") == 3, ended.stderr
    assert "ResourceWarning: unclosed" in ended.stderr


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_the_engine_closes_everything(urls: list[str], backend: str) -> None:
    ended = run_script(
        """
        from fetch_engine import FetchCancelled
        from fetch_engine.model.limits import Limits
        from fetch_engine.open_transport import http_opener

        class Closes:
            def __init__(self, client):
                self.client, self.stream, self.closes = client, client.stream, 0
                clients.append(self)

            async def aclose(self):
                self.closes += 1
                await self.client.aclose()

        clients = []
        open_client = http_opener(None, Limits())

        async def open_transport():
            return Closes(await open_client())

        async def main(urls):
            before = len(os.listdir("/proc/self/fd"))
            async with FetchEngine(open_transport=open_transport, grace=0.0) as engine:
                short, middle, long = [engine.submit(url) for url in urls]
                result = await short
                print(result.status, result.body_size)
                middle.cancel()
                try:
                    await middle
                except FetchCancelled as cancelled:
                    print(cancelled)
                del long, short, middle
                await all_let_go(engine)
                await until(lambda: not engine.session.is_open)
                census = engine.census()
                print(census.opened, census.closed, census.alive)
            print([client.closes for client in clients])
            print(len(os.listdir("/proc/self/fd")) - before)

        gc.disable()
        backend, *urls = sys.argv[1:]
        options = {"use_uvloop": backend == "uvloop"} if backend != "trio" else {}
        anyio.run(main, urls, backend=backend.replace("uvloop", "asyncio"), backend_options=options)
        """,
        backend,
        *urls,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == ["200 100", "cancelled", "3 3 0", "[1]", "0"]
