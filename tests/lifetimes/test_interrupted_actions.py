"""Whatever the surroundings raise in the midst of an action of the mailbox, at whatever line: nothing is lost by it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import CodeType, FrameType
from typing import Any, TypeVar

import anyio
import pytest

from fetch_engine import FetchEngine, FetchRequest, Limits
from fetch_engine.core import slots
from fetch_engine.core.mailbox import Mailbox
from fetch_engine.core.recount import recount
from fetch_engine.core.scheduler import Scheduler
from fetch_engine.fetch.host_backoff import SlowDown
from tests.lifetimes.fake_transport import checked_wire
from tests.lifetimes.waiting import all_let_go, turns, until

pytestmark = pytest.mark.usefixtures("collector_off")

Value = TypeVar("Value")
Place = tuple[tuple[str, int], tuple[str, int]]

MODULES = (
    "announcing",
    "host_queues",
    "ledger",
    "local_executor",
    "recount",
    "scheduler",
    "session",
    "slots",
    "task",
)
ROOTS: set[CodeType] = {f.__code__ for f in (Mailbox.act, slots.turn_some_away, Scheduler.start)}


class Strike:
    """Raises `error` once, at the first line below a line of an action that it has not been raised at before."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error
        self.struck: dict[Place, None] = {}
        self.has_struck = False

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        self.has_struck = False
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)

    def _called(self, frame: FrameType, event: str, _: Any) -> Any:
        names = frame.f_globals.get("__name__", "").rpartition(".")
        if self.has_struck or names[0] != "fetch_engine.core" or names[2] not in MODULES:
            return None
        return self._line if self._place(frame) is not None else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and not self.has_struck:
            place = self._place(frame)
            if place is not None and place not in self.struck:
                self.struck[place] = None
                self.has_struck = True
                raise self.error
        return self._line

    @staticmethod
    def _place(frame: FrameType) -> Place | None:
        """The line of the action, and this one; None if it is not below one."""
        lines: list[tuple[str, int]] = []
        at: FrameType | None = frame
        while at is not None and len(lines) < 20:
            if at.f_code in ROOTS and lines and lines[-1][0] != "Scheduler.proceed":
                return lines[-1], lines[0]
            lines.append((at.f_code.co_qualname, at.f_lineno))
            at = at.f_back
        return None


def sure(call: Callable[[], Value]) -> Value:
    """Of a call into the engine, which may be the one that is struck: made once more then."""
    try:
        return call()
    except (MemoryError, RecursionError, KeyboardInterrupt):
        return call()


async def use(strike: Strike) -> None:
    """Every action of the mailbox, and the checks."""
    held: list[Any] = []

    def announce(_: FetchRequest, go: Callable[[], object]) -> None:
        go()

    async def source() -> AsyncIterator[str]:
        yield "http://a.test/ok"
        await anyio.sleep_forever()

    limits = Limits(concurrency=4, per_host=2, max_host_wait=60)
    with checked_wire() as wire:
        engine = FetchEngine(open_transport=wire.open, limits=limits, grace=0, outlived_after=0, announce=announce)
        with strike.armed():
            async with engine:
                scheduler = engine._scheduler

                def submit(url: Any, **options: Any) -> Any:
                    return sure(functools.partial(engine.submit, url, **options))

                def act(action: Any, subject: object) -> None:
                    scheduler.mailbox.put(action, subject)
                    sure(scheduler.advance)

                held += [submit(f"http://{host}.test/{path}") for host in "ab" for path in ("ok", "fail", "hang")]
                held.append(submit("http://c.test/hang", timeout=0.002))
                held.append(submit("http://c.test/to/d.test/ok", pin=True))
                held.append(submit(FetchRequest("http://e.test/ok", "POST")))
                await turns(3)
                sure(held.pop(2).cancel)  # it runs
                held += [submit(f"http://f.test/{path}") for path in ("ok", "hang", "hang", "hang", "to/a.test/ok")]
                await turns(1)
                act(slots.slow_down, SlowDown("f.test", 429, 0.002))
                sure(held[-2].cancel)  # it waits
                del held[-3]
                scheduler.mailbox.put_first(recount, None)
                sure(scheduler.advance)
                held.append(submit("http://g.test/to/h.test/ok"))
                held += [submit("http://h.test/hang") for _ in range(5)]
                await turns(2)
                act(slots.slow_down, SlowDown("h.test", 429, 1000))
                held.append(submit("http://h.test/ok"))  # turned away
                held.append(submit(FetchRequest("http://e.test/ok", "POST")))
                await turns(2)
                held.append(completions := sure(lambda: engine.as_completed(source())))
                await turns(2)
                del completions
                held.pop()
                wire.release.set()
                await until(lambda: all(task.done() for task in held))
                held.clear()
                with anyio.fail_after(60):
                    assert (await submit("http://a.test/ok")).status == 200
                await all_let_go(engine)
                submitted = next(engine._ids)
                census = engine.census()
                assert (census.opened, census.closed, census.alive) == (submitted - 1, submitted - 1, 0)
                lanes, session = scheduler.lanes, scheduler.session
                assert (census.queued, census.running, census.finished, census.dropping) == (0, 0, 0, 0)
                assert (lanes.running, lanes.held, lanes._waiting, lanes.waiting()) == (0, 0, 0, [])
                assert (session.leases, session.misuses, scheduler.pins, scheduler.running) == (0, 0, {}, set())
                await until(lambda: not session.is_open)
                # Something is under way at the end too.
                held += [submit("http://z.test/ok") for _ in range(3)]
                await turns(1)
        held.clear()
        census = engine.census()
        assert (census.opened, census.alive, session.leases) == (census.closed, 0, 0)


def strike_everywhere(run: Callable[[Strike], None], error: type[BaseException]) -> None:
    """Run it until it passes without a strike."""
    strike = Strike(error)
    while True:
        try:
            run(strike)
        except BaseException:
            print("struck at", list(strike.struck)[-1:])
            raise
        if not strike.has_struck:
            break
    actions = {place[0][0].rpartition(".")[2] for place in strike.struck}
    assert {"admit", "reap", "begin", "end", "cancel", "time_out", "leave", "_give_place", "depart"} < actions
    assert {"arrive", "slow_down", "_depart", "recount", "stop_feed"} < actions
    assert len(strike.struck) > 200


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_memory_at_any_line_of_any_action(backend: str) -> None:
    strike_everywhere(lambda strike: anyio.run(use, strike, backend=backend), MemoryError)


def test_control_c_at_any_line_of_any_action() -> None:
    """Where it strikes the engine's own tasks it comes out of the loop, which may be run again, as notebooks do."""

    def run(strike: Strike) -> None:
        loop = asyncio.new_event_loop()
        try:
            task = loop.create_task(use(strike))
            while not task.done():
                with contextlib.suppress(KeyboardInterrupt):
                    loop.run_until_complete(task)
            task.result()
        finally:
            loop.close()

    strike_everywhere(run, KeyboardInterrupt)
