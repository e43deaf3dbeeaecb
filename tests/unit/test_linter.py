"""Lints over facts made by hand: what lasts is told, what flickers is not, one and many read differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.core.facts import CollectedFacts, LeaseFacts
from fetch_engine.core.session import GenerationFacts
from fetch_engine.lints.facts import FetchFacts, HeldFacts, LoopFacts
from fetch_engine.lints.linter import Lint, Linter, at_once
from fetch_engine.lints.lints import (
    FETCH_LINTS,
    HELD_LINTS,
    BlockedLoop,
    FreedByCollector,
    HeldByCycle,
    HeldByScreen,
    HeldByTraceback,
    LargeBody,
    Outlived,
    QueuedLong,
    SessionStuck,
    SlowStart,
    Stalled,
    TinyReads,
)
from fetch_engine.model.results import FetchState

STALL = FetchFacts(1, FetchState.RECEIVING, 0.0, 8.0, "receive", 9.0, 0.0, 0.0, 1, 5)
QUEUED = FetchFacts(2, FetchState.QUEUED, 7.0, 7.0, None, 0.0, 0.0, 0.0, 0, 0)
SLOW_DNS = FetchFacts(3, FetchState.WAITING, 0.0, 0.1, "wait", 3.0, 2.0, 0.4, 0, 0)
SLOW_TLS = FetchFacts(4, FetchState.CONNECTING, 0.0, 3.0, "tls", 3.0, 0.0, 2.9, 0, 0)
CRUMBS = FetchFacts(5, FetchState.RECEIVING, 0.0, 0.0, "receive", 3.0, 0.0, 0.0, 200, 20_000)
FINE = FetchFacts(6, FetchState.RECEIVING, 0.0, 0.1, "receive", 3.0, 0.2, 0.4, 200, 2_000_000)
QUICK = FetchFacts(7, FetchState.WAITING, 0.0, 0.0, "wait", 0.1, 0.05, 0.04, 0, 0)

HELD = HeldFacts(1, 41.0, False, 100, ("global app.CACHE > list[0]",))
PINNED = HeldFacts(2, 41.0, True, 100, ("pinned by the engine",))
LARGE = HeldFacts(3, 0.1, True, 3 << 20)
TRACED = HeldFacts(4, 0.1, False, 0, ("global app.LAST > LookupError.__traceback__ > frame app.py:7 local 'task'",))
CYCLIC = HeldFacts(5, 0.1, False, 0, ("cycle of garbage (only the collector can free it): attribute task of Node",))
ON_SCREEN = HeldFacts(6, 0.1, False, 0, ("asyncio task 'message pump DonePane' > attribute row of DonePane",))

GENERATION = GenerationFacts(1, True, False, 0, 5, 0, 2, 30.0, 20.0)


def session(leases: int = 0, wanted: int = 0, misuses: int = 0, *generations: GenerationFacts) -> LeaseFacts:
    return LeaseFacts(0, leases, wanted, misuses, 1.0, generations)


def is_screen(line: str) -> bool:
    return "DonePane" in line


FIRING: list[tuple[Any, Any, str, str, str]] = [
    (Stalled(), STALL, "no bytes for 8 s", "1 fetch has had no bytes for over 5 s", "2 fetches have had no bytes"),
    (QueuedLong(), QUEUED, "in the queue for 7 s", "1 fetch has waited over 5 s", "2 fetches have waited over 5 s"),
    (SlowStart(), SLOW_DNS, "dns took 2.0 s of 3.0 s", "of the time of 1 fetch", "of the time of 2 fetches"),
    (SlowStart(), SLOW_TLS, "tls took 2.9 s of 3.0 s", "over 50% of the time", "of 2 fetches"),
    (TinyReads(), CRUMBS, "200 reads of 100 B on average", "1 fetch gets its body in", "2 fetches get their bodies in"),
    (
        Outlived(),
        HELD,
        "alive 41 s after the end",
        "1 handle outlived its fetch by over 2 s",
        "2 handles outlived their",
    ),
    (HeldByTraceback(), TRACED, "app.py:7 local 'task'", "1 handle is held by the traceback", "2 handles are held by"),
    (HeldByCycle(), CYCLIC, "only the garbage collector", "1 handle is held by a cycle only", "2 handles are held by"),
    (
        HeldByScreen(is_screen),
        ON_SCREEN,
        "attribute row of DonePane",
        "1 handle is held by the",
        "2 handles are held by",
    ),
    (
        LargeBody(),
        LARGE,
        "keeps 3.0 MB of body",
        "1 held handle keeps its large body, 3.0",
        "2 held handles keep their",
    ),
    (
        FreedByCollector(),
        CollectedFacts(0, ("http://h/",), 1, 5.0),
        "http://h/",
        "1 handle was freed only",
        "2 handles were",
    ),
    (
        BlockedLoop(),
        LoopFacts(0, 1, 0.312, 1.0, None),
        "blocked for 312 ms",
        "the event loop was blocked for 312 ms",
        "",
    ),
    (
        BlockedLoop(),
        LoopFacts(0, 3, 0.3, 1.0, "http://h/"),
        "by http://h/",
        "blocked 3 times, at worst for 300 ms, by",
        "",
    ),
    (SessionStuck(), session(1, 0), "1 leases for 0 handles", "a bug of this program", ""),
    (SessionStuck(), session(0, 0, 1), "a request met a client", "the session is stuck", ""),
    (SessionStuck(), session(0, 0, 0, GENERATION), "generation 1 has no lease", "does not close", ""),
]

SILENT: list[tuple[Any, list[Any]]] = [
    (Stalled(), [QUEUED, FINE, SLOW_TLS, QUICK]),
    (QueuedLong(), [STALL, FINE, FetchFacts(8, FetchState.QUEUED, 2.0, 2.0, None, 0.0, 0.0, 0.0, 0, 0)]),
    (SlowStart(), [FINE, QUICK, STALL, QUEUED]),
    (TinyReads(), [FINE, STALL, QUICK, FetchFacts(8, FetchState.RECEIVING, 0, 0, "receive", 1, 0, 0, 99, 99)]),
    (Outlived(), [PINNED, LARGE, HeldFacts(8, 1.0, False, 0)]),
    (HeldByTraceback(), [HELD, PINNED, CYCLIC]),
    (HeldByCycle(), [HELD, PINNED, TRACED]),
    (HeldByScreen(is_screen), [HELD, PINNED, TRACED, CYCLIC]),
    (LargeBody(), [HELD, PINNED]),
    (FreedByCollector(), [CollectedFacts(0, ("http://h/",), 1, 61.0)]),
    (BlockedLoop(), [LoopFacts(0, 1, 0.3, 11.0, None), LoopFacts(0, 1, 0.2, 1.0, None)]),
    (
        SessionStuck(),
        [
            session(),
            session(3, 3, 0, GenerationFacts(1, True, False, 3, 5, 1, 2, 30.0, 0.0)),
            session(0, 0, 0, GenerationFacts(1, True, False, 0, 5, 0, 2, 30.0, 0.9)),  # in its grace
            session(0, 0, 0, GenerationFacts(1, False, True, 0, 5, 0, 0, 30.0, 60.0)),  # closed
        ],
    ),
]


@pytest.mark.parametrize(("lint", "facts", "row", "one", "many"), FIRING, ids=lambda value: type(value).__name__)
def test_a_lint_fires_and_says_so(lint: Any, facts: Any, row: str, one: str, many: str) -> None:
    assert lint.check(facts)
    assert row in lint.format(facts)
    assert one in lint.summary([facts])
    assert many in lint.summary([facts, facts])


@pytest.mark.parametrize(("lint", "all_facts"), SILENT, ids=lambda value: type(value).__name__)
def test_a_lint_keeps_silent(lint: Any, all_facts: Sequence[Any]) -> None:
    assert [facts for facts in all_facts if lint.check(facts)] == []


def test_every_lint_is_tested_both_ways() -> None:
    firing, silent = ({type(case[0]) for case in cases} for cases in (FIRING, SILENT))
    known = {kind for kind in Lint.__subclasses__() if kind.__module__ == "fetch_engine.lints.lints"}
    assert firing == silent == known


def test_only_faults_of_ours_are_bugs() -> None:
    assert {type(case[0]) for case in FIRING if case[0].is_bug} == {SessionStuck, HeldByScreen}


# when what is found is told


@dataclass(frozen=True)
class Thing:
    id: int
    wrong: bool
    value: int = 0


class Wrong(Lint[Thing]):
    def __init__(self, grace: float = 1.0) -> None:
        self.grace = grace

    def check(self, facts: Thing) -> bool:
        return facts.wrong

    def format(self, facts: Thing) -> str:
        return f"wrong {facts.value}"

    def summary(self, found: Sequence[Thing]) -> str:
        return f"{len(found)} wrong"


def test_it_is_told_after_its_grace_and_stays_for_a_while() -> None:
    linter = Linter([Wrong()], linger=3.0)
    told = []
    for now, wrong in enumerate([True, True, True, False, False, False, False, True]):
        linter.run([Thing(1, wrong, now)], float(now))
        told.append(linter.warnings(1))
    # At 2 it was last seen; what lingers says what was seen.
    assert told == [(), ("wrong 1",), ("wrong 2",), ("wrong 2",), ("wrong 2",), (), (), ()]


def test_what_comes_and_goes_faster_than_the_grace_is_never_told() -> None:
    linter = Linter([Wrong()])
    for tenth in range(1000):
        linter.run([Thing(1, tenth % 7 != 0)], tenth / 10)
        assert linter.warnings(1) == ()
        assert linter.summaries(bugs=False) == []


@given(st.lists(st.tuples(st.booleans(), st.floats(0.05, 2.0)), max_size=60))
def test_nothing_flickers(steps: list[tuple[bool, float]]) -> None:
    linter = Linter([Wrong()], linger=3.0)
    now, shown, since = 0.0, False, -100.0
    for wrong, pause in steps:
        now += pause
        linter.run([Thing(1, wrong)], now)
        if bool(linter.warnings(1)) is not shown:
            assert now - since >= (3.0 if shown else 1.0) - 1e-9, "it changed too soon"
            shown, since = not shown, now


def test_what_is_gone_is_forgotten() -> None:
    linter = Linter([Wrong(grace=0.0)])
    linter.run([Thing(1, True), Thing(2, True)], 0.0)
    assert linter.summaries(bugs=False) == ["2 wrong"]
    linter.run([Thing(2, True)], 1.0)
    assert linter.warnings(1) == ()
    assert linter.summaries(bugs=False) == ["1 wrong"]
    linter.forget()
    assert linter.summaries(bugs=False) == []


def test_bugs_are_told_apart() -> None:
    class Bug(Wrong):
        is_bug = True

        def summary(self, found: Sequence[Thing]) -> str:
            return f"{len(found)} bugs"

    linter = Linter([Wrong(0.0), Bug(0.0)])
    linter.run([Thing(1, True)], 0.0)
    assert linter.warnings(1) == ("wrong 0", "wrong 0")
    assert linter.summaries(bugs=True) == ["1 bugs"]
    assert linter.summaries(bugs=False) == ["1 wrong"]


def test_several_lints_of_one_fetch() -> None:
    assert at_once(FETCH_LINTS, SLOW_DNS) == ("dns took 2.0 s of 3.0 s",)
    assert at_once(FETCH_LINTS, FINE) == ()
    assert len(at_once(HELD_LINTS, HeldFacts(1, 9.0, False, 1 << 24, TRACED.by))) == 3
