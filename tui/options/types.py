"""What options take: numbers, sizes, headers, files. Imports nothing heavy."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def cluster(text: str) -> str:
    """An address as --cluster takes it."""
    from fetch_engine.executors.dask.address import parse_cluster

    try:
        parse_cluster(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def number(convert: Callable[[str], T], accept: Callable[[T], bool], what: str) -> Callable[[str], T]:
    """A type for argparse: what `convert` makes of the text if `accept` likes it."""

    def check(text: str) -> T:
        try:
            value = convert(text)
            if accept(value):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"invalid {what}: {text!r}")

    return check


seconds = number(float, lambda value: 0 <= value < math.inf, "number of seconds")
count = number(int, lambda value: value >= 0, "number (0 or more)")
positive = number(int, lambda value: value > 0, "number (1 or more)")
fps = number(float, lambda value: 0.1 <= value <= 60, "number (0.1 to 60)")


def run_id(text: str) -> int:
    return count(text) if text else 0


def transport(text: str) -> str:
    """A transport by its name, which argparse checks; of one that is gone this says so."""
    if text == "httpx2":
        raise argparse.ArgumentTypeError("httpx2 was removed; use httpx")
    return text


def time_limit(text: str) -> float | None:
    return seconds(text) or None


def size(text: str) -> int:
    match = re.fullmatch(r"([0-9]+)([KMGT]?)", text.upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"invalid size: {text!r} (examples: 500, 10K, 1G)")
    return int(match[1]) * _UNITS[match[2]]


def method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"invalid method: {text!r}")
    return text


def header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon and name.endswith(";"):  # curl's way to send a header without a value
        name = name[:-1]
    elif not value.strip():
        # What there is of it may be a credential.
        raise argparse.ArgumentTypeError("malformed header: expected 'Name: value'; removing one is not supported")
    if not _TOKEN.fullmatch(name) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise argparse.ArgumentTypeError("malformed header: invalid characters in its name or value")
    return name, value.strip()


def proxy(text: str) -> str:
    """A proxy that the engine can use, or "" for none; the message shows no password of it."""
    from fetch_engine.net.proxies import Proxy

    try:
        if text:
            Proxy.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def readable(text: str) -> str:
    try:
        with open(text, "rb"):
            return text
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {text}: {error.strerror}") from None


def read_body(given: Sequence[str]) -> bytes:
    """The parts of -d joined as curl does it: files without line ends and zero bytes. Raises OSError."""
    parts = []
    for data in given:
        if data.startswith("@"):
            with open(0 if data == "@-" else data[1:], "rb", closefd=data != "@-") as file:
                parts.append(re.sub(rb"[\r\n\0]", b"", file.read()))
        else:
            parts.append(os.fsencode(data))
    return b"&".join(parts)
