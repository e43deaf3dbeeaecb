"""The engine against servers and proxies as they are used: nothing here was written with it in mind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from fetch_engine import FetchEngine, FetchFailed, FetchRequest, FetchResult, Limits
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.save_to import SaveTo
from fetch_engine.model.transport_options import TransportOptions

from .real_peers import Nginx, hypercorn, microsocks, nginx, tinyproxy

pytestmark = [pytest.mark.anyio, pytest.mark.once]
BIG = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> bytes:
    made = authority.issue_cert("127.0.0.1", "localhost")
    return made.private_key_pem.bytes() + b"".join(part.bytes() for part in made.cert_chain_pems)


@pytest.fixture(scope="module")
def server(certificate: bytes) -> Iterator[Nginx]:
    with nginx(certificate) as started:
        (started.folder / "hello.txt").write_text("hello, world\n" * 100)
        (started.folder / "big.bin").write_bytes(BIG)
        yield started


@pytest.mark.parametrize("http2", [False, True])
async def test_nginx(server: Nginx, ca_file: str, http2: bool) -> None:
    options = TransportOptions(ca_file=ca_file, http2=http2)
    async with FetchEngine(transport=options) as engine:
        for base in (server.plain, server.tls):
            version = "HTTP/2" if http2 and base == server.tls else "HTTP/1.1"
            hello = await engine.submit(f"{base}/hello.txt")
            assert (hello.status, hello.http_version, hello.body_size) == (200, version, 1300)
            assert hello.header("content-encoding") == "gzip"
            assert (await engine.submit(f"{base}/moved")).final_url == f"{base}/hello.txt"
            assert (await engine.submit(f"{base}/missing")).status == 404
            assert (await engine.submit(f"{base}/busy")).status == 503
            posted = await engine.submit(FetchRequest(f"{base}/posted", "POST", body=b"x" * 100_000))
            assert posted.preview == b"POST 100000"
            head = await engine.submit(FetchRequest(f"{base}/big.bin", "HEAD"))
            assert (head.status, head.body_size) == (200, 0)
        tasks = [engine.submit(f"{server.tls}/big.bin?{number}") for number in range(40)]
        await engine.join()
        digests = {task.outcome.sha256 for task in tasks if isinstance(task.outcome, FetchResult)}
        assert digests == {hashlib.sha256(BIG).hexdigest()}
        assert hello.tls is not None
        assert hello.tls.verified


async def test_a_download_from_nginx_is_gone_on_with(server: Nginx, tmp_path: Path) -> None:
    save = SaveTo(str(tmp_path), resume=True)
    async with FetchEngine() as engine:
        # Cut by our own limit of time: at 200 KB/s the whole file takes 5 s.
        with pytest.raises(FetchFailed):
            await engine.submit(FetchRequest(f"{server.plain}/slowly/big.bin", save=save), timeout=1.5)
        left = (tmp_path / ".big.bin.part").stat().st_size
        assert 0 < left < len(BIG)
        result = await engine.submit(FetchRequest(f"{server.plain}/slowly/big.bin", save=save), timeout=60)
    assert (result.status, result.body_size) == (206, len(BIG))
    assert (tmp_path / "big.bin").read_bytes() == BIG


async def test_hypercorn(certificate: bytes, ca_file: str, tmp_path: Path) -> None:
    with hypercorn(tmp_path, certificate) as base:
        for http2 in (False, True):
            async with FetchEngine(transport=TransportOptions(ca_file=ca_file, http2=http2)) as engine:
                requests = [
                    FetchRequest(f"{base}/{size}", "POST", body=b"x" * size) for size in (0, 1, 70_000, 500_000)
                ]
                async for task in engine.as_completed(requests):
                    result = await task
                    size = len(task.request.body)
                    assert result.preview == f"POST {size};".encode() * 3
                    assert result.header("x-version") == ("2" if http2 else "1.1")
                del task


async def test_tinyproxy(server: Nginx, ca_file: str, tmp_path: Path) -> None:
    with tinyproxy(tmp_path, "BasicAuth me secret") as port:
        async with FetchEngine(
            transport=TransportOptions(ca_file=ca_file, proxy=f"http://me:secret@127.0.0.1:{port}")
        ) as engine:
            for base in (server.plain, server.tls):
                result = await engine.submit(f"{base}/hello.txt")
                assert (result.status, result.body_size) == (200, 1300)
            tasks = [engine.submit(f"{server.tls}/big.bin?{number}") for number in range(10)]
            await engine.join()
            assert {task.state for task in tasks} == {"done"}
        async with FetchEngine(transport=TransportOptions(ca_file=ca_file, proxy=f"http://127.0.0.1:{port}")) as engine:
            refused = await engine.submit(f"{server.plain}/hello.txt")
            assert refused.status == 407  # of the proxy itself, as plain HTTP has no other way to say so
            with pytest.raises(FetchFailed) as caught:
                await engine.submit(f"{server.tls}/hello.txt")
            assert caught.value.error.kind is ErrorKind.PROXY
            del caught


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_microsocks(server: Nginx, ca_file: str, tmp_path: Path, scheme: str) -> None:
    with microsocks(tmp_path, "-u", "me", "-P", "secret") as port:
        options = TransportOptions(ca_file=ca_file, proxy=f"{scheme}://me:secret@127.0.0.1:{port}")
        async with FetchEngine(transport=options, limits=Limits(per_host=4)) as engine:
            for base in (server.plain, server.tls, server.plain.replace("127.0.0.1", "localhost")):
                result = await engine.submit(f"{base}/hello.txt")
                assert (result.status, result.body_size) == (200, 1300)
            tasks = [engine.submit(f"{server.plain}/big.bin?{number}") for number in range(10)]
            await engine.join()
            assert {task.state for task in tasks} == {"done"}
        wrong = TransportOptions(proxy=f"{scheme}://me:wrong@127.0.0.1:{port}")
        async with FetchEngine(transport=wrong) as engine:
            with pytest.raises(FetchFailed) as caught:
                await engine.submit(f"{server.plain}/hello.txt")
            assert caught.value.error.kind is ErrorKind.PROXY
            del caught
