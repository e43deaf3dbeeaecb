"""A widget that paints itself line by line and sends only the lines that changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from tui.text.glyphs import UNICODE, Glyphs
from tui.text.plain_text import safe
from tui.text.spans import Line, Span

"""Text and the role it is shown in, one of ROLES or "" for plain."""


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

FOCUSED = ("rule", "title")  # roles that look different in the pane that has the focus

LOOKS = frozenset({f"painted--{role}" for role in ROLES} | {f"painted--focused-{role}" for role in FOCUSED})
"""What the app that shows painted widgets declares as COMPONENT_CLASSES: were they each widget's own, Textual would
work out every one of them again for each widget whose classes or focus change."""

CURSOR: Span = ("", "cursor")
"""From here on the line is a selected row."""

END: Span = ("", "end")
"""From here on it is not."""


class _Row(Strip):
    """A strip that does not come to refer to itself.

    Textual's notes what it was divided into, which is itself where it is cut nowhere: each line ever painted would be
    garbage that only the collector can free, thousands of objects a second.
    """

    __slots__ = ()

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        cuts = [*cuts]
        return [self] if cuts == [self.cell_length] else super().divide(cuts)


class LineWidget(Widget):
    """Base of all that shows lines. Subclasses say what stands in a line; only the lines on screen are kept."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._strips: dict[int, Strip] = {}
        self._looks: dict[tuple[str, bool, bool], Style] = {}
        self.measured = Size(0, 0)  # the size, read once for each painting: Textual works it out anew each time
        self.painting = 0  # its number, for what subclasses work out once for all lines

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._forget_looks)

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
        width, height = self.measure()
        changed = []
        for y in range(height):
            strip = self._strip(y, width)
            if self._strips.get(y) != strip:
                self._strips[y] = strip
                changed.append(Region(0, y, width, 1))
        if changed:
            self.refresh(*changed)

    def measure(self) -> Size:
        """Begin a painting: note the size that the widget has now."""
        self.measured = self.size
        self.painting += 1
        return self.measured

    def render_line(self, y: int) -> Strip:
        width = self.measured.width if y else self.measure().width  # from the top on is how Textual asks
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != width:
            strip = self._strips[y] = self._strip(y, width)
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        return [_Row(strip, strip.cell_length) for strip in super().render_lines(crop)]

    def on_resize(self) -> None:
        self._strips.clear()
        self.repaint()

    def watch_has_focus(self, _has_focus: bool) -> None:
        super().watch_has_focus(_has_focus)
        self.repaint()

    def notify_style_update(self) -> None:
        # Colours are known only once the widget is shown.
        self._looks.clear()
        self._strips.clear()
        super().notify_style_update()

    def _forget_looks(self, _theme: Theme) -> None:
        self._looks.clear()
        self._strips.clear()
        self.refresh()

    def _strip(self, y: int, width: int) -> Strip:
        focused = self.has_focus
        base = self._look("", False, focused)
        segments = []
        on_cursor = False
        for text, role in self.line(y, width):
            if not text:
                if role in ("cursor", "end"):
                    on_cursor = role == "cursor"
                    base = self._look("cursor" if on_cursor else "", False, focused)
                continue
            # The last gate: whatever a panel forgot, no control character passes.
            shown = text if text.isprintable() else safe(text)
            segments.append(Segment(shown, self._look(role, on_cursor, focused) if role else base))
        return Strip(segments).adjust_cell_length(width, base)

    def _look(self, role: str, on_cursor: bool = False, focused: bool = False) -> Style:
        key = role, on_cursor, focused
        style = self._looks.get(key)
        if style is None:
            if not role:
                style = self.rich_style
            elif role == "cursor":
                style = self.rich_style + self._component("cursor")
            elif on_cursor and self.app.native_ansi_color:
                style = self._look("cursor", False, focused)  # sixteen colours upon a selection are often unreadable
            else:
                base = self._look("cursor" if on_cursor else "", False, focused)
                style = base + self._component(f"focused-{role}" if focused and role in FOCUSED else role)
            self._looks[key] = style
        return style

    def _component(self, role: str) -> Style:
        return self.app.get_component_styles(f"painted--{role}").partial_rich_style
