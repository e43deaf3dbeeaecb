"""A child process that runs fetches for its parent: `python -m fetch_engine.executors.processes.child DESCRIPTOR`.

The first message is what it works by (`Work`); then come orders, drops and places, and None as the word to end. It
answers with records and facts, the first of which say that it is ready. The end of the socket is the death of the
parent, and so the end of the child.
"""

from __future__ import annotations

import importlib.util
import signal
import socket
import sys
from typing import Any

import anyio
import anyio.abc

from fetch_engine.core.process_facts import FarFacts
from fetch_engine.executors.frames import Frames
from fetch_engine.executors.outbox import Outbox
from fetch_engine.executors.processes.child_process import LEFT_TO_THE_PARENT
from fetch_engine.executors.records import Record
from fetch_engine.executors.spool_guest import SpoolGuest
from fetch_engine.executors.work import Work
from fetch_engine.executors.worker_engine import WorkerEngine

MOST_RECORDS = 128  # in one message
PAUSE = 0.002  # seconds between two messages, so that what ends meanwhile goes with one
FACTS_EVERY = 0.25  # seconds
LAST_RESORT = 2  # seconds from the death of the parent, whatever still hangs


class _Child:
    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._outbox = Outbox()
        self._sending = anyio.Lock()

    async def run(self) -> None:
        messages = await self._frames.receive()
        if not messages:
            return
        work: Work = messages.pop(0)
        settings = work.settings
        if work.spool is not None:
            settings = settings.with_spool(SpoolGuest(*work.spool))
        far_end = WorkerEngine(settings, self._outbox.put, is_paced=work.is_paced)
        async with anyio.create_task_group() as group:
            await group.start(far_end.run)
            await self._frames.send(([], far_end.facts()))
            group.start_soon(self._tell_records)
            group.start_soon(self._tell_facts, far_end)
            try:
                await self._obey(far_end, messages)
            finally:
                group.cancel_scope.cancel()
        await self._send([], far_end.facts())

    async def _obey(self, far_end: WorkerEngine, messages: list[Any]) -> None:
        while True:
            for message in messages:
                if message is None:
                    return
                orders, drops, places = message
                far_end.take(orders)
                far_end.drop(drops)
                far_end.admit(places)
            messages = await self._frames.receive()
            if not messages:
                signal.alarm(LAST_RESORT)
                return

    async def _tell_records(self) -> None:
        while True:
            await self._send(await self._outbox.take(MOST_RECORDS), None)
            await anyio.sleep(PAUSE)

    async def _tell_facts(self, far_end: WorkerEngine) -> None:
        told = None
        while True:
            facts = far_end.facts()
            if facts != told:
                told = facts
                await self._send([], facts)
            await anyio.sleep(FACTS_EVERY)

    async def _send(self, records: list[Record], facts: FarFacts | None) -> None:
        async with self._sending:
            await self._frames.send((records, facts))


def main() -> None:
    """Run until the parent says so, or is gone."""
    for number in LEFT_TO_THE_PARENT:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_THE_PARENT)
    with socket.socket(fileno=int(sys.argv[1])) as end:
        child = _Child(Frames(end))
        try:
            options = {"use_uvloop": importlib.util.find_spec("uvloop") is not None}
            anyio.run(child.run, backend_options=options)
        except* ConnectionError:
            pass  # the parent is gone


if __name__ == "__main__":
    main()
