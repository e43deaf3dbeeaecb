"""One line for each URL: the contract's keys in order, pure ASCII."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine import FetchRequest
from fetch_engine.model.requests import InputTag
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult, Hop, Timings
from fetch_engine.outputs.ndjson import ndjson_line

CONTRACT = ["url", "final_url", "status", "error", "bytes", "sha256", "elapsed_ms", "attempts", "redirects"]
KEYS = [
    *CONTRACT,
    "reason",
    "http_version",
    "content_type",
    "bytes_received",
    "remote_address",
    "hops",
    "timings_ms",
    "saved_as",
    "retried",
    "transport",
    "index",
    "method",
    "id",
    "warnings",
    "retry_after",
    "resumed",
]


def result(reason: str = "OK", content_type: str = "text/plain") -> FetchResult:
    return FetchResult(
        url="http://u:p@a.example",
        final_url="http://a.example/b",
        status=200,
        reason=reason,
        http_version="HTTP/1.1",
        headers=(("X", "y"),),
        redirects=(Hop("http://a.example/", 301),),
        attempts=2,
        elapsed=0.12345678,
        timings=Timings(queued=0.001, wait=0.1, total=0.12345678),
        bytes_received=300,
        body_size=5,
        sha256="0" * 64,
        preview=b"hello",
        content_type=content_type,
        remote_address="127.0.0.1:80",
    )


def test_result() -> None:
    line = json.loads(ndjson_line(FetchRequest(" http://u:p@a.example"), result()))
    assert list(line) == KEYS
    assert [line[key] for key in CONTRACT] == [
        " http://u:p@a.example",
        "http://a.example/b",
        200,
        None,
        5,
        "0" * 64,
        123.457,
        2,
        1,
    ]
    assert line["hops"] == [{"url": "http://a.example/", "status": 301}]
    assert line["timings_ms"] == {
        "queued": 1.0,
        "dns": None,
        "connect": None,
        "tls": None,
        "send": None,
        "wait": 100.0,
        "receive": None,
        "host_rest": None,
    }


def test_error_has_the_same_keys_and_no_status() -> None:
    error = FetchError(
        ErrorKind.INCOMPLETE, "cut off", final_url="http://a.example/", status=200, attempts=1, elapsed=1, body_size=3
    )
    line = json.loads(ndjson_line(FetchRequest("http://a.example"), error))
    assert list(line) == KEYS
    assert [line[key] for key in CONTRACT] == [
        "http://a.example",
        "http://a.example/",
        None,
        {"kind": "incomplete", "message": "cut off"},
        3,
        None,
        1000,
        1,
        0,
    ]


def test_empty_text_is_not_null() -> None:
    line = json.loads(ndjson_line(FetchRequest(""), result(reason="", content_type="")))
    assert (line["url"], line["reason"], line["content_type"]) == ("", "", "")


_NASTY = st.text() | st.text(st.sampled_from('\x00\x1b\x07\r\n\x7f\x85\x9b\u2028\u202e\u2066\ud800\U0001f4a9"\\'))


@settings(deadline=None)
@given(_NASTY, _NASTY, _NASTY)
def test_nothing_but_printable_ascii_leaves(url: str, first: str, second: str) -> None:
    for outcome in (result(first, second), FetchError(ErrorKind.PROTOCOL, first, final_url=second)):
        line = ndjson_line(FetchRequest(url), outcome)
        assert line.isascii()
        assert line.isprintable()
        # What is no Unicode, as only strict parsers notice, comes out as U+FFFD.
        assert json.loads(line)["url"] == url.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        json.loads(line)["reason" if isinstance(outcome, FetchResult) else "final_url"].encode()


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_kinds_are_written_as_in_the_contract(kind: ErrorKind) -> None:
    assert f'"kind": "{kind.value}"' in ndjson_line(FetchRequest("x"), FetchError(kind, "m"))


@pytest.mark.parametrize("name", [None, "", "a\n", 0, -1, 1.5, 10**20, True, False])
def test_what_matches_a_line_to_its_request(name: str | float | None) -> None:
    request = FetchRequest("http://a.example", "POST", tag=InputTag(7, name))
    line = json.loads(ndjson_line(request, result()))
    assert (line["index"], line["method"], line["id"]) == (7, "POST", name)
    assert type(line["id"]) is type(name)
