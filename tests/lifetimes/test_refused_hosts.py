"""The machine of `test_machine`, with hosts that at any time ask for less, or for a longer wait than is allowed."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from fetch_engine import FetchError
from fetch_engine.core.slots import slow_down
from fetch_engine.core.task import Job
from fetch_engine.fetch.host_backoff import SlowDown
from tests.lifetimes.model import Model
from tests.lifetimes.test_machine import BOUNDED, HOSTS, EngineMachine, UvloopMachine, collector_off

__all__ = ["collector_off"]
ASKED = st.sampled_from([0.0, 1e-9, 3600.0])


class AskedForLess(Model):
    """A model whose hosts ask for less, as any answer of theirs may. Those that asked for an hour are refused."""

    def __init__(self, *, grace: float, idle_close: float | None) -> None:
        super().__init__(grace=grace, idle_close=idle_close)
        self.refused: set[str] = set()

    def ask_for_less(self, host: str, seconds: float) -> None:
        if seconds > 60:
            self.refused.add(f"{host}.test")
        self.scheduler.proceed(slow_down, SlowDown(f"{host}.test", 429, seconds))

    def check(self) -> None:
        super().check()
        for host in self.refused:
            assert self.scheduler.backoff.refusal(host) is not None
            assert self.scheduler.lanes.waiting_for(host) == 0
            assert self.waiting(host) == []
        assert self.scheduler.lanes._refused == {}

    def check_failure(self, job: Job, error: FetchError) -> None:
        if error.kind != "host-busy":
            super().check_failure(job, error)
            return
        assert error.retry_after == 3600.0
        assert any(host in job.request.url for host in self.refused), "nobody refused it"


class RefusingMachine(EngineMachine):
    model_type = AskedForLess

    @rule(host=HOSTS, seconds=ASKED)
    def ask_for_less(self, host: str, seconds: float) -> None:
        assert isinstance(self.model, AskedForLess)
        self.within(self.model.ask_for_less, host, seconds)


class RefusingUvloopMachine(RefusingMachine, UvloopMachine):
    pass


TestOnAsyncio = RefusingMachine.TestCase
TestOnAsyncio.settings = BOUNDED
TestOnUvloop = RefusingUvloopMachine.TestCase
TestOnUvloop.settings = BOUNDED
