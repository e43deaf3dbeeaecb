"""How fetches read in a cell or a line: text that has been through `safe`, and the role it is shown in."""

from __future__ import annotations

from rich.cells import cell_len

from fetch_engine.model.redaction import masked_text, masked_url
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult, FetchState
from tui.bridge.snapshot import ActiveRow, FinishedRecord, Wait
from tui.text.body_text import decode_body
from tui.text.host_lines import whole_seconds
from tui.text.plain_text import fit, safe, size
from tui.text.spans import Span

_WORDS = {
    FetchState.QUEUED: ("QUE", "faint"),
    FetchState.CONNECTING: ("CONN", "busy"),
    FetchState.SENDING: ("SEND", "busy"),
    FetchState.WAITING: ("WAIT", "busy"),
    FetchState.RECEIVING: ("RECV", "good"),
    FetchState.DONE: ("DONE", "good"),
    FetchState.FAILED: ("ERR", "bad"),
    FetchState.CANCELLED: ("CXL", "faint"),
}


def state_word(state: FetchState) -> Span:
    """A state in at most 4 letters."""
    return _WORDS[state]


def row_state(row: ActiveRow) -> Span:
    """The same of a fetch that has not ended; REST while its host rests, RTRY while it waits for its next attempt."""
    if row.wait is None:
        return state_word(row.state)
    return "REST" if row.wait.host else "RTRY", "warn"


def wait_text(wait: Wait) -> str:
    """What it waits for, in a narrow cell: `429, 8 s`."""
    return f"{safe(wait.cause, 15)}, {whole_seconds(wait.seconds)}"


def status_role(status: int) -> str:
    """The role in which a status code is shown."""
    if status < 300:
        return "good"
    if status < 400:
        return "moved"
    return "odd" if status < 500 else "bad"


def code_word(code: str) -> Span:
    """A status code, ERR or CXL as the engine's thread gives it."""
    if code.isascii() and code.isdigit():
        return code, status_role(int(code))
    return safe(code, 4), "faint" if code == "CXL" else "bad"


def outcome_code(outcome: FetchResult | FetchError) -> Span:
    """What an ended fetch came to: its status, ERR or CXL."""
    if isinstance(outcome, FetchResult):
        return str(outcome.status), status_role(outcome.status)
    return _WORDS[FetchState.CANCELLED if outcome.kind is ErrorKind.CANCELLED else FetchState.FAILED]


def shown_url(url: str) -> str:
    """A URL as it was given, its secrets masked."""
    return safe(masked_url(url) if "@" in url or "=" in url else url)


def short_url(url: str, width: int) -> str:
    """A URL for a narrow cell: without http and https, cut in the middle so that its end, which tells most, stays."""
    text = shown_url(url).removeprefix("https://").removeprefix("http://")
    if width < 12 or cell_len(text) <= width:
        return text
    tail = width // 2 - 1
    start = len(text) - tail
    while cell_len(text[start:]) > tail:
        start += 1
    return fit(text, width - cell_len(text[start:])) + text[start:]


def asked(row: ActiveRow | FinishedRecord, width: int) -> Span:
    """What was asked for, in a narrow cell: the URL, after the method where that is not GET."""
    if row.request is None or row.request.method == "GET":
        return short_url(row.url, width), ""
    method = safe(row.request.method, 10)
    return f"{method} {short_url(row.url, width - len(method) - 1)}", ""


def glimpse(outcome: FetchResult | FetchError, limit: int = 100) -> str:
    """What came out, in at most `limit` characters: the beginning of the body, or why there is none."""
    if isinstance(outcome, FetchError):
        if outcome.kind is ErrorKind.CANCELLED:
            kept = f" at {size(outcome.body_size)}" if outcome.body_size else ""
            return safe(f"{masked_text(outcome.message) or 'cancelled'}{kept}", limit)
        return safe(f"{outcome.kind}: {masked_text(outcome.message)}", limit)
    if not outcome.body_size:
        return safe("(no body)", limit)
    # four bytes make at most one character, and runs of blanks count as one
    text = decode_body(outcome.preview[: 8 * limit], outcome.content_type)
    if text is None:
        return safe(f"[{outcome.content_type or 'unknown type'} {size(outcome.body_size)}, not text]", limit)
    return safe(" ".join(text.split()), limit)
