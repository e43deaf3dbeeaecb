"""Every format takes any text from outside and stays what it is: CSV, XML, HAR, rows of a table."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import termios
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from fetch_engine import FetchRequest
from fetch_engine.model.requests import InputTag
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult, Hop, Timings
from fetch_engine.outputs.accounts import Account, Format
from fetch_engine.outputs.body_text import content_text
from fetch_engine.outputs.csv_lines import COLUMNS, CsvFormat
from fetch_engine.outputs.fail_on import DEFAULT, FailOn
from fetch_engine.outputs.har import HarFormat
from fetch_engine.outputs.junit import JunitFormat
from fetch_engine.outputs.ndjson import NdjsonFormat
from fetch_engine.outputs.secrets import Secrets
from tests.headless.har_schema import har_entries
from tui.headless.result_table import TableFormat

HIDDEN = Secrets()
FAIL_ON = FailOn.parse(DEFAULT)

NASTY = st.text(max_size=20) | st.text(
    st.sampled_from("\x00\x1b\x07\r\n\t\x7f\x85\x9b\u2028\u202e\ud800\ufffe\U0001f4a9<>&\"',;=+-@]"), max_size=12
)
SECONDS = st.none() | st.floats(0, 1000)
TIMINGS = st.builds(Timings, *[SECONDS] * 7, total=st.floats(0, 1000))
HEADERS = st.lists(st.tuples(NASTY | st.sampled_from(["Location", "Set-Cookie"]), NASTY), max_size=3).map(tuple)
URLS = NASTY | st.sampled_from(["http://a.example/", "https://u:geheim@b.example:8443/x?token=verborgen"])
HOPS = st.lists(st.builds(Hop, URLS, st.sampled_from([301, 307]), TIMINGS, headers=HEADERS), max_size=2).map(tuple)
RESULTS = st.builds(
    FetchResult,
    url=URLS, final_url=URLS, status=st.integers(100, 999), reason=NASTY, http_version=NASTY, headers=HEADERS,
    redirects=HOPS, attempts=st.integers(1, 3), elapsed=st.floats(0, 1e6), timings=TIMINGS,
    bytes_received=st.integers(0), body_size=st.integers(0), sha256=st.just("0" * 64), preview=st.binary(max_size=9),
    content_type=NASTY | st.sampled_from(["text/plain", "application/json; charset=latin-1"]),
    remote_address=st.sampled_from([None, "127.0.0.1:80", "[::1]:443"]),
)  # fmt: skip
ERRORS = st.builds(
    FetchError,
    st.sampled_from(ErrorKind), NASTY, final_url=st.none() | URLS, redirects=HOPS, attempts=st.integers(0, 3),
    elapsed=st.floats(0, 1e6), body_size=st.integers(0), timings=TIMINGS,
)  # fmt: skip
TAGS = st.none() | st.builds(InputTag, st.integers(0), st.none() | NASTY | st.booleans() | st.integers())
REQUESTS = st.builds(
    FetchRequest, URLS, st.sampled_from(["GET", "POST", "no token"]), HEADERS, st.binary(max_size=9), tag=TAGS
)
ACCOUNTS = st.builds(Account, REQUESTS, RESULTS | ERRORS, st.floats(1e9, 2e9))


def written(made: Format, accounts: Sequence[Account]) -> bytes:
    try:
        return b"".join([made.begin(), *map(made.add, accounts), *made.end()])
    finally:
        made.close()


def result(**changes: Any) -> FetchResult:
    made = FetchResult(
        url="http://a.example/",
        final_url="http://a.example/",
        status=200,
        reason="OK",
        http_version="HTTP/1.1",
        headers=(("Content-Type", "text/plain"), ("Set-Cookie", "id=geheim; Path=/")),
        redirects=(),
        attempts=1,
        elapsed=0.5,
        timings=Timings(queued=0.125, connect=0.0625, tls=0.03125, send=0.001, wait=0.25, receive=0.01, total=0.5),
        bytes_received=300,
        body_size=5,
        sha256="0" * 64,
        preview=b"hello",
        content_type="text/plain",
        remote_address="192.0.2.1:443",
    )
    return replace(made, **changes)


def account(outcome: FetchResult | FetchError, **request: Any) -> Account:
    return Account(FetchRequest(**{"url": "http://a.example/", **request}), outcome, 1_700_000_000.5)


def har(*accounts: Account, secrets: Secrets = HIDDEN) -> list[dict[str, Any]]:
    return har_entries(written(HarFormat(secrets), accounts))


def cases(*accounts: Account, fail_on: str = DEFAULT) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(written(JunitFormat(HIDDEN, FailOn.parse(fail_on)), accounts))
    (suite,) = root
    for element in (root, suite):
        assert int(element.attrib["tests"]) == len(accounts)
        assert int(element.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(element.attrib["errors"]) == len(suite.findall("testcase/error"))
    return list(suite)


@settings(deadline=None, max_examples=50)
@given(st.lists(ACCOUNTS, max_size=3))
def test_any_run_is_one_whole_document_in_every_format(accounts: list[Account]) -> None:
    assert len(cases(*accounts)) == len(accounts)
    entries = har(*accounts)
    assert len(entries) == sum(1 + len(each.outcome.redirects) for each in accounts)
    rows = list(csv.DictReader(io.StringIO(written(CsvFormat(HIDDEN), accounts).decode(), newline="")))
    assert len(rows) == len(accounts)
    assert all(list(row) == list(COLUMNS) and None not in row.values() for row in rows)
    lines = written(NdjsonFormat(HIDDEN), accounts).decode().splitlines()
    assert len([json.dumps(json.loads(line), ensure_ascii=False).encode() for line in lines]) == len(accounts)
    assert json.dumps(entries, ensure_ascii=False).encode()
    assert written(TableFormat(HIDDEN, -1), accounts).count(b"\n") == 1 + len(accounts)


@settings(deadline=None, max_examples=50)
@given(ACCOUNTS)
def test_nothing_that_a_terminal_obeys_and_no_secret_leaves(account: Account) -> None:
    formats: list[Format] = [CsvFormat(HIDDEN), HarFormat(HIDDEN), JunitFormat(HIDDEN, FAIL_ON), NdjsonFormat(HIDDEN)]
    for made in [*formats, TableFormat(HIDDEN, -1)]:
        text = written(made, [account]).decode()
        assert text.replace("\r\n", "").replace("\n", "").isprintable(), made
        assert "geheim" not in text
        assert "verborgen" not in text


@given(st.sampled_from("=+-@\t\r＝＋－＠"), NASTY)
def test_no_cell_of_csv_is_a_formula(first: str, rest: str) -> None:
    out = written(CsvFormat(Secrets(show=True)), [account(result(content_type=first + rest), url=first + rest)])
    (row,) = csv.DictReader(io.StringIO(out.decode(), newline=""))
    assert row["url"].startswith("'")
    assert row["content_type"].startswith("'")


def test_csv_is_the_rfc() -> None:
    out = written(
        CsvFormat(HIDDEN), [account(result(), url='http://a.example/"a,b"'), account(FetchError(ErrorKind.DNS, "x"))]
    )
    lines = out.decode().split("\r\n")
    assert lines == [
        ",".join(COLUMNS),
        f'"http://a.example/""a,b""",http://a.example/,200,,,5,{"0" * 64},500.0,1,0,text/plain,192.0.2.1:443,,,GET,,,',
        "http://a.example/,,,dns,x,0,,0.0,0,0,,,,,GET,,,",
        "",
    ]


def test_what_a_host_asked_for_is_in_every_format_of_values() -> None:
    busy = result(status=429, retry_after=8.0)
    unsent = FetchError(ErrorKind.HOST_BUSY, "not sent", retry_after=3600.0)
    kept = result(timings=Timings(queued=2.5, total=3.0, host_rest=2.0))
    accounts = [account(busy), account(unsent), account(kept)]
    rows = list(csv.DictReader(io.StringIO(written(CsvFormat(HIDDEN), accounts).decode(), newline="")))
    assert [(row["retry_after"], row["host_rest_ms"]) for row in rows] == [("8.0", ""), ("3600.0", ""), ("", "2000.0")]
    entries = [(entry.get("_retryAfter"), entry.get("_hostRest")) for entry in har(*accounts)]
    assert entries == [(8.0, None), (3600.0, None), (None, 2000.0)]
    lines = [json.loads(line) for line in written(NdjsonFormat(HIDDEN), accounts).splitlines()]
    told = [(line["retry_after"], line["timings_ms"]["host_rest"]) for line in lines]
    assert told == [(8.0, None), (3600.0, None), (None, 2000.0)]
    assert [case.attrib["name"] for case in cases(*accounts) if case.find("error[@type='host-busy']") is not None]


@pytest.mark.parametrize(
    ("name", "cell"), [("a,b", '"a,b"'), (5, "5"), (-1.5, "-1.5"), (True, "true"), ("=1", "'=1"), (None, "")]
)
def test_three_posts_to_one_url_can_be_told_apart_in_every_format(name: str | float | None, cell: str) -> None:
    accounts = [account(result(), method="POST", tag=InputTag(index, name)) for index in (3, 1, 2)]
    rows = written(CsvFormat(HIDDEN), accounts).decode().splitlines()[1:]
    assert [row.partition(":443,,")[2] for row in rows] == [f"{index},POST,{cell},," for index in (3, 1, 2)]
    expected = [("3", "1", "2")]
    if name is not None:
        expected.append((name if isinstance(name, str) else json.dumps(name),) * 3)
    properties = [[each.attrib["value"] for each in case.findall("properties/property")] for case in cases(*accounts)]
    assert list(zip(*properties, strict=True)) == expected
    entries = har(*accounts)
    assert [(each["_index"], each.get("_id"), each["request"]["method"]) for each in entries] == [
        (index, name, "POST") for index in (3, 1, 2)
    ]
    _, *lines = written(TableFormat(HIDDEN, -1), accounts).decode().splitlines()
    assert [(line.split()[0], line.partition("POST ")[2]) for line in lines] == [
        (index, "http://a.example/") for index in "312"
    ]


def test_junit_tells_failures_from_errors() -> None:
    (ok, missing, failed) = cases(
        account(result()),
        account(result(status=404, reason="Not Found")),
        account(FetchError(ErrorKind.DNS, "no <name>")),
    )
    assert [child.tag for child in (*ok, *missing, *failed)] == ["system-out", "failure", "error"]
    assert ok.attrib == {"classname": "a.example", "name": "GET http://a.example/", "time": "0.500"}
    assert missing[0].attrib == {"message": "404 Not Found", "type": "404"}
    assert failed[0].attrib == {"message": "no <name>", "type": "dns"}


def test_junit_obeys_fail_on() -> None:
    accounts = [account(result()), account(result(status=404)), account(FetchError(ErrorKind.DNS, "x"))]
    assert [case[0].tag for case in cases(*accounts, fail_on="none")] == ["system-out"] * 3
    assert [case[0].tag for case in cases(*accounts, fail_on="200,dns")] == ["failure", "system-out", "error"]


def test_many_cases_of_junit_wait_on_disk() -> None:
    before = len(os.listdir("/dev/fd"))
    made = JunitFormat(HIDDEN, FAIL_ON)
    try:
        assert not any(made.add(account(result(reason="x" * 2000))) for _ in range(2_000))
        assert len(os.listdir("/dev/fd")) == before + 1
        assert b"".join(made.end()).count(b"</testcase>") == 2_000
    finally:
        made.close()


def test_har_times_are_those_of_the_phases() -> None:
    (entry,) = har(account(result()))
    assert entry["timings"] == {
        "blocked": 125, "dns": -1, "connect": 93.75, "ssl": 31.25, "send": 1, "wait": 250, "receive": 10,
    }  # fmt: skip
    assert entry["time"] == 479.75
    assert entry["startedDateTime"] == "2023-11-14T22:13:20.020Z"  # 480 ms before it ended
    assert entry["serverIPAddress"] == "192.0.2.1"


def test_har_has_the_redirects_with_what_was_sent_to_each() -> None:
    moved = Hop(
        "http://a.example/", 302, Timings(wait=0.25, total=0.25), None, "Found", "HTTP/1.1",
        (("Location", "https://b.example/x"),), "192.0.2.7:80",
    )  # fmt: skip
    first, second = har(
        account(
            result(redirects=(moved,), final_url="https://b.example/x"),
            method="POST",
            headers=(("Authorization", "Bearer geheim"), ("Content-Type", "text/plain"), ("X", "y")),
            body=b"data",
        )
    )
    assert [(each["request"]["method"], each["request"]["url"]) for each in (first, second)] == [
        ("POST", "http://a.example/"),
        ("GET", "https://b.example/x"),
    ]
    assert {"name": "Authorization", "value": "***"} in first["request"]["headers"]
    assert first["request"]["postData"] == {"mimeType": "text/plain", "text": "data"}
    names = [header["name"] for header in second["request"]["headers"]]
    assert "X" in names
    assert "Authorization" not in names
    assert "postData" not in second["request"]
    assert (first["response"]["status"], first["response"]["redirectURL"]) == (302, "https://b.example/x")
    assert (first["serverIPAddress"], second["serverIPAddress"]) == ("192.0.2.7", "192.0.2.1")
    assert {"name": "Set-Cookie", "value": "id=***; Path=/"} in second["response"]["headers"]
    assert first["startedDateTime"] < second["startedDateTime"]


def test_har_of_a_fetch_without_a_response() -> None:
    (entry,) = har(account(FetchError(ErrorKind.DNS, "no such name", final_url="http://a.example/", attempts=2)))
    assert (entry["response"]["status"], entry["_error"], entry["comment"]) == (0, "dns: no such name", "attempt 2")
    (entry,) = har(account(FetchError(ErrorKind.INVALID_URL, "blank in the URL"), url="not a url"))
    assert (entry["request"]["url"], entry["request"]["_url"]) == ("about:invalid#not%20a%20url", "not a url")


def test_har_shows_credentials_when_asked_to() -> None:
    given = account(result(), url="http://me:geheim@a.example/")
    for secrets, value in ((HIDDEN, "***"), (Secrets(show=True), "Basic bWU6Z2VoZWlt")):
        (entry,) = har(given, secrets=secrets)
        assert {"name": "Authorization", "value": value} in entry["request"]["headers"]


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("größe".encode(), "text/html", "größe"),
        ("größe".encode("latin-1"), "text/html; charset=ISO-8859-1", "größe"),
        (b'{"a": 1}', "application/problem+json", '{"a": 1}'),
        ("größe".encode()[:4], "text/plain", "grö"),
        (b"\xff\xfe\xff", "text/plain", None),
        (b"hello", "image/png", None),
        (b"hello", "text/plain; charset=zlib", None),
        (b"hello", "text/plain; charset=no-such", None),
        (b"xn--a", "text/plain; charset=punycode", None),
    ],
)
def test_a_body_is_text_where_it_can_be(body: bytes, content_type: str, expected: str | None) -> None:
    made = content_text(body, content_type, complete=False)
    if expected is None:
        assert made == {"text": base64.b64encode(body).decode(), "encoding": "base64"}
    else:
        assert made == {"text": expected}


@pytest.mark.parametrize(
    ("text", "failing", "passing"),
    [
        (DEFAULT, [400, 404, 599, 600, 999, *ErrorKind], [100, 200, 304, 399]),
        ("none", [], [404, 500, ErrorKind.DNS]),
        ("404", [404], [403, 405, ErrorKind.DNS]),
        ("300-302,timeout", [300, 302, ErrorKind.TIMEOUT_READ, ErrorKind.TIMEOUT_TOTAL], [303, ErrorKind.DNS]),
        (" 2XX , dns", [200, 204, ErrorKind.DNS], [300, ErrorKind.TLS]),
    ],
)
def test_fail_on(text: str, failing: list[int | ErrorKind], passing: list[int | ErrorKind]) -> None:
    fail_on = FailOn.parse(text)
    for outcomes, fails in ((failing, True), (passing, False)):
        for each in outcomes:
            made = FetchError(each, "") if isinstance(each, ErrorKind) else result(status=each)
            assert fail_on.fails(made) is fails, each


@pytest.mark.parametrize("text", ["", "oops", "4x", "4xx,", "none,404", "time", "99", "6xx"])
def test_fail_on_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(ValueError, match="unknown outcome"):
        FailOn.parse(text)


def test_the_table_has_columns_that_do_not_move() -> None:
    rows = written(
        TableFormat(HIDDEN, -1),
        [
            account(result()),
            account(FetchError(ErrorKind.TOO_MANY_REDIRECTS, "a loop", elapsed=12)),
            account(result(status=503, content_type="text/" + "x" * 40), url="http://ä.example/" + "y" * 300),
        ],
    ).decode()  # fmt: skip
    head, *lines = rows.splitlines()
    column = head.index("URL")
    assert [line[column:][:7] for line in lines] == ["http://"] * 3
    assert lines[1].split() == ["ERR", "12s", "0", "too-many-redirects", "http://a.example/", "a", "loop"]
    assert lines[2].endswith("y" * 300)
    ascii_rows = written(TableFormat(HIDDEN, -1, ascii_only=True), [account(result(), url="http://ä/\u202e")])
    assert ascii_rows.isascii()


def test_the_table_fits_its_terminal() -> None:
    master, slave = os.openpty()
    try:
        termios.tcsetwinsize(slave, (24, 69))
        rows = written(TableFormat(HIDDEN, slave), [account(result(), url="http://a.example/" + "界" * 100)])
    finally:
        os.close(master)
        os.close(slave)
    _, row = rows.decode().splitlines()
    assert row.endswith("界…")
    assert cell_len(row) == 69
