"""The app as it is typed and pasted into: what comes where no field has the focus, and before one has it."""

from __future__ import annotations

import time
from typing import Any

from textual import events
from textual.widgets import Input

from tui.keys.table import key_label
from tui.screen.panels.url_bar import UrlInput
from tui.screen.screens.dashboard import DashboardScreen
from tui.screen.screens.details import DetailsScreen
from tui.screen.typed_urls import TypedUrls
from tui.terminal.driver import PacedApp


class TypingApp(PacedApp[None]):
    """Takes URLs that are typed or pasted on the rows and in details into the field of `dashboard`.

    last_key: time.monotonic() of the newest key.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dashboard = DashboardScreen()
        self.last_key = 0.0
        self._typed_urls = TypedUrls()

    def on_key(self, event: events.Key) -> None:
        """A key that comes by here unused while a field has the focus was typed before the focus had moved there."""
        self.last_key = time.monotonic()
        if isinstance(self.focused, Input):
            self._typed_urls.take(None)
            if event.is_printable and event.character:
                self.focused.insert_text_at_cursor(event.character)
                event.prevent_default()
        elif self._is_beside_field and (line := self._typed_urls.take(event.character)):
            event.prevent_default()
            self._url_field().add_typed(line)
            self.notify(f"a URL typed here goes into its field; {key_label('url.focus')} leads there")

    def on_paste(self, event: events.Paste) -> None:
        """What no field has taken."""
        if isinstance(self.focused, Input):  # it came before the focus had moved there
            self.focused.post_message(events.Paste(event.text))
        elif self._is_beside_field and event.text.strip():
            self._url_field().post_message(UrlInput.PastedBeside(event.text))

    @property
    def _is_beside_field(self) -> bool:
        return isinstance(self.screen, DashboardScreen | DetailsScreen)

    def _url_field(self) -> UrlInput:
        """The field for URLs, with the focus."""
        if isinstance(self.screen, DetailsScreen):
            self.screen.dismiss()
        self.dashboard.action_focus_url()
        return self.dashboard.query_one(UrlInput)
