"""A run as an HTTP Archive (HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/), written as it goes."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from fetch_engine.fetch.hop import HopRequest, first_hop, user_agent
from fetch_engine.fetch.redirects import next_hop
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.requests import Headers, has_header, tag_of
from fetch_engine.model.results import FetchError, FetchResult, Hop, Timings
from fetch_engine.model.urls import parse_url
from fetch_engine.outputs.accounts import Account, milliseconds, unicode_only
from fetch_engine.outputs.body_text import content_text
from fetch_engine.outputs.secrets import Secrets

Json = dict[str, Any]
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]*")


class HarFormat:
    """An entry for each fetch, and one before it for each redirect that it followed.

    Where there was no response the status is 0, as Chromium has it, and `_error` says why. A URL that is none stands in
    `_url`, as the archive wants absolute ones. `_index` is the place of the request in the input, from 1, and `_id`
    what its NDJSON line calls it. `_retryAfter` are the seconds that a host asked for, `_hostRest` the milliseconds
    that it was waited for. Attempts before the last one are a number only. Bodies are there up to the preview.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._first = True

    def begin(self) -> bytes:
        name, _, version = user_agent().partition("/")
        creator = json.dumps({"name": name, "version": version or "0"})
        return f'{{"log": {{"version": "1.2", "creator": {creator}, "pages": [], "entries": ['.encode()

    def add(self, account: Account) -> bytes:
        lines = []
        for entry in _entries(account, self._secrets):
            lines.append(("\n" if self._first else ",\n") + _encoded(entry))
            self._first = False
        return "".join(lines).encode()

    def end(self) -> Iterable[bytes]:
        return (b"\n]}}\n",)

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request and what answered it; `request` is None where none could be made."""

    request: HopRequest | None
    answer: Hop | FetchResult | FetchError
    seconds: float  # without what came before its first phase
    started: float  # seconds since the epoch


def _encoded(entry: Json) -> str:
    text = json.dumps(entry, ensure_ascii=True, allow_nan=False)
    return json.dumps(unicode_only(entry), ensure_ascii=True, allow_nan=False) if "\\ud" in text else text


def _entries(account: Account, secrets: Secrets) -> Iterator[Json]:
    outcome, tag = account.outcome, tag_of(account.request)
    exchanges = list(_exchanges(account))
    for exchange in exchanges:
        first = exchange is exchanges[0] and outcome.attempts <= 1
        entry = _entry(account, exchange, secrets, queued=outcome.timings.queued if first else None)
        if tag.index:
            entry["_index"] = tag.index
        if tag.id is not None:
            entry["_id"] = tag.id
        if exchange is exchanges[-1]:
            if isinstance(outcome, FetchError):
                entry["_error"] = f"{outcome.kind}: {secrets.text(outcome.message)}"
            if outcome.retry_after is not None:
                entry["_retryAfter"] = outcome.retry_after
            if outcome.timings.host_rest is not None:
                entry["_hostRest"] = milliseconds(outcome.timings.host_rest)
            if outcome.attempts > 1:
                entry["comment"] = f"attempt {outcome.attempts}"
        yield entry


def _exchanges(account: Account) -> Iterator[_Exchange]:
    """The exchanges of the last attempt; what was sent follows from the request and from what answered before."""
    outcome = account.outcome
    spent = [hop.timings.total for hop in outcome.redirects]
    spent.append(sum(value for value in _phases(outcome.timings).values() if value is not None))
    started = account.ended - sum(spent)
    request: HopRequest | None = None
    with contextlib.suppress(AttemptFailed):
        request = first_hop(account.request, parse_url(account.request.url))
    for answer, seconds in zip((*outcome.redirects, outcome), spent, strict=True):
        yield _Exchange(request, answer, seconds, started)
        started += seconds
        if request is not None and isinstance(answer, Hop):
            try:
                request = next_hop(request, answer.status, answer.headers)
            except AttemptFailed:
                request = None


def _entry(account: Account, exchange: _Exchange, secrets: Secrets, *, queued: float | None) -> Json:
    answer = exchange.answer
    timings = _har_timings(answer.timings, queued)
    started = datetime.fromtimestamp(exchange.started - (queued or 0.0), UTC)
    entry: Json = {
        "startedDateTime": f"{started:%Y-%m-%dT%H:%M:%S}.{started.microsecond // 1000:03d}Z",
        "time": round(sum(value for name, value in timings.items() if name != "ssl" and value > 0), 3),
        "request": _request(account, exchange, secrets),
        "response": _response(exchange, secrets),
        "cache": {},
        "timings": timings,
    }
    address = None if isinstance(answer, FetchError) else answer.remote_address
    if address:
        entry["serverIPAddress"] = address.rpartition(":")[0].strip("[]")
    return entry


def _request(account: Account, exchange: _Exchange, secrets: Secrets) -> Json:
    request, answer = exchange.request, exchange.answer
    extra: Json = {}
    if request is None:
        method, headers, body = account.request.method, account.request.headers, account.request.body
        given = secrets.url(account.request.url)
        url = secrets.url(_url(answer) or "")
        if not _ABSOLUTE.fullmatch(url):
            url = f"about:invalid#{quote(given, errors='replace')}"
        extra = {"_url": given}
    else:
        wire = request.to_wire()
        method, headers, body, url = wire.method, wire.headers, wire.body, secrets.url(request.target.shown)
    made: Json = {
        "method": method,
        "url": url,
        "httpVersion": _http_version(answer),
        "cookies": [],
        "headers": _headers(headers, secrets),
        "queryString": [{"name": name, "value": value} for name, value in _query(url)],
        "headersSize": -1,
        "bodySize": len(body),
        **extra,
    }
    if body:
        shown = secrets.headers(headers)
        mime_type = next((value for name, value in shown if name.lower() == "content-type"), "")
        made["postData"] = {"mimeType": mime_type, "text": secrets.body(body).decode("utf-8", "backslashreplace")}
    return made


def _response(exchange: _Exchange, secrets: Secrets) -> Json:
    answer = exchange.answer
    made: Json = {
        "status": answer.status or 0,
        "statusText": "",
        "httpVersion": _http_version(answer),
        "cookies": [],
        "headers": [],
        "content": {"size": 0, "mimeType": "x-unknown"},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
    }
    if isinstance(answer, FetchError):
        made["content"]["size"] = answer.body_size
        return made
    made["statusText"] = secrets.text(answer.reason)
    made["headers"] = _headers(answer.headers, secrets)
    if has_header(answer.headers, "location"):
        location = next(value for name, value in answer.headers if name.lower() == "location")
        made["redirectURL"] = secrets.url(location)
    if isinstance(answer, FetchResult):
        made["content"] = _content(answer, secrets)
    return made


def _content(result: FetchResult, secrets: Secrets) -> Json:
    content: Json = {"size": result.body_size, "mimeType": secrets.text(result.content_type) or "x-unknown"}
    if result.preview:
        content |= content_text(result.preview, result.content_type, complete=result.preview_complete)
    if not result.preview_complete:
        content["comment"] = f"first {len(result.preview)} of {result.body_size} bytes"
    return content


def _headers(headers: Headers, secrets: Secrets) -> list[Json]:
    return [{"name": name, "value": value} for name, value in secrets.headers(headers)]


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []


def _url(answer: Hop | FetchResult | FetchError) -> str | None:
    return answer.url if isinstance(answer, Hop) else answer.final_url


def _http_version(answer: Hop | FetchResult | FetchError) -> str:
    return "" if isinstance(answer, FetchError) else answer.http_version


def _phases(timings: Timings) -> dict[str, float | None]:
    return {name: getattr(timings, name) for name in ("dns", "connect", "tls", "send", "wait", "receive")}


def _har_timings(timings: Timings, queued: float | None) -> dict[str, float]:
    """In milliseconds; -1 for a phase that did not happen, which send, wait and receive may not be. Connect has ssl."""
    phases = _phases(timings)
    connect = None if phases["connect"] is None else phases["connect"] + (phases["tls"] or 0.0)
    optional = {"blocked": queued, "dns": phases["dns"], "connect": connect, "ssl": phases["tls"]}
    made = {name: -1 if value is None else milliseconds(value) for name, value in optional.items()}
    return made | {name: milliseconds(phases[name] or 0.0) for name in ("send", "wait", "receive")}
