"""A line of comma-separated values for each URL (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from fetch_engine.model.requests import Scalar, tag_of
from fetch_engine.model.results import FetchError, FetchResult
from fetch_engine.outputs.accounts import Account, milliseconds, plain
from fetch_engine.outputs.secrets import Secrets

COLUMNS = (
    "url",
    "final_url",
    "status",
    "error",
    "message",
    "bytes",
    "sha256",
    "elapsed_ms",
    "attempts",
    "redirects",
    "content_type",
    "remote_address",
    "saved_as",
    "index",
    "method",
    "id",
    "retry_after",
    "host_rest_ms",
)
# A spreadsheet takes a cell that begins so for a formula, those of full width in some locales.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class CsvFormat:
    """The main values of the NDJSON line, in UTF-8, under a line with their names. An empty cell is no value."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def begin(self) -> bytes:
        return _line(COLUMNS)

    def add(self, account: Account) -> bytes:
        outcome = account.outcome
        failure = outcome if isinstance(outcome, FetchError) else None
        response = outcome if isinstance(outcome, FetchResult) else None
        url, text = self._secrets.url, self._secrets.text
        tag = tag_of(account.request)
        return _line(
            (
                url(account.request.url),
                outcome.final_url and url(outcome.final_url),
                response and response.status,
                failure and str(failure.kind),
                failure and text(failure.message),
                outcome.body_size,
                response and response.sha256,
                milliseconds(outcome.elapsed),
                outcome.attempts,
                len(outcome.redirects),
                response and text(response.content_type),
                response and response.remote_address,
                response and response.body_path,
                tag.index or None,
                account.request.method,
                _id(tag.id),
                outcome.retry_after,
                outcome.timings.host_rest and milliseconds(outcome.timings.host_rest),
            )
        )

    def end(self) -> Iterable[bytes]:
        return ()

    def close(self) -> None:
        pass


def _line(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue().encode()


def _id(value: Scalar) -> Scalar:
    return json.dumps(value) if isinstance(value, bool) else value


def _cell(text: str) -> str:
    """The text with its control characters escaped, after an apostrophe where it might pass for a formula."""
    return plain(f"'{text}" if text.startswith(_FORMULA) else text)
