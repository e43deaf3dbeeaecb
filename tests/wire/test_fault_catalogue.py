"""Every way to misbehave gives exactly one right result, in time and in little memory, and harms no healthy fetch."""

from __future__ import annotations

import hashlib

import pytest

from .fault_table import HEALTHY, TOTAL, Seen, beside, run, seen_of
from .faults import CATALOGUE
from .servers import FINE


@pytest.fixture(scope="module", params=["httpx", "fast"])
def seen(request: pytest.FixtureRequest) -> Seen:
    return run(request.param)


@pytest.mark.once
def test_every_fault_gives_one_result_of_its_kind(seen: Seen) -> None:
    assert len(CATALOGUE) >= 100
    assert {name: len(lines) for name, lines in seen.faults.items()} == dict.fromkeys(CATALOGUE, 1)
    for name, (line,) in seen.faults.items():
        fault = CATALOGUE[name]
        assert seen_of(line) in fault.expected, (name, line)
        # A broken reply is never passed off as good, nor is a part of one.
        if line["error"] is None:
            assert fault.body is not None
            assert line["sha256"] == hashlib.sha256(fault.body).hexdigest(), (name, line)
        assert line["elapsed_ms"] < 1000 * (float(TOTAL) + 10), (name, line)


@pytest.mark.once
def test_the_healthy_ones_beside_them_are_right(seen: Seen) -> None:
    assert [(line["status"], line["bytes"]) for line in seen.healthy] == [(200, len(FINE))] * HEALTHY


@pytest.mark.once
def test_the_healthy_ones_beside_them_are_not_slowed() -> None:
    """By the processor's time of this program; a fifth to a third more is what the faults themselves take."""
    faults, healthy = beside(faults=True), beside(faults=False)
    assert faults["good"] == healthy["good"] == HEALTHY
    assert faults["last cpu"] < 3 * healthy["last cpu"] + 0.1


@pytest.mark.once
def test_nothing_is_left_and_memory_stays_small(seen: Seen) -> None:
    assert seen.report["clean"]
    assert seen.report["opened"] == seen.report["closed"] == len(CATALOGUE) + HEALTHY
    assert seen.report["descriptors_after"] == seen.report["descriptors_before"]
    assert seen.peak < 300 * 2**20
