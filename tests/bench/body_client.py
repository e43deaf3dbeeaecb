"""One body read in pieces and thrown away, as a script would do it: python -m tests.bench.body_client NAME URL"""

from __future__ import annotations

import asyncio
import importlib
import sys

import httpx


async def by_httpx(url: str) -> int:
    size = 0
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for piece in response.aiter_bytes():
            size += len(piece)
    return size


async def by_aiohttp(url: str) -> int:
    aiohttp = importlib.import_module("aiohttp")  # not among the test dependencies
    size = 0
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        async for piece in response.content.iter_any():
            size += len(piece)
    return size


if __name__ == "__main__":
    read = asyncio.run({"aiohttp": by_aiohttp, "httpx": by_httpx}[sys.argv[1]](sys.argv[2]))
    sys.exit(0 if read else 1)
