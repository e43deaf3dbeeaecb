"""The engine against httpbin, which says what reached it and answers what it is asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fetch_engine import FetchEngine, FetchFailed, FetchRequest, FetchResult, Limits, RetryPolicy, Timeouts
from fetch_engine.cookies.jar import CookieJar
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.save_to import SaveTo

from .real_peers import httpbin

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with httpbin(tmp_path_factory.mktemp("httpbin")) as url:
        yield url


def told(result: FetchResult) -> dict[str, Any]:
    assert result.status == 200
    found: dict[str, Any] = json.loads(result.preview)
    return found


async def failure(engine: FetchEngine, request: FetchRequest | str) -> ErrorKind:
    with pytest.raises(FetchFailed) as caught:
        await engine.submit(request)
    kind = caught.value.error.kind
    del caught
    return kind


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_what_is_asked_arrives(server: str, method: str) -> None:
    headers = (("X-One", "1"), ("Content-Type", "application/json"), ("X-Text", "grün"))
    url = f"{server}/anything/a%2Fb?x=1&x=2&y=%20&z#f"
    async with FetchEngine() as engine:
        echo = told(await engine.submit(FetchRequest(url, method, headers, b'{"a": [1]}')))
    assert (echo["method"], echo["json"]) == (method, {"a": [1]})
    assert echo["args"] == {"x": ["1", "2"], "y": " ", "z": ""}
    assert echo["headers"]["X-One"] == "1"
    assert echo["headers"]["X-Text"].encode("latin-1").decode() == "grün"


async def test_statuses_and_redirects(server: str) -> None:
    async with FetchEngine(limits=Limits(max_redirects=3), retry=RetryPolicy(1, delay=0.01)) as engine:
        for status in (201, 204, 304, 400, 404, 418, 500):
            result = await engine.submit(f"{server}/status/{status}")
            assert (result.status, result.attempts) == (status, 2 if status == 500 else 1)
        for path in ("redirect/3", "relative-redirect/3", "absolute-redirect/3"):
            result = await engine.submit(f"{server}/{path}")
            assert (result.status, len(result.redirects), result.final_url) == (200, 3, f"{server}/get")
        assert await failure(engine, f"{server}/redirect/4") is ErrorKind.TOO_MANY_REDIRECTS
        for status, method in ((301, "GET"), (303, "GET"), (307, "POST"), (308, "POST")):
            url = f"{server}/redirect-to?url=/anything&status_code={status}"
            echo = told(await engine.submit(FetchRequest(url, "POST", body=b"hello")))
            assert (echo["method"], echo["data"]) == (method, "hello" if method == "POST" else "")


async def test_credentials_and_cookies(server: str) -> None:
    known = server.replace("://", "://me:secret@")
    bearer = FetchRequest(f"{server}/bearer", headers=(("Authorization", "Bearer t0ken"),))
    async with FetchEngine(cookies=CookieJar()) as engine:
        assert told(await engine.submit(f"{known}/basic-auth/me/secret"))["user"] == "me"
        assert (await engine.submit(f"{server}/basic-auth/me/secret")).status == 401
        assert (await engine.submit(f"{known}/basic-auth/me/other")).status == 401
        assert told(await engine.submit(bearer))["token"] == "t0ken"
        # The credentials go along to the same origin, and no further.
        within, beyond = (
            f"{known}/redirect-to?url={host}/headers" for host in (server, server.replace("127.0.0.1", "localhost"))
        )
        coded = base64.b64encode(b"me:secret").decode()
        assert told(await engine.submit(within))["headers"]["Authorization"] == f"Basic {coded}"
        assert "Authorization" not in told(await engine.submit(beyond))["headers"]
        assert told(await engine.submit(f"{server}/cookies/set/a/1"))["cookies"] == {"a": "1"}
        both = await engine.submit(FetchRequest(f"{server}/cookies", headers=(("Cookie", "b=2"),)))
        assert told(both)["cookies"] == {"a": "1", "b": "2"}
        assert told(await engine.submit(f"{server}/cookies/delete?a"))["cookies"] == {}
    async with FetchEngine() as engine:
        assert told(await engine.submit(f"{server}/cookies/set/a/1"))["cookies"] == {}


async def test_codings_and_streams(server: str) -> None:
    async with FetchEngine() as engine:
        for path, said, coding in (
            ("gzip", "gzipped", "gzip"),
            ("deflate", "deflated", "deflate"),
            ("brotli", "brotli", "br"),
        ):
            result = await engine.submit(f"{server}/{path}")
            assert (told(result)[said], result.header("content-encoding")) == (True, coding)
            assert result.bytes_received != result.body_size
        stream = await engine.submit(f"{server}/stream/20")
        assert [json.loads(line)["id"] for line in stream.preview.splitlines()] == list(range(20))
        assert (await engine.submit(f"{server}/stream-bytes/70000?seed=1")).body_size == 70_000
        assert "∮ E⋅da = Q" in (await engine.submit(f"{server}/encoding/utf8")).preview.decode()
        drip = await engine.submit(f"{server}/drip?numbytes=5&duration=0.3")
        assert (drip.preview, drip.elapsed > 0.2) == (b"*****", True)


async def test_a_part_and_a_download_that_nothing_proves_the_same(server: str, tmp_path: Path) -> None:
    """Its entity tag is not valid, so that what was cut is fetched again, whole."""
    save = SaveTo(str(tmp_path), name="body", resume=True)
    async with FetchEngine() as engine:
        part = await engine.submit(FetchRequest(f"{server}/range/26", headers=(("Range", "bytes=2-5"),)))
        assert (part.status, part.preview) == (206, b"cdef")
        slow = FetchRequest(f"{server}/range/40000?duration=30&chunk_size=1000", save=save)
        with pytest.raises(FetchFailed):
            await engine.submit(slow, timeout=1.0)
        assert not (tmp_path / "body").exists()
        result = await engine.submit(FetchRequest(f"{server}/range/40000", save=save))
    assert (result.status, result.body_size) == (200, 40_000)
    assert (tmp_path / "body").read_bytes() == (b"abcdefghijklmnopqrstuvwxyz" * 2000)[:40_000]


async def test_what_takes_too_long(server: str) -> None:
    async with FetchEngine(timeouts=Timeouts(read=0.3, total=0.8)) as engine:
        assert await failure(engine, f"{server}/delay/2") is ErrorKind.TIMEOUT_READ
        assert await failure(engine, f"{server}/drip?numbytes=50&duration=5&delay=0") is ErrorKind.TIMEOUT_TOTAL
