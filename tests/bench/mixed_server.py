"""python -m tests.bench.mixed_server PORT: good, coded, moved, missing, cut, reset and broken answers, by path."""

from __future__ import annotations

import asyncio
import gzip
import sys


def _answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body])


_OK = _answer(b"x" * 1024)
_ZIPPED = gzip.compress(b"x" * 20_000)
_CODED = b"Content-Encoding: gzip"
_ANSWERS = {
    b"/k": _OK,
    b"/gzip": _answer(_ZIPPED, _CODED),
    b"/badgzip": _answer(_ZIPPED[:-20], _CODED),
    b"/redirect": _answer(b"", b"Location: /k", status=b"302 Found"),
    b"/loop": _answer(b"", b"Location: /loop", status=b"302 Found"),
    b"/missing": _answer(b"none", status=b"404 Not Found"),
    b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + b"y" * 1024 + b"\r\n0\r\n\r\n",
}
_LAST = {
    b"/cut": _OK[:-100],
    b"/garbage": b"garbage\r\n\r\n",
    b"/close": b"HTTP/1.1 200 OK\r\n\r\n" + b"z" * 2000,
}


class Server(asyncio.Protocol):
    """Answers by path; /reset drops the connection, /slow says nothing."""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for head in heads:
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            if path in _ANSWERS:
                self._transport.write(_ANSWERS[path])
            elif path in _LAST:
                self._transport.write(_LAST[path])
                self._transport.close()
            elif path == b"/reset":
                self._transport.abort()


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
