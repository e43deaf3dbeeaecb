"""The terminal's clipboard by OSC 52, and what of a fetch goes there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fetch_engine.curl.command import curl_command
from fetch_engine.model.redaction import masked_text, masked_url
from fetch_engine.model.requests import FetchRequest
from tui.bridge.snapshot import HeldRow
from tui.screen.body.source import BodySource
from tui.screen.details import DetailsTarget
from tui.text.body_text import decode_body
from tui.text.plain_text import size
from tui.text.secrets import open_value

if TYPE_CHECKING:
    from textual.app import App

MOST = 74 * 1024  # bytes; terminals take about 100,000 characters of base64 and drop longer ones whole


def copy(app: App[Any], text: str, what: str) -> str:
    """Hand text to the terminal; returns what to tell the user."""
    data = text.encode("utf-8", "replace")
    part = data[:MOST].decode("utf-8", "ignore")
    app.copy_to_clipboard(part)
    if os.environ.get("TMUX"):
        _through_tmux(app, part)
    if len(data) > MOST:
        return (
            f"copied the first {size(len(part.encode()))}B of {size(len(data))}B of the {what}: terminals take no more"
        )
    return f"copied the {what}, {size(len(data))}B" if len(data) >= 1000 else f"copied the {what}"


def _through_tmux(app: App[Any], text: str) -> None:
    # tmux takes a program's OSC 52 only with `set-clipboard on`; wrapped it passes with `allow-passthrough on`.
    # Textual has no public way to write to the terminal; tests/tui/test_copying.py notices the loss of this one.
    import base64

    driver = app._driver
    if driver is not None:
        sequence = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"
        driver.write("\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\")


def url_of(subject: DetailsTarget, *, secrets: bool) -> str:
    """The URL as it was given; its secrets masked unless asked for."""
    return subject.row.url if secrets else masked_url(subject.row.url)


def curl_of(subject: DetailsTarget, *, secrets: bool) -> str:
    """The request as a curl command; secrets replaced unless asked for."""
    source = subject.record or subject.row
    request = None if isinstance(source, HeldRow) else source.request
    return curl_command(request or FetchRequest(subject.row.url), secrets=secrets)


def headers_of(subject: DetailsTarget, *, secrets: bool) -> str:
    """Status line and headers of the response, "" without any."""
    result = subject.result
    if result is None or not result.headers:
        return ""
    reason = result.reason if secrets else masked_text(result.reason)
    lines = [f"{result.http_version} {result.status} {reason}".rstrip()]
    lines += [
        f"{name}: {value if secrets else open_value(name, value)}".translate(_NO_BREAKS)
        for name, value in result.headers
    ]
    return "\n".join(lines) + "\n"


def body_of(subject: DetailsTarget) -> str | None:
    """The text of the body, a little more than can be copied; None where it is none. Reads a file."""
    result = subject.result
    if result is None or not result.body_size:
        return None
    return decode_body(BodySource.of(result).read(4 * MOST), result.content_type)


_NO_BREAKS = {13: " ", 10: " "}
