"""Addresses that are not public are refused after the look-up and on each hop, also behind a proxy."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine import FetchEngine, FetchFailed, FetchRequest
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net.public_addresses import is_public

from .servers import Connection, RawServer

PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "2606:2800:220:1::1",
    "2001:4860:4860::8888",
    "64:ff9b::101:101",
    "::ffff:8.8.8.8",
]
OTHERS = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1",
    "169.254.169.254", "169.254.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
    "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1", "::7f00:1",
    "2001:0:7f00:1::1", "", "localhost", "1.1.1.1.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", OTHERS)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv6_form_lets_an_address_through_that_is_refused_itself(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [(0xFFFF << 32) | number, (0x64FF9B << 96) | number, (0x2002 << 112) | (number << 80) | 1, number]
    for form in forms:
        if not is_public(str(address)):
            assert not is_public(str(ipaddress.IPv6Address(form)))


class Inner:
    """Sends everybody on to what is on this machine."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.location = ""

    def handle(self, connection: Connection) -> None:
        while request := connection.request():
            self.asked.append(request.split(b"\r\n")[0])
            connection.answer(status="302 Found", headers=f"Location: {self.location}\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "printer.test"])
async def test_a_redirect_to_this_network_is_refused(host: str) -> None:
    inner = Inner()
    with RawServer(inner.handle) as server:
        port = server.port
        inner.location = f"http://{host}:{port}/admin"
        options = TransportOptions(
            # The first hop stands for a public server; it is let through by its name's address.
            resolve={("public.test", port): ["127.0.0.1"], ("printer.test", port): ["192.168.1.9"]},
            address_filter=lambda ip: len(inner.asked) == 0 or is_public(ip),
        )
        async with FetchEngine(transport=options) as engine:
            with pytest.raises(FetchFailed) as caught:
                await engine.submit(f"http://public.test:{port}/")
        assert caught.value.error.kind is ErrorKind.BLOCKED
        assert inner.asked == [b"GET / HTTP/1.1"]
        del caught


@pytest.mark.anyio
async def test_a_name_with_one_public_address_goes_there_and_nowhere_else() -> None:
    options = TransportOptions(resolve={("both.test", 9): ["10.0.0.1", "192.168.0.1"]}, address_filter=is_public)
    async with FetchEngine(transport=options) as engine:
        with pytest.raises(FetchFailed) as caught:
            await engine.submit("http://both.test:9/")
    assert (caught.value.error.kind, caught.value.error.message) == (
        ErrorKind.BLOCKED,
        "address 10.0.0.1 of both.test is not allowed",
    )
    del caught


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1/", ErrorKind.BLOCKED),
        ("http://inner.test/", ErrorKind.BLOCKED),
        ("https://169.254.169.254/latest/meta-data", ErrorKind.BLOCKED),
        ("http://outer.test/", None),
        ("http://known-to-the-proxy-only.invalid/", ErrorKind.BLOCKED),
        ("http://both.test/", ErrorKind.BLOCKED),  # which of them the proxy takes nobody knows
    ],
)
async def test_behind_a_proxy_the_target_is_checked_and_not_the_proxy(url: str, kind: ErrorKind | None) -> None:
    def forward(connection: Connection) -> None:
        while connection.request():
            connection.answer(b"by the proxy")

    resolve = {("inner.test", 80): ["10.0.0.9"], ("outer.test", 80): ["93.184.216.34"]}
    resolve["both.test", 80] = ["93.184.216.34", "10.0.0.9"]
    with RawServer(forward) as proxy:
        options = TransportOptions(resolve=resolve, address_filter=is_public)
        async with FetchEngine(transport=options) as engine:
            task = engine.submit(FetchRequest(url, proxy=f"http://127.0.0.1:{proxy.port}"))
            await engine.join()
        outcome = task.outcome
        assert getattr(outcome, "kind", None) is kind, outcome
        assert proxy.accepted == (kind is None)


@pytest.mark.anyio
async def test_a_tunnel_leads_to_the_address_that_was_checked() -> None:
    asked: list[bytes] = []

    def refuse(connection: Connection) -> None:
        asked.append(connection.request().split(b"\r\n")[0])
        connection.answer(status="403 No")

    resolve = {("outer.test", 443): ["93.184.216.34"]}
    with RawServer(refuse) as proxy:
        for address_filter in (is_public, None):
            options = TransportOptions(resolve=resolve, address_filter=address_filter)
            async with FetchEngine(transport=options) as engine:
                engine.pin(engine.submit(FetchRequest("https://outer.test/", proxy=f"http://127.0.0.1:{proxy.port}")))
                await engine.join()
    assert asked == [b"CONNECT 93.184.216.34:443 HTTP/1.1", b"CONNECT outer.test:443 HTTP/1.1"]
