"""Bytes a second: who took too much waits, in all and per host."""

from __future__ import annotations

import pytest

from fetch_engine.fetch.rate_limits import BURST, BytePacing
from fetch_engine.model.limits import Limits


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_without_a_bound_nobody_waits() -> None:
    pacing = BytePacing(None, None)
    assert not pacing.is_on
    assert pacing.take("a", 10**9) == 0


def test_the_rate_holds_however_the_bytes_come() -> None:
    for size in (10, 1000, 50_000):
        clock = Clock()
        pacing = BytePacing(1000.0, None, clock)
        taken = 0
        while taken < 100_000:
            wait = pacing.take("ab"[taken % 2], size)
            taken += size
            clock.now += wait
        assert 100 - BURST - 1e-6 <= clock.now - 50 <= 100 + 1e-6


def test_a_quiet_time_is_not_saved_up() -> None:
    clock = Clock()
    pacing = BytePacing(1000.0, None, clock)
    pacing.take("a", 10)
    clock.now += 3600
    assert pacing.take("a", 1000) == pytest.approx(1.0 - BURST)


def test_hosts_have_rates_of_their_own() -> None:
    clock = Clock()
    pacing = BytePacing(10_000.0, 1000.0, clock)
    assert pacing.take("a", 2000) == pytest.approx(2.0 - BURST)
    assert pacing.take("b", 500) == pytest.approx(0.5 - BURST)
    assert pacing.take("c", 50) == pytest.approx(0.255 - BURST)  # of what all took


@pytest.mark.parametrize("name", ["rate", "host_rate", "byte_rate", "host_byte_rate"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_rates_are_above_zero_and_finite(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})  # type: ignore[arg-type]
