"""Whom we trust, and what a person is told when we do not."""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fetch_engine.http.httpx_transport import TransportOptions
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.net.tls import build_ssl_context, is_eof

from .conftest import Client, Opener
from .servers import Connection, RawServer, echoing

pytestmark = pytest.mark.anyio

NO_CLOSE_NOTIFY = b"HTTP/1.1 200 OK\r\n\r\nhello"


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def self_signed(directory: pathlib.Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "self-signed.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def failure(client: Client, url: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        await client.get(url)
    assert caught.value.kind is ErrorKind.TLS
    assert caught.value.unsent
    assert client.pool.budget.used == 0
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_trusted_server(tls_client: Client, server_tls: ssl.SSLContext, host: str) -> None:
    with RawServer(echoing, tls=server_tls) as server:
        first = await tls_client.get(server.url(host=host))
        second = await tls_client.get(server.url(host=host))
        assert server.accepted == (1 if tls_client.can.tls_kept else 2)
    assert b"GET / HTTP/1.1" in first.body
    assert first.recorder.phases["tls"] > 0
    assert ("tls" in second.recorder.phases) is not tls_client.can.tls_kept
    # What came over the wire is more than was in it.
    assert second.recorder.bytes_received > len(second.body)
    assert (first.recorder.bytes_received > second.recorder.bytes_received) is tls_client.can.framing


async def test_a_name_with_the_dot_of_the_root(open_client: Opener, server_tls: ssl.SSLContext, ca_file: str) -> None:
    with RawServer(echoing, tls=server_tls) as server:
        resolve = {("localhost.", server.port): ["127.0.0.1"]}
        client = open_client(TransportOptions(ca_file=ca_file, resolve=resolve))
        assert (await client.get(server.url(host="localhost."))).status == 200


async def test_a_large_body_over_tls(tls_client: Client, server_tls: ssl.SSLContext) -> None:
    def handle(connection: Connection) -> None:
        while request := connection.request():
            connection.answer(request.partition(b"\r\n\r\n")[2])

    with RawServer(handle, tls=server_tls) as server:
        body = bytes(range(256)) * 8000
        for _ in range(2):
            assert (await tls_client.get(server.url(), method="PUT", body=body)).body == body
        assert server.accepted == (1 if tls_client.can.tls_kept else 2)


async def test_an_unknown_authority(client: Client, server_tls: ssl.SSLContext) -> None:
    with RawServer(echoing, tls=server_tls) as server:
        error = await failure(client, server.url())
    assert "nobody" in error.message


async def test_a_self_signed_certificate(client: Client, tmp_path: pathlib.Path) -> None:
    with RawServer(echoing, tls=self_signed(tmp_path)) as server:
        error = await failure(client, server.url())
    assert error.message == "127.0.0.1: the certificate is self-signed"


async def test_an_expired_certificate(tls_client: Client, authority: trustme.CA) -> None:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = authority.issue_cert("127.0.0.1", not_after=yesterday)
    with RawServer(echoing, tls=server_context(certificate)) as server:
        error = await failure(tls_client, server.url())
    assert error.message == "127.0.0.1: the certificate has expired"


@pytest.mark.parametrize(("host", "names"), [("127.0.0.1", ["127.0.0.2"]), ("localhost", ["example.org"])])
async def test_a_certificate_for_another_host(
    tls_client: Client, authority: trustme.CA, host: str, names: list[str]
) -> None:
    with RawServer(echoing, tls=server_context(authority.issue_cert(*names))) as server:
        error = await failure(tls_client, server.url(host=host))
    assert "for another host" in error.message


async def test_insecure_accepts_anything(open_client: Opener, tmp_path: pathlib.Path) -> None:
    client = open_client(TransportOptions(verify=False))
    with RawServer(echoing, tls=self_signed(tmp_path)) as server:
        assert (await client.get(server.url())).status == 200


async def test_a_server_without_tls(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.socket.recv(1000)
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    with RawServer(handle) as server:
        error = await failure(client, server.url().replace("http:", "https:"))
    assert "does not speak TLS" in error.message


async def test_a_server_that_closes_in_the_handshake(client: Client) -> None:
    def handle(connection: Connection) -> None:
        connection.socket.recv(1000)
        connection.close()

    with RawServer(handle) as server:
        await failure(client, server.url().replace("http:", "https:"))


async def test_no_tls_before_1_2(tls_client: Client, authority: trustme.CA) -> None:
    assert build_ssl_context().minimum_version == ssl.TLSVersion.TLSv1_2
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with RawServer(echoing, tls=context) as server:
        await failure(tls_client, server.url())


async def test_a_client_certificate(
    open_client: Opener, authority: trustme.CA, ca_file: str, tmp_path: pathlib.Path
) -> None:
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    ours = tmp_path / "client.pem"
    authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(ours))
    with RawServer(echoing, tls=context) as server:
        client = open_client(TransportOptions(ca_file=ca_file, client_cert=str(ours)))
        assert (await client.get(server.url())).status == 200
        with pytest.raises(AttemptFailed) as caught:
            await open_client(TransportOptions(ca_file=ca_file)).get(server.url())
        assert caught.value.kind in (ErrorKind.TLS, ErrorKind.RESET)


@pytest.mark.parametrize("option", ["ca_file", "client_cert"])
@pytest.mark.parametrize("content", [None, b"not PEM"])
def test_files_that_cannot_be_used(tmp_path: pathlib.Path, option: str, content: bytes | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AttemptFailed) as caught:
        build_ssl_context(
            TransportOptions(ca_file=str(path)) if option == "ca_file" else TransportOptions(client_cert=str(path))
        )
    assert caught.value.kind is ErrorKind.TLS
    assert str(path) in caught.value.message


async def test_a_body_that_ends_with_the_connection_needs_close_notify(
    tls_client: Client, server_tls: ssl.SSLContext
) -> None:
    """Else whoever is in between decides where the body ends (RFC 9112 section 9.8)."""

    def cut(connection: Connection) -> None:
        connection.request()
        connection.send(NO_CLOSE_NOTIFY)
        connection.close()

    def proper(connection: Connection) -> None:
        connection.request()
        connection.send(NO_CLOSE_NOTIFY)
        assert isinstance(connection.socket, ssl.SSLSocket)
        connection.socket.unwrap().close()

    with RawServer(cut, tls=server_tls) as server:
        with pytest.raises(AttemptFailed) as caught:
            await tls_client.get(server.url())
        assert caught.value.kind is ErrorKind.INCOMPLETE
    with RawServer(proper, tls=server_tls) as server:
        assert (await tls_client.get(server.url())).body == b"hello"


async def test_we_say_goodbye(tls_client: Client, server_tls: ssl.SSLContext) -> None:
    ends: list[bytes] = []

    def handle(connection: Connection) -> None:
        connection.request()
        connection.answer()
        ends.append(connection.socket.recv(1000))  # raises on a cut

    with RawServer(handle, tls=server_tls) as server:
        await tls_client.get(server.url())
        await tls_client.transport.aclose()
    assert ends == [b""]


def test_an_end_without_notice_is_one_in_either_form() -> None:
    """OpenSSL 3.6 gives some of them as a plain SSLError, so a body that ends so would have been a failure of TLS."""
    plain = ssl.SSLError(1, "[SSL: UNEXPECTED_EOF_WHILE_READING] unexpected eof while reading")
    plain.reason = "UNEXPECTED_EOF_WHILE_READING"
    other = ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac")
    other.reason = "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    assert [is_eof(error) for error in (plain, ssl.SSLEOFError(8, "eof"), other, ssl.SSLError(1, "x"))] == [
        True,
        True,
        False,
        False,
    ]
