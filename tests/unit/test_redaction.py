"""No secret of a request or an answer, wherever it stands, gets into anything that is stored, written or shown."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine import ErrorKind, FetchError, FetchRequest, FetchResult, Hop, Timings
from fetch_engine.curl.command import curl_command
from fetch_engine.model.redaction import (
    is_secret,
    masked_arguments,
    masked_body,
    masked_headers,
    masked_outcome,
    masked_text,
    masked_url,
    masked_value,
)
from fetch_engine.outputs.accounts import Account, Format
from fetch_engine.outputs.csv_lines import CsvFormat
from fetch_engine.outputs.fail_on import DEFAULT, FailOn
from fetch_engine.outputs.har import HarFormat
from fetch_engine.outputs.junit import JunitFormat
from fetch_engine.outputs.ndjson import NdjsonFormat
from fetch_engine.outputs.secrets import Secrets
from fetch_engine.store.file import RunLocks, connect
from fetch_engine.store.session import Op, RunToWrite, StoreSession
from fetch_engine.store.values import StoredRequest, numbered
from tui.bridge.snapshot import FinishedRecord
from tui.entry.history import without_secrets
from tui.entry.secret_mask import masked
from tui.headless.result_table import TableFormat
from tui.options.parser import without_values
from tui.rows.describe import glimpse, shown_url
from tui.screen.copying import headers_of
from tui.screen.details import DetailsTarget, headline
from tui.screen.details.facts import error_lines, header_lines
from tui.screen.details.redirects import redirect_lines
from tui.screen.details.timing import timing_lines
from tui.text import stderr
from tui.text.glyphs import ASCII
from tui.text.stderr import print_error

PARAMETERS = [
    "code", "access_token", "refresh_token", "id_token", "sig", "X-Amz-Signature", "X-Amz-Security-Token",
    "X-Amz-Credential", "X-Goog-Signature", "token", "key", "api_key", "apikey", "client_secret", "password", "passwd",
    "auth", "sid", "PHPSESSID", "JSESSIONID", "csrf_token", "SAMLResponse", "code_verifier", "ticket", "acc%65ss_token",
    "oauth_signature", "subscription-key", "a" * 200 + "token",
]  # fmt: skip
HEADERS = [
    "Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token",
    "X-Vault-Token", "X-CSRF-Token", "X-Original-Authorization", "Authentication-Info", "X-Session-Id",
    "Ocp-Apim-Subscription-Key", "x-functions-key",
]  # fmt: skip
SECRET = st.text(string.ascii_letters + string.digits, min_size=12, max_size=24).map(lambda text: f"q{text}7")
Slot = Callable[[str], str]

URLS: dict[str, Slot] = {
    "user": lambda s: f"http://{s}@h.example/",
    "password": lambda s: f"https://me:{s}@h.example:8443/x?y=1#z",
    "password of no URL": lambda s: f"http://me:{s}/x@h.example:99999/",
    "password with an at": lambda s: f"http://me:a@{s}@h.example/",
    **{f"query {name}": partial("http://h.example/p?x=1&{}={}&y=2".format, name) for name in PARAMETERS},
    **{f"fragment {name}": partial("http://h.example/#{}={}".format, name) for name in PARAMETERS},
    "behind a semicolon": lambda s: f"http://h.example/p;token={s}",
    "with a semicolon": lambda s: f"http://h.example/?token=a;{s}",
    "with signs": lambda s: f"http://h.example/?sig=a/b+{s}==",
    "in a fragment's path": lambda s: f"http://h.example/#/callback?code={s}",
    "in a query's URL": lambda s: f"http://h.example/?next=https://me:{s}@i.example/",
    "in a coded URL": lambda s: f"http://h.example/?next={quote(f'https://i.example/?code={s}&x=1', safe='')}",
    "in a coded URL's user": lambda s: f"http://h.example/?next={quote(f'https://me:{s}@i.example/', safe='')}",
    "coded twice": lambda s: f"http://h.example/?state={quote(quote(f'token={s}', safe=''), safe='')}",
}
FEW = {name: place for name, place in URLS.items() if not name.startswith(("query", "fragment"))}
VALUES: dict[str, tuple[str, Slot]] = {
    **{name: (name, lambda s: s) for name in HEADERS},
    "cookie set": ("Set-Cookie", lambda s: f"id={s}; Path=/; HttpOnly"),
    "nameless cookie": ("Set-Cookie", lambda s: f"{s}; Secure"),
    "folded cookies": ("Set-Cookie", lambda s: f"a=1; Path=/, b={s}; Path=/"),
    "cookie2": ("Set-Cookie2", lambda s: f'id="{s}"; Version=1'),
    "echo": ("X-Echo", lambda s: f"Bearer {s}"),
    "echo in words": ("X-Echo", lambda s: f"you sent Authorization: {s}"),
    "basic echo": ("X-Echo", lambda s: f"Basic {base64.b64encode(s.encode()).decode()} {s}"),
    "jwt": ("X-Note", lambda s: f"eyJhbGciOi.eyJzdWIiOi.{s}"),
    "refresh": ("Refresh", lambda s: f"0; url=https://h.example/?token={s}"),
    "link": ("Link", lambda s: f"<https://h.example/?sig={s}>; rel=next, <https://i.example/?a=b>; rel=prev"),
    "challenge": ("WWW-Authenticate", lambda s: f'Bearer realm="x", error_uri="https://me:{s}@h.example/"'),
    "any header": ("X-Forwarded-Uri", lambda s: f"/x?code={s}"),
    **{
        f"{header} {name}": (header, place)
        for header, places in (("Location", URLS), ("Content-Location", FEW), ("Referer", FEW))
        for name, place in places.items()
    },
    "relative": ("Location", lambda s: f"/callback?code={s}#access_token={s}"),
}
BODIES: dict[str, Slot] = {
    "form": lambda s: f"grant_type=x&code={s}&client_secret={s}",
    "json": lambda s: json.dumps({"a": [{"password": s}], "tokens": [s, {"b": s}]}),
    "json url": lambda s: json.dumps({"u": f"http://me:{s}@h.example/?token={s}"}),
    "broken json": lambda s: f'{{"password": "{s}", ',
}
PLACES = [
    *(("url", name) for name in URLS),
    *(("header", name) for name in VALUES),
    *(("answer", name) for name in VALUES),
    *(("hop", name) for name in VALUES),
    *(("hop url", name) for name in URLS),
    *(("final url", name) for name in URLS),
    *(("message", name) for name in URLS),
    *(("reason", name) for name in URLS),
    *(("warning", name) for name in URLS),
    *(("body", name) for name in BODIES),
]


def placed(where: str, name: str, secret: str) -> tuple[FetchRequest, list[FetchResult | FetchError]]:
    """A request and its outcomes with the secret at one place and nowhere else."""
    url = URLS[name](secret) if name in URLS else "http://h.example/"
    pair = (VALUES[name][0], VALUES[name][1](secret)) if name in VALUES else ("X", "y")
    request = FetchRequest("http://h.example/", "POST", (("A", "b"),), b"")
    hop = Hop("http://h.example/", 302, Timings(), None, "Found", "HTTP/1.1", (("Location", "/next"),))
    result = FetchResult(
        "http://h.example/", "http://h.example/next", 200, "OK", "HTTP/1.1", (("Content-Type", "text/plain"),), (hop,),
        1, 0.1, Timings(total=0.1), 10, 2, "0" * 64, b"hi", "text/plain", None, "127.0.0.1:80",
    )  # fmt: skip
    error = FetchError(ErrorKind.PROTOCOL, "broken", "http://h.example/next", 200, (hop,), 1, 0.1)
    match where:
        case "url":
            request, result = replace(request, url=url), replace(result, url=url)
        case "header":
            request = replace(request, headers=(pair,))
        case "body":
            request = replace(request, body=BODIES[name](secret).encode())
        case "answer":
            result = replace(result, headers=(pair,))
        case "hop":
            hop = replace(hop, headers=(pair,))
        case "hop url":
            hop = replace(hop, url=url)
        case "final url":
            result, error = replace(result, final_url=url), replace(error, final_url=url)
        case "message":
            error = replace(error, message=f"redirect refused: {url}")
        case "warning":
            result = replace(result, warnings=(f"dropped: X Y: {url}",))
        case "reason":
            result = replace(result, reason=f"see '{url}'")
    return request, [replace(result, redirects=(hop,)), replace(error, redirects=(hop,))]


def shown(request: FetchRequest, outcomes: list[FetchResult | FetchError]) -> dict[str, str]:
    """Everything that is written or shown of these."""
    made: dict[str, str] = {}
    for outcome in outcomes:
        kind = type(outcome).__name__
        formats: list[Format] = [
            NdjsonFormat(Secrets()), CsvFormat(Secrets()), HarFormat(Secrets()), TableFormat(Secrets(), -1),
            JunitFormat(Secrets(), FailOn.parse(DEFAULT)),
        ]  # fmt: skip
        for each in formats:
            account = Account(request, outcome, 1e9)
            made[f"{type(each).__name__} {kind}"] = b"".join([each.begin(), each.add(account), *each.end()]).decode()
            each.close()
        record = FinishedRecord(1, request.url, outcome, 1e9, (), request)
        made[f"outcome {kind}"] = str(asdict(masked_outcome(outcome)))
        subject = DetailsTarget(record, record)
        lines = [headline(record), *redirect_lines(outcome, ASCII, 500), *timing_lines(outcome, ASCII, 500)]
        if isinstance(outcome, FetchResult):
            lines += header_lines(outcome, False, False, 500)
        else:
            lines += error_lines(outcome, 500)
        made[f"details {kind}"] = str(lines)
        made[f"row {kind}"] = f"{shown_url(request.url)} {glimpse(outcome)}"
        made[f"copied headers {kind}"] = headers_of(subject, secrets=False)
    made["curl"] = curl_command(request)
    return made


def check(where: str, name: str, secret: str) -> None:
    request, outcomes = placed(where, name, secret)
    assert secret in str([asdict(request), *map(asdict, outcomes)])
    for what, text in shown(request, outcomes).items():
        assert secret not in text, (where, name, what)


def test_no_secret_gets_out_of_any_place() -> None:
    for where, name in PLACES:
        check(where, name, "qS3cretSomewhere7")


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(PLACES), SECRET)
def test_no_secret_gets_out(place: tuple[str, str], secret: str) -> None:
    check(*place, secret)


def _write(stored: StoredRequest, outcome: FetchResult | FetchError, session: StoreSession) -> None:
    session.request(stored, None)
    notes = [f"slow: {outcome.final_url}"]
    session.result(stored.number, stored.number, stored.number + 1, outcome, 1.0, notes)


def test_no_secret_gets_into_the_store(tmp_path: Path) -> None:
    secret = "qS3cretInTheStore7"
    path = tmp_path / "runs.sqlite"
    locks = RunLocks(path)
    with closing(connect(path)) as database:
        session = StoreSession.begin(database, RunToWrite((), [], None), locks, False, [])
        number = 0
        for where, name in PLACES:
            request, outcomes = placed(where, name, secret)
            for outcome in outcomes:
                stored = numbered(replace(request, invalid=f"line 1: {request.url}"), number)
                write: Op = partial(_write, stored, outcome)
                session.write([(0, write)])
                number += 1
        session.end(complete=True)
        assert database.execute("SELECT COUNT(*) FROM results").fetchone() == (number,)
    locks.close()
    for file in tmp_path.iterdir():
        data = file.read_bytes()
        at = data.find(secret.encode())
        assert at < 0, data[at - 200 : at + 40]


@pytest.mark.parametrize("place", URLS, ids=range(len(URLS)))
def test_no_complaint_no_argument_and_no_history_has_one(place: str) -> None:
    secret = "qS3cretInAUrl7"
    url = URLS[place](secret)
    written: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tui.text.stderr.write_stderr", written.append)
        for message in (f"cannot read {url}: No such file", f"argument X: invalid number: {url!r}", f"({url})"):
            print_error(message)
    assert not any(secret in line for line in written), written
    assert secret not in without_secrets(url)
    assert not any(secret in word for word in masked_arguments(("-i", url, f"--proxy={url}", f"-x{url}", "-e", url)))
    request = FetchRequest(url)
    assert secret not in curl_command(request)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["://", "a:b@", "?", "&", "=", "%3D", "%40", "eyJ", "eyJhbGciOi.eyJzdWIi.c2ln", ".", ":", " ", "Bearer ",
             "BASIC ", "digest ", "ToKen", "Cookie: ", "X-Api-Key: ", "x-session-id: ", "X-Sid: ", "passwd", "a1B2c3d4"]
        )
        | st.text(max_size=5),
        max_size=8,
    ).map("".join)
)  # fmt: skip
def test_complaints_are_masked_by_the_same_rules(text: str) -> None:
    assert stderr.without_secrets(text) == masked_text(text)


@pytest.mark.parametrize("name", ["Set-Cookie", "X-Api-Key", "X-Echo"])
def test_arguments_are_masked_where_they_hold_headers(name: str) -> None:
    for words in (
        ("-H", f"{name}: Bearer s3cret"),
        (f"-H{name}: Bearer s3cret",),
        (f"--header={name}: Bearer s3cret",),
    ):
        assert not any("s3cret" in word for word in masked_arguments(words))


def test_what_is_no_secret_stays() -> None:
    for text in (
        "argument --key: cannot read x", "a bearer token consists of printable ASCII characters", "session 3 is closed",
        "redirect refused: to another host, h.example", "404 Not Found", "unknown key 'hedaers'; known are url, id",
    ):  # fmt: skip
        assert masked_text(text) == text
    for name, value in (
        ("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "max-age=5, public"), ("ETag", '"abc=="'),
        ("WWW-Authenticate", 'Basic realm="the token store"'), ("Location", "/x?page=2&sort=name"),
        ("Set-Cookie", "=; Path=/; Expires=Wed, 09 Jun 2027 10:18:14 GMT"), ("Server", "nginx"),
    ):  # fmt: skip
        assert masked_value(name, value).replace("***", "") == value
    assert (
        masked_url("http://h/?a=1&next=https%3A%2F%2Fi%2F%3Fb%3D2") == "http://h/?a=1&next=https%3A%2F%2Fi%2F%3Fb%3D2"
    )
    assert masked_body(b'{"a":  [1, "b"]}') == b'{"a":  [1, "b"]}'
    assert not any(map(is_secret, ["page", "sort", "monkey", "keyword", "country_code2", "state", "id"]))


def test_an_option_that_does_not_exist_shows_no_value() -> None:
    assert without_values("unrecognized arguments: --barer=s3cret x -q=s3cret") == (
        "unrecognized arguments: --barer=*** x -q=***"
    )


def test_a_line_is_masked_as_it_is_typed() -> None:
    assert masked("http://h/?token=abc&x=1 -H 'X-Api-Key: abc'", "*") == "http://h/?token=***&x=1 -H 'X-Api-Key: ***'"


@settings(deadline=None)
@given(st.text(max_size=60) | st.text(st.sampled_from("?&;#=%3d@:/ '\"<>eyJ.token*"), max_size=60))
def test_masking_takes_any_text_and_is_done_once(text: str) -> None:
    for mask in (masked_url, masked_text):
        once = mask(text)
        assert mask(once) == once or "@" in text
    masked_headers((("X", text), ("Set-Cookie", text), ("Link", text)))
    masked_body(text.encode("utf-8", "surrogatepass"))
    masked_arguments((text, "-H", text))


@pytest.mark.parametrize(
    "text",
    ["?" * 50_000, "?a" * 50_000, ";a" * 50_000 + "=", "?token=" + ";" * 50_000, "')" * 50_000 + "=", "eyJ" * 30_000,
     "://" * 30_000 + "@", "bearer " * 20_000, "a: " * 30_000, "%3d" * 30_000, "?a=" * 30_000],
    ids=lambda text: text[:8],
)  # fmt: skip
@pytest.mark.timeout(60)
def test_no_text_takes_long(text: str) -> None:
    masked_text(text)
    masked_url(text)
    masked_value("Location", text)
