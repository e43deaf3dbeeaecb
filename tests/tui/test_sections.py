"""What each tab of the details says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fetch_engine.model.results import Attempt, ErrorKind, FetchError, FetchResult, Hop, Timings
from fetch_engine.model.tls_facts import Certificate, TlsFacts
from tests.tui.fake_link import HTML, active, failure, result
from tui.bridge.snapshot import FinishedRecord, HeldRow
from tui.rows.finished_store import DoneRows
from tui.screen.body.pace import Background, Pace, at_once
from tui.screen.body.source import BodySource
from tui.screen.body.view import BodyView
from tui.screen.details import DetailsTarget, Section, of_record, sections_of
from tui.screen.details.timing import waterfall
from tui.screen.details.tls import DAY, tls_lines
from tui.text.glyphs import ASCII, UNICODE
from tui.text.secrets import open_text, open_value
from tui.text.spans import Line
from tui.widgets.line_widget import CURSOR, END
from tui.widgets.wrapping import marked, wrap, wrap_spans

NOW = 1_800_000_000.0
T = TypeVar("T")


def text(lines: list[Line]) -> str:
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


class Now(Background):
    """Does the work where it is asked for."""

    def start(self, work: Callable[[Pace], T], done: Callable[[T], object], failed: Callable[[str], object]) -> None:
        done(work(at_once()))


def small_body(outcome: FetchResult, trimmed: bool) -> BodyView:
    return BodyView(BodySource.of(outcome, trimmed=trimmed), outcome.sha256, Now(), lambda: None, ">")


def sections(record: FinishedRecord, *, trimmed: bool = False, secrets: bool = False) -> dict[str, Section]:
    made = of_record(record, UNICODE, small_body, trimmed=trimmed, secrets=secrets)
    return {section.name.split()[0]: section for section in made}


def said(record: FinishedRecord, name: str, width: int = 60, *, trimmed: bool = False, secrets: bool = False) -> str:
    return text(sections(record, trimmed=trimmed, secrets=secrets)[name].lines(width))


def formed(outcome: FetchResult, *, trimmed: bool = False) -> str:
    view = small_body(outcome, trimmed)
    return text([row for at in range(view.count(60)) for row in view.rows(at, 60)])


def test_the_tabs() -> None:
    ended = result(1)
    assert list(sections(ended)) == ["Body", "Headers", "Timing", "TLS", "Redirects"]
    failed = failure(1, "http://h/", ErrorKind.DNS, "no such name")
    assert list(sections(failed)) == ["Error", "Timing", "TLS", "Redirects"]
    names = [section.name for section in sections_of(DetailsTarget(ended, ended), UNICODE, small_body)]
    assert names[-1] == "Refs"
    row = active(3, "http://h/")
    assert [section.name for section in sections_of(DetailsTarget(row), UNICODE, small_body)] == ["Fetch", "Refs"]


def test_the_body_says_what_was_left_out() -> None:
    whole = result(1, body=b"hello", content_type="text/plain")
    assert "all 5 bytes shown" in said(whole, "Body")
    cut = result(1, body=b"hello" * 20_000, content_type="text/plain", size=5 << 20)
    assert "first 0.1 of 5.0 MB" in formed(outcome_of(cut))
    rows = DoneRows(max_bytes=10)
    rows.add([result(1, body=HTML * 5, content_type="text/html")])
    assert rows.is_trimmed(rows.key(0))
    assert "let go of to bound memory" in formed(outcome_of(rows.row(0)), trimmed=True)
    assert "let go of" in said(rows.row(0), "Headers", trimmed=True)
    assert "(no body)" in said(result(1, body=b""), "Body")


def outcome_of(record: FinishedRecord) -> FetchResult:
    assert isinstance(record.outcome, FetchResult)
    return record.outcome


SECRETS = (
    ("Content-Type", "text/plain"),
    ("Set-Cookie", "sid=tops3cret; Path=/; HttpOnly"),
    ("Authorization", "Bearer tops3cret"),
    ("Location", "https://user:tops3cret@h/"),
    ("X-Api-Key", "tops3cret"),
)


def test_headers_hide_secrets_unless_asked() -> None:
    record = result(1, headers=SECRETS)
    hidden = said(record, "Headers")
    assert "tops3cret" not in hidden
    assert "sid=***; Path=/; HttpOnly" in hidden
    assert "Location: https://h/" in hidden
    assert "S shows them" in hidden
    assert said(record, "Headers", secrets=True).count("tops3cret") == 4
    assert "S shows" not in said(result(1, headers=(("Server", "x"),)), "Headers")


@given(st.text(max_size=60), st.sampled_from(["Cookie", "authorization", "PROXY-AUTHORIZATION"]))
def test_credentials_never_show(value: str, name: str) -> None:
    assert open_value(name, value) == "***"
    assert "s3" not in open_text("see http://u:s3@h/ and https://s3@x")


def test_a_failure_shows_the_hop_and_why() -> None:
    record = failure(
        1, "http://a/", ErrorKind.TLS, "certificate expired", final_url="https://b/", redirects=(Hop("http://a/", 301),)
    )
    everything = "\n".join(said(record, name) for name in sections(record))
    for part in ("tls", "certificate expired", "https://b/", "301 http://a/", "→ ERR https://b/"):
        assert part in everything


# timing


def bars(record: FinishedRecord, width: int = 62) -> dict[str, str]:
    lines = sections(record)["Timing"].lines(width)
    return {line[0][0].strip(): line[1][0] for line in lines if len(line) == 3 and line[2][0].strip()}


def test_bars_follow_each_other_and_fit() -> None:
    record = result(1, timings=Timings(0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.1, 1.0), elapsed=1.0)
    shown = bars(record)
    assert list(shown) == ["queue", "dns+connect", "tls", "send", "wait", "receive", "total"]
    starts = [len(bar) - len(bar.lstrip()) for name, bar in shown.items() if name != "total"]
    assert starts == [0, 4, 12, 16, 20, 36]
    assert [bar.count("█") for bar in shown.values()] == [4, 8, 4, 4, 16, 4, 0]
    assert all(cell_len(text([line])) <= 62 for line in sections(record)["Timing"].lines(62))


def test_what_was_not_seen_is_said_and_never_zero() -> None:
    kept = result(1, timings=Timings(0.1, None, None, None, 0.1, 0.3, None, 0.5))
    shown = said(kept, "Timing")
    assert shown.count("not seen") == 3
    assert "a kept connection" in shown
    assert " 0 ms" not in shown
    assert "0.0 ms" not in shown
    plain = result(1, url="http://h/", timings=Timings(0.1, 0.1, 0.1, None, 0.1, 0.3, 0.1, 0.5))
    assert "tls" not in said(plain, "Timing")
    assert "not seen" not in said(plain, "Timing")


def test_each_hop_has_its_own_bars_on_one_axis() -> None:
    hop = Hop("http://a/old", 301, Timings(0.1, 0.05, 0.05, None, 0.01, 0.08, 0.01, 0.2))
    record = result(
        1, url="https://b/new", redirects=(hop,), timings=Timings(0.1, None, 0.1, 0.1, 0.1, 0.3, 0.1, 1.0), attempts=1
    )
    queue, earlier, hops = waterfall(record.outcome)
    assert (queue.seconds, earlier) == (0.1, None)
    assert [each.code for each in hops] == ["301", "200"]
    assert hops[0].phases[0].start == pytest.approx(0.1)
    assert hops[1].phases[0].start == pytest.approx(0.3)
    last = hops[1].phases[-1]
    assert last.start + (last.seconds or 0) == pytest.approx(1.0)
    shown = said(record, "Timing")
    assert "1 301 a/old" in shown.replace("http://", "")
    assert shown.index("301") < shown.index("2 200")


def test_each_earlier_attempt_says_how_it_ended() -> None:
    retried = (Attempt(429, None, 0.05, 1.0), Attempt(None, ErrorKind.RESET, 0.2, 2.0))
    text = said(result(1, attempts=3, retried=retried), "Timing")
    assert "1 429 after 50 ms, the next one 1000 ms later" in text
    assert "2 reset after 200 ms, the next one 2000 ms later" in text


def test_earlier_attempts_have_a_bar() -> None:
    record = result(1, attempts=3, timings=Timings(0.0, 0.0, 0.1, 0.1, 0.0, 0.1, 0.1, 2.0))
    assert "earlier" in bars(record)
    assert bars(record)["earlier"].count("█") == 32


times = st.none() | st.floats(0, 1e4)


@given(
    st.builds(Timings, times, times, times, times, times, times, times, st.floats(0, 1e4)),
    st.lists(st.builds(Timings, times, times, times, times, times, times, times, st.floats(0, 1e4)), max_size=2),
    st.integers(1, 3),
    st.integers(20, 120),
)
def test_any_times_fit(timings: Timings, hops: list[Timings], attempts: int, width: int) -> None:
    redirects = tuple(Hop("http://h/" + "x" * 200, 302, each) for each in hops)
    record = result(1, timings=timings, redirects=redirects, attempts=attempts)
    for glyphs in (UNICODE, ASCII):
        timing = next(each for each in of_record(record, glyphs, small_body) if each.name == "Timing")
        for line in timing.lines(width)[:-1]:
            assert cell_len("".join(part for part, _ in line)) <= max(width, 26)


# TLS

LEAF = Certificate("example.org", "Good CA", ("example.org", "*.example.org"), NOW - 40 * DAY, NOW + 29 * DAY)
ROOT = Certificate("Good CA", "Good CA", (), NOW - 900 * DAY, NOW + 900 * DAY)
FACTS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, "h2", "example.org", True, (LEAF, ROOT), True)


def tls(facts: TlsFacts | None, url: str = "https://example.org/") -> list[Line]:
    return tls_lines(replace(outcome_of(result(1, url=url)), tls=facts), 70, NOW)


def test_tls_shows_connection_and_chain() -> None:
    shown = text(tls(FACTS))
    for part in (
        "protocol: TLSv1.3",
        "cipher: TLS_AES_256_GCM_SHA384, 256 bits",
        "ALPN: h2",
        "verified: yes",
        "0: example.org",
        "names: example.org, *.example.org",
        "issuer: Good CA",
        "in 29 days",
        "1: Good CA",
        "issuer: itself",
    ):
        assert part in shown
    assert "not seen" not in shown


@pytest.mark.parametrize(
    ("days", "says", "role"),
    [
        (31, "in 31 days", "good"),
        (29.5, "in 29 days", "warn"),
        (1.5, "in 1 day", "warn"),
        (0.5, "today", "warn"),
        (-0.5, "expired 1 day ago", "bad"),
        (-9.5, "expired 10 days ago", "bad"),
    ],
)
def test_expiry_in_days_is_coloured(days: float, says: str, role: str) -> None:
    facts = replace(FACTS, chain=(replace(LEAF, not_after=NOW + days * DAY),))
    assert [r for line in tls(facts) for part, r in line if part.endswith(says)] == [role]


def test_what_is_not_known_of_tls_is_said() -> None:
    unverified = replace(FACTS, verified=False, whole=False, chain=(replace(LEAF, not_after=None, not_before=1e300),))
    shown = text(tls(unverified))
    assert "(-k)" in shown
    assert "until: not seen" in shown
    assert "the rest of the chain was not seen" in shown
    assert "certificates: not seen" in text(tls(replace(FACTS, chain=())))
    assert text(tls(None)) == "not seen"
    assert text(tls(None, "http://h/")) == "no TLS: http"
    failed = FetchError(ErrorKind.TLS, "h: self-signed certificate", final_url="https://h/")
    assert "self-signed" in text(tls_lines(failed, 60))
    assert "no connection was made" in text(tls_lines(FetchError(ErrorKind.DNS, "x"), 60))
    assert time.time() > NOW or "today" not in text(tls_lines(failed, 60))


def test_hops_name_their_own_connections() -> None:
    outcome = replace(
        outcome_of(result(1, url="https://b/")),
        redirects=(Hop("http://a/", 301), Hop("https://b/x", 302, Timings(), FACTS)),
        tls=FACTS,
    )
    shown = text(tls_lines(outcome, 60, NOW))
    assert shown.index("no TLS") < shown.index("2 https://b/x") < shown.index("as the hop before")


# refs


def test_refs_name_the_holders_or_say_that_there_are_none() -> None:
    row = HeldRow(1, "http://h/", "200", 3.0, False, ("list[0]", "global CACHE in app"))

    def refs(subject: DetailsTarget) -> str:
        return text(sections_of(subject, UNICODE, small_body)[-1].lines(60))

    assert "held by: global CACHE in app" in refs(DetailsTarget(row, result(1)))
    assert "held by: global CACHE in app" in refs(DetailsTarget(result(1), result(1), held=row))
    assert "let go of" in refs(DetailsTarget(result(1), result(1)))
    assert "pinned by you" in refs(DetailsTarget(replace(row, pinned=True, by=())))
    assert "until the fetch has ended" in refs(DetailsTarget(active(1, "http://h/"))).replace("\n", " ")


# wrapping


@given(st.text(max_size=300), st.integers(2, 60))
def test_wrapping_loses_nothing_and_fits(line: str, width: int) -> None:
    clean = "".join(char for char in line if char.isprintable())
    parts = wrap(clean, width)
    assert "".join(parts) == clean
    assert all(cell_len(part) <= width for part in parts)
    spans = wrap_spans([(clean[:50], "head"), (clean[50:], "")], width)
    assert "".join(part for row in spans for part, _ in row) == clean
    assert all(sum(cell_len(part) for part, _ in row) <= width for row in spans)


@given(
    st.lists(st.text("abc", max_size=5), max_size=5),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4),
)
def test_marks_stand_where_they_belong(parts: list[str], steps: list[tuple[int, int]]) -> None:
    whole = "".join(parts)
    ranges, at = [], 0
    for gap, length in steps:
        ranges.append((at + gap, at + gap + length))
        at += gap + length
    on, shown, inside = False, "", ""
    for part, role in marked([(part, "") for part in parts], ranges):
        if (part, role) in (CURSOR, END):
            assert on != ((part, role) == CURSOR)
            on = not on
            continue
        shown += part
        inside += part if on else ""
    assert shown == whole
    assert not on
    assert inside == "".join(whole[start:stop] for start, stop in ranges)
