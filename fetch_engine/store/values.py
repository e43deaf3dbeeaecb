"""Requests and outcomes as rows: what SQLite holds of them, and the way back."""

from __future__ import annotations

import base64
import dataclasses
import enum
import functools
import json
import math
import sqlite3
import types
import typing
from collections.abc import Callable
from typing import Any

from fetch_engine.model.redaction import masked_body, masked_headers, masked_outcome, masked_text, masked_url
from fetch_engine.model.requests import FetchRequest, InputTag, Scalar, tag_of
from fetch_engine.model.results import FetchError, FetchResult

Outcome = FetchResult | FetchError
# What SQLite and JSON raise for values that they do not take: too large, of another type, no Unicode, not a number.
UNFIT = (OverflowError, ValueError, TypeError, RecursionError, sqlite3.DataError, sqlite3.IntegrityError)
# What comes of rows that were damaged.
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
PREVIEW_SIZE = 64 * 1024  # bytes of a body that are kept


@dataclasses.dataclass(frozen=True, slots=True)
class StoredRequest(FetchRequest):
    """A request with its number in its run, counted from 0 in the order in which it was asked for; -1: not stored.

    missing: what was masked when it was stored and is to be given again ("URL", "body", "proxy", names of headers).
    sent: it must not be sent twice, and may have been sent.
    """

    number: int = -1
    missing: tuple[str, ...] = ()
    sent: bool = False


def to_text(text: str) -> str | bytes:
    """Text for SQLite, which takes no lone surrogates: then its bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def from_text(value: str | bytes) -> str:
    """The text that `to_text` was given."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogatepass")


def fitting(value: object) -> object:
    """What SQLite can take of a value: itself, or the nearest, None where there is none."""
    match value:
        case bool() | None | bytes():
            return value
        case int():
            return max(-(2**63), min(value, 2**63 - 1))
        case float():
            return value if math.isfinite(value) else 0.0
        case str():
            return value.encode("utf-8", "replace").decode()
    return None


def stored_url(url: str, *, with_secrets: bool) -> tuple[str, bool]:
    """The URL as it is kept, and whether something was masked."""
    kept = url if with_secrets else masked_url(url)
    return kept, kept != url


def numbered(request: FetchRequest, number: int) -> StoredRequest:
    """The request with its number, and its place in the run as its tag."""
    values = {name: getattr(request, name) for name in _FORM}
    tag = InputTag(number + 1, tag_of(request).id)
    return StoredRequest(url=request.url, **values, tag=tag, number=number)


def to_id(request: FetchRequest) -> str | None:
    """What the input calls the request, as JSON; None for nothing."""
    value = tag_of(request).id
    return None if value is None else json.dumps(value, allow_nan=False)


def from_id(stored: str | None) -> Scalar:
    """The value that `to_id` was given. Raises ValueError."""
    if stored is None:
        return None
    value: Scalar = json.loads(stored)
    return value


def form_key(request: FetchRequest) -> tuple[object, ...]:
    """What requests of the same form have in common: all but the URL and the tag."""
    return tuple(getattr(request, name) for name in _FORM)


def encode_form(request: FetchRequest, *, with_secrets: bool) -> tuple[str, bytes, str]:
    """All but URL, body and tag as JSON, the body, and as JSON what of them was masked."""
    values = {name: getattr(request, name) for name in _FORM if name != "body"}
    body = request.body
    missing: list[str] = []
    if not with_secrets:
        values["headers"] = masked_headers(request.headers)
        values["invalid"] = request.invalid and masked_text(request.invalid)
        pairs = zip(request.headers, values["headers"], strict=True)
        missing += dict.fromkeys(name for (name, value), (_, kept) in pairs if value != kept)
        if request.proxy and masked_url(request.proxy) != request.proxy:
            values["proxy"] = masked_url(request.proxy)
            missing.append("proxy")
        if masked_body(body) != body:
            body = masked_body(body)
            missing.append("body")
    return _encode_json(values), body, json.dumps(missing)


def decode_form(detail: str, body: bytes, missing: str) -> StoredRequest:
    """A request of this form, its URL left empty. Raises as `decode`."""
    request: StoredRequest = _reader(StoredRequest)({**read_json(detail, dict), "url": ""})
    if not isinstance(body, bytes):
        raise TypeError("a body is not bytes")
    return dataclasses.replace(request, body=body, missing=tuple(read_json(missing, list)))


def encode(outcome: Outcome, *, with_secrets: bool) -> tuple[int | None, str | None, str, bytes | None]:
    """Status, error kind, everything else as JSON, and the beginning of the body."""
    if not with_secrets:
        outcome = masked_outcome(outcome)
    of: Any = type(outcome)
    values = {name: getattr(outcome, name) for name in _names(of)}
    preview: bytes | None = values.pop("preview", None)
    if preview is not None:
        preview = preview[:PREVIEW_SIZE]
    kind = str(outcome.kind) if isinstance(outcome, FetchError) else None
    try:
        detail = _encode_json(values)
    except UNFIT:
        detail = _encode_json({name: _encodable(of, name, value) for name, value in values.items()})
    return outcome.status, kind, detail, preview


def decode(kind: str | None, detail: str, preview: bytes | None) -> Outcome:
    """The outcome of these columns. Fields that are not known any more are left out; new ones have their default.

    Raises one of UNREADABLE for what `encode` has not written.
    """
    values = read_json(detail, dict)
    if kind is not None:
        error: FetchError = _reader(FetchError)(values)
        return error
    values["preview"] = None
    result: FetchResult = _reader(FetchResult)(values)
    return dataclasses.replace(result, preview=preview or b"")


def _encodable(of: type[Any], name: str, value: object) -> object:
    """The value of this field, or one that says nothing where JSON does not take it."""
    try:
        _encode_json(value)
    except UNFIT:
        field = next(each for each in dataclasses.fields(of) if each.name == name)
        return fitting(value) if field.default is dataclasses.MISSING else field.default
    return value


@functools.cache
def _names(of: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(of))


_FORM = tuple(name for name in _names(FetchRequest) if name not in ("url", "tag"))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be stored")


_encode_json = json.JSONEncoder(default=_plain, separators=(",", ":")).encode  # json.dumps would make one each time


@functools.cache
def _reader(of: Any) -> Callable[[Any], Any]:
    """A function from JSON to a value of this type, as far as the types of outcomes go."""
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if dataclasses.is_dataclass(of) and isinstance(of, type):
        return _dataclass_reader(of)
    if origin in (typing.Union, types.UnionType):
        kinds = [_reader(kind) for kind in arguments if kind is not type(None)]
        inner = kinds[0] if len(kinds) == 1 else _same
        return lambda value: None if value is None else inner(value)
    if origin is tuple and arguments[-1] is Ellipsis:
        item = _reader(arguments[0])
        return lambda values: tuple(map(item, values))
    if origin is tuple:
        items = [_reader(kind) for kind in arguments]
        return lambda values: tuple(read(value) for read, value in zip(items, values, strict=True))
    if of is bytes:
        return lambda value: None if value is None else base64.b64decode(value)
    if isinstance(of, type) and issubclass(of, enum.Enum):
        return of
    return functools.partial(_plain_value, (int, float) if of is float else of) if of in (str, int, float) else _same


def _dataclass_reader(of: type[Any]) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(of)
    readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(of)}

    def read(values: dict[str, Any]) -> Any:
        return of(**{name: reader(values[name]) for name, reader in readers.items() if name in values})

    return read


def read_json(text: Any, of: Any) -> Any:
    """The value of this type that is written there. Raises one of UNREADABLE."""
    return _plain_value(of, json.loads(text))


def _plain_value(of: Any, value: Any) -> Any:
    if not isinstance(value, of):  # of a damaged row
        raise TypeError(f"{value!r:.40} is not of its type")
    return value


def _same(value: Any) -> Any:
    return value
