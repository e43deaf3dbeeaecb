"""Which local end and which addresses a connection has, and which server it goes to in another's place."""

from __future__ import annotations

import errno
import re
import socket
import ssl

import pytest

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.net.interfaces import Interface, local_end

from .conftest import Opener
from .servers import Connection, RawServer, echoing

pytestmark = pytest.mark.anyio

LOOPBACK = next(name for _, name in socket.if_nameindex() if name in ("lo", "lo0"))


def telling_the_peer(connection: Connection) -> None:
    while connection.request():
        connection.answer(str(connection.socket.getpeername()[0]).encode())


async def kind_of_failure(open_client: Opener, options: TransportOptions, url: str) -> tuple[ErrorKind, str]:
    client = open_client(options)
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url)
    assert caught.value.unsent
    return caught.value.kind, caught.value.message


@pytest.mark.parametrize(("server", "local"), [("127.0.0.1", "127.0.0.3"), ("::1", "::1")])
async def test_a_local_address(open_client: Opener, server: str, local: str) -> None:
    with RawServer(telling_the_peer, host=server) as target:
        # Addresses of the other family are passed over.
        resolve = {("shop.invalid", target.port): ["::1", "127.0.0.1"]}
        client = open_client(TransportOptions(interface=local, resolve=resolve))
        assert (await client.get(target.url(host="shop.invalid"))).body == local.encode()


async def test_a_local_address_of_another_machine(open_client: Opener) -> None:
    with RawServer(echoing) as target:
        options = TransportOptions(interface="192.0.2.1")
        kind, message = await kind_of_failure(open_client, options, target.url())
    assert kind is ErrorKind.CONNECT
    assert "cannot assign requested address" in message


async def test_a_device(open_client: Opener) -> None:
    try:
        with socket.socket() as probe:
            Interface.parse(LOOPBACK).bind(probe)
    except PermissionError:
        pytest.skip("this kernel lets only root choose a device")
    with RawServer(telling_the_peer) as target:
        client = open_client(TransportOptions(interface=LOOPBACK))
        assert (await client.get(target.url())).body == b"127.0.0.1"


async def test_a_device_that_may_not_be_used(open_client: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(interface: Interface, sock: socket.socket) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Interface, "bind", refuse)
    with RawServer(echoing) as target:
        kind, message = await kind_of_failure(open_client, TransportOptions(interface=LOOPBACK), target.url())
        assert target.accepted == 0
    assert (kind, message.split(": ")[1]) == (ErrorKind.CONNECT, "operation not permitted")


@pytest.mark.parametrize(("version", "address"), [(4, "127.0.0.1"), (6, "[::1]")])
async def test_one_version_of_ip(open_client: Opener, version: int, address: str) -> None:
    with RawServer(echoing, host=address.strip("[]")) as target:
        resolve = {("shop.invalid", target.port): ["::1", "127.0.0.1", "::1"]}
        client = open_client(TransportOptions(ip_version=version, resolve=resolve))  # type: ignore[arg-type]
        fetched = await client.get(target.url(host="shop.invalid"))
        assert fetched.recorder.remote_address == f"{address}:{target.port}"


async def test_a_look_up_for_one_version_of_ip(open_client: Opener) -> None:
    with RawServer(echoing) as target:
        client = open_client(TransportOptions(ip_version=4))
        fetched = await client.get(target.url(host="localhost"))
        assert fetched.recorder.remote_address == f"127.0.0.1:{target.port}"


async def test_no_address_of_this_version(open_client: Opener) -> None:
    options = TransportOptions(ip_version=6)
    kind, message = await kind_of_failure(open_client, options, "http://127.0.0.1:1/")
    assert kind is ErrorKind.DNS
    assert re.fullmatch(r"127\.0\.0\.1(:1)? has no (IPv6 address|address that may be used)", message)


def test_local_ends_that_are_none() -> None:
    for text in ("", "nosuchdevice0", "300.1.1.1", "lo\0", "x" * 100):
        with pytest.raises(ValueError, match="neither an IP address nor a network interface"):
            local_end(TransportOptions(interface=text))
    with pytest.raises(ValueError, match="not an IPv6 address"):
        local_end(TransportOptions(interface="127.0.0.1", ip_version=6))
    assert local_end(TransportOptions(ip_version=6)) == (None, socket.AF_INET6)
    assert local_end(TransportOptions(interface="::1"))[1] is socket.AF_INET6


async def test_any_host_can_be_resolved(open_client: Opener) -> None:
    with RawServer(echoing) as target:
        resolve = {("*", target.port): ["127.0.0.1"], ("other.invalid", target.port): ["192.0.2.1"]}
        client = open_client(TransportOptions(resolve=resolve, address_filter=lambda ip: ip != "192.0.2.1"))
        await client.get(target.url(host="shop.invalid"))
        with pytest.raises(AttemptFailed):
            await client.get(target.url(host="other.invalid"))


@pytest.mark.parametrize("known", [("localhost", 9), ("localhost", 0), ("", 9), ("", 0)])
async def test_another_server_in_its_place(
    open_client: Opener, server_tls: ssl.SSLContext, ca_file: str, known: tuple[str, int]
) -> None:
    with RawServer(echoing, tls=server_tls) as target:
        client = open_client(TransportOptions(ca_file=ca_file, connect_to={known: ("127.0.0.1", target.port)}))
        fetched = await client.get("https://localhost:9/")
        # Host and certificate are still those of the URL.
        assert b"Host: localhost:9\r\n" in fetched.body
        assert fetched.recorder.remote_address == f"127.0.0.1:{target.port}"
        if known == ("localhost", 0):
            with pytest.raises(AttemptFailed) as caught:
                await client.get("https://nowhere.invalid:9/")
            assert caught.value.kind is ErrorKind.DNS


async def test_another_server_must_have_the_certificate_of_the_url(
    open_client: Opener, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    with RawServer(echoing, tls=server_tls) as target:
        options = TransportOptions(ca_file=ca_file, connect_to={("bank.invalid", 0): ("127.0.0.1", target.port)})
        kind, _ = await kind_of_failure(open_client, options, "https://bank.invalid/")
    assert kind is ErrorKind.TLS
