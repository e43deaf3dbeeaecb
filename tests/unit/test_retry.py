"""When an attempt is repeated, and after how long."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine.fetch.retry import RetryPolicy, parse_retry_after
from fetch_engine.model.results import ErrorKind

NOW = "Thu, 29 Feb 2024 12:00:00 GMT"


def test_never_by_default() -> None:
    policy = RetryPolicy()
    assert not any(policy.repeats("GET", 1, failure) for failure in [*ErrorKind, 429, 503])


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_statuses(status: int) -> None:
    assert RetryPolicy(retries=1).repeats("GET", 1, status)
    assert not RetryPolicy(retries=1, statuses=frozenset({418})).repeats("GET", 1, status)


@pytest.mark.parametrize("failure", [200, 301, 400, 404, 501, ErrorKind.INVALID_URL, ErrorKind.TLS, ErrorKind.TOO_LARGE,
                                     ErrorKind.DECODE, ErrorKind.INTERNAL, ErrorKind.CANCELLED])  # fmt: skip
def test_what_would_fail_again_is_not_repeated(failure: ErrorKind | int) -> None:
    assert not RetryPolicy(retries=9).repeats("GET", 1, failure)


def test_number_of_retries() -> None:
    policy = RetryPolicy(retries=2)
    assert [policy.repeats("GET", attempts, ErrorKind.RESET) for attempts in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize(
    ("method", "repeated"), [("GET", True), ("PUT", True), ("POST", False), ("PATCH", False), ("get", False)]
)
def test_methods(method: str, repeated: bool) -> None:
    assert RetryPolicy(retries=1).repeats(method, 1, 503) is repeated
    assert RetryPolicy(retries=1, all_methods=True).repeats(method, 1, 503)


def test_backoff_doubles_up_to_its_limit_with_full_jitter() -> None:
    policy = RetryPolicy(retries=9, delay=1, max_delay=6)
    assert [policy.wait(attempts, draw=lambda: 1.0) for attempts in (1, 2, 3, 4, 5000)] == [1, 2, 4, 6, 6]
    assert policy.wait(3, draw=lambda: 0.25) == 1
    assert policy.wait(3, draw=lambda: 0.0) == 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0),
        (" 120\t", 120),
        ("0010", 10),
        ("Thu, 29 Feb 2024 12:00:30 GMT", 30),
        ("Thursday, 29-Feb-24 12:00:30 GMT", 30),
        ("Thu Feb 29 12:00:30 2024", 30),
        ("Thu, 29 Feb 2024 11:00:00 GMT", 0),
        ("Thu, 99 Feb 2024 11:00:00 GMT", None),
    ],
)
def test_parse_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_a_date_counts_by_the_clock_of_the_response() -> None:
    in_a_minute = "Thu, 29 Feb 2024 12:01:00 GMT"
    assert parse_retry_after(in_a_minute, "Thu, 29 Feb 2024 12:00:00 +0000") == 60
    assert parse_retry_after(in_a_minute, "Thu, 29 Feb 2024 12:02:00 GMT") == 0
    # Without a Date that is one, by ours.
    ours = email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=1000))
    for date in (None, "", "now"):
        assert 900 < (parse_retry_after(ours, date) or 0) <= 1000


def test_retry_after_of_any_length() -> None:
    assert parse_retry_after("9" * 100_000) == 1e18
    assert parse_retry_after("0" * 100_000 + "7") == 7


@settings(deadline=None)
@given(st.text() | st.from_regex(r"(Thu, )?[0-9]{1,9} (Feb|Xyz) [0-9]{1,30} [0-9:]{1,9} ?[A-Z+0-9-]{0,8}"))
def test_parse_retry_after_never_raises(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"delay": -1.0}, {"max_delay": float("nan")}])
def test_policy_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
