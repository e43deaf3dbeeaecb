"""Fixtures for tests over real sockets."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
import pytest
import trustme

from fetch_engine.http.httpx_transport import HttpxTransport, TransportOptions, open_httpx_transport
from fetch_engine.libcurl.transport import FastTransport
from fetch_engine.model.limits import Limits, Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import WireRequest
from fetch_engine.net.tls import build_ssl_context
from tests.conftest import BACKENDS

_ASYNCIO, _UVLOOP, _TRIO = (parameter.values[0] for parameter in BACKENDS)
# What uvloop and trio make of it does not depend on Python's version; what they do with handles, all of them show.
WAYS = [
    pytest.param((_ASYNCIO, "httpx"), id="asyncio"),
    pytest.param((_UVLOOP, "httpx"), id="uvloop", marks=pytest.mark.once),
    pytest.param((_TRIO, "httpx"), id="trio", marks=pytest.mark.once),
    pytest.param((_ASYNCIO, "fast"), id="fast-asyncio", marks=pytest.mark.once),
    pytest.param((_UVLOOP, "fast"), id="fast-uvloop"),
]
TIMEOUTS = Timeouts(connect=5, read=5, write=5, pool=5, total=20)


@dataclass
class Fetched:
    """One response, read whole."""

    status: int
    reason: str
    http_version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    recorder: Recorder


class Budget(Protocol):
    """Sockets as the tests ask for them."""

    @property
    def used(self) -> int: ...
    @property
    def contended(self) -> bool: ...


class Pool(Protocol):
    """Connections as the tests ask for them: `idle` are kept for later."""

    @property
    def idle(self) -> int: ...
    @property
    def budget(self) -> Budget: ...


class FastPool:
    """What the fast transport tells of its connections, in the terms of the other pool."""

    def __init__(self, transport: FastTransport) -> None:
        self._transport = transport
        self.budget = self

    @property
    def used(self) -> int:
        return self._transport.connections

    @property
    def idle(self) -> int:
        return self._transport.idle

    @property
    def contended(self) -> bool:
        return self._transport.budget.contended


class Client:
    """A transport, and a way to say `get(url)`."""

    pool: Pool

    def __init__(self, transport: HttpxTransport | FastTransport) -> None:
        self.transport = transport
        self.can = transport.capabilities
        self.pool = transport.pool if isinstance(transport, HttpxTransport) else FastPool(transport)

    async def get(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        timeouts: Timeouts = TIMEOUTS,
        recorder: Recorder | None = None,
        insecure: bool = False,
        proxy: str | None = None,
    ) -> Fetched:
        recorder = recorder or Recorder()
        recorder.start_hop()
        request = WireRequest(method, url, headers, body, insecure, proxy)
        async with self.transport.stream(request, timeouts, recorder) as response:
            received = [chunk async for chunk in response.chunks()]
        return Fetched(
            response.status, response.reason, response.http_version, response.headers, b"".join(received), recorder
        )


Opener = Callable[..., Client]


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition()` is true; it may come true in another thread."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await anyio.sleep(0.005)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What opens a client runs over each transport, on each event loop that the transport has."""
    if "transport_name" in metafunc.fixturenames:
        only_httpx = metafunc.definition.get_closest_marker("only_httpx") is not None
        metafunc.parametrize("way", [way for way in WAYS if not only_httpx or way.id in ("asyncio", "uvloop", "trio")])
    elif "way" in metafunc.fixturenames:
        metafunc.parametrize("way", WAYS[:3])  # each event loop once


@pytest.fixture
def anyio_backend(way: tuple[object, str]) -> object:
    return way[0]


@pytest.fixture
def transport_name(way: tuple[object, str]) -> str:
    return way[1]


@pytest.fixture(scope="session")
def plain_context() -> ssl.SSLContext:
    return build_ssl_context()


@pytest.fixture
async def open_client(
    anyio_backend: object, transport_name: str, plain_context: ssl.SSLContext
) -> AsyncIterator[Opener]:
    """Opens clients; at the end each must have given back every socket."""
    opened: list[Client] = []

    def opener(options: TransportOptions | None = None, limits: Limits | None = None) -> Client:
        if transport_name == "fast":
            client = Client(FastTransport(options or TransportOptions(), limits or Limits()))
        else:
            context = plain_context if options is None else build_ssl_context(options)
            client = Client(open_httpx_transport(options, limits or Limits(), context))
        opened.append(client)
        return client

    yield opener
    for client in opened:
        await client.transport.aclose()
        assert client.pool.budget.used == 0
        assert not client.pool.budget.contended


@pytest.fixture
def client(open_client: Opener) -> Client:
    return open_client()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context with a good certificate for 127.0.0.1, ::1 and localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "::1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def tls_client(open_client: Opener, ca_file: str) -> Client:
    """A client that trusts `authority`."""
    return open_client(TransportOptions(ca_file=ca_file))
