"""Text from outside made safe for a terminal, cut to cells, and the number formats of the screen.

A URL, a header, a body or an error text may hold escape sequences, bidirectional overrides or characters whose width
no two terminals agree on. `safe` leaves only characters that show as themselves.
"""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len, get_character_cell_size, set_cell_size

from tui.text.glyphs import ASCII, UNICODE, ascii_form

MAX_MARKS = 2  # combining marks kept on one character: enough for every living script, too few to climb over other rows

_BLANKS = frozenset("\t\n\r\x0b\x0c\x85\u2028\u2029")
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")  # letters by category that show as nothing
_SHOWN = "·"


def _is_selector(char: str) -> bool:
    """Variation selectors: invisible, and terminals disagree on the width they give to the character before."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or char in "\u180b\u180c\u180d\u180f"


def safe(text: str, limit: int = 2000) -> str:
    """One line of at most `limit` characters that no terminal takes for anything but text.

    Control (C0, C1, DEL), format, bidirectional, surrogate, private and unassigned characters become one visible cell
    each; line breaks, tabs and odd blanks become a blank; variation selectors and combining marks beyond two on one
    character are dropped. The result is in normal form C.
    """
    cut = len(text) > limit
    if cut:
        text = text[:limit]
    if not (text.isascii() and text.isprintable()):
        text = _neutral(unicodedata.normalize("NFC", text))
    if cut or len(text) > limit:
        text = text[: max(0, limit - 1)] + UNICODE.ellipsis[:limit]
    return text


def _neutral(text: str) -> str:
    kept: list[str] = []
    marks = MAX_MARKS  # nothing to combine with at the start
    for char in text:
        if " " <= char < "\x7f":
            kept.append(char)
            marks = 0
            continue
        category = unicodedata.category(char)
        if category[0] == "M":
            if marks < MAX_MARKS and not _is_selector(char):
                kept.append(char)
                marks += 1
            continue
        marks = MAX_MARKS
        if char in _BLANKS or category == "Zs":
            kept.append(" ")
        elif char < " ":
            kept.append(chr(0x2400 + ord(char)))
        elif char == "\x7f":
            kept.append("\u2421")
        elif not char.isprintable() or char in _FILLERS or not get_character_cell_size(char):
            kept.append(_SHOWN)
        else:
            kept.append(char)
            marks = 0
    # a mark that was dropped may have stood between two that compose
    return unicodedata.normalize("NFC", "".join(kept))


def fit(text: str, width: int, *, ascii: bool = False, right: bool = False) -> str:
    """`text`, which has been through `safe`, in exactly `width` cells: cut with an ellipsis or padded with blanks.

    With `right` the padding comes first. With `ascii` every other character is replaced, cell for cell.
    """
    if width <= 0:
        return ""
    if ascii:
        text = ascii_form(text)
    length = cell_len(text)
    if length <= width:
        blanks = " " * (width - length)
        return blanks + text if right else text + blanks
    mark = (ASCII if ascii else UNICODE).ellipsis
    mark = mark if len(mark) < width else mark[0]
    return set_cell_size(text, width - len(mark)) + mark


def _digits(value: float) -> str:
    """At most three significant digits, for values from 0 up to 999.5."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}".removesuffix(".0")


def size(n: float) -> str:
    """A number of bytes in at most 5 cells and 3 significant digits: `210`, `4.1K`, `1.2M` (K = 1024)."""
    value = max(0.0, n)
    if value < 999.5:
        return f"{value:.0f}"
    for unit in "KMGTPEZ":
        value /= 1024
        if value < 999.5:
            return f"{_digits(value)}{unit}"
    return f"{min(999, value / 1024):.0f}Y"


def amount(count: int) -> str:
    """A number of bytes in words: `1 byte`, `4.1KB`."""
    return f"{size(count)}B" if count >= 1000 else f"{count} byte" + ("s" if count != 1 else "")


def rate(bytes_per_second: float) -> str:
    """Bytes per second in at most 7 cells: `88K/s`."""
    return f"{size(bytes_per_second)}/s"


def duration(seconds: float) -> str:
    """A time in at most 6 cells: `0.12s`, `3.4s`, `41s`, `2m05`, `1h02`, `3d04` (days and hours)."""
    seconds = max(0.0, seconds)
    if seconds < 0.995:
        return f"{seconds:.2f}s"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(min(seconds, 999 * 86400 + 86399))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}"
