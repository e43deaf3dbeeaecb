"""By what the handle of a fetch is held, or that it was let go of."""

from __future__ import annotations

import textwrap

from tui.bridge.snapshot import ActiveRow, HeldRow
from tui.rows.describe import shown_url
from tui.screen.details.target import DetailsTarget
from tui.text.glyphs import Glyphs
from tui.text.plain_text import duration
from tui.text.spans import Line
from tui.widgets.wrapping import pairs


def refs_lines(subject: DetailsTarget, glyphs: Glyphs, width: int) -> list[Line]:
    """As it was when this was asked: the holders, nearest first."""
    row = subject.row
    held = row if isinstance(row, HeldRow) else subject.held
    if held is not None:
        return _held(held, width)
    if isinstance(row, ActiveRow):
        said = "The dashboard holds its handle until the fetch has ended."
        if row.pinned:
            said += f" {glyphs.pinned} Pinned by you: it stays after that, m lets go."
        return [[(part, "")] for part in _sentence(said, width)]
    said = "Its handle was let go of: nothing holds it any more. What is shown here is a copy."
    return [[(part, "faint")] for part in _sentence(said, width)]


def _held(row: HeldRow, width: int) -> list[Line]:
    by = row.by or (("pinned by you",) if row.pinned else ("not found yet",))
    facts = [("url", shown_url(row.url), ""), ("held", duration(row.held), "")]
    facts += [("by" if at == 0 else "held by", holder, "warn") for at, holder in enumerate(by)]
    facts += [("warning", warning, "warn") for warning in row.warnings]
    return pairs(facts, width)


def _sentence(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(2, width))
