"""JUnit XML for continuous integration: a test case for each URL."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.requests import FetchRequest, tag_of
from fetch_engine.model.results import FetchError
from fetch_engine.model.urls import parse_url
from fetch_engine.outputs.accounts import Account, plain
from fetch_engine.outputs.fail_on import FailOn
from fetch_engine.outputs.secrets import Secrets

_IN_MEMORY = 4 * 1024 * 1024  # bytes of test cases
_CHUNK = 64 * 1024


class JunitFormat:
    """One suite. A response that counts as failed is a `failure`, a fetch without a response an `error`.

    The suite's numbers stand before its cases, so these wait for the end, on disk where there are many.
    """

    def __init__(self, secrets: Secrets, fail_on: FailOn) -> None:
        self._secrets = secrets
        self._fail_on = fail_on
        self._cases = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - until close
        self._tests = self._failures = self._errors = 0
        self._seconds = 0.0
        self._started = datetime.now(UTC)

    def begin(self) -> bytes:
        return b""

    def add(self, account: Account) -> bytes:
        outcome, request = account.outcome, account.request
        url = self._secrets.url(request.url)
        element, kind, message = "system-out", "", ""
        if isinstance(outcome, FetchError):
            kind, message = str(outcome.kind), self._secrets.text(outcome.message)
        else:
            kind, message = str(outcome.status), f"{outcome.status} {self._secrets.text(outcome.reason)}"
        if self._fail_on.fails(outcome):
            element = "error" if isinstance(outcome, FetchError) else "failure"
        self._tests += 1
        self._errors += element == "error"
        self._failures += element == "failure"
        self._seconds += outcome.elapsed
        attributes = "" if element == "system-out" else f" message={_quoted(message)} type={_quoted(kind)}"
        detail = "\n".join(
            [
                f"{kind}: {message}" if isinstance(outcome, FetchError) else message,
                *(f"{hop.status} {self._secrets.url(hop.url)}" for hop in outcome.redirects),
                self._secrets.url(outcome.final_url) if outcome.final_url else "",
            ]
        ).strip()
        name = f"{request.method} {url}"
        self._cases.write(
            _ascii(
                f"    <testcase classname={_quoted(_host(request.url))} name={_quoted(name)}"
                f' time="{outcome.elapsed:.3f}">\n{_properties(request)}'
                f"      <{element}{attributes}>{_text(detail)}</{element}>\n    </testcase>\n"
            )
        )
        return b""

    def end(self) -> Iterator[bytes]:
        counts = f'tests="{self._tests}" failures="{self._failures}" errors="{self._errors}"'
        time = f'time="{self._seconds:.3f}"'
        yield _ascii(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {counts} {time}>\n'
            f'  <testsuite name="weakfetch-tui" {counts} skipped="0" {time}'
            f' timestamp="{self._started:%Y-%m-%dT%H:%M:%S}">\n'
        )
        self._cases.seek(0)
        while chunk := self._cases.read(_CHUNK):
            yield chunk
        yield b"  </testsuite>\n</testsuites>\n"

    def close(self) -> None:
        self._cases.close()


def _properties(request: FetchRequest) -> str:
    """Place in the input and `id`, as test runners write what identifies a case."""
    tag = tag_of(request)
    given = {"index": str(tag.index) if tag.index else None}
    given["id"] = tag.id if isinstance(tag.id, str | None) else json.dumps(tag.id)
    lines = [
        f"        <property name={_quoted(name)} value={_quoted(value)}/>\n"
        for name, value in given.items()
        if value is not None
    ]
    return f"      <properties>\n{''.join(lines)}      </properties>\n" if lines else ""


def _host(url: str) -> str:
    try:
        return parse_url(url).host
    except AttemptFailed:
        return "invalid"


def _quoted(text: str) -> str:
    return quoteattr(plain(text))


def _text(text: str) -> str:
    return "\n".join(escape(plain(line)) for line in text.split("\n"))


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "xmlcharrefreplace")
