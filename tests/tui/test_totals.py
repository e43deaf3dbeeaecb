"""Totals against what a naive computation says."""

from __future__ import annotations

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.model.results import ErrorKind, FetchError, FetchResult, Hop, Timings
from tests.tui.fake_link import failure, result, snapshot
from tui.bridge.snapshot import FinishedRecord
from tui.rows.totals import BATCH, NO_HOST, OTHERS, Histogram, Totals, host_of

HOSTS = ("http://a/", "https://b:8443/x?y#z", "http://user:secret@c/", "d", "not a url")
durations = st.floats(0, 1e6, allow_nan=False)


@st.composite
def records(draw: st.DrawFn) -> FinishedRecord:
    url = draw(st.sampled_from(HOSTS))
    total = draw(durations)
    timings = Timings(draw(st.none() | st.floats(0, total)), total=total)
    size = draw(st.integers(0, 10**12))
    if draw(st.booleans()):
        hops = tuple(Hop(url, 302) for _ in range(draw(st.integers(0, 3))))
        status = draw(st.integers(100, 599))
        return result(
            1, url, status=status, elapsed=total, timings=timings, bytes_received=size, redirects=hops,
            attempts=draw(st.integers(1, 4)),
        )  # fmt: skip
    return failure(1, url, draw(st.sampled_from(ErrorKind)), "no", elapsed=total, timings=timings, bytes_received=size)


def nearest_rank(values: list[float], part: float) -> float:
    return sorted(values)[max(1, ceil(part * len(values))) - 1]


@given(st.lists(durations, min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_at_most_two_percent_off(values: list[float], part: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    for each in (part, 0.5, 0.9, 0.99):
        exact = nearest_rank(values, each)
        assert abs(histogram.quantile(each) - exact) <= max(0.0101 * exact, 1.1e-6)
    assert histogram.quantile(1) == histogram.largest == max(values)
    assert histogram.smallest == min(values)
    assert histogram.count == len(values)


@given(st.lists(durations, max_size=100), st.lists(durations, min_size=2, max_size=8, unique=True))
def test_what_lies_between_edges_is_counted_once(values: list[float], edges: list[float]) -> None:
    edges.sort()
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    counts = histogram.between([0.0, *edges, 1e9])
    assert sum(counts) == len(values)
    # an edge is 1 % wide
    values = [value for value in values if all(abs(value - edge) > 0.011 * edge + 2e-6 for edge in edges)]
    for low, high, count in zip([0.0, *edges], [*edges, 1e9], counts, strict=True):
        assert count >= sum(low <= value < high for value in values)


def test_the_buckets_are_bounded_whatever_is_counted() -> None:
    histogram = Histogram()
    for power in range(-3000, 3000):
        histogram.add(10.0 ** (power / 10))
    assert len(histogram._buckets) <= 1383
    assert histogram.quantile(1) == histogram.largest


def test_an_empty_histogram_says_nothing() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.5) == 0
    assert histogram.between([0, 1, 2]) == [0, 0]


@given(st.lists(records(), max_size=60), st.integers(1, 5))
def test_totals_are_what_a_naive_count_says(given_records: list[FinishedRecord], max_hosts: int) -> None:
    totals = Totals(max_hosts)
    for at in range(0, len(given_records), 7):
        totals.add(given_records[at : at + 7])
    outcomes = [record.outcome for record in given_records]
    responses = [outcome for outcome in outcomes if isinstance(outcome, FetchResult)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, FetchError)]
    everything = totals.all
    assert everything.ok == sum(response.status < 400 for response in responses)
    assert everything.done == len(responses)
    assert everything.cancelled == sum(error.kind is ErrorKind.CANCELLED for error in errors)
    assert everything.failed == len(errors) - everything.cancelled
    assert everything.ended == len(given_records)
    assert everything.received == sum(outcome.bytes_received for outcome in outcomes)
    assert totals.classes == Counter(response.status // 100 for response in responses)
    assert totals.kinds == Counter(str(error.kind) for error in errors)
    assert totals.retried == sum(outcome.attempts > 1 for outcome in outcomes)
    assert totals.redirects == sum(len(outcome.redirects) for outcome in outcomes)
    latencies = [max(0.0, response.elapsed - (response.timings.queued or 0.0)) for response in responses]
    assert everything.latency.count == len(latencies)
    if latencies:
        exact = nearest_rank(latencies, 0.9)
        assert abs(everything.latency.quantile(0.9) - exact) <= max(0.0101 * exact, 1.1e-6)

    named = list(dict.fromkeys(host_of(record.url) for record in given_records))[:max_hosts]
    by_host = Counter(host if (host := host_of(record.url)) in named else OTHERS for record in given_records)
    assert {host: tally.ended for host, tally in totals.hosts.items()} == by_host
    assert sum(tally.received for tally in totals.hosts.values()) == everything.received


def test_the_number_of_hosts_is_bounded() -> None:
    totals = Totals(max_hosts=3)
    totals.add(result(number, f"http://h{number}/") for number in range(9))
    assert [(name, tally.ok) for name, tally in totals.hosts.items()] == [("h0", 1), ("h1", 1), ("h2", 1), (OTHERS, 6)]
    assert totals.host("http://h1/x") == "h1"
    assert totals.host("http://new/") == OTHERS


def test_records_newer_than_the_snapshot_wait_for_the_next_one() -> None:
    totals = Totals()
    assert totals.add([result(1), result(2)], snapshot(done=1))
    assert totals.all.ended == 1
    assert not totals.add([], snapshot(done=1))
    assert totals.add([], snapshot(done=2))
    assert totals.all.ended == 2


def test_many_at_once_are_counted_bit_by_bit() -> None:
    totals = Totals()
    assert totals.add(result(number) for number in range(BATCH + 1))
    assert totals.all.ended == BATCH
    assert totals.add([])
    assert totals.all.ended == BATCH + 1


def test_hosts_are_named_as_the_engine_reads_them() -> None:
    urls = {
        "http://a/x": "a",
        "HTTPS://A:443?q": "a",
        "https://a:80/": "a",
        "http://user:secret@b/": "b",
        "c:8080/x": "c",
        "http://[::1]:99/": "[::1]",
        "http://h\\x/": NO_HOST,
        "ftp://a/": NO_HOST,
        "": NO_HOST,
        "http://" + "h" * 400: NO_HOST,
    }
    assert {url: host_of(url) for url in urls} == urls
