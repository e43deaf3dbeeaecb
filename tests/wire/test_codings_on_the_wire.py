"""Bodies in codings that nobody knows, and parts of coded bodies, over each transport up to the line of JSON."""

from __future__ import annotations

import gzip
import json

import pytest

from fetch_engine import FetchEngine, FetchRequest
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.outputs.ndjson import ndjson_line

from .servers import Connection, RawServer

pytestmark = pytest.mark.anyio

BODY = gzip.compress(b"hello, world" * 100, mtime=0)


class Coded:
    """Answers with BODY in this coding; to a Range with the part of it. `asked` holds Accept-Encoding."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self.asked: list[bytes] = []

    def __call__(self, connection: Connection) -> None:
        while request := connection.request():
            lines = request.lower().split(b"\r\n")
            self.asked += [line.partition(b": ")[2] for line in lines if line.startswith(b"accept-encoding:")]
            coded = f"Content-Encoding: {self._coding}\r\n"
            if any(line.startswith(b"range:") for line in lines):
                covers = f"Content-Range: bytes 0-19/{len(BODY)}\r\n"
                connection.answer(BODY[:20], status="206 Partial Content", headers=coded + covers)
            else:
                connection.answer(BODY, headers=coded)


async def line_of(transport_name: str, request: FetchRequest) -> tuple[dict[str, object], bytes]:
    options = TransportOptions(client=transport_name)  # type: ignore[arg-type]
    async with FetchEngine(transport=options) as engine:
        result = await engine.submit(request)
    return json.loads(ndjson_line(request, result)), result.preview


@pytest.mark.parametrize("coding", ["UTF-8", "aws-chunked", "binary", "gzip, own"])
async def test_an_unknown_coding(transport_name: str, coding: str) -> None:
    with RawServer(Coded(coding)) as server:
        line, body = await line_of(transport_name, FetchRequest(server.url()))
    assert (line["status"], line["error"], body) == (200, None, BODY)
    assert line["warnings"] == [f"unknown content coding {coding.lower()!r}: the body is left as it came"]


async def test_none_is_no_coding(transport_name: str) -> None:
    with RawServer(Coded("none")) as server:
        line, body = await line_of(transport_name, FetchRequest(server.url()))
    assert (line["status"], line["warnings"], body) == (200, [], BODY)


async def test_a_part_is_asked_for_without_coding_and_left_as_it_came(transport_name: str) -> None:
    with RawServer(coded := Coded("gzip")) as server:
        line, body = await line_of(transport_name, FetchRequest(server.url(), headers=(("Range", "bytes=0-19"),)))
    assert coded.asked == [b"identity"]
    assert (line["status"], line["error"], body) == (206, None, BODY[:20])
    assert line["warnings"] == ["a part of a body in gzip cannot be decoded: it is left as it came"]
