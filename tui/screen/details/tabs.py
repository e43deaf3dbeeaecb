"""The tabs of a subject: which there are, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fetch_engine.model.results import FetchError, FetchResult
from tui.bridge.snapshot import ActiveRow, FinishedRecord
from tui.rows.describe import outcome_code
from tui.screen.details.facts import active_lines, error_lines, header_lines
from tui.screen.details.redirects import redirect_lines
from tui.screen.details.refs import refs_lines
from tui.screen.details.target import DetailsTarget, Section, section
from tui.screen.details.timing import timing_lines
from tui.screen.details.tls import tls_lines
from tui.text.glyphs import Glyphs
from tui.text.plain_text import amount, safe
from tui.text.secrets import open_text
from tui.text.spans import Line
from tui.widgets.pages import Page

MakeBody = Callable[[FetchResult, bool], Page]
"""The page of a result's body; the flag says that its record was trimmed."""


def sections_of(subject: DetailsTarget, glyphs: Glyphs, body: MakeBody, *, secrets: bool = False) -> list[Section]:
    """All there is to say about it, the most telling first. secrets: show them."""
    sections: list[Section] = []
    if isinstance(subject.row, ActiveRow):
        sections.append(section("Fetch", partial(active_lines, subject.row)))
    if subject.record is not None:
        sections += of_record(subject.record, glyphs, body, trimmed=subject.trimmed, secrets=secrets)
    return [*sections, section("Refs", partial(refs_lines, subject, glyphs))]


def of_record(
    record: FinishedRecord, glyphs: Glyphs, body: MakeBody, *, trimmed: bool = False, secrets: bool = False
) -> list[Section]:
    """The sections of an ended fetch. trimmed: headers and most of the body were let go of."""
    outcome = record.outcome
    if isinstance(outcome, FetchResult):
        first = [
            Section("Body", body(outcome, trimmed)),
            section("Headers", partial(header_lines, outcome, trimmed, secrets)),
        ]
    else:
        first = [section("Error", partial(error_lines, outcome))]
    redirects = f"Redirects {len(outcome.redirects)}" if outcome.redirects else "Redirects"
    return [
        *first,
        section("Timing", partial(timing_lines, outcome, glyphs)),
        section("TLS", partial(tls_lines, outcome)),
        section(redirects, partial(redirect_lines, outcome, glyphs)),
    ]


def headline(record: FinishedRecord) -> Line:
    """Code, version, size and type in one line."""
    outcome = record.outcome
    code, role = outcome_code(outcome)
    if isinstance(outcome, FetchError):
        return [(code, role), (f" {outcome.kind}", role)]
    reason = f" {safe(open_text(outcome.reason), 60)}" if outcome.reason else ""
    facts = (outcome.http_version, amount(outcome.body_size), open_text(outcome.content_type))
    return [(code + reason, role), *((f"  {safe(fact, 120)}", "") for fact in facts if fact)]
