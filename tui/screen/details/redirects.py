"""The chain of redirects, each hop with its status and time."""

from __future__ import annotations

from fetch_engine.model.redaction import masked_url
from fetch_engine.model.results import Timings
from tui.rows.describe import outcome_code, status_role
from tui.screen.details.target import Outcome
from tui.screen.details.timing import milliseconds
from tui.text.glyphs import Glyphs
from tui.text.plain_text import safe
from tui.text.spans import Line
from tui.widgets.wrapping import wrap


def redirect_lines(outcome: Outcome, glyphs: Glyphs, width: int) -> list[Line]:
    """From the URL that was asked for to the one that answered, or failed."""
    if not outcome.redirects:
        return [[("no redirects", "faint")]]
    hops: list[tuple[str, str, Timings | None]] = [(hop.url, str(hop.status), hop.timings) for hop in outcome.redirects]
    if outcome.final_url:
        hops.append((outcome.final_url, outcome_code(outcome)[0], None))
    lines: list[Line] = []
    for number, (url, code, timings) in enumerate(hops):
        role = status_role(int(code)) if code.isdigit() else "bad"
        took = f" {milliseconds(timings.total)}" if timings is not None and timings.total else ""
        mark = "  " if number == 0 else f"{glyphs.right} "
        first: Line = [(mark, "faint"), (f"{code} ", role)]
        for part in wrap(safe(masked_url(url), 65536), width - 6 - len(took)):
            lines.append([*first, (part, ""), (took, "faint")])
            first, took = [("      ", "")], ""
    return lines
