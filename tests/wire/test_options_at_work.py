"""Options of the command line whose effect shows on the wire: each is given and left out, against real sockets."""

from __future__ import annotations

import gzip
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import trustme

from fetch_engine import FetchError, FetchRequest, FetchResult, RetryPolicy
from tui.options.table import parse
from tui.run.engine_options import engine_for, request_for
from tui.run.resume import open_run

from .http2_server import http2_context, speaking_http2
from .servers import Connection, RawServer, echoing, fine
from .test_timeouts import full_backlog

pytestmark = pytest.mark.once

Outcome = FetchResult | FetchError


def outcomes(*args: str, requests: int = 1) -> list[Outcome]:
    """What comes of the URL, which is the last argument, fetched so many times."""

    async def fetch() -> list[Outcome]:
        options = parse(args, stdout_is_terminal=False, environ={})
        async with engine_for(options) as engine:
            made: list[FetchRequest] = [request_for(options, args[-1]) for _ in range(requests)]
            tasks = [engine.submit(request) for request in made]
            await engine.join()
            found = [task.outcome for task in tasks]
        return [outcome for outcome in found if outcome is not None]

    return anyio.run(fetch)


def outcome(*args: str) -> str | int:
    """The status, or the kind of failure."""
    (found,) = outcomes(*args)
    return str(found.kind) if isinstance(found, FetchError) else found.status


@pytest.fixture(scope="module")
def secure(server_tls: ssl.SSLContext) -> Iterator[str]:
    with RawServer(echoing, tls=server_tls) as server:
        yield server.url()


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    with RawServer(fine) as server:
        yield server.url()


def test_trust(secure: str, ca_file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "missing"))
    assert outcome(secure) == "tls"
    assert outcome("--ca-native", secure) == "tls"
    assert outcome("-k", secure) == outcome("--cacert", ca_file, secure) == 200
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    assert outcome("--ca-native", secure) == 200


def test_a_client_certificate(authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    ours = authority.issue_cert("client.example")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(cert)
    ours.private_key_pem.write_to_path(key)
    with RawServer(echoing, tls=context) as server:
        assert outcome("--cacert", ca_file, server.url()) in ("tls", "reset")
        assert outcome("--cacert", ca_file, "--cert", cert, "--key", key, server.url()) == 200


def test_versions_of_http_and_tls(secure: str, authority: trustme.CA, ca_file: str) -> None:
    both = http2_context(authority)
    both.set_alpn_protocols(["h2", "http/1.1"])
    with RawServer(speaking_http2(lambda side, stream: side.respond(stream, b"")), tls=both) as server:
        (found,) = outcomes("--http2", "--cacert", ca_file, server.url())
        assert isinstance(found, FetchResult)
        assert found.http_version == "HTTP/2"
    for args, version in ((), "TLSv1.3"), (("--tls-max", "1.2"), "TLSv1.2"), (("--tlsv1.2",), "TLSv1.3"):
        (found,) = outcomes("--cacert", ca_file, *args, secure)
        assert found.tls is not None
        assert found.tls.protocol == version
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(old)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with RawServer(echoing, tls=old) as server:
        assert outcome("--cacert", ca_file, "--tlsv1.2", server.url()) == 200
        assert outcome("--cacert", ca_file, "--tlsv1.3", server.url()) == "tls"


def test_addresses(plain: str) -> None:
    named = plain.replace("127.0.0.1", "localhost")
    assert outcome("-4", named) == outcome(named) == 200
    assert outcome("-6", named) in ("connect", "dns")
    assert outcome("--interface", "127.0.0.1", plain) == 200
    assert outcome("--interface", "192.0.2.1", plain) == "connect"  # an address of nobody here
    assert outcome("--deny-private", plain) == outcome("--deny-private", named) == "blocked"


def test_a_host_that_does_not_answer_the_call() -> None:
    with full_backlog() as url:
        assert outcome("--connect-timeout", "0.2", "-m", "5", url) == "timeout-connect"


def test_which_requests_are_repeated_and_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait(policy: RetryPolicy, *_: object) -> float:
        waits.append(policy.delay)
        return 0.0

    monkeypatch.setattr(RetryPolicy, "wait", wait)

    def busy(connection: Connection) -> None:
        while connection.request():
            connection.answer(b"", status="503 Busy")

    with RawServer(busy) as server:
        args = ["--retry", "2", "--retry-delay", "0.25"]
        assert [found.attempts for found in outcomes(*args, "-X", "POST", server.url())] == [1]
        assert [found.attempts for found in outcomes(*args, "-X", "POST", "--retry-all-methods", server.url())] == [3]
        assert [found.attempts for found in outcomes(*args, "--retry-max-time", "0.0001", server.url())] == [1]
    assert waits == [0.25, 0.25]


def test_the_pace_of_a_host() -> None:
    def large(connection: Connection) -> None:
        while connection.request():
            connection.answer(b"x" * 40_000)

    with RawServer(large) as server:
        # Bodies that come with their heads count as well.
        for args, number in (
            (["--host-rate", "10/s"], 4),
            (["--host-limit-rate", "200K"], 3),
            (["--limit-rate", "200K"], 3),
        ):
            began = time.monotonic()
            assert len(outcomes(*args, server.url(), requests=number)) == number
            assert time.monotonic() - began > 0.25


def test_a_coded_body_with_and_without_compressed() -> None:
    """The option is taken, as in curl; codings are undone without it too."""

    def zipped(connection: Connection) -> None:
        while connection.request():
            connection.answer(gzip.compress(b"hello"), headers="Content-Encoding: gzip\r\n")

    with RawServer(zipped) as server:
        for args in ([], ["--compressed"]):
            (found,) = outcomes(*args, server.url())
            assert isinstance(found, FetchResult)
            assert found.preview == b"hello"


def test_a_download_is_gone_on_with_and_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(256)) * 100

    def cut(connection: Connection) -> None:
        request = connection.request()
        start = int(request.lower().split(b"range: bytes=")[1].split(b"-")[0]) if b"\r\nRange:" in request else 0
        head = f'ETag: "one"\r\nContent-Length: {len(body) - start}\r\n'
        if start:
            connection.send(
                f"HTTP/1.1 206 Part\r\n{head}Content-Range: bytes {start}-{len(body) - 1}/{len(body)}\r\n\r\n".encode()
            )
            connection.send(body[start:])
        else:
            connection.send(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body[:10_000])

    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with RawServer(cut) as server:
        for args, last in (["-O"], "incomplete"), (["-O", "-C", "-", "--fsync"], 206):
            folder = tmp_path / args[-1]
            assert outcome(*args, "--output-dir", str(folder), server.url("/file")) == "incomplete"
            assert outcome(*args, "--output-dir", str(folder), server.url("/file")) == last
            assert bool(synced) is (last == 206)
    assert (folder / "file").read_bytes() == body


def test_what_is_stored_and_for_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    given: list[tuple[bool, float, int]] = []

    def note(*_: object, **what: object) -> None:
        bounds = what["bounds"]
        given.append((what["with_secrets"], bounds.days, bounds.size))  # type: ignore[attr-defined, arg-type]
        raise InterruptedError

    monkeypatch.setattr("tui.run.resume.RunWriter", note)
    for args in ([], ["--store-secrets", "--store-days", "2.5", "--store-size", "5M"]):
        with pytest.raises(InterruptedError):
            open_run(parse([*args, "http://h/"], stdout_is_terminal=False, environ={}), lambda _: 0)
    assert given == [(False, 30.0, 2**30), (True, 2.5, 5 * 2**20)]


def test_a_body_is_saved_here_under_its_own_name(plain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert outcome("-O", f"{plain}name.bin") == 200
    assert (tmp_path / "name.bin").read_bytes() == b"hello, world"
