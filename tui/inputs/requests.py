"""Lists with a request a line, as a JSON object (NDJSON): url, method, headers, body or body_base64, id."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, NoReturn

from fetch_engine.model.requests import Headers, Scalar
from tui.inputs.lines import LineSplitter

MAX_REQUEST = 1024 * 1024  # bytes of a line
KEYS = ("url", "method", "headers", "body", "body_base64", "id")


class AskedUrl(str):
    """A URL, and what its line asks for beyond it, None for nothing.

    invalid: why the line is of no use. id: what its result is to be called. output: the path that its body is saved as.
    """

    __slots__ = ("body", "headers", "id", "invalid", "method", "output")

    method: str | None
    headers: Headers
    body: bytes | None
    invalid: str | None
    id: Scalar
    output: str | None

    @classmethod
    def of(
        cls,
        url: str,
        method: str | None = None,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        invalid: str | None = None,
        id: Scalar = None,
        output: str | None = None,
    ) -> AskedUrl:
        made = cls(url)
        made.method, made.headers, made.body, made.invalid, made.id = method, headers, body, invalid, id
        made.output = output
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
            asked = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
            return AskedUrl.of("", invalid=f"line {self._number}: invalid JSON: {why}")
        url, name = "", None
        if isinstance(asked, dict):
            url = asked["url"] if isinstance(asked.get("url"), str) else ""
            name = asked.get("id") if _is_id(asked.get("id")) else None
        try:
            return _read(asked)
        except ValueError as error:
            return AskedUrl.of(url, invalid=f"line {self._number}: {error}", id=name)


def _read(asked: Any) -> AskedUrl:
    """Raises ValueError."""
    if not isinstance(asked, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - of the text, not of a caller
    unknown = [key for key in asked if key not in KEYS]
    if unknown:
        raise ValueError(f"unknown key {', '.join(repr(key[:40]) for key in unknown[:5])}; known are {', '.join(KEYS)}")
    if not isinstance(asked.get("url"), str):
        raise ValueError("'url' is missing or not a string")  # noqa: TRY004
    if not _is_id(asked.get("id")):
        raise ValueError("invalid 'id': expected text, a number, true, false or null")
    headers = _headers(asked.get("headers"))
    return AskedUrl.of(asked["url"], _text(asked, "method"), headers, _body(asked), id=asked.get("id"))


def _is_id(value: Any) -> bool:
    """Whether it can be written as JSON again, for any reader: no array or object, no lone surrogate, no 1e999."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace") == value.encode("utf-8", "surrogatepass")
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _refuse(constant: str) -> NoReturn:
    raise json.JSONDecodeError(f"{constant} is not JSON", constant, 0)


def _text(asked: dict[str, Any], key: str) -> str | None:
    value = asked.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"'{key}' must be a string")
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
            raise ValueError("'headers' must be an object of strings or a list of [name, value] pairs")
    return tuple((name, value) for name, value in pairs)


def _body(asked: dict[str, Any]) -> bytes | None:
    text, coded = _text(asked, "body"), _text(asked, "body_base64")
    if text is not None and coded is not None:
        raise ValueError("both 'body' and 'body_base64'")
    if coded is not None:
        try:
            return base64.b64decode(coded, validate=True)
        except ValueError:
            raise ValueError("invalid base64 in 'body_base64'") from None
    try:
        return None if text is None else text.encode()
    except UnicodeEncodeError:
        raise ValueError("invalid Unicode in 'body'") from None
