"""The system's certificates, and the versions of TLS that are agreed to."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
import trustme
import truststore

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport_options import TlsVersion
from fetch_engine.net import tls
from fetch_engine.net.tls import build_ssl_context, system_context

from .conftest import Client, Opener
from .servers import Connection, RawServer, echoing

pytestmark = pytest.mark.anyio


async def kind_of_failure(client: Client, url: str) -> ErrorKind:
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url)
    return caught.value.kind


@pytest.fixture
def system_trusts(ca_file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "missing"))


@pytest.mark.only_httpx(reason="Capabilities.system_trust")
async def test_what_the_system_trusts_is_trusted_if_asked(
    open_client: Opener, server_tls: ssl.SSLContext, system_trusts: None
) -> None:
    with RawServer(echoing, tls=server_tls) as server:
        assert (await open_client(TransportOptions(ca_native=True)).get(server.url())).status == 200
        assert await kind_of_failure(open_client(TransportOptions()), server.url()) is ErrorKind.TLS


@pytest.mark.only_httpx(reason="Capabilities.system_trust")
async def test_a_file_is_trusted_besides_the_system(open_client: Opener, system_trusts: None, tmp_path: object) -> None:
    other = trustme.CA()
    path = f"{tmp_path}/other.pem"
    other.cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other.issue_cert("127.0.0.1").configure_cert(context)
    with RawServer(echoing, tls=context) as server:
        assert await kind_of_failure(open_client(TransportOptions(ca_native=True)), server.url()) is ErrorKind.TLS
        client = open_client(TransportOptions(ca_native=True, ca_file=path))
        assert (await client.get(server.url())).status == 200


@pytest.mark.only_httpx(reason="Capabilities.system_trust")
async def test_the_systems_own_check_runs_over_our_stream(
    open_client: Opener, server_tls: ssl.SSLContext, system_trusts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS and Windows; on this system truststore reads files."""
    monkeypatch.setattr(tls, "system_context", lambda: system_context("darwin"))
    assert isinstance(build_ssl_context(TransportOptions(ca_native=True)), truststore.SSLContext)
    with RawServer(echoing, tls=server_tls) as server:
        resolve = {("bank.invalid", server.port): ["127.0.0.1"]}
        client = open_client(TransportOptions(ca_native=True, resolve=resolve))
        assert (await client.get(server.url())).status == 200
        assert await kind_of_failure(client, server.url(host="bank.invalid")) is ErrorKind.TLS


def test_truststore_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "truststore", None)
    with pytest.raises(AttemptFailed, match=r"weakfetch-tui\[truststore\]"):
        system_context("darwin")
    assert isinstance(system_context("linux"), ssl.SSLContext)


def test_a_system_without_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "missing"))
    monkeypatch.setattr(tls, "_CA_FILES", ())
    with pytest.raises(AttemptFailed, match="not found") as caught:
        build_ssl_context(TransportOptions(ca_native=True))
    assert caught.value.kind is ErrorKind.TLS
    build_ssl_context(TransportOptions(ca_native=True, verify=False))


@pytest.mark.parametrize(
    ("least", "most", "server_least", "server_most", "agreed"),
    [
        ("1.2", "1.3", "1.2", "1.3", "TLSv1.3"),
        ("1.2", "1.3", "1.2", "1.2", "TLSv1.2"),
        ("1.3", "1.3", "1.2", "1.2", None),
        ("1.2", "1.2", "1.2", "1.3", "TLSv1.2"),
        ("1.2", "1.2", "1.3", "1.3", None),
    ],
)
async def test_versions(
    open_client: Opener,
    authority: trustme.CA,
    ca_file: str,
    least: TlsVersion,
    most: TlsVersion,
    server_least: str,
    server_most: str,
    agreed: str | None,
) -> None:
    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.minimum_version, context.maximum_version = versions[server_least], versions[server_most]

    def telling(connection: Connection) -> None:
        assert isinstance(connection.socket, ssl.SSLSocket)
        while connection.request():
            connection.answer(str(connection.socket.version()).encode())

    with RawServer(telling, tls=context) as server:
        client = open_client(TransportOptions(ca_file=ca_file, min_tls=least, max_tls=most))
        if agreed is None:
            assert await kind_of_failure(client, server.url()) is ErrorKind.TLS
        else:
            fetched = await client.get(server.url())
            assert agreed.encode() in fetched.body
            facts = fetched.recorder.tls
            assert (facts.protocol if facts else None) == (agreed if client.can.tls_facts else None)


def test_no_version_is_left() -> None:
    with pytest.raises(AttemptFailed, match=r"no TLS from 1\.3 to 1\.2"):
        build_ssl_context(TransportOptions(min_tls="1.3", max_tls="1.2"))
