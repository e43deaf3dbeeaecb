"""Names in certificates are a server's text: none of their control characters reaches the screen or the results."""

from __future__ import annotations

import datetime
import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fetch_engine import FetchEngine, FetchResult
from fetch_engine.model.transport_options import TransportOptions
from tests.wire.servers import RawServer, echoing
from tui.screen.details.tls import tls_lines

pytestmark = [pytest.mark.anyio, pytest.mark.once]

HOSTILE = "a\x1b]0;title\x07\x1b[2J\r\n\x9b31m\u202e\u2066b"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """Of a server whose certificate has such names everywhere."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, HOSTILE), x509.NameAttribute(NameOID.ORGANIZATION_NAME, HOSTILE)]
    )
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("a\x1b[2Jb\r\n.example"), x509.UniformResourceIdentifier("http://\x1b[2J/\n")]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(path)
    return found


async def test_the_screen_shows_them_without_control_characters(context: ssl.SSLContext) -> None:
    options = TransportOptions(client="httpx", verify=False, trust_env=False)
    with RawServer(echoing, tls=context) as server:
        async with FetchEngine(transport=options) as engine:
            result = await engine.submit(server.url())
    assert isinstance(result, FetchResult)
    shown = "".join(text for line in tls_lines(result, 60) for text, _ in line)
    assert "title" in shown
    assert shown.isprintable()


@pytest.mark.parametrize("transport", ["httpx", "fast"])
def test_errors_and_results_have_none(context: ssl.SSLContext, transport: str) -> None:
    with RawServer(echoing, tls=context) as server:
        done = subprocess.run(
            [sys.executable, "-m", "tui.cli", "--headless", "--no-store", "--transport", transport, server.url()],
            check=False,
            capture_output=True,
            timeout=60,
        )
    assert done.returncode == 1
    (line,) = done.stdout.decode().splitlines()
    assert json.loads(line)["error"]["kind"] == "tls"
    for text in (line, json.loads(line)["error"]["message"], *done.stderr.decode().splitlines()):
        assert text.isprintable()
