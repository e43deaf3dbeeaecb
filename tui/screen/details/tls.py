"""The TLS connections of a fetch: what was agreed on, and the chain of certificates."""

from __future__ import annotations

import time

from fetch_engine.model.results import ErrorKind, FetchError
from fetch_engine.model.tls_facts import Certificate, TlsFacts
from tui.rows.describe import shown_url
from tui.screen.details.target import Outcome
from tui.text.plain_text import safe
from tui.text.spans import Line
from tui.widgets.wrapping import pairs, wrap

DAY = 86400
SOON = 30  # days before its end from which a certificate is worth a look
_NAMES = 100  # names of one certificate that are shown


def tls_lines(outcome: Outcome, width: int, now: float | None = None) -> list[Line]:
    """Of each hop that had a connection of its own kind. now: seconds since 1970, by default the time it is."""
    now = time.time() if now is None else now
    hops = [(hop.url, hop.tls) for hop in outcome.redirects]
    if outcome.final_url:
        hops.append((outcome.final_url, outcome.tls))
    lines: list[Line] = []
    before: TlsFacts | None = None
    for number, (url, facts) in enumerate(hops):
        if number:
            lines.append([])
        if len(hops) > 1:
            lines += [[(part, "title")] for part in wrap(f"{number + 1} {shown_url(url)}", width)]
        if facts is not None and facts is before:
            lines.append([("as the hop before", "faint")])
        elif facts is not None:
            lines += _connection(facts, width, now)
        else:
            lines += [[(part, "faint")] for part in wrap(_why_none(url, outcome, number == len(hops) - 1), width)]
        before = facts
    return lines or [[("no connection was made", "faint")]]


def _why_none(url: str, outcome: Outcome, last: bool) -> str:
    if url.lower().startswith("http://"):
        return "no TLS: http"
    if last and isinstance(outcome, FetchError):
        return f"no connection: {safe(outcome.message, 500)}" if outcome.kind is ErrorKind.TLS else "no connection"
    return "not seen"


def _connection(facts: TlsFacts, width: int, now: float) -> list[Line]:
    bits = f", {facts.bits} bits" if facts.bits else ""
    checked = "yes" if facts.verified else "no: any certificate was accepted (-k)"
    lines = pairs(
        [
            ("protocol", facts.protocol or "not seen", ""),
            ("cipher", f"{facts.cipher}{bits}" if facts.cipher else "not seen", ""),
            ("ALPN", facts.alpn or "none agreed on", ""),
            ("server name", facts.server_name, ""),
            ("verified", checked, "good" if facts.verified else "warn"),
        ],
        width,
    )
    if not facts.chain:
        return [*lines, [], [("certificates: not seen", "faint")]]
    for number, each in enumerate(facts.chain):
        lines.append([])
        lines += _certificate(each, number, width, now)
    if not facts.whole:
        lines += [[], [("the rest of the chain was not seen", "faint")]]
    return lines


def _certificate(given: Certificate, number: int, width: int, now: float) -> list[Line]:
    own = given.subject == given.issuer
    names = ", ".join(given.names[:_NAMES])
    if len(given.names) > _NAMES:
        names += f" and {len(given.names) - _NAMES} more"
    facts = [(str(number), given.subject or "no name", "strong")]
    if names:
        facts.append(("names", names, ""))
    facts.append(("issuer", "itself" if own else given.issuer or "not seen", ""))
    facts.append(("valid from", _date(given.not_before), "bad" if (given.not_before or 0) > now else ""))
    facts.append(("until", *_expiry(given.not_after, now)))
    return pairs(facts, width)


def _date(when: float | None) -> str:
    if when is None:
        return "not seen"
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(when))
    except (ValueError, OverflowError, OSError):
        return "a time out of range"


def _expiry(until: float | None, now: float) -> tuple[str, str]:
    if until is None:
        return "not seen", "faint"
    days = int((until - now) // DAY)
    if until < now:
        return f"{_date(until)}, expired {-days} day{'s' if days != -1 else ''} ago", "bad"
    left = f"in {days} day{'s' if days != 1 else ''}" if days else "today"
    return f"{_date(until)}, {left}", "warn" if days < SOON else "good"
