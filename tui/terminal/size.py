"""Sizes as terminals tell them: none where there is none yet, and any number where a program makes one up."""

from __future__ import annotations

UNKNOWN = 80, 24  # columns, rows: what is taken where the terminal does not know (`ssh -tt` from a script: 0x0)
MOST = 1000, 500  # what is drawn on of a larger one: twice an 8K screen in a small font, and bounded memory


def drawn_size(columns: int, rows: int) -> tuple[int, int]:
    """The part of a terminal of this size that is drawn on, at least one cell."""
    if columns <= 0 or rows <= 0:
        return UNKNOWN
    return min(columns, MOST[0]), min(rows, MOST[1])
