"""A catalogue of the ways in which a server can misbehave, with what must come of each.

`CATALOGUE` maps a name to a Fault. `server` serves all of them: /NAME/N is fault NAME, /fine is healthy.
python -m tests.wire.fault_table prints what is expected and what is seen.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import brotli  # type: ignore[import-untyped]

from .servers import FINE, Connection


@dataclass(frozen=True)
class Fault:
    """send: what the server does once it has read the request. expected: a status, or the kinds that are right."""

    send: Callable[[Connection], None]
    expected: frozenset[str | int]
    body: bytes | None = None  # of a status that is expected


CATALOGUE: dict[str, Fault] = {}


def raw(name: str, data: bytes, *expected: str | int, body: bytes | None = None, stay: bool = False) -> None:
    """The server sends these bytes and closes, or stays and says no more."""

    def send(connection: Connection) -> None:
        connection.send(data)
        if stay:
            connection.gone()
        else:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
            connection.gone()

    CATALOGUE[name] = Fault(send, frozenset(expected), body)


def doing(name: str, *expected: str | int, body: bytes | None = None) -> Callable[[Callable[[Connection], None]], None]:
    """The decorated function is what the server does."""

    def add(send: Callable[[Connection], None]) -> None:
        CATALOGUE[name] = Fault(send, frozenset(expected), body)

    return add


def head(*headers: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    return "\r\n".join([f"{version} {status}", *headers, "", ""]).encode("latin-1")


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    return head(f"Content-Length: {len(body)}", *headers, status=status) + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head("Transfer-Encoding: chunked") + framed + end


# The connection

for _cut in (0, 1, 9, 12, 16, 30):
    raw(f"closed after {_cut} bytes of the head", whole(FINE, "Content-Type: text/plain")[:_cut], "reset", "protocol")
raw("closed in the body", whole(FINE)[:-5], "incomplete")
raw("closed before the body", whole(FINE)[: -len(FINE)], "incomplete")
raw("closed in a chunk", chunked(FINE)[:-12], "incomplete")
raw("closed in a chunk's size", chunked(FINE)[: -len(b"c\r\n" + FINE + b"\r\n0\r\n\r\n") + 1], "incomplete")
raw("closed before the last chunk", chunked(FINE, end=b""), "incomplete")
raw("closed in the trailer", chunked(FINE, end=b"0\r\nX: y\r\n"), "incomplete")
raw("silent", b"", "timeout-read", stay=True)
raw("silent in the status line", b"HTTP/1.1 20", "timeout-read", stay=True)
raw("silent in the head", head("Content-Length: 12")[:-2], "timeout-read", stay=True)
raw("silent in the body", whole(FINE)[:-5], "timeout-read", stay=True)
raw("silent in a chunk", chunked(FINE)[:-12], "timeout-read", stay=True)
raw("silent before the last chunk", chunked(FINE, end=b""), "timeout-read", stay=True)
raw("length unknown and silent", head() + FINE, "timeout-read", stay=True)


@doing("reset at once", "reset")
def _(connection: Connection) -> None:
    connection.reset()


@doing("reset in the head", "reset")
def _(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-")
    time.sleep(0.05)
    connection.reset()


@doing("reset in the body", "reset", "incomplete")
def _(connection: Connection) -> None:
    connection.send(whole(FINE)[:-5])
    time.sleep(0.05)
    connection.reset()


@doing("reset where the length is unknown", "reset", "incomplete")
def _(connection: Connection) -> None:
    connection.send(head() + FINE)
    time.sleep(0.05)
    connection.reset()


def _for_ever(name: str, begin: bytes, part: bytes, *expected: str | int, every: float = 0.0) -> None:
    def send(connection: Connection) -> None:
        connection.send(begin)
        until = time.monotonic() + 20
        with contextlib.suppress(OSError):
            while time.monotonic() < until:
                connection.socket.sendall(part)
                if every:
                    time.sleep(every)

    CATALOGUE[name] = Fault(send, frozenset(expected))


_for_ever("a head that drips", b"HTTP/1.1 200 OK\r\n", b"X", "timeout-total", every=0.1)
_for_ever("headers without end", b"HTTP/1.1 200 OK\r\n", b"X-%b: y\r\n" % (b"a" * 100), "protocol")
_for_ever("one header without end", b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1000, "protocol")
_for_ever("a status line without end", b"HTTP/1.1 200 ", b"O" * 1000, "protocol")
_for_ever("interim responses without end", b"", head(status="100 Continue"), "protocol", "timeout-total")
_for_ever("interim responses that drip", b"", head(status="103 Early Hints"), "timeout-total", "protocol", every=0.1)
_for_ever("a body that drips", head("Content-Length: 1000000"), b"x", "timeout-total", every=0.1)
_for_ever("chunks that drip", head("Transfer-Encoding: chunked"), b"1\r\nx\r\n", "timeout-total", every=0.1)
_for_ever("a body without end", head(), b"x" * 65536, "too-large")
_for_ever("chunks without end", head("Transfer-Encoding: chunked"), b"400\r\n%b\r\n" % (b"x" * 1024), "too-large")
_for_ever("a chunk size without end", head("Transfer-Encoding: chunked"), b"0" * 1000, "protocol")
_EXTENDED = head("Transfer-Encoding: chunked") + b"1;"
_for_ever("a chunk extension without end", _EXTENDED, b"a" * 1000, "protocol", "timeout-total")
_for_ever("trailers without end", chunked(FINE, end=b"0\r\n"), b"X-T: y\r\n", "protocol")

# What is no HTTP

raw("a banner of SSH", b"SSH-2.0-OpenSSH_9.9\r\n", "protocol")
raw("a banner of SMTP", b"220 mail.test ESMTP\r\n", "protocol", stay=True)
raw("TLS on a plain port", bytes.fromhex("15030100020228"), "protocol")
raw("frames of HTTP/2", b"\0\0\0\4\0\0\0\0\0", "protocol", stay=True)
raw("a body without a head", b"<html>hello</html>", "protocol")
raw("zeros", bytes(5000), "protocol")
raw("noise", bytes(range(256)) * 20, "protocol")
raw("blank lines only", b"\r\n" * 50, "protocol", "reset")

# The status line

raw("a status of two digits", head("Content-Length: 0", status="20 OK"), "protocol")
raw("a status of four digits", head("Content-Length: 0", status="2000 OK"), "protocol")
raw("a status of letters", head("Content-Length: 0", status="abc OK"), "protocol")
raw("a status below 100", head("Content-Length: 0", status="099 No"), "protocol")
raw("an unknown status", whole(FINE, status="299 Odd"), 299, body=FINE)
raw("a status of 999", whole(FINE, status="999 Go away"), 999, "protocol", body=FINE)
raw("no reason", whole(FINE, status="200"), 200, body=FINE)
raw("a version of 3", head("Content-Length: 0", version="HTTP/3.0"), "protocol")
raw("a version of 1.0", b"HTTP/1.0 200 OK\r\n\r\n" + FINE, 200, body=FINE)
raw("a lower-case version", b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "protocol")
raw("a control character in the reason", whole(FINE, status="200 O\x01K"), "protocol", 200, body=FINE)

# Headers

raw("bare line feeds", whole(FINE).replace(b"\r\n", b"\n"), 200, "protocol", body=FINE)
raw("a bare carriage return", head("A: b\rC: d", "Content-Length: 0"), "protocol")
raw("a zero byte in a header", head("A: b\0c", "Content-Length: 0"), "protocol")
raw("a header without a colon", head("nonsense", "Content-Length: 0"), "protocol")
raw("a header without a name", whole(FINE, ": value"), 200, body=FINE)
raw("a header whose name has a blank", whole(FINE, "A B: value"), 200, body=FINE)
raw("a blank before the colon", head("Content-Length : 12") + FINE, "protocol")
raw("a folded header", whole(FINE, "A: b", " c"), 200, body=FINE)
raw("a header that begins folded", head(" A: b", "Content-Length: 0"), "protocol")
raw("Latin-1 in a header", whole(FINE, "A: gr\xfcn"), 200, body=FINE)
raw("UTF-8 in a header", whole(FINE).replace(b"\r\n\r\n", b"\r\nA: gr\xc3\xbcn\r\n\r\n", 1), 200, body=FINE)
raw("two thousand headers", whole(FINE, *[f"X-{n}: y" for n in range(2000)]), "protocol")
raw("a header of 300 KB", whole(FINE, "X: " + "y" * 300_000), "protocol")
raw("a thousand cookies", whole(FINE, *[f"Set-Cookie: c{n}=v" for n in range(900)]), 200, body=FINE)
raw("a cookie beyond ASCII", whole(FINE, "Set-Cookie: gr\xfcn=\xe4"), 200, body=FINE)
raw("a cookie with control characters", whole(FINE, "Set-Cookie: a=b\x1b[31m"), "protocol", 200, body=FINE)
raw("an escape sequence in a header", whole(FINE, "Server: \x1b]0;owned\x07"), "protocol", 200, body=FINE)

# Framing

raw("a length below zero", head("Content-Length: -1") + FINE, "protocol")
raw("a length with a plus", head("Content-Length: +12") + FINE, "protocol")
raw("a length with a point", head("Content-Length: 12.0") + FINE, "protocol")
raw("a length in hex", head("Content-Length: 0xc") + FINE, "protocol")
raw("a length of nothing", head("Content-Length: ") + FINE, "protocol")
raw("a length of 30 digits", head("Content-Length: " + "9" * 30) + FINE, "protocol", "too-large")
raw("a length of 2 to the 64", head(f"Content-Length: {2**64}") + FINE, "protocol", "too-large", "incomplete")
raw("the same length twice", head("Content-Length: 12", "Content-Length: 12") + FINE, 200, body=FINE)
raw("the same length in a list", head("Content-Length: 12, 12") + FINE, 200, "protocol", body=FINE)
raw("two lengths", head("Content-Length: 12", "Content-Length: 5") + FINE, "protocol")
raw("two lengths in a list", head("Content-Length: 12, 5") + FINE, "protocol")
_BOTH = head("Content-Length: 3", "Transfer-Encoding: chunked") + chunked(FINE).split(b"\r\n\r\n", 1)[1]
raw("length and chunks", _BOTH, 200, "protocol", body=FINE)
raw("a transfer coding that is unknown", head("Transfer-Encoding: gzip") + FINE, "protocol")
raw("chunked not last", head("Transfer-Encoding: chunked, gzip") + FINE, "protocol")
raw("chunked twice", head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + FINE, "protocol")
raw("a chunk size of letters", head("Transfer-Encoding: chunked") + b"xyz\r\n", "protocol")
raw("a chunk size below zero", head("Transfer-Encoding: chunked") + b"-5\r\nhello\r\n0\r\n\r\n", "protocol")
raw("a chunk size with 0x", head("Transfer-Encoding: chunked") + b"0x5\r\nhello\r\n0\r\n\r\n", "protocol")
raw("a chunk size of 30 digits", head("Transfer-Encoding: chunked") + b"f" * 30 + b"\r\nhello", "protocol")
raw("a chunk without its end", head("Transfer-Encoding: chunked") + b"5\r\nhelloXX0\r\n\r\n", "protocol")
raw("a chunk extension", head("Transfer-Encoding: chunked") + b'c;a="b"\r\n' + FINE + b"\r\n0\r\n\r\n", 200, body=FINE)
raw("a trailer", chunked(FINE, end=b"0\r\nX-Sum: 1\r\n\r\n"), 200, body=FINE)
raw("a trailer that is none", chunked(FINE, end=b"0\r\nnonsense\r\n\r\n"), "protocol")
raw("more than was promised", whole(FINE) + b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nPOISON!", 200, body=FINE)
raw("more after the last chunk", chunked(FINE) + b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nPOISON!", 200, body=FINE)
raw("a body with 204", head("Content-Length: 12", status="204 No Content") + FINE, 204, "protocol", body=b"")
raw("a body with 304", whole(FINE, status="304 Not Modified"), 304, body=b"")
raw("an upgrade nobody asked for", head("Upgrade: x", "Connection: upgrade", status="101 Switching"), "protocol")
raw("a hint before the answer", head("Link: </a>", status="103 Early Hints") + whole(FINE), 200, body=FINE)
raw("an interim answer with a length", head("Content-Length: 5", status="100 Continue") + whole(FINE), 200, "protocol",
    body=FINE)  # fmt: skip
raw("nothing but interim answers", head(status="100 Continue") * 3, "reset", "protocol")

# Codings

_GZIP = gzip.compress(FINE * 100)
_DEFLATE = zlib.compress(FINE * 100)
_BROTLI = brotli.compress(FINE * 100)


def coded(name: str, coding: str, body: bytes, *expected: str | int, decoded: bytes = FINE * 100) -> None:
    raw(name, whole(body, f"Content-Encoding: {coding}"), *expected, body=decoded)


coded("gzip", "gzip", _GZIP, 200)
coded("gzip, two members", "gzip", _GZIP + _GZIP, 200, decoded=FINE * 200)
coded("gzip, cut", "gzip", _GZIP[:-9], "decode")
coded("gzip, cut before its check", "gzip", _GZIP[:-8], "decode")
coded("gzip, cut in its head", "gzip", _GZIP[:5], "decode")
coded("gzip, wrong check", "gzip", _GZIP[:-8] + b"\0" * 8, "decode")
coded("gzip, garbage behind it", "gzip", _GZIP + b"garbage", "decode")
coded("gzip that is none", "gzip", FINE, "decode")
coded("gzip of nothing at all", "gzip", b"", 200, decoded=b"")
coded("deflate", "deflate", _DEFLATE, 200)
coded("deflate, raw", "deflate", _DEFLATE[2:-4], 200)
coded("deflate, cut", "deflate", _DEFLATE[:-6], "decode")
coded("br", "br", _BROTLI, 200)
coded("br, cut", "br", _BROTLI[:-3], "decode")
coded("br, garbage behind it", "br", _BROTLI + b"garbage", "decode")
coded("zstd that is none", "zstd", FINE, "decode")
coded("an unknown coding", "x-unknown", FINE, 200, decoded=FINE)
coded("a coding that is none", "none", FINE, 200, decoded=FINE)
coded("six codings", ", ".join(["gzip"] * 6), FINE, "decode")
coded("a coding that is named twice", "gzip, gzip", gzip.compress(_GZIP), 200)


def _bomb(mebibytes: int) -> bytes:
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = deflate.compress(bytes(1024**2)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return block * mebibytes + deflate.flush()


coded("a bomb", "gzip", gzip.compress(bytes(200 * 1024**2), 9), "too-large")
coded("a bomb in a bomb", "deflate, gzip", gzip.compress(_bomb(4096)), "too-large")
coded("a bomb of br", "br", brotli.compress(bytes(200 * 1024**2), quality=5), "too-large")
coded("a bomb of members", "gzip", gzip.compress(b"") * 100_000, 200, "too-large", "timeout-total", decoded=b"")

# Redirects

for _name, _location, *_expected in (
    ("to a file", "file:///etc/passwd", "redirect-refused"),
    ("to data", "data:text/plain,hello", "redirect-refused"),
    ("to ftp", "ftp://127.0.0.1/x", "redirect-refused"),
    ("to gopher", "gopher://127.0.0.1:25/x", "redirect-refused"),
    ("to javascript", "javascript:alert(1)", "redirect-refused"),
    ("to no port", "http://127.0.0.1:99999/", "redirect-refused"),
    ("to no host", "http:///x", "redirect-refused"),
    ("to a host with a slash", "http://127.0.0.1%2Fevil.test/", "redirect-refused"),
    ("to two users", "http://a@b@127.0.0.1/", "redirect-refused"),
    ("to an IPv4 address in octal", "http://0177.0.0.1/", "redirect-refused"),
    ("to itself", "?again", "too-many-redirects"),
    ("to a closed port", "http://127.0.0.1:1/", "connect"),
):
    raw(f"a redirect {_name}", head("Content-Length: 0", f"Location: {_location}", status="302 Found"), *_expected)
raw("a redirect to an empty place", whole(FINE, "Location: ", status="302 Found"), 302, body=FINE)
raw("a redirect to nowhere", whole(FINE, status="302 Found"), 302, body=FINE)
raw("a redirect to two places", head("Content-Length: 0", "Location: /fine", "Location: /other", status="302 Found"),
    "redirect-refused")  # fmt: skip
raw("a redirect with a broken place", head("Content-Length: 0", "Location: /a\x01b", status="302 Found"),
    "redirect-refused", "protocol")  # fmt: skip
raw("a redirect whose body is silent", head("Content-Length: 5", "Location: /fine", status="302 Found"), 200, body=FINE,
    stay=True)  # fmt: skip
raw("a redirect whose body is cut", head("Content-Length: 5", "Location: /fine", status="302 Found") + b"x", 200,
    body=FINE)  # fmt: skip
_GIVEN = ("Content-Encoding: gzip", "Location: /fine")
raw("a redirect whose body is a bomb", whole(gzip.compress(_bomb(1024)), *_GIVEN, status="302 Found"), 200, body=FINE)


@doing("a redirect whose body has no end", 200, body=FINE)
def _(connection: Connection) -> None:
    connection.send(head("Location: /fine", status="302 Found"))
    with contextlib.suppress(OSError):
        for _ in range(2000):
            connection.socket.sendall(b"x" * 65536)


@doing("a chain of redirects", "too-many-redirects")
def _(connection: Connection) -> None:
    connection.send(head("Content-Length: 0", f"Location: ?{time.perf_counter_ns()}", status="302 Found"))


def name_of(path: str) -> str | None:
    """The fault that a path asks for."""
    number = path.strip("/").split("/")[0].split("?")[0]
    names = list(CATALOGUE)
    return names[int(number)] if number.isdigit() and int(number) < len(names) else None


def paths() -> Iterator[tuple[str, str]]:
    """Each fault's name and path."""
    for number, name in enumerate(CATALOGUE):
        yield name, f"/{number}"


def misbehave(connection: Connection) -> None:
    """A handler for all of them; each fault has its connection to itself."""
    while request := connection.request():
        path = request.split()[1].decode()
        name = name_of(path)
        if name is None:
            connection.answer(FINE)
            continue
        CATALOGUE[name].send(connection)
        return
