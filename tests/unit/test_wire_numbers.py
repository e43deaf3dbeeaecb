"""Numbers from the wire are read by `model/numbers.py`, or were bounded by a pattern; never by a bare `int`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fetch_engine
from fetch_engine.cookies.dates import parse_cookie_date
from fetch_engine.fetch.retry import parse_retry_after

ENGINE = Path(fetch_engine.__file__).parent
READERS = sorted(
    [
        *(path for folder in ("net", "http", "libcurl") for path in (ENGINE / folder).glob("*.py")),
        *(ENGINE / "fetch" / f"{name}.py" for name in ("receive", "retry", "redirects", "fetch")),
        *(ENGINE / "bodies" / f"{name}.py" for name in ("partial", "saving", "downloads")),
        *(ENGINE / f"{name}.py" for name in ("model/urls", "files/file_names", "cookies/jar", "cookies/dates")),
    ]
)
# What these are called with is ours, or was matched against a pattern of digits that bounds it.
OURS = {
    "match[1]",
    "match[2]",
    "match[3]",
    "given[1]",
    "text",
    "code",
    "port_text",
    "port",
    "address",
    "age[:10]",
    "value.lstrip('0')[:18] or 0",
    "length",
    "copy.getsockname()[1]",
    "MOST_EMPTY",
    "zone or 0",
    "family",
    "connect_timeout * 1000",
    "check",
    "self._limits.keepalive",
}


def numbers_read() -> Iterator[tuple[str, str]]:
    """Module and argument of each `int(...)` and `float(...)`."""
    for path in READERS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("int", "float"):
                argument = node.args[0]
                if not isinstance(argument, ast.Constant | ast.Call | ast.Attribute):
                    yield path.name, ast.unparse(argument)


def test_no_number_is_read_by_int_alone() -> None:
    assert [found for found in numbers_read() if found[1] not in OURS] == []


NO_NUMBERS = ["-1", "+1", "1_0", "٣", "１", "1.5", "nan", "inf", "1e9", "0x1", ""]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_of_seconds(text: str) -> None:
    assert parse_retry_after(text) is None


_DATES = ["Fri, 31 Dec 9999 23:59:59 -9999", "Fri, 99 Dec 99999 99:99:99 +99999999999"]


@pytest.mark.parametrize("text", ["9" * 400, *_DATES])
def test_whatever_is_asked_for_reading_it_does_not_fail(text: str) -> None:
    seconds = parse_retry_after(text)
    assert seconds is None or seconds >= 0
    parse_cookie_date(text)
