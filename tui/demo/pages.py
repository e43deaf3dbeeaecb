"""What the demo server answers, by path: quick, slow, large, odd, failing and stalling pages."""

from __future__ import annotations

import gzip
import html
import json

from tui.demo.exchange import Answer, BadQuery, Exchange

BLOCK = bytes(range(256)) * 256  # 64 KiB


async def index(exchange: Exchange) -> None:
    items = "".join(f'<li><a href="{html.escape(path)}">{html.escape(path)}</a></li>' for path in PAGES)
    await exchange.reply(200, "text/html; charset=utf-8", f"<title>weakfetch demo</title><ul>{items}</ul>\n".encode())


async def fast(exchange: Exchange) -> None:
    await exchange.reply(200, "application/json", json.dumps({"ok": True, **exchange.query}).encode())


async def slow(exchange: Exchange) -> None:
    seconds = exchange.number("s", 2, 3600)
    await exchange.pause(seconds)
    await exchange.reply(200, "text/plain; charset=utf-8", f"answered after {seconds:g} s\n".encode())


async def large(exchange: Exchange) -> None:
    left = int(exchange.number("mb", 5, 100_000) * 1_000_000)
    await exchange.head(200, [("Content-Type", "application/octet-stream"), ("Content-Length", str(left))])
    while left and exchange.method != "HEAD":
        await exchange.send(BLOCK[:left])
        left -= min(left, len(BLOCK))
    await exchange.end()


async def chunked(exchange: Exchange) -> None:
    await exchange.head(200, [("Content-Type", "text/plain; charset=utf-8")])
    for number in range(int(exchange.number("n", 5, 1_000_000))):
        await exchange.send(f"chunk {number}\n".encode())
        await exchange.pause(exchange.number("every", 0.05, 3600))
    await exchange.end()


async def redirect(exchange: Exchange) -> None:
    left = int(exchange.number("n", 3, 1_000_000))
    target = f"/redirect?n={left - 1}" if left > 1 else "/fast"
    await exchange.reply(302, "text/plain; charset=utf-8", b"this way\n", [("Location", target)])


async def loop(exchange: Exchange) -> None:
    await exchange.reply(302, "text/plain; charset=utf-8", b"round and round\n", [("Location", "/loop")])


async def status(exchange: Exchange) -> None:
    exchange.query["code"] = exchange.path.removeprefix("/status/")
    code = int(exchange.number("code", 200, 999))
    if code < 200:
        raise BadQuery("code must be between 200 and 999")
    if code in (204, 304):
        await exchange.head(code, [])
        await exchange.end()
    else:
        await exchange.reply(code, "text/plain; charset=utf-8", f"status {code}, as asked for\n".encode())


async def stall(exchange: Exchange) -> None:
    await exchange.head(200, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "1000")])
    await exchange.pause(None)


async def drip(exchange: Exchange) -> None:
    pieces = int(exchange.number("n", 20, 1_000_000))
    piece = b"drip, drop, " * 5 + b"...\n"
    length = str(pieces * len(piece))
    await exchange.head(200, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", length)])
    for _ in range(pieces if exchange.method != "HEAD" else 0):
        await exchange.send(piece)
        await exchange.pause(exchange.number("every", 0.25, 3600))
    await exchange.end()


async def json_page(exchange: Exchange) -> None:
    items = [
        {"id": number, "name": f"item {number}", "tags": ["a", "b"], "price": number * 1.5} for number in range(50)
    ]
    await exchange.reply(200, "application/json", json.dumps({"items": items}, indent=1).encode())


async def html_page(exchange: Exchange) -> None:
    page = (
        "<!doctype html><html><head><title>A page</title></head><body><h1>Hello</h1><p>from the demo.</p></body></html>"
    )
    await exchange.reply(200, "text/html; charset=utf-8", page.encode())


async def binary(exchange: Exchange) -> None:
    await exchange.reply(200, "application/octet-stream", BLOCK[:4096])


async def unicode_page(exchange: Exchange) -> None:
    """Text that plays tricks on a terminal which is sent it raw."""
    text = (
        "Grüße, Ελλάδα, 日本語, 👩‍🔬, e\u0301\n"
        "bidi: \u202egnp.exe\u202c and \u2066isolated\u2069\n"
        "escape: \x1b[31mred\x1b[0m, title: \x1b]0;owned\x07, C1: \x9b2J, bell: \x07, back: abc\b\b\bxyz\n"
        "markup: [bold red]not bold[/] [@click=app.quit]not a link[/]\n"
    )
    await exchange.reply(200, "text/plain; charset=utf-8", text.encode())


async def reset(exchange: Exchange) -> None:
    await exchange.head(200, [("Content-Type", "text/plain"), ("Content-Length", "1000")])
    await exchange.send(b"this connection is about to be reset\n")
    await exchange.pause(0.05)  # so that the client has read this much before the RST discards it
    exchange.reset()


async def truncate(exchange: Exchange) -> None:
    await exchange.head(200, [("Content-Type", "text/plain"), ("Content-Length", "1000")])
    await exchange.send(b"1000 bytes were promised, these are fewer\n")
    await exchange.cut()


async def gzipped(exchange: Exchange) -> None:
    body = gzip.compress(json.dumps({"gzip": True, "text": "again and " * 200}).encode(), mtime=0)
    await exchange.reply(200, "application/json", body, [("Content-Encoding", "gzip")])


async def hang(exchange: Exchange) -> None:
    await exchange.pause(None)


async def echo(exchange: Exchange) -> None:
    seen = {
        "method": exchange.method,
        "path": exchange.path,
        "query": exchange.query,
        "headers": exchange.headers,
        "body": exchange.body.decode("utf-8", "replace"),
    }
    await exchange.reply(200, "application/json", json.dumps(seen).encode())


async def not_found(exchange: Exchange) -> None:
    await exchange.reply(404, "text/plain; charset=utf-8", b"nothing here; / lists what is\n")


PAGES: dict[str, Answer] = {
    "/": index,
    "/fast": fast,
    "/slow": slow,
    "/large": large,
    "/chunked": chunked,
    "/redirect": redirect,
    "/loop": loop,
    "/status/503": status,
    "/stall": stall,
    "/drip": drip,
    "/json": json_page,
    "/html": html_page,
    "/binary": binary,
    "/unicode": unicode_page,
    "/reset": reset,
    "/truncate": truncate,
    "/gzip": gzipped,
    "/hang": hang,
    "/echo": echo,
}


async def answer(exchange: Exchange) -> None:
    """Answer the request with the page its path names."""
    page = status if exchange.path.startswith("/status/") else PAGES.get(exchange.path, not_found)
    await page(exchange)
