"""The recipe one finds: a task for each URL, and `weakref.finalize(task, session.close)` so that the last one closes.

It is wrong, and kept to show how. The finalizer calls a coroutine function: nothing awaits what it returns, so
nothing is closed. Were it closed, the first task collected would close it under the others. The list keeps every task
alive, so that none is collected while the list lives; a running task is kept by the event loop in any case. One
cancelled task ends the waiting for all of them, and what still runs is left unattended. And what is left open at the
end is left to the interpreter.

Run it with the URLs to fetch; the second is cancelled, the third dropped.
"""

from __future__ import annotations

import asyncio
import sys
import weakref

import httpx


async def fetch(session: httpx.AsyncClient, url: str) -> str:
    response = await session.get(url)
    return response.text


async def main(urls: list[str]) -> None:
    session = httpx.AsyncClient(trust_env=False)
    tasks = []
    for url in urls:
        task = asyncio.create_task(fetch(session, url))
        weakref.finalize(task, session.aclose)
        tasks.append(task)
    await asyncio.wait(tasks[:1])
    tasks[1].cancel()
    del tasks[2]
    for text in await asyncio.gather(*tasks):
        print(len(text))


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except asyncio.CancelledError:
        print("cancelled")
