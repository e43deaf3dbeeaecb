"""A waterfall of all hops: where the time went, on one axis from submit to the last byte."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fetch_engine.model.results import Attempt, FetchResult, Timings
from tui.rows.describe import shown_url, status_role
from tui.screen.details.target import Outcome
from tui.text.glyphs import Glyphs
from tui.text.host_lines import whole_seconds
from tui.text.plain_text import amount, fit, safe
from tui.text.spans import Line

_NAMES = 12  # cells
_TIMES = 10


@dataclass(frozen=True, slots=True)
class Phase:
    """One bar: where it begins and how long it takes, in seconds; None where it was not seen."""

    name: str
    start: float
    seconds: float | None
    role: str = "good"


@dataclass(frozen=True, slots=True)
class HopPhases:
    """The bars of one request of the fetch."""

    url: str
    code: str
    phases: tuple[Phase, ...]


def phases_of(timings: Timings, start: float) -> tuple[Phase, ...]:
    """The phases of one hop that begins at `start`, one after the other."""
    connect = None if timings.dns is None and timings.connect is None else (timings.dns or 0) + (timings.connect or 0)
    given = (
        ("dns+connect", connect, "moved"),
        ("tls", timings.tls, "key"),
        ("send", timings.send, "busy"),
        ("wait", timings.wait, "warn"),
        ("receive", timings.receive, "good"),
    )
    phases = []
    for name, seconds, role in given:
        phases.append(Phase(name, start, seconds, role))
        start += seconds or 0.0
    return tuple(phases)


def waterfall(outcome: Outcome) -> tuple[Phase, Phase | None, list[HopPhases]]:
    """The time in the queue, what earlier attempts and waits took (None for nothing), and the hops."""
    timings = outcome.timings
    queued = timings.queued or 0.0
    lasts = [hop.timings.total for hop in outcome.redirects]
    own = sum(phase.seconds or 0.0 for phase in phases_of(timings, 0.0))
    rest = timings.total - queued - sum(lasts) - own
    earlier = rest if rest > 0.001 and outcome.attempts > 1 else 0.0
    at = queued + earlier
    hops = []
    for hop, lasted in zip(outcome.redirects, lasts, strict=True):
        hops.append(HopPhases(hop.url, str(hop.status), phases_of(hop.timings, at)))
        at += lasted
    code = str(outcome.status) if outcome.status is not None else "-"
    # The last hop ends where the fetch does; between two hops it may have waited for a place.
    at = max(at, timings.total - own) if outcome.redirects else at
    hops.append(HopPhases(outcome.final_url or outcome_url(outcome), code, phases_of(timings, at)))
    before = Phase("earlier", queued, earlier, "faint") if earlier else None
    return Phase("queue", 0.0, timings.queued, "faint"), before, hops


def outcome_url(outcome: Outcome) -> str:
    """The URL that was asked for, where it is known."""
    return outcome.url if isinstance(outcome, FetchResult) else ""


def timing_lines(outcome: Outcome, glyphs: Glyphs, width: int) -> list[Line]:
    """The bars of the queue and of each hop, and the total."""
    queue, earlier, hops = waterfall(outcome)
    ends = [phase.start + (phase.seconds or 0.0) for hop in hops for phase in hop.phases]
    total = max(outcome.timings.total, *ends, 1e-6)
    room = max(4, width - _NAMES - _TIMES)
    lines = _bars((queue,) if earlier is None else (queue, earlier), total, room, glyphs)
    for number, hop in enumerate(hops, 1):
        if len(hops) > 1:
            role = status_role(int(hop.code)) if hop.code.isdigit() else "bad"
            name = fit(shown_url(hop.url), max(4, width - 7)).rstrip()
            lines.append([(f"{number} ", "faint"), (f"{hop.code} ", role), (name, "strong")])
        lines += _hop_bars(hop, total, room, glyphs)
    lines.append([(f"{'total':<{_NAMES}}", "head"), (" " * room, ""), (_time(outcome.timings.total), "strong")])
    attempts = f"{outcome.attempts} attempt" + ("s" if outcome.attempts != 1 else "")
    address = outcome.remote_address if isinstance(outcome, FetchResult) else None
    where = f" from {safe(address, 60)}" if address else ""
    by = f" by {outcome.transport}" if outcome.transport else ""
    lines += [[], [(f"{attempts}, {amount(outcome.bytes_received)} off the wire{where}{by}", "faint")]]
    if outcome.timings.host_rest:
        kept = milliseconds(outcome.timings.host_rest)
        lines.append([(f"{kept} of it waiting for a host that had asked for less", "warn")])
    if outcome.retry_after is not None:
        lines.append([(f"the host asked to wait {whole_seconds(outcome.retry_after)}", "warn")])
    if outcome.carried_by:
        lines.append([(f"on worker {safe(outcome.carried_by, 80)}", "faint")])
    return lines + [_attempt(number, attempt) for number, attempt in enumerate(outcome.retried, 1)]


def _attempt(number: int, attempt: Attempt) -> Line:
    """One that was followed by another."""
    ended = str(attempt.status) if attempt.status is not None else str(attempt.error)
    role = status_role(attempt.status) if attempt.status is not None else "bad"
    took = f" after {milliseconds(attempt.elapsed)}, the next one {milliseconds(attempt.waited)} later"
    asked = "" if attempt.retry_after is None else f", as asked: {whole_seconds(attempt.retry_after)}"
    return [(f"  {number} ", "faint"), (ended, role), (took + asked, "faint")]


def _hop_bars(hop: HopPhases, total: float, room: int, glyphs: Glyphs) -> list[Line]:
    connect, tls, *others = hop.phases
    plain = hop.url.lower().startswith("http://")
    lines: list[Line] = []
    if connect.seconds is None and tls.seconds is None:
        seen = any(phase.seconds is not None for phase in others)
        lines.append(_unseen("dns+connect", "not seen: a kept connection" if seen else "not seen", room))
        if not plain:
            lines.append(_unseen("tls", "not seen", room))
    else:
        lines += _bars((connect,), total, room, glyphs)
        if not plain:
            lines += _bars((tls,), total, room, glyphs)
    return lines + _bars(others, total, room, glyphs)


def _bars(phases: Iterable[Phase], total: float, room: int, glyphs: Glyphs) -> list[Line]:
    lines: list[Line] = []
    for phase in phases:
        if phase.seconds is None:
            lines.append(_unseen(phase.name, "not seen", room))
            continue
        at = min(room - 1, int(phase.start / total * room))
        cells = min(max(1, round(phase.seconds / total * room)), room - at)
        bar = " " * at + glyphs.bar_full * cells
        lines.append([(f"{phase.name:<{_NAMES}}", "head"), (bar.ljust(room), phase.role), (_time(phase.seconds), "")])
    return lines


def _unseen(name: str, why: str, room: int) -> Line:
    return [(f"{name:<{_NAMES}}", "head"), (fit(why, room + _TIMES, right=True), "faint")]


def _time(seconds: float) -> str:
    return f"{milliseconds(seconds):>{_TIMES}}"


def milliseconds(seconds: float) -> str:
    """A time as the waterfall shows it: `0.4 ms`, `31 ms`, `1.2 s`."""
    if seconds >= 9.9995:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.00995 else f"{seconds * 1000:.1f} ms"
