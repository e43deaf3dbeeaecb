"""A widget that paints itself line by line and sends only the lines that changed."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.glyphs import UNICODE, Glyphs
from tui.plain_text import safe

Span = tuple[str, str]
"""Text and the role it is shown in, one of ROLES or "" for plain."""

Line = list[Span]

ROLES = (
    "rule",  # frames
    "title",
    "head",  # column names
    "faint",
    "good",  # 2xx, open
    "moved",  # 3xx
    "odd",  # 4xx
    "bad",  # 5xx, errors
    "busy",  # something is under way
    "warn",
    "key",
    "strong",
    "cursor",  # the ground of a selected row, upon which the others are shown
)

CURSOR: Span = ("", "cursor")
"""From here on the line is a selected row."""

END: Span = ("", "end")
"""From here on it is not."""


class Painted(Widget):
    """Base of all that shows lines. Subclasses say what stands in a line; only the lines on screen are kept."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"painted--{role}" for role in ROLES}
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._strips: dict[int, Strip] = {}
        self._looks: dict[str, Style] = {}

    @property
    def glyphs(self) -> Glyphs:
        """The glyphs that the terminal can show."""
        glyphs: Glyphs = getattr(self.app, "glyphs", UNICODE)
        return glyphs

    def line(self, y: int, width: int) -> Line:
        """The spans of line `y`, together at most `width` cells."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Ask for the lines on screen that are not as they were painted."""
        width, height = self.size
        changed = []
        for y in range(height):
            strip = self._strip(y, width)
            if self._strips.get(y) != strip:
                self._strips[y] = strip
                changed.append(Region(0, y, width, 1))
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != width:
            strip = self._strips[y] = self._strip(y, width)
        return strip

    def on_resize(self) -> None:
        self._strips.clear()
        self.repaint()

    def notify_style_update(self) -> None:
        # Colours are known only once the widget is shown, and change with focus and theme.
        self._looks.clear()
        self._strips.clear()
        super().notify_style_update()

    def _strip(self, y: int, width: int) -> Strip:
        base = self._look("")
        segments = []
        on_cursor = False
        for text, role in self.line(y, width):
            if (text, role) in (CURSOR, END):
                on_cursor = role == "cursor"
                base = self._look("cursor" if on_cursor else "")
                continue
            if not text:
                continue
            # The last gate: whatever a panel forgot, no control character passes.
            shown = text if text.isprintable() else safe(text)
            style = self._look(role, on_cursor) if role else base
            segments.append(Segment(shown, style))
        return Strip(segments).adjust_cell_length(width, base)

    def _look(self, role: str, on_cursor: bool = False) -> Style:
        name = f"{role}/cursor" if on_cursor else role
        style = self._looks.get(name)
        if style is None:
            if not role:
                style = self.rich_style
            elif role == "cursor":
                style = self.get_component_rich_style("painted--cursor")
            elif on_cursor and self.app.native_ansi_color:
                style = self._look("cursor")  # sixteen colours upon a selection are often unreadable
            else:
                base = self._look("cursor") if on_cursor else self.rich_style
                style = base + self.get_component_rich_style(f"painted--{role}", partial=True)
            self._looks[name] = style
        return style
