"""One line of JSON for each URL given (NDJSON), pure ASCII: no control, bidi or broken character leaves raw."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from fetch_engine.model.requests import FetchRequest, tag_of
from fetch_engine.model.results import FetchError, FetchResult, Timings
from fetch_engine.outputs.accounts import Account, milliseconds, unicode_only
from fetch_engine.outputs.secrets import Secrets

_PHASES = tuple(field.name for field in dataclasses.fields(Timings) if field.name != "total")
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode  # json.dumps would make one for each line


class NdjsonFormat:
    """A line for each fetch, and nothing else."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def begin(self) -> bytes:
        return b""

    def add(self, account: Account) -> bytes:
        line = ndjson_line(account.request, account.outcome, self._secrets, resumed=account.resumed)
        return f"{line}\n".encode()

    def end(self) -> Iterable[bytes]:
        return ()

    def close(self) -> None:
        pass


def ndjson_line(
    request: FetchRequest,
    outcome: FetchResult | FetchError,
    secrets: Secrets | None = None,
    *,
    resumed: bool = False,
) -> str:
    """The outcome of one URL as a line, without the line break.

    `url` is the URL as given; `final_url` never has user and password. secrets: hides those of all URLs. `index` is the
    place of the request in the input, from 1, and `id` what its NDJSON line calls it; null where there is none. Of a
    failed fetch `status` and `sha256` are null, also where a head was received before it broke, and `bytes` counts what
    was decoded by then. `resumed`: it had ended before the run was resumed, and is written again. The keys are the same
    for every line; those from `reason` on may grow.
    """
    failure = outcome if isinstance(outcome, FetchError) else None
    response = outcome if isinstance(outcome, FetchResult) else None
    secrets = secrets or Secrets(show=True)
    shown, text = secrets.url, secrets.text
    tag = tag_of(request)
    line: dict[str, Any] = {
        "url": shown(request.url),
        "final_url": outcome.final_url and shown(outcome.final_url),
        "status": response and response.status,
        "error": failure and {"kind": str(failure.kind), "message": text(failure.message)},
        "bytes": outcome.body_size,
        "sha256": response and response.sha256,
        "elapsed_ms": milliseconds(outcome.elapsed),
        "attempts": outcome.attempts,
        "redirects": len(outcome.redirects),
        "reason": response and text(response.reason),
        "http_version": response and response.http_version,
        "content_type": response and text(response.content_type),
        "bytes_received": outcome.bytes_received,
        "remote_address": response and response.remote_address,
        "hops": [{"url": shown(hop.url), "status": hop.status} for hop in outcome.redirects],
        "timings_ms": _phases(outcome.timings),
        "saved_as": response and response.body_path,
        "retried": [
            {
                "status": attempt.status,
                "error": attempt.error and str(attempt.error),
                "elapsed_ms": milliseconds(attempt.elapsed),
                "waited_ms": milliseconds(attempt.waited),
                "retry_after": attempt.retry_after,
            }
            for attempt in outcome.retried
        ],
        "transport": outcome.transport,
        "index": tag.index or None,
        "method": request.method,
        "id": tag.id,
        "warnings": [text(warning) for warning in response.warnings] if response else [],
        "retry_after": outcome.retry_after,
        "resumed": resumed,
    }
    encoded = _encode(line)
    return _encode(unicode_only(line)) if "\\ud" in encoded else encoded


def _phases(timings: Timings) -> dict[str, float | None]:
    """Each phase in milliseconds; `total` is there as `elapsed_ms` already."""
    return {name: None if (seconds := getattr(timings, name)) is None else milliseconds(seconds) for name in _PHASES}
