"""Fetches in child processes of this one, so that they use more than one core.

The children are a generation of the shared session: started one by one as there is work, ended when the last lease is
back and the grace has passed. Each has an engine and HTTP sessions of its own, which come and go with its fetches.
A child that dies is replaced; what it had not finished is run again once elsewhere, where HTTP allows that.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
from anyio import to_thread

from fetch_engine.core.executor import Settings
from fetch_engine.core.process_facts import FarFacts, ProcessFacts
from fetch_engine.core.task import Job, Outcome
from fetch_engine.executors.frames import Frames
from fetch_engine.executors.processes.child_process import ChildProcess
from fetch_engine.executors.records import Order, pack_request
from fetch_engine.executors.remote import RemoteExecutor, RemoteJob
from fetch_engine.executors.work import Work
from fetch_engine.model.results import ErrorKind, FetchResult

END_LIMIT = 3.0  # seconds for children to end when they are told to; then they are killed


class ProcessExecutor(RemoteExecutor):
    """Runs fetches in up to `count` child processes, each in its own event loop; on every backend.

    Limits on places, starts and hosts are kept here for all of them together. Bounds on bytes a second are shared out
    evenly; each child has a credit for retries of its own. A child runs what it is given however slowly its answers are
    read: the places bound both ways. Cookies and transports of the caller's are refused with a ValueError.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError("there must be at least one process")
        super().__init__()
        self._count = count
        self.started = self.ended = self.lost = 0
        self._living: set[_Child] = set()
        self._gone = FarFacts()

    def prepare(self, settings: Settings) -> None:
        super().prepare(settings)
        if not sys.executable:
            raise ValueError("no Python interpreter to start other processes with")
        try:
            pickle.dumps(self._work())
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ValueError(f"other processes cannot be given these options: {error}") from None

    async def open_client(self) -> _Children:
        return _Children(self, self._count)

    @property
    def processes(self) -> ProcessFacts:
        """The counts now."""
        there = self._gone
        for child in self._living:
            there = there.plus(child.facts)
        return ProcessFacts(self.started, self.ended, self.lost, self.rerun, there)

    def _work(self) -> Work:
        settings, count = self._settings, self._count
        limits = settings.limits
        return Work(
            replace(
                settings,
                limits=replace(
                    limits,
                    per_host=limits.concurrency,
                    rate=None,
                    host_rate=None,
                    byte_rate=limits.byte_rate and limits.byte_rate / count,
                    host_byte_rate=limits.host_byte_rate and limits.host_byte_rate / count,
                ),
                spool=None,
            ),
            limits.rate is not None or limits.host_rate is not None,
        )

    async def work(self) -> tuple[Work, str | None]:
        """What one more child works by, and its folder for long bodies. Raises OSError."""
        spool = self._settings.spool
        if spool is None:
            return self._work(), None
        folder = await to_thread.run_sync(spool.share)
        return replace(self._work(), spool=(folder, spool.max_bytes // self._count)), folder

    async def tidy(self, folder: str | None) -> None:
        """Remove what a child has left there."""
        if folder is not None and self._settings.spool is not None:
            await to_thread.run_sync(self._settings.spool.tidy, folder)

    def spawn(self, function: Callable[[], Awaitable[None]]) -> None:
        """Soon start a task."""
        self._scheduler.spawn(function)

    def begin(self, child: _Child) -> None:
        """Start a child."""
        self.started += 1
        self._living.add(child)
        self.spawn(child.serve)

    def later(self, call: Callable[[], object]) -> None:
        """Soon make a call into the event loop."""
        self._scheduler.later(call)

    def bury(self, child: _Child, *, lost: bool) -> None:
        """A child has ended."""
        self._living.discard(child)
        self._gone = self._gone.plus(child.facts.after_death())
        self.ended += 1
        self.lost += lost

    def _send(self, carried: RemoteJob, client: Any) -> None:
        children: _Children = client
        if children.problem is not None:
            self._give_up(carried, (ErrorKind.CONNECT, children.problem))
        else:
            children.pick().order(carried)

    def _drop(self, carried: RemoteJob) -> None:
        child: _Child = carried.carrier
        child.drop(carried)

    def _admit(self, carried: RemoteJob) -> None:
        child: _Child = carried.carrier
        child.admit(carried)

    def _accepted(self, job: Job, outcome: Outcome) -> Outcome:
        spool = self._settings.spool
        if spool is not None and isinstance(outcome, FetchResult) and outcome.body_path is not None:
            spool.adopt(outcome.body_path, outcome.body_size)
        return super()._accepted(job, outcome)

    def _end(self, carried: RemoteJob, outcome: Outcome) -> None:
        child: _Child | None = carried.carrier
        if child is not None:
            child.carried.discard(carried)
        super()._end(carried, outcome)


class _Children:
    """The children of one generation. problem: why there are none and will be none."""

    def __init__(self, executor: ProcessExecutor, count: int) -> None:
        self._executor = executor
        self._count = count
        self._all: list[_Child] = []
        self.problem: str | None = None

    @property
    def connections(self) -> int:
        """Sockets that the children have open."""
        return sum(child.facts.connections for child in self._all)

    def pick(self) -> _Child:
        """The one that has least to do; one more is started where all have something."""
        least = min(self._all, key=lambda child: len(child.carried), default=None)
        if least is None or (least.carried and len(self._all) < self._count):
            least = _Child(self._executor, self)
            self._all.append(least)
            self._executor.begin(least)
        return least

    def remove(self, child: _Child) -> None:
        """It has ended."""
        self._all.remove(child)

    def despair(self, problem: str) -> None:
        """One could not be started; others may go on."""
        if not self._all:
            self.problem = problem

    async def aclose(self) -> None:
        """Have all of them end; whoever does not, is killed."""
        children = list(self._all)
        for child in children:
            child.end()
        with anyio.move_on_after(END_LIMIT):
            for child in children:
                await child.gone.wait()
        for child in children:
            child.kill()
            await child.gone.wait()


class _Child:
    """One child process, as the parent knows it. carried: what it has; facts: as it told last."""

    def __init__(self, executor: ProcessExecutor, children: _Children) -> None:
        self._executor = executor
        self._children = children
        self._process = ChildProcess()
        self._orders: list[Order] = []
        self._drops: list[int] = []
        self._places: list[int] = []
        self._rest = memoryview(b"")  # what its socket did not take yet
        self._is_due = self._is_ready = self._is_up = False
        self._ending = self._told_to_end = False
        self.carried: set[RemoteJob] = set()
        self.facts = FarFacts()
        self.gone = anyio.Event()

    @property
    def pid(self) -> int:
        """0 before it was started."""
        return self._process.pid

    def order(self, carried: RemoteJob) -> None:
        job = carried.job
        carried.carrier = self
        self.carried.add(carried)
        self._orders.append((job.id, carried.run, job.recorder.submitted, pack_request(job.request)))
        self._wake()

    def drop(self, carried: RemoteJob) -> None:
        self._drops.append(carried.job.id)
        self._wake()

    def admit(self, carried: RemoteJob) -> None:
        self._places.append(carried.job.id)
        self._wake()

    def end(self) -> None:
        """Tell it to end when it has read everything else."""
        self._ending = True
        self._wake()

    def kill(self) -> None:
        self._process.kill()

    def _wake(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._executor.later(self.flush)

    def flush(self) -> None:
        """Send what waits, as far as it is taken."""
        self._is_due = False
        # Who starts it, and who sends the rest, come back.
        frames = self._process.frames
        while frames is not None and self._is_up and not self._rest and not self._told_to_end:
            if self._orders or self._drops or self._places:
                message = self._orders, self._drops, self._places
                self._orders, self._drops, self._places = [], [], []
            elif self._ending:
                message, self._told_to_end = None, True
            else:
                return
            try:
                self._rest = frames.send_now(message)
            except OSError:
                return  # it is dead, as whoever reads finds out
            if self._rest:
                self._executor.spawn(partial(self._send_rest, frames))

    async def _send_rest(self, frames: Frames) -> None:
        with anyio.CancelScope(shield=True), contextlib.suppress(OSError, anyio.ClosedResourceError):
            await frames.send_rest(self._rest)
            self._rest = memoryview(b"")
            self.flush()

    async def serve(self) -> None:
        """Start it, and read what it tells until its end. Cancelling the engine goes by way of its fetches."""
        with anyio.CancelScope(shield=True):
            problem, folder = "", None
            try:
                work, folder = await self._executor.work()
                frames = await to_thread.run_sync(self._process.start)
                await frames.send(work)
                self._is_up = True
                self.flush()
                while messages := await frames.receive():
                    for records, facts in messages:
                        self._is_ready = True
                        self.facts = facts or self.facts
                        self._executor.receive(records)
            except OSError as error:
                problem = str(error)
            self._is_up = False
            if self._process.frames is not None:
                self._process.frames.close()
            problem = await to_thread.run_sync(self._process.wait) or problem
            await self._executor.tidy(folder)
            self._bury(problem)

    def _bury(self, problem: str) -> None:
        self._children.remove(self)
        self._executor.bury(self, lost=not self._ending)
        unsent = {task_id for task_id, *_ in self._orders} if self._is_ready else {each.job.id for each in self.carried}
        again = [each for each in self.carried if each.job.id in unsent]
        if not self._is_ready:
            self._children.despair(f"a process could not be started: {problem}")
        lost = self.carried.difference(again)
        for each in again:
            each.carrier = None
            self._executor.send_again(each)
        self._executor.lose(lost, (ErrorKind.RESET, f"the process that ran it has died: {problem}"))
        self.gone.set()
