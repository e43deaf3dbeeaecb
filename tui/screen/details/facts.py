"""Names and values: a fetch under way, the headers of a response, what is known of a failure."""

from __future__ import annotations

from fetch_engine.model.results import FetchError, FetchResult
from tui.bridge.snapshot import ActiveRow, Wait
from tui.rows.describe import row_state, shown_url, status_role
from tui.text.host_lines import whole_seconds
from tui.text.plain_text import amount, duration, rate, safe
from tui.text.secrets import has_secrets, open_text, open_value
from tui.text.spans import Line
from tui.widgets.wrapping import pairs, wrap


def active_lines(row: ActiveRow, width: int) -> list[Line]:
    """A fetch that has not ended, as it was when this was asked."""
    word, role = row_state(row)
    expected = f" of {amount(row.expected_size)}" if row.expected_size else ""
    facts = [
        ("url", shown_url(row.url), ""),
        ("state", f"{word} ({row.state})", role),
        ("body", f"{amount(row.body_size)}{expected}", ""),
        ("rate", rate(row.rate), ""),
        ("age", duration(row.age), ""),
        ("attempt", str(row.attempt), ""),
        *(() if row.wait is None else (("waits", waits_for(row.wait), "warn"),)),
        ("pinned", "yes" if row.pinned else "no", ""),
        *(("warning", warning, "warn") for warning in row.warnings),
    ]
    return pairs(facts, width)


def waits_for(wait: Wait) -> str:
    """What a fetch waits for, in words."""
    if wait.host:
        return f"{safe(wait.host, 80)} answered {safe(wait.cause, 20)} and rests {whole_seconds(wait.seconds)}"
    return f"for its next attempt in {whole_seconds(wait.seconds)}, after {safe(wait.cause, 20)}"


def header_lines(result: FetchResult, trimmed: bool, secrets: bool, width: int) -> list[Line]:
    """The response's headers as they came, repeated ones kept; secrets hidden unless asked for."""
    return _warning_lines(result, width) + _header_lines(result, trimmed, secrets, width)


def _warning_lines(result: FetchResult, width: int) -> list[Line]:
    if not result.warnings:
        return []
    return [*pairs((("warning", open_text(warning), "warn") for warning in result.warnings), width), []]


def _header_lines(result: FetchResult, trimmed: bool, secrets: bool, width: int) -> list[Line]:
    if trimmed and not result.headers:
        return [[("let go of to bound memory", "faint")]]
    if not result.headers:
        return [[("the response had no headers", "faint")]]
    hidden = not secrets and any(has_secrets(name, value) for name, value in result.headers)
    said = "secrets hidden, S shows them" if hidden else "secrets shown, S hides them" if secrets else ""
    lines: list[Line] = [[(part, "faint")] for part in wrap(said, width)] + [[]] if said else []
    return lines + pairs(
        ((name, value if secrets else open_value(name, value), "") for name, value in result.headers), width
    )


def error_lines(error: FetchError, width: int) -> list[Line]:
    """Why there is no response, and how far it went."""
    facts = [("kind", str(error.kind), "bad"), ("message", open_text(error.message), "")]
    if error.final_url:
        facts.append(("at", shown_url(error.final_url), ""))
    if error.status is not None:
        facts.append(("status", str(error.status), status_role(error.status)))
    facts.append(("attempts", str(error.attempts), ""))
    if error.retry_after is not None:
        facts.append(("asked for", f"a wait of {whole_seconds(error.retry_after)}", ""))
    facts.append(("received", f"{amount(error.bytes_received)}, {amount(error.body_size)} of body", ""))
    return pairs(facts, width)
