"""What the application wants on the terminal, what the terminal shows, and the bytes from one to the other.

Textual sends every dirty region in full, whatever of it has changed. Here updates only fill in the wanted cells;
`flush` compares them with those shown and writes the difference.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from textual.strip import Strip

from tui.text.glyphs import ascii_form

# Characters whose width every terminal takes alike; after any other the cursor is placed anew.
_AGREED = (
    (0x20, 0x7E),
    (0xA0, 0xAC),
    (0xAE, 0x2FF),
    (0x370, 0x482),
    (0x2010, 0x2027),
    (0x2190, 0x21FF),
    (0x2400, 0x2421),
    (0x2500, 0x25FC),
    (0x2800, 0x28FF),
)
_AGREED_WIDE = ((0x3041, 0x3096), (0x30A0, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF01, 0xFF60))

Cell = tuple[str, str]  # what stands there, and its SGR parameters; ("", sgr) is the right half of a wide character
_GAP = 4  # cells that are cheaper to write again than to jump over


@lru_cache(maxsize=8192)
def _form(char: str, ascii: bool) -> tuple[str, int]:
    """What is written for a character, and its cells: the last place where a control character can be stopped."""
    if not char.isprintable() and unicodedata.category(char) != "Zs":
        return ("." if ascii else "·"), 1
    if "\ufe00" <= char <= "\ufe0f":
        return "", 0
    width = get_character_cell_size(char)
    return (ascii_form(char) if width else "") if ascii else char, width


@lru_cache(maxsize=8192)
def _is_agreed(text: str) -> bool:
    """Whether every terminal moves its cursor by the same number of cells for what stands in one cell."""
    return len(text) == 1 and any(low <= ord(text) <= high for low, high in (*_AGREED, *_AGREED_WIDE))


def _parts(sgr: str) -> tuple[str, str, str]:
    """SGR parameters as (attributes, foreground, background)."""
    attributes, fore, back = [], "", ""
    numbers = sgr.split(";") if sgr else []
    while numbers:
        number = numbers.pop(0)
        if number in {"38", "48"}:
            rest = 4 if numbers[0] == "2" else 2
            colour = ";".join([number, *numbers[:rest]])
            del numbers[:rest]
            fore, back = (colour, back) if number == "38" else (fore, colour)
        elif number[:-1] in {"3", "9"}:
            fore = number
        elif number[:-1] in {"4", "10"}:
            back = number
        else:
            attributes.append(number)
    return ";".join(attributes), "" if fore == "39" else fore, "" if back == "49" else back


@lru_cache(maxsize=8192)
def change_pen(old: str, new: str) -> str:
    """The shortest sequence from one set of SGR parameters to another."""
    old_attributes, old_fore, old_back = _parts(old)
    attributes, fore, back = _parts(new)
    whole = ";".join(part for part in (attributes, fore, back) if part)
    if old_attributes in {"", attributes}:
        steps = [] if attributes == old_attributes else [attributes]
        steps += [] if fore == old_fore else [fore or "39"]
        steps += [] if back == old_back else [back or "49"]
        if not steps:
            return ""
        if len(step := ";".join(steps)) <= len(whole) + 2 and whole:
            return f"\x1b[{step}m"
    if not whole:
        return "\x1b[m"
    return f"\x1b[0;{whole}m" if old_attributes or old_fore or old_back else f"\x1b[{whole}m"


class CellDiff:
    """The cells of one screen, wanted and shown. A cell is None as long as nothing is known of it."""

    def __init__(self, *, ascii: bool = False) -> None:
        self.ascii = ascii
        self.width = self.height = 0
        self._wanted: list[list[Cell | None]] = []
        self._shown: list[list[Cell | None]] = []
        self._dirty: set[int] = set()

    def resize(self, width: int, height: int) -> None:
        """Begin anew for a screen of this size."""
        self.width, self.height = width, height
        self._wanted = [[None] * width for _ in range(height)]
        self.forget_shown()

    def forget_shown(self) -> None:
        """The terminal may show anything now: the next flush writes every cell."""
        self._shown = [[None] * self.width for _ in range(self.height)]
        self._dirty = set(range(self.height))

    @property
    def changed(self) -> bool:
        """Whether a flush would write anything."""
        self._dirty = {y for y in self._dirty if self._wanted[y] != self._shown[y]}
        return any(
            cell is not None and cell != shown
            for y in self._dirty
            for cell, shown in zip(self._wanted[y], self._shown[y], strict=True)
        )

    def put(self, x: int, y: int, strips: Iterable[Strip | None], end: int, colours: ColorSystem) -> None:
        """Want these strips side by side from x on, cut before the column `end`."""
        end = min(end, self.width)
        if not 0 <= y < self.height or x >= end or x < 0:
            return
        row = self._wanted[y]
        self._dirty.add(y)
        if (cell := row[x]) is not None and not cell[0]:
            row[x - 1] = " ", cell[1]  # its wide character is cut in half
        for strip in strips:
            if strip is not None:
                x = self._put_strip(row, x, strip, end, colours)
        if x < self.width and (cell := row[x]) is not None and not cell[0]:
            row[x] = " ", cell[1]

    def _put_strip(self, row: list[Cell | None], x: int, strip: Strip, end: int, colours: ColorSystem) -> int:
        stop = min(end, x + strip.cell_length)
        sgr = ""
        for text, style, control in strip:
            if control or x >= stop:
                continue
            sgr = Strip.render_ansi(style, colours) if style else ""
            if text.isascii() and text.isprintable():
                cells = [(char, sgr) for char in text[: stop - x]]
                row[x : x + len(cells)] = cells
                x += len(cells)
            else:
                x = self._put_text(row, x, text, sgr, stop)
        while x < stop:  # dropped characters
            row[x] = " ", sgr
            x += 1
        return x

    def _put_text(self, row: list[Cell | None], x: int, text: str, sgr: str, stop: int) -> int:
        start = x
        for char in text:
            form, width = _form(char, self.ascii)
            if not width:
                before = x - 1
                while before > start and (cell := row[before]) is not None and not cell[0]:
                    before -= 1
                if form and before >= start and (cell := row[before]) is not None:
                    row[before] = cell[0] + form, cell[1]
            elif x + width > stop:
                break
            elif width == 1 or self.ascii:
                for part in form:
                    row[x] = part, sgr
                    x += 1
            else:
                row[x], row[x + 1] = (form, sgr), ("", sgr)
                x += 2
        return x

    def flush(self) -> str:
        """The sequences that make the terminal show what is wanted. The pen is the default before and after."""
        out: list[str] = []
        pen = ""
        for y in sorted(self._dirty):
            wanted, shown = self._wanted[y], self._shown[y]
            if wanted != shown:
                pen = self._flush_row(out, y, wanted, shown, pen)
        self._dirty.clear()
        if pen:
            out.append("\x1b[m")
        return "".join(out)

    def _flush_row(
        self, out: list[str], y: int, wanted: Sequence[Cell | None], shown: list[Cell | None], pen: str
    ) -> str:
        cursor: int | None = None  # where the terminal's is, if in this row
        x = 0
        while x < self.width:
            cell = wanted[x]
            if cell is None or cell == shown[x]:
                x += 1
                continue
            if not cell[0] and x and (left := wanted[x - 1]) is not None:
                x, cell = x - 1, left  # a right half is written with its left
            out.append(self._move(x, y, cursor, wanted, pen))
            text, sgr = cell
            if sgr != pen:
                out.append(change_pen(pen, sgr))
                pen = sgr
            out.append(text or " ")
            shown[x] = cell
            x += 1
            if x < self.width and (right := wanted[x]) is not None and not right[0]:
                shown[x] = right
                x += 1
            cursor = x if _is_agreed(text) and x < self.width else None
        return pen

    def _move(self, x: int, y: int, cursor: int | None, wanted: Sequence[Cell | None], pen: str) -> str:
        if cursor is None or cursor > x:
            return f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"
        if cursor == x:
            return ""
        between = wanted[cursor:x]
        if len(between) <= _GAP and all(
            cell is not None and cell[1] == pen and cell[0].isascii() and cell[0] for cell in between
        ):
            return "".join(cell[0] for cell in between if cell is not None)
        return f"\x1b[{x - cursor}C"
