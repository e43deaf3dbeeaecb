"""From a name to a socket."""

from __future__ import annotations

import os
import socket
from itertools import pairwise
from typing import Any

import anyio
import pytest

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.results import ErrorKind
from fetch_engine.net import dial

from .conftest import Client, Opener
from .servers import RawServer, echoing, port_on_each
from .test_timeouts import full_backlog

pytestmark = pytest.mark.anyio


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


async def failure(client: Client, url: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url)
    assert caught.value.unsent
    assert client.pool.budget.used == 0
    return caught.value


async def test_refused(client: Client) -> None:
    port = unused_port()
    error = await failure(client, f"http://127.0.0.1:{port}/")
    assert (error.kind, error.message) == (ErrorKind.CONNECT, f"connection refused by 127.0.0.1:{port}")


async def test_unreachable(client: Client) -> None:
    error = await failure(client, "http://255.255.255.255:80/")
    assert error.kind is ErrorKind.CONNECT


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "nowhere.invalid"])
async def test_a_name_that_does_not_exist(client: Client, host: str) -> None:
    with pytest.raises(AttemptFailed) as caught:
        # Where no name server answers at all, the look-up itself takes longer than anybody waits.
        await client.get(f"http://{host}/", timeouts=Timeouts(connect=30))
    assert caught.value.kind is ErrorKind.DNS
    assert host in caught.value.message


@pytest.mark.parametrize("port", [0, 65536, 99999])
async def test_ports_that_do_not_exist(client: Client, port: int) -> None:
    assert (await failure(client, f"http://127.0.0.1:{port}/")).kind is ErrorKind.INVALID_URL


async def test_other_schemes(client: Client) -> None:
    assert (await failure(client, "ftp://127.0.0.1/")).kind is ErrorKind.UNSUPPORTED_SCHEME


async def test_ipv6(client: Client) -> None:
    with RawServer(echoing, host="::1") as server:
        fetched = await client.get(f"http://[::1]:{server.port}/")
    assert f"Host: [::1]:{server.port}".encode() in fetched.body
    assert fetched.recorder.remote_address == f"[::1]:{server.port}"


async def test_resolve_replaces_the_look_up(open_client: Opener) -> None:
    with RawServer(echoing) as server:
        client = open_client(TransportOptions(resolve={("shop.invalid", server.port): ["127.0.0.1"]}))
        fetched = await client.get(server.url(host="shop.invalid"))
    assert f"Host: shop.invalid:{server.port}".encode() in fetched.body
    assert "dns" not in fetched.recorder.phases


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "shop.invalid"])
async def test_addresses_can_be_refused(open_client: Opener, host: str) -> None:
    asked: list[str] = []

    def allowed(ip: str) -> bool:
        asked.append(ip)
        return False

    with RawServer(echoing) as server:
        resolve = {("shop.invalid", server.port): ["127.0.0.1"]}
        client = open_client(TransportOptions(resolve=resolve, address_filter=allowed))
        error = await failure(client, server.url(host=host))
        assert server.accepted == 0
    assert error.kind is ErrorKind.BLOCKED
    assert "127.0.0.1" in asked


async def test_refused_addresses_leave_the_others(open_client: Opener) -> None:
    with RawServer(echoing) as server:
        resolve = {("shop.invalid", server.port): ["10.0.0.1", "127.0.0.1"]}
        client = open_client(TransportOptions(resolve=resolve, address_filter=lambda ip: ip != "10.0.0.1"))
        fetched = await client.get(server.url(host="shop.invalid"))
    assert fetched.recorder.remote_address == f"127.0.0.1:{server.port}"


async def test_a_dead_address_costs_only_the_stagger(open_client: Opener) -> None:
    port = port_on_each("127.0.0.1", "127.0.0.3")
    with full_backlog(port=port), RawServer(echoing, host="127.0.0.3", port=port) as server:
        client = open_client(TransportOptions(resolve={("shop.invalid", port): ["127.0.0.1", "127.0.0.3"]}))
        fetched = await client.get(server.url(host="shop.invalid"))
    assert fetched.recorder.remote_address == f"127.0.0.3:{port}"
    assert 0.2 * 0.9 <= fetched.recorder.phases["connect"] < 1
    assert client.pool.budget.used == 1


@pytest.mark.only_httpx(reason="the race is our own")
async def test_each_address_has_its_start_and_the_losers_are_closed(
    open_client: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8305 section 5: the families in turn, 250 ms apart, and one connection in the end."""
    starts: list[tuple[str, float]] = []
    connect = dial.Dialer.connect

    async def noted(dialer: dial.Dialer, address: Any, patience: dial.ConnectDeadline) -> socket.socket | int:
        starts.append((address.sockaddr[0], anyio.current_time()))
        return await connect(dialer, address, patience)

    monkeypatch.setattr(dial.Dialer, "connect", noted)
    before = len(os.listdir("/dev/fd"))
    port = port_on_each("::1", "127.0.0.1", "127.0.0.3")
    live = RawServer(echoing, host="127.0.0.3", port=port)
    with full_backlog("::1", port), full_backlog("127.0.0.1", port), live as server:
        resolve = {("shop.invalid", port): ["::1", "::1", "127.0.0.1", "127.0.0.3"]}
        client = open_client(TransportOptions(resolve=resolve))
        held = len(os.listdir("/dev/fd"))
        fetched = await client.get(server.url(host="shop.invalid"))
        assert [address for address, _ in starts] == ["::1", "127.0.0.1", "::1", "127.0.0.3"]
        gaps = [later - earlier for (_, earlier), (_, later) in pairwise(starts)]
        assert all(0.9 * dial.STAGGER <= gap < 1.5 for gap in gaps)
        assert fetched.recorder.remote_address == f"127.0.0.3:{port}"
        # The connection, at both of its ends; on a Python of its own the loop may have opened a few for itself.
        assert len(os.listdir("/dev/fd")) - held == 2
        assert client.pool.budget.used == 1
        await client.transport.aclose()
    assert len(os.listdir("/dev/fd")) == before
    assert dial.STAGGER == 0.25


async def test_a_race_that_is_given_up_leaves_nothing(open_client: Opener) -> None:
    with full_backlog() as url:
        port = int(url.rsplit(":", 1)[1].strip("/"))
        client = open_client(TransportOptions(resolve={("shop.invalid", port): ["127.0.0.1"] * 3}))
        held = len(os.listdir("/dev/fd"))
        with anyio.move_on_after(0.6):
            await client.get(f"http://shop.invalid:{port}/")
        assert len(os.listdir("/dev/fd")) == held
    assert client.pool.budget.used == 0


async def test_a_refusing_address_costs_nothing(open_client: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "STAGGER", 30)
    with RawServer(echoing) as server:
        resolve = {("shop.invalid", server.port): ["127.0.0.9", "::1", "127.0.0.8", "127.0.0.1"]}
        client = open_client(TransportOptions(resolve=resolve))
        fetched = await client.get(server.url(host="shop.invalid"))
    assert fetched.recorder.remote_address == f"127.0.0.1:{server.port}"
    assert client.pool.budget.used == 1


async def test_every_address_refuses(open_client: Opener) -> None:
    port = unused_port()
    client = open_client(TransportOptions(resolve={("shop.invalid", port): ["127.0.0.1", "::1", "127.0.0.2"]}))
    error = await failure(client, f"http://shop.invalid:{port}/")
    assert error.kind is ErrorKind.CONNECT
    assert error.message.startswith("connection refused by shop.invalid")


@pytest.mark.only_httpx(reason="the race is our own")
async def test_the_race_stays_within_the_bound_of_sockets(open_client: Opener) -> None:
    with full_backlog() as url:
        port = int(url.rsplit(":", 1)[1].strip("/"))
        resolve = {("shop.invalid", port): ["127.0.0.1"] * 5}
        client = open_client(TransportOptions(resolve=resolve, max_sockets=2))
        most = 0
        before = len(os.listdir("/dev/fd"))

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, len(os.listdir("/dev/fd")) - before)
                await anyio.sleep(0.02)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            with pytest.raises(AttemptFailed) as caught:
                await client.get(f"http://shop.invalid:{port}/", timeouts=Timeouts(connect=1))
            tasks.cancel_scope.cancel()
    assert caught.value.kind is ErrorKind.TIMEOUT_CONNECT
    assert most == 2
    assert client.pool.budget.used == 0


def test_families_take_turns() -> None:
    given = ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"]
    mixed = dial._interleaved([dial._parse(ip, 80) for ip in given])
    assert [address.sockaddr[0] for address in mixed] == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]
