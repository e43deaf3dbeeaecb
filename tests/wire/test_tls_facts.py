"""What is known of a TLS connection: chain, names, times, protocol, cipher, ALPN."""

from __future__ import annotations

import datetime
import ssl
import time

import pytest
import trustme

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.tls_facts import Certificate, TlsFacts
from fetch_engine.net.tls import TLSStream
from fetch_engine.net.tls_peer import certificate, facts_of

from .conftest import Client, Opener
from .http2_server import http2_context, speaking_http2
from .servers import RawServer, answering, echoing

pytestmark = [pytest.mark.anyio, pytest.mark.only_httpx(reason="Capabilities.tls_facts")]

DAY = 86400


def seen(facts: TlsFacts | None) -> TlsFacts:
    assert facts is not None
    return facts


def server_context(certificate: trustme.LeafCert, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if version is not None:
        context.maximum_version = context.minimum_version = version
    certificate.configure_cert(context)
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_verified_connection(tls_client: Client, authority: trustme.CA, version: ssl.TLSVersion) -> None:
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=20)
    leaf = authority.issue_cert("127.0.0.1", "*.example.org", not_after=until)
    with RawServer(echoing, tls=server_context(leaf, version)) as server:
        first = seen((await tls_client.get(server.url())).recorder.tls)
        second = seen((await tls_client.get(server.url())).recorder.tls)
        assert server.accepted == 1
    assert second is first
    assert first.protocol == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert first.cipher
    assert first.bits >= 128
    assert (first.alpn, first.server_name, first.verified, first.whole) == (None, "127.0.0.1", True, True)
    assert len(first.chain) == 2
    assert set(first.chain[0].names) == {"127.0.0.1", "*.example.org"}
    assert first.chain[0].issuer == first.chain[1].subject == first.chain[1].issuer
    assert abs((first.chain[0].not_after or 0) - time.time() - 20 * DAY) < 120
    assert (first.chain[0].not_before or 0) < time.time()


async def test_a_server_nobody_checked(open_client: Opener, server_tls: ssl.SSLContext) -> None:
    client = open_client(TransportOptions(verify=False))
    with RawServer(echoing, tls=server_tls) as server:
        facts = seen((await client.get(server.url())).recorder.tls)
    assert (facts.verified, facts.whole) == (False, True)
    assert "localhost" in facts.chain[0].names
    assert facts.chain[0].not_after is not None


async def test_connections_to_one_server_share_one_object(tls_client: Client, server_tls: ssl.SSLContext) -> None:
    with RawServer(
        answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), tls=server_tls
    ) as s:
        first, second = [(await tls_client.get(s.url())).recorder.tls for _ in range(2)]
        assert s.accepted == 2
    assert first is second is not None


async def test_http2_says_so(open_client: Opener, ca_file: str, authority: trustme.CA) -> None:
    client = open_client(TransportOptions(ca_file=ca_file, http2=True))
    handler = speaking_http2(lambda side, stream: side.respond(stream, b"x"))
    with RawServer(handler, tls=http2_context(authority)) as server:
        facts = seen((await client.get(server.url())).recorder.tls)
    assert facts.alpn == "h2"


async def test_there_is_none_without_tls(client: Client) -> None:
    with RawServer(echoing) as server:
        assert (await client.get(server.url())).recorder.tls is None


async def test_without_the_private_methods_the_leaf_is_left(
    tls_client: Client, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[TLSStream] = []
    handshake = TLSStream.handshake

    async def remember(self: TLSStream) -> None:
        await handshake(self)
        connections.append(self)

    monkeypatch.setattr(TLSStream, "handshake", remember)
    with RawServer(echoing, tls=server_tls) as server:
        await tls_client.get(server.url())
    inner = connections[0]._object
    # The canary: these are what the chain comes from.
    assert inner._sslobj.get_verified_chain()[0].get_info()["subjectAltName"]  # type: ignore[attr-defined]
    assert inner._sslobj.get_unverified_chain()[0].get_info()["notAfter"]  # type: ignore[attr-defined]

    class Public:
        def __getattr__(self, name: str) -> object:
            if name == "_sslobj":
                raise AttributeError(name)
            return getattr(inner, name)

    facts = facts_of(Public(), "127.0.0.1")  # type: ignore[arg-type]
    assert len(facts.chain) == 1
    assert not facts.whole
    assert "localhost" in facts.chain[0].names


async def test_odd_certificates_are_no_error() -> None:
    assert certificate({}) == Certificate("", "")
    assert certificate({"notAfter": "never", "subject": ((("organizationName", "O"),), (("x", "y"),))}) == Certificate(
        "organizationName=O, x=y", ""
    )
