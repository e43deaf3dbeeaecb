"""Screens that are laid out at the size that the terminal has now, whatever size a message speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events

if TYPE_CHECKING:
    from textual.screen import Screen

    Base = Screen[Any]
else:
    Base = object  # Textual takes styles and bindings from the first base that is one of its own


class SizedNow(Base):
    """Textual tells a screen of each size that it was laid out at, in a message that may be handled after the next size
    has come. Laid out at the old one again, it tells of that: with two such messages under way it goes to and fro for
    ever, and neither keys nor signals come through.
    """

    async def _on_resize(self, event: events.Resize) -> None:
        event.size = event.virtual_size = event.container_size = self.app.size  # before Screen's own handler sees it
