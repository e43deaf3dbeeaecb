"""Who keeps a handle alive: each kind of holder is named, and asking leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import re
import threading
import time
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import anyio
import pytest

from fetch_engine import FetchEngine, FetchRequest
from fetch_engine.core.task import FetchTask, Job
from fetch_engine.inspect.holders import describe_holders

KEPT: list[object] = []
BY_NAME: dict[object, object] = {}
PATIENCE = 30.0  # seconds for a search that takes a few hundredths on a machine with nothing else to do
CURRENT: contextvars.ContextVar[object] = contextvars.ContextVar("current")


def handle() -> FetchTask:
    """One without an engine."""
    nothing: Any = None
    return FetchTask(Job(1, FetchRequest("http://127.0.0.1/"), "127.0.0.1", nothing, None, None))


def ask(
    task: weakref.ref[FetchTask], *, pinned: bool = False, limit: int = 5, depth: int = 4, seconds: float = PATIENCE
) -> list[str]:
    """As `FetchEngine.holders` asks: by way of a weak reference."""
    found = task()
    assert found is not None
    lines = describe_holders(found, pinned=pinned, limit=limit, depth=depth, seconds=seconds)
    own = [line for line in lines if "local 'found'" in line]  # this frame is a running frame like any other
    assert len(own) == 1
    return [line for line in lines if line not in own]


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    empty()
    gc.enable()
    gc.collect()


class Box:
    """Keeps one thing."""

    def __init__(self, thing: object) -> None:
        self.thing = thing


class SlotBox:
    __slots__ = ("thing", "unset")

    def __init__(self, thing: object) -> None:
        self.thing = thing


class Registry:
    """Keeps things in its class."""

    kept: list[object] = []  # noqa: RUF012 - the leak that is meant


class Case:
    """A holder: `make` puts a handle in it and returns what lets go of it; then one line must match."""

    def __init__(self, name: str, line: str, make: Callable[[FetchTask], Callable[[], object]]) -> None:
        self.name = name
        self.line = line
        self.make = make


CASES: list[Case] = []


def case(line: str) -> Callable[[Callable[[FetchTask], Callable[[], object]]], Callable[..., object]]:
    def add(make: Callable[[FetchTask], Callable[[], object]]) -> Callable[..., object]:
        CASES.append(Case(make.__name__, line, make))
        return make

    return add


def empty() -> None:
    """Let go of what this module keeps."""
    KEPT.clear()
    BY_NAME.clear()
    Registry.kept.clear()


def keep(thing: object) -> Callable[[], object]:
    """Held by this module for good; the function returned lets go."""
    KEPT.append(thing)
    return empty


def below(error: BaseException) -> types.TracebackType | None:
    """Its traceback without the frame that caught it."""
    assert error.__traceback__ is not None
    return error.__traceback__.tb_next


def because_of(error: BaseException) -> Exception:
    """Another exception, which this one caused."""
    outer = ValueError()
    outer.__cause__ = error
    return outer


HERE = re.escape(__name__)
GLOBAL = rf"global {HERE}\.KEPT \(list\[0\]\)"


@case(rf"^{GLOBAL}$")
def global_list(task: FetchTask) -> Callable[[], object]:
    return keep(task)


@case(rf"^global {HERE}\.BY_NAME \(dict key 'crawl-1'\)$")
def global_dict(task: FetchTask) -> Callable[[], object]:
    BY_NAME["crawl-1"] = task
    return empty


@case(rf"^global {HERE}\.BY_NAME \(dict key of type str\)$")
def key_that_may_be_secret(task: FetchTask) -> Callable[[], object]:
    BY_NAME["http://user:secret@host/"] = task
    return empty


@case(rf"^global {HERE}\.direct$")
def global_itself(task: FetchTask) -> Callable[[], object]:
    globals()["direct"] = task
    return lambda: globals().pop("direct") and None


@case(r"^list\[0\] in Registry\.kept of \S*test_holders module$")
def class_attribute(task: FetchTask) -> Callable[[], object]:
    Registry.kept.append(task)
    return empty


@case(rf"^{GLOBAL} > attribute thing of Box$")
def attribute(task: FetchTask) -> Callable[[], object]:
    return keep(Box(task))


@case(rf"^{GLOBAL} > attribute thing of Box$")
def attribute_with_its_dictionary_made(task: FetchTask) -> Callable[[], object]:
    box = Box(task)
    assert box.__dict__
    return keep(box)


@case(rf"^{GLOBAL} > attribute thing of SlotBox$")
def slot(task: FetchTask) -> Callable[[], object]:
    return keep(SlotBox(task))


@case(rf"^{GLOBAL} > dict key 'x' of attribute thing of Box$")
def dictionary_in_attribute(task: FetchTask) -> Callable[[], object]:
    return keep(Box({"x": task}))


@case(rf"^{GLOBAL} > attribute thing of Box > dict key 7 of attribute thing of SlotBox$")
def chain(task: FetchTask) -> Callable[[], object]:
    return keep(Box(SlotBox(OrderedDict({7: task}))))


@case(rf"^global {HERE}\.KEPT \(set in deque in list\[0\]\)$")
def set_in_deque(task: FetchTask) -> Callable[[], object]:
    return keep(deque([{task}]))


@case(rf"^{GLOBAL} > closure of function nothing$")
def closure(task: FetchTask) -> Callable[[], object]:
    def nothing() -> object:
        return task

    return keep(nothing)


@case(rf"^{GLOBAL} > default argument of function nothing$")
def default(task: FetchTask) -> Callable[[], object]:
    def nothing(task: FetchTask = task) -> object:
        return task

    return keep(nothing)


@case(rf"^{GLOBAL} > default argument of function nothing$")
def keyword_default(task: FetchTask) -> Callable[[], object]:
    def nothing(*, task: FetchTask = task) -> object:
        return task

    return keep(nothing)


@case(rf"^{GLOBAL} > tuple\[0\] in attribute args of partial$")
def partial(task: FetchTask) -> Callable[[], object]:
    return keep(functools.partial(print, task))


@case(rf"^{GLOBAL} > bound method cancel$")
def bound_method(task: FetchTask) -> Callable[[], object]:
    return keep(task.cancel)


@case(rf"^{GLOBAL} > ConnectionError\.__traceback__ > frame test_holders\.py:\d+ local 'held'$")
def exception(task: FetchTask) -> Callable[[], object]:
    def fetch(held: FetchTask) -> None:
        raise ConnectionError(held.id)

    try:
        fetch(task)
    except ConnectionError as error:
        return keep(error.with_traceback(below(error)))
    raise AssertionError


@case(rf"^{GLOBAL} > (ValueError\.__cause__|\.\.\.) > KeyError\.__traceback__ > frame \S+ local 'held'$")
def exception_behind_another(task: FetchTask) -> Callable[[], object]:
    def fetch(held: FetchTask) -> None:
        raise KeyError(held.id)

    try:
        fetch(task)
    except KeyError as error:
        return keep(because_of(error.with_traceback(below(error))))
    raise AssertionError


@case(rf"^{GLOBAL} > generator test_holders\.py:\d+ local 'held'$")
def generator(task: FetchTask) -> Callable[[], object]:
    def count(held: FetchTask) -> Generator[int]:
        yield held.id

    counting = count(task)
    next(counting)
    return keep(counting)


@case(rf"^{GLOBAL} > generator test_holders\.py:\d+ local 'held'$")
def generator_whose_variable_a_closure_shares(task: FetchTask) -> Callable[[], object]:
    def count(held: FetchTask) -> Generator[Callable[[], object]]:
        yield lambda: held

    counting = count(task)
    next(counting)
    return keep(counting)


@case(rf"^{GLOBAL} > coroutine test_holders\.py:\d+ local 'held'$")
def coroutine(task: FetchTask) -> Callable[[], object]:
    @types.coroutine
    def pause() -> Generator[None]:
        yield

    async def crawl(held: FetchTask) -> None:
        await pause()

    crawling = crawl(task)
    crawling.send(None)
    return keep(crawling)


@case(rf"^{GLOBAL} > async generator test_holders\.py:\d+ local 'held'$")
def async_generator(task: FetchTask) -> Callable[[], object]:
    async def count(held: FetchTask) -> AsyncIterator[int]:
        yield held.id

    counting = count(task)
    with pytest.raises(StopIteration):
        anext(counting).send(None)  # type: ignore[attr-defined]
    return keep(counting)


@case(r"^contextvar 'current'$")
def context_variable(task: FetchTask) -> Callable[[], object]:
    context = contextvars.copy_context()
    context.run(CURRENT.set, task)
    return keep(context)


@case(r"^default of contextvar 'fallback'$|> default of contextvar 'fallback'$")
def context_default(task: FetchTask) -> Callable[[], object]:
    return keep(contextvars.ContextVar("fallback", default=task))


@case(r"^frame test_holders\.py:\d+ local 'held' of thread 'worker'$")
def thread(task: FetchTask) -> Callable[[], object]:
    ready, leave = threading.Event(), threading.Event()

    def work(basket: list[FetchTask]) -> None:
        held = basket.pop()
        ready.set()
        leave.wait()
        del held

    worker = threading.Thread(target=work, args=([task],), name="worker")
    worker.start()
    ready.wait()

    def stop() -> None:
        leave.set()
        worker.join()

    return stop


@case(r"^frame test_holders\.py:\d+ local 'handles' of thread 'worker' \(list\[1\]\)$")
def thread_with_a_list(task: FetchTask) -> Callable[[], object]:
    ready, leave = threading.Event(), threading.Event()

    def work(basket: list[FetchTask]) -> None:
        handles = [None, basket.pop()]
        ready.set()
        leave.wait()
        del handles

    worker = threading.Thread(target=work, args=([task],), name="worker")
    worker.start()
    ready.wait()

    def stop() -> None:
        leave.set()
        worker.join()

    return stop


@case(r"^cycle of garbage \(only the collector can free it\): .*attribute thing of Box$")
def garbage(task: FetchTask) -> Callable[[], object]:
    box = Box(task)
    box.box = box  # type: ignore[attr-defined]
    return gc.collect


@case(r"^cycle of garbage \(only the collector can free it\): .*__traceback__ > frame \S+ local 'task'$")
def exception_in_its_own_frame(task: FetchTask) -> Callable[[], object]:
    def fetch(task: FetchTask) -> None:
        kept = None
        try:
            int("x")
        except ValueError as error:
            kept = error
        assert kept

    fetch(task)
    return gc.collect


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_holder_is_named_and_can_let_go(case: Case) -> None:
    def start() -> tuple[weakref.ref[FetchTask], Callable[[], object]]:
        task = handle()
        return weakref.ref(task), case.make(task)

    task, let_go = start()
    for _ in range(3):
        lines = ask(task)
        assert len(lines) == 1 or "Error" in case.line, lines  # a kept frame keeps those that called it
        assert re.search(case.line, lines[0]), lines
        assert max(map(len, lines)) <= 120
    let_go()
    assert task() is None


@pytest.mark.once
def test_many_looks_leave_nothing_behind() -> None:
    def start() -> tuple[weakref.ref[FetchTask], list[Callable[[], object]]]:
        task = handle()
        return weakref.ref(task), [case.make(task) for case in CASES[::3] if "garbage" not in case.line]

    task, let_go = start()
    gc.collect()
    objects = 0
    for round_ in range(30):
        lines = ask(task, limit=3)
        assert len(lines) == 3
        assert re.fullmatch(r"and \d+ more", lines[2])
        if round_ == 5:
            objects = len(gc.get_objects())
    assert len(gc.get_objects()) < objects + 50
    assert gc.collect() == 0, "a cycle was left behind"
    for one in let_go:
        one()
    assert task() is None


def test_running_frames_keep_no_copy_of_their_variables() -> None:
    """Before 3.13 a look at a frame's variables leaves a copy of them, and so of all handles among them, behind."""
    task, other = handle(), handle()
    ends = weakref.ref(task), weakref.ref(other)
    (line,) = describe_holders(task)
    assert re.fullmatch(r"frame test_holders\.py:\d+ local 'task'", line)
    del task, other
    assert [end() for end in ends] == [None, None]


def test_a_variable_shared_with_a_function_that_is_gone_is_told_once() -> None:
    task = handle()

    def nothing() -> object:
        return task

    del nothing
    assert len(describe_holders(task)) == 1


def test_variables_that_were_taken_by_name_are_left_as_they_are() -> None:
    task = handle()
    taken = locals()
    before = set(taken)
    describe_holders(task)
    assert before <= set(taken)
    assert taken["task"] is task


def test_the_outermost_and_nearest_places_of_a_long_chain() -> None:
    def start() -> weakref.ref[FetchTask]:
        task = handle()
        keep(functools.reduce(lambda thing, _: Box(thing), range(6), Box(task)))
        return weakref.ref(task)

    task = start()
    (line,) = ask(task, depth=4)
    assert "attribute thing of Box" in line
    (line,) = ask(task, depth=8)
    assert re.search(rf"^{GLOBAL} > (\.\.\. > )?(attribute thing of Box( > )?)+$", line)
    assert len(line) <= 120


def test_names_from_outside_cannot_write_to_the_terminal() -> None:
    def start() -> weakref.ref[FetchTask]:
        task = handle()
        wild = type("Wild\x1b[31m\u202e", (), {})()
        setattr(wild, "a\nb" * 100, {"\x07": task})
        keep(wild)
        return weakref.ref(task)

    (line,) = ask(start())
    assert line.isprintable()
    assert len(line) <= 120
    assert "dict key of type str of attribute a?ba?b" in line


def test_a_weak_reference_is_no_holder() -> None:
    task = handle()
    others = weakref.ref(task), weakref.WeakSet([task]), weakref.proxy(task)
    lines = describe_holders(task)
    assert len(lines) == 1
    assert "local 'task'" in lines[0]
    assert others


def test_no_code_of_the_holders_runs() -> None:
    class Touchy(dict[str, object]):
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

        __iter__ = __len__ = __eq__ = __hash__ = __repr__ = __bool__ = __contains__ = None  # type: ignore[assignment]

    def start() -> weakref.ref[FetchTask]:
        task = handle()
        touchy = Touchy()
        dict.__setitem__(touchy, "x", task)
        keep(touchy)
        return weakref.ref(task)

    (line,) = ask(start())
    assert line.endswith(".KEPT (dict key 'x' in list[0])")


def test_nobody_is_named_where_there_is_nobody() -> None:
    assert describe_holders(handle())[0].startswith("no holder found")


def test_a_reference_that_cannot_be_seen_makes_it_no_garbage() -> None:
    """An iterator of the interpreter's stack holds the cycle: no collector would free it."""

    def start() -> tuple[weakref.ref[FetchTask], list[Box]]:
        task = handle()
        box = Box(task)
        box.box = box  # type: ignore[attr-defined]
        return weakref.ref(task), [box]

    task, boxes = start()
    lines = [boxes.pop(), ask(task)][1]
    assert isinstance(lines, list)
    assert not any("garbage" in line for line in lines)
    (line,) = ask(task)
    assert line.startswith("cycle of garbage")


def test_time_is_bounded() -> None:
    def start() -> weakref.ref[FetchTask]:
        task = handle()
        box = Box(task)
        keep([Box(box) for _ in range(200_000)])
        return weakref.ref(task)

    task = start()
    began = time.perf_counter()
    lines = ask(task)
    assert time.perf_counter() - began < 10
    assert "attribute thing of Box" in lines[0]
    lines = ask(task, seconds=0.0)
    assert lines[-1] == "stopped looking after 0 s: there may be more"


def test_the_nearest_holder_comes_first_and_the_rest_are_counted() -> None:
    def start() -> weakref.ref[FetchTask]:
        task = handle()
        keep([Box(SlotBox(task)), Box(task), task, functools.partial(print, task)])
        return weakref.ref(task)

    lines = ask(start(), limit=2, pinned=True)
    assert lines[0] == "pinned by the engine"
    assert len(lines) == 2  # the frame that asks was the second of these and is left out
    assert lines[1] == "and 4 more"


async def _no_transport() -> Any:
    await anyio.sleep_forever()


@pytest.mark.anyio
class TestWithEngine:
    async def test_pin(self) -> None:
        async with FetchEngine(open_transport=_no_transport) as engine:
            task_id = engine.submit("http://127.0.0.1/", pin=True).id
            assert engine.holders(task_id, seconds=PATIENCE) == ["pinned by the engine"]
            assert engine.holders(task_id + 1, seconds=PATIENCE) == []
            with_box = Box(engine._registry[task_id])
            lines = engine.holders(task_id, seconds=PATIENCE)
            assert lines[0] == "pinned by the engine"
            assert re.fullmatch(r"frame test_holders\.py:\d+ local 'with_box' > attribute thing of Box", lines[1])
            del with_box

    async def test_as_completed(self) -> None:
        async with FetchEngine(open_transport=_no_transport) as engine:
            iterator = engine.as_completed(["http://127.0.0.1/"])
            async with anyio.create_task_group() as group:
                group.start_soon(anext, iterator)
                await anyio.wait_all_tasks_blocked()
                (line,) = engine.holders(1, seconds=PATIENCE)
                assert line.endswith(" > as_completed iterator")
                group.cancel_scope.cancel()
            await anyio.lowlevel.checkpoint()
            assert re.fullmatch(
                r"frame test_holders\.py:\d+ local 'iterator' > as_completed iterator",
                engine.holders(1, seconds=PATIENCE)[0],
            )
            del iterator
            gc.collect()  # on asyncio the cancellation keeps the frames that it went through
            assert engine.alive == 0

    async def test_awaited(self) -> None:
        async with FetchEngine(open_transport=_no_transport) as engine:

            async def crawl() -> None:
                await engine.submit("http://127.0.0.1/")

            async with anyio.create_task_group() as group:
                group.start_soon(crawl, name="crawler")
                await anyio.wait_all_tasks_blocked()
                for _ in range(3):
                    (line,) = engine.holders(1, seconds=PATIENCE)
                    assert re.fullmatch(
                        r"(asyncio|trio) task 'crawler' > .*coroutine test_holders\.py:\d+ > awaited", line
                    )
                group.cancel_scope.cancel()
            await anyio.lowlevel.checkpoint()
            assert engine.alive == 0
            assert engine.holders(1, seconds=PATIENCE) == []

    async def test_variable_of_the_running_task_is_told_once(self) -> None:
        task = handle()
        (line,) = describe_holders(task)
        assert re.fullmatch(r"frame test_holders\.py:\d+ local 'task'", line)

    async def test_task_that_waits(self) -> None:
        async def wait(held: list[FetchTask]) -> None:
            task = held.pop()
            await anyio.sleep_forever()
            del task

        task = handle()
        end = weakref.ref(task)
        async with anyio.create_task_group() as group:
            group.start_soon(wait, [task], name="waiter")
            del task
            await anyio.wait_all_tasks_blocked()
            for _ in range(3):
                (line,) = ask(end)
                assert re.fullmatch(
                    r"(asyncio|trio) task 'waiter' > .*coroutine test_holders\.py:\d+ local 'task'", line
                )
            group.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint()
        gc.collect()
        assert end() is None

    async def test_context_of_a_task(self) -> None:
        async def wait(held: list[FetchTask]) -> None:
            CURRENT.set(held.pop())
            await anyio.sleep_forever()

        task = handle()
        end = weakref.ref(task)
        async with anyio.create_task_group() as group:
            group.start_soon(wait, [task])
            del task
            await anyio.wait_all_tasks_blocked()
            assert ask(end) == ["contextvar 'current'"]
            group.cancel_scope.cancel()


def test_results_of_asyncio_tasks() -> None:
    async def give(things: list[object]) -> object:
        return things.pop()

    async def fail(things: list[object]) -> None:
        held = things.pop()
        raise ConnectionError(id(held))

    async def main() -> None:
        task = handle()
        end = weakref.ref(task)
        job = asyncio.create_task(give([task]), name="job")
        del task
        await asyncio.wait([job])
        (line,) = ask(end)
        assert re.fullmatch(r"frame test_holders\.py:\d+ local 'job' > result of asyncio task 'job'", line)
        found = end()
        job2 = asyncio.create_task(give([[found]]), name="job2")
        del job, found
        await asyncio.wait([job2])
        (line,) = ask(end)
        assert re.fullmatch(
            r"frame test_holders\.py:\d+ local 'job2' > result of asyncio task 'job2' \(list\[0\]\)", line
        )
        job3 = asyncio.create_task(fail([end()]), name="job3")
        del job2
        await asyncio.wait([job3])
        (line,) = ask(end)
        assert re.search(
            r"(ConnectionError\.__traceback__|exception of asyncio task 'job3') > frame \S+ local 'held'$", line
        )
        assert job3._log_traceback
        assert job3.exception()
        del job3
        await asyncio.sleep(0)
        assert end() is None

    asyncio.run(main())
