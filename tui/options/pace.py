"""Options of the command line about how fast, and how often again; as in curl.

Imports nothing that `--help` would have to wait for.
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/([0-9]*)([smhd]))?")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPEED = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMG]?)", re.IGNORECASE)
ON_429 = ("rest", "fail", "ignore")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


@dataclass(frozen=True, slots=True)
class Pace:
    """What these options ask for, in the terms of `Limits` and `RetryPolicy`: a second, bytes, seconds."""

    rate: float | None = None
    host_rate: float | None = None
    byte_rate: float | None = None
    host_byte_rate: float | None = None
    retry_max_time: float | None = None
    retry_all_methods: bool = False
    retry_on: frozenset[int] | None = None
    read_timeout: float | None = 30.0
    min_rate: float | None = None
    min_rate_time: float = 30.0
    on_429: Literal["rest", "fail", "ignore"] = "rest"
    max_host_wait: float = 60.0


def add_pace_options(parser: argparse.ArgumentParser) -> None:
    """Tell the parser about them."""
    group = parser.add_argument_group("rate limits and retries")
    group.add_argument(
        "--rate", type=_rate, metavar="N/U", help="maximum request rate, e.g. 10/s, 100/m or 1/2s (default unit: s)"
    )
    group.add_argument("--host-rate", type=_rate, metavar="N/U", help="maximum request rate per host")
    group.add_argument(
        "--limit-rate", type=_speed, metavar="SPEED", help="maximum bytes per second in total; suffixes K, M, G"
    )
    group.add_argument("--host-limit-rate", type=_speed, metavar="SPEED", help="maximum bytes per second per host")
    group.add_argument(
        "--retry-max-time",
        type=_seconds,
        metavar="SECONDS",
        help="start no retry later than this after the first attempt",
    )
    group.add_argument(
        "--retry-all-methods", action="store_true", help="also retry POST and PATCH, which may then be executed twice"
    )
    group.add_argument(
        "--retry-on", type=_statuses, metavar="LIST",
        help="statuses to retry, e.g. 429,5xx,520-524 or none (default: 408,425,429,500,502-504)",
    )  # fmt: skip
    group.add_argument(
        "--on-429", choices=ON_429, default="rest",
        help="when a host answers 429, or 503 with Retry-After: rest (default) sends it nothing for as long as it"
        " asks; fail fails its queued fetches; ignore carries on",
    )  # fmt: skip
    group.add_argument(
        "--max-host-wait", type=_wait, default=60.0, metavar="SECONDS",
        help="longest rest a host may ask for (default: 60; 0: none); if it asks for more, its queued fetches fail",
    )  # fmt: skip
    group.add_argument(
        "--read-timeout", type=_seconds, default=30.0, metavar="SECONDS",
        help="maximum time without receiving a byte of the response (default: 30; 0: no limit)",
    )  # fmt: skip
    group.add_argument(
        "-Y", "--speed-limit", type=_speed, metavar="SPEED", help="abort transfers slower than SPEED bytes per second"
    )
    group.add_argument(
        "-y",
        "--speed-time",
        type=_seconds,
        metavar="SECONDS",
        help="how long they may be slower (default: 30; without -Y: than 1 byte/s)",
    )


def read_pace(given: Any) -> Pace:
    """What was given."""
    return Pace(
        rate=given.rate,
        host_rate=given.host_rate,
        byte_rate=given.limit_rate,
        host_byte_rate=given.host_limit_rate,
        retry_max_time=given.retry_max_time,
        retry_all_methods=given.retry_all_methods,
        retry_on=given.retry_on,
        read_timeout=given.read_timeout,
        min_rate=given.speed_limit or (1.0 if given.speed_time else None),
        min_rate_time=given.speed_time or 30.0,
        on_429=given.on_429,
        max_host_wait=given.max_host_wait,
    )


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text)
    value = 0.0
    if match is not None:
        seconds = float(match[2] or 1) * _SECONDS[match[3] or "s"]
        value = float(match[1]) / seconds if seconds else 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"invalid rate: {text!r} (examples: 10/s, 100/m, 1/2s)")
    return value


def _speed(text: str) -> float:
    match = _SPEED.fullmatch(text)
    value = 0.0 if match is None else float(match[1]) * _UNITS[match[2].upper()]
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"invalid speed in bytes per second: {text!r} (examples: 500, 100K, 1M)")
    return value


def _statuses(text: str) -> frozenset[int]:
    from fetch_engine.outputs.fail_on import FailOn

    try:
        found = FailOn.parse(text)
    except ValueError:
        found = None
    if found is None or found.kinds:
        raise argparse.ArgumentTypeError(f"invalid list of statuses: {text!r} (example: 429,5xx,520-524)")
    return found.statuses


def _wait(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"invalid number of seconds: {text!r}")
    return value


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"invalid number of seconds: {text!r}")
    return value or None
