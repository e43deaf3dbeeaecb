"""Lists with a request a line, as a JSON object (NDJSON): url, method, headers, body or body_base64."""

from __future__ import annotations

import base64
import json
from typing import Any

from fetch_engine.requests import Headers
from tui.line_list import LineSplitter

MAX_REQUEST = 1024 * 1024  # bytes of a line
KEYS = ("url", "method", "headers", "body", "body_base64")


class AskedUrl(str):
    """A URL, and what its line asks for beyond it, None for nothing. `invalid`: why the line is of no use."""

    __slots__ = ("body", "headers", "invalid", "method")

    method: str | None
    headers: Headers
    body: bytes | None
    invalid: str | None

    @classmethod
    def of(
        cls,
        url: str,
        method: str | None = None,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        invalid: str | None = None,
    ) -> AskedUrl:
        made = cls(url)
        made.method, made.headers, made.body, made.invalid = method, headers, body, invalid
        return made


class RequestSplitter(LineSplitter):
    """Gives an AskedUrl for each line but blank ones; of a line that asks for nothing valid, one that says so."""

    def __init__(self) -> None:
        super().__init__(MAX_REQUEST)
        self._number = 0

    def _url(self, line: str, *, too_long: bool) -> str | None:
        self._number += 1
        if not line:
            return None
        if too_long:
            return AskedUrl.of("", invalid=f"line {self._number}: longer than {MAX_REQUEST} bytes")
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
            return AskedUrl.of("", invalid=f"line {self._number}: no valid JSON: {why}")
        url = asked.get("url") if isinstance(asked, dict) else None
        url = url if isinstance(url, str) else ""
        try:
            return _read(asked)
        except ValueError as error:
            return AskedUrl.of(url, invalid=f"line {self._number}: {error}")


def _read(asked: Any) -> AskedUrl:
    """Raises ValueError."""
    if not isinstance(asked, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - of the text, not of a caller
    unknown = [key for key in asked if key not in KEYS]
    if unknown:
        raise ValueError(f"unknown key {', '.join(repr(key[:40]) for key in unknown[:5])}; known are {', '.join(KEYS)}")
    if not isinstance(asked.get("url"), str):
        raise ValueError("no 'url', or one that is no text")  # noqa: TRY004
    return AskedUrl.of(asked["url"], _text(asked, "method"), _headers(asked.get("headers")), _body(asked))


def _text(asked: dict[str, Any], key: str) -> str | None:
    value = asked.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"'{key}' is no text")
    return value


def _headers(given: Any) -> Headers:
    """From an object of texts, or of lists of texts for repeated ones, or from a list of pairs."""
    if given is None:
        return ()
    if isinstance(given, dict):
        values = ((name, value if isinstance(value, list) else [value]) for name, value in given.items())
        pairs = [[name, each] for name, several in values for each in several]
    elif isinstance(given, list):
        pairs = given
    else:
        pairs = [given]
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) for each in pair)):
            raise ValueError("'headers' is neither an object of texts nor a list of pairs of texts")
    return tuple((name, value) for name, value in pairs)


def _body(asked: dict[str, Any]) -> bytes | None:
    text, coded = _text(asked, "body"), _text(asked, "body_base64")
    if text is not None and coded is not None:
        raise ValueError("both 'body' and 'body_base64'")
    if coded is not None:
        try:
            return base64.b64decode(coded, validate=True)
        except ValueError:
            raise ValueError("'body_base64' is no base64") from None
    try:
        return None if text is None else text.encode()
    except UnicodeEncodeError:
        raise ValueError("'body' is no valid Unicode") from None
