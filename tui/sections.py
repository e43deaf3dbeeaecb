"""What there is to say about one fetch, in sections of lines. Made from frozen values; keeps nothing alive."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from rich.cells import cell_len, chop_cells

from fetch_engine.results import FetchError, FetchResult, Timings
from tui.body_text import decode_body, hex_lines
from tui.describe import outcome_code, shown_url, state_word, status_role
from tui.glyphs import Glyphs
from tui.json_lines import coloured, json_lines
from tui.painted import Line
from tui.plain_text import duration, rate, safe, size
from tui.snapshot import ActiveRow, FinishedRecord, HeldRow

_PHASES = (
    ("dns", "dns"),
    ("tcp", "connect"),
    ("tls", "tls"),
    ("send", "send"),
    ("wait", "wait"),
    ("receive", "receive"),
)
_JSON = re.compile(r"[/+]json\b", re.IGNORECASE)
_MAX_LINE = 1 << 20
_MAX_JSON_LINES = 10_000  # beyond this, putting it on lines takes longer than a key may take to answer


@dataclass(frozen=True, slots=True)
class Subject:
    """What details are asked of: a row, and the record of its fetch where there is one.

    trimmed: the record lost its headers and most of its body.
    """

    row: FinishedRecord | ActiveRow | HeldRow
    record: FinishedRecord | None = None
    trimmed: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One tab: its name and its lines for a width in cells."""

    name: str
    lines: Callable[[int], list[Line]]


def sections_of(subject: Subject, glyphs: Glyphs) -> list[Section]:
    """All there is to say about it, the most telling first."""
    sections: list[Section] = []
    if isinstance(subject.row, ActiveRow):
        sections.append(of_active(subject.row))
    elif isinstance(subject.row, HeldRow):
        sections.append(of_held(subject.row))
    if subject.record is not None:
        sections += of_record(subject.record, glyphs, trimmed=subject.trimmed)
    return sections


def of_record(record: FinishedRecord, glyphs: Glyphs, *, trimmed: bool = False) -> list[Section]:
    """The sections of an ended fetch. trimmed: headers and most of the body were let go of."""
    outcome = record.outcome
    first: list[Section]
    if isinstance(outcome, FetchResult):
        first = [
            Section("Body", partial(_body, outcome, trimmed)),
            Section("Headers", partial(_headers, outcome, trimmed)),
        ]
    else:
        first = [Section("Error", partial(_error, outcome))]
    return [
        *first,
        Section("Timing", partial(_timing, outcome, glyphs)),
        Section(f"Redirects {len(outcome.redirects)}", partial(_redirects, record, glyphs)),
    ]


def of_active(row: ActiveRow) -> Section:
    """A fetch that has not ended, as it was when this was asked."""
    word, role = state_word(row.state)
    expected = f" of {amount(row.expected_size)}" if row.expected_size else ""
    facts = [
        ("url", shown_url(row.url), ""),
        ("state", f"{word} ({row.state})", role),
        ("body", f"{amount(row.body_size)}{expected}", ""),
        ("rate", rate(row.rate), ""),
        ("age", duration(row.age), ""),
        ("attempt", str(row.attempt), ""),
        ("pinned", "yes" if row.pinned else "no", ""),
    ]
    return Section("Fetch", partial(_facts, tuple(facts)))


def of_held(row: HeldRow) -> Section:
    """Who holds a handle whose fetch has ended."""
    by = row.by or (("pinned by you",) if row.pinned else ("not found yet",))
    facts = [("url", shown_url(row.url), ""), ("held", duration(row.held), "")]
    facts += [("by" if at == 0 else "held by", holder, "warn") for at, holder in enumerate(by)]
    return Section("Holders", partial(_facts, tuple(facts)))


def headline(record: FinishedRecord) -> Line:
    """Code, version, size and type in one line."""
    outcome = record.outcome
    code, role = outcome_code(outcome)
    if isinstance(outcome, FetchError):
        return [(code, role), (f" {outcome.kind}", role)]
    reason = f" {safe(outcome.reason, 60)}" if outcome.reason else ""
    facts = (outcome.http_version, amount(outcome.body_size), outcome.content_type)
    return [(code + reason, role), *((f"  {safe(fact, 120)}", "") for fact in facts if fact)]


def amount(count: int) -> str:
    """A number of bytes in words."""
    return f"{size(count)}B" if count >= 1000 else f"{count} byte" + ("s" if count != 1 else "")


def wrap(text: str, width: int) -> list[str]:
    """`text`, which has been through `safe`, cut into lines of at most `width` cells; at least one."""
    width = max(2, width)
    if len(text) <= width and cell_len(text) <= width:
        return [text]
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)]
    return chop_cells(text, width)


def wrap_spans(spans: Line, width: int) -> list[Line]:
    """Spans cut into lines of at most `width` cells."""
    if sum(cell_len(text) for text, _ in spans) <= width:
        return [spans]
    lines: list[Line] = [[]]
    room = max(2, width)
    for text, role in spans:
        at = 0
        while at < len(text):
            if room <= 0:
                lines.append([])
                room = max(2, width)
            part = wrap(text[at : at + room], room)[0]
            if not part or cell_len(part) > room:  # a wide character that does not fit any more
                lines.append([])
                room = max(2, width)
                continue
            lines[-1].append((part, role))
            room -= cell_len(part)
            at += len(part)
    return lines


def _body(result: FetchResult, trimmed: bool, width: int) -> list[Line]:
    if not result.body_size:
        return [[("(no body)", "faint")]]
    text = decode_body(result.preview, result.content_type)
    lines: list[Line]
    if text is None:
        lines = [[(line, "")] for line in hex_lines(result.preview, width)]
    else:
        as_json = _JSON.search(result.content_type) is not None and sum(map(text.count, "{[,")) <= _MAX_JSON_LINES
        lines = []
        for line in json_lines(text) if as_json else text.splitlines():
            clean = safe(line, _MAX_LINE)
            lines += wrap_spans(coloured(clean) if as_json else [(clean, "")], width)
    if result.preview_complete:
        end = f"all {amount(result.body_size)} shown"
    else:
        end = f"the first {amount(len(result.preview))} of {amount(result.body_size)}"
        if trimmed:
            end += "; the rest was let go of to bound memory"
    notes = ("", f"-- {end} --", f"sha256 {result.sha256}")
    lines += [[(part, "faint")] for note in notes for part in textwrap.wrap(note, max(2, width)) or [""]]
    return lines


def _headers(result: FetchResult, trimmed: bool, width: int) -> list[Line]:
    if trimmed and not result.headers:
        return [[("let go of to bound memory", "faint")]]
    return _pairs(((name, value, "") for name, value in result.headers), width)


def _error(error: FetchError, width: int) -> list[Line]:
    facts = [("kind", str(error.kind), "bad"), ("message", error.message, "")]
    if error.final_url:
        facts.append(("at", error.final_url, ""))
    if error.status is not None:
        facts.append(("status", str(error.status), status_role(error.status)))
    facts.append(("attempts", str(error.attempts), ""))
    facts.append(("received", f"{amount(error.bytes_received)}, {amount(error.body_size)} of body", ""))
    return _pairs(facts, width)


def _facts(facts: tuple[tuple[str, str, str], ...], width: int) -> list[Line]:
    return _pairs(facts, width)


def _pairs(pairs: Iterable[tuple[str, str, str]], width: int) -> list[Line]:
    lines: list[Line] = []
    for key, value, role in pairs:
        name = safe(key, 200) + ": "
        indent = min(cell_len(name), 24, width // 3)
        if cell_len(name) > indent:
            lines += [[(part, "head")] for part in wrap(name, width)]
            first: Line = [(" " * indent, "")]
        else:
            first = [(name, "head")]
        for part in wrap(safe(value, 65536), width - indent):
            lines.append([*first, (part, role)])
            first = [(" " * indent, "")]
    return lines


def _timing(outcome: FetchResult | FetchError, glyphs: Glyphs, width: int) -> list[Line]:
    timings = outcome.timings
    phases = [(name, getattr(timings, field)) for name, field in _PHASES]
    known = [(name, seconds) for name, seconds in phases if seconds is not None]
    total = max(timings.total, sum(seconds for _, seconds in known), 1e-6)
    before = total - (timings.queued or 0.0) - sum(seconds for _, seconds in known)
    if timings.queued is not None:
        known.insert(0, ("queued", timings.queued))
    if before > 0.001 and (outcome.redirects or outcome.attempts > 1):
        known.insert(1 if timings.queued is not None else 0, ("earlier", before))
    room = max(4, width - 20)
    lines: list[Line] = []
    start = 0.0
    for name, seconds in known:
        at = min(room - 1, int(start / total * room))
        cells = max(1, round(seconds / total * room))
        bar = " " * at + glyphs.bar_full * min(cells, room - at)
        lines.append([(f"{name:<9}", "head"), (bar.ljust(room), "good"), (f"{_milliseconds(seconds):>10}", "")])
        start += seconds
    lines.append([(f"{'total':<9}", "head"), (" " * room, ""), (f"{_milliseconds(timings.total):>10}", "strong")])
    seen = {name for name, _ in known}
    missing = [name for name, _ in _PHASES if name not in seen]
    lines.append([])
    if "tcp" in missing and known:
        lines.append([("no new connection was made", "faint")])
    attempts = f"{outcome.attempts} attempt" + ("s" if outcome.attempts != 1 else "")
    address = (
        f" from {safe(outcome.remote_address, 60)}"
        if isinstance(outcome, FetchResult) and outcome.remote_address
        else ""
    )
    lines.append([(f"{attempts}, {amount(outcome.bytes_received)} off the wire{address}", "faint")])
    return lines


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _redirects(record: FinishedRecord, glyphs: Glyphs, width: int) -> list[Line]:
    outcome = record.outcome
    if not outcome.redirects:
        return [[("no redirects", "faint")]]
    hops: list[tuple[str, str, Timings | None]] = [(hop.url, str(hop.status), hop.timings) for hop in outcome.redirects]
    if outcome.final_url:
        hops.append((outcome.final_url, outcome_code(outcome)[0], None))
    lines: list[Line] = []
    for number, (url, code, timings) in enumerate(hops):
        role = status_role(int(code)) if code.isdigit() else "bad"
        took = f" {_milliseconds(timings.total)}" if timings is not None and timings.total else ""
        mark = "  " if number == 0 else f"{glyphs.right} "
        first: Line = [(mark, "faint"), (f"{code} ", role)]
        for part in wrap(safe(url, 65536), width - 6 - len(took)):
            lines.append([*first, (part, ""), (took, "faint")])
            first, took = [("      ", "")], ""
    return lines
