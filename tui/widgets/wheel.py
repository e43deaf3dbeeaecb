"""The mouse wheel moves a pane as its keys do."""

from __future__ import annotations

from textual import events

LINES = 3  # at each notch


class Wheel:
    """For a widget with an action `move`, whose argument is lines down."""

    def action_move(self, by: int) -> None:
        raise NotImplementedError

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-LINES)
