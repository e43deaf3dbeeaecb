"""A name whose answer changes: the address that was checked is the one that is connected to."""

from __future__ import annotations

import itertools
import socket

import pytest

from fetch_engine import FetchEngine, FetchError, FetchResult
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net import dial
from tests.wire.servers import Connection, RawServer

pytestmark = [pytest.mark.anyio]

ALLOWED, REFUSED = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What a name server says, one after the other and over again; and how often it was asked."""
    given = [[ALLOWED], [REFUSED], [ALLOWED, REFUSED], [REFUSED, ALLOWED]]
    turns = itertools.cycle(given)
    asked: list[list[str]] = []

    def look_up(host: str, family: int) -> list[str]:
        asked.append(next(turns))
        return list(asked[-1])

    monkeypatch.setattr(dial, "_getaddrinfo", look_up)
    return asked


async def test_only_addresses_that_were_allowed_are_connected_to(answers: list[list[str]]) -> None:
    def answer_once(connection: Connection) -> None:
        connection.request()
        connection.answer(headers="Connection: close\r\n")

    with RawServer(answer_once) as server, socket.create_server((REFUSED, server.port)) as trap:
        trap.setblocking(False)
        options = TransportOptions(client="httpx", trust_env=False, address_filter=lambda ip: ip == ALLOWED)
        async with FetchEngine(transport=options) as engine:
            outcomes = []
            for number in range(12):
                task = engine.submit(f"http://changing.example:{server.port}/{number}")
                await engine.join()
                outcomes.append(task.outcome)
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert len(answers) == 12, "a name was looked up again between the check and the connection"
    for one, given in zip(outcomes, answers, strict=True):
        if ALLOWED in given:
            assert isinstance(one, FetchResult), one
            assert one.remote_address == f"{ALLOWED}:{server.port}"
        else:
            assert isinstance(one, FetchError)
            assert one.kind == "blocked"
