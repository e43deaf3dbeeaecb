"""A finished record as one flat tuple of plain values.

Python's cyclic collector stops the program for as long as it takes to visit every object that can refer to others. It
passes over tuples of plain values: with 100,000 records packed a full collection takes a quarter of the time.
"""

from __future__ import annotations

from dataclasses import astuple, fields
from itertools import chain
from operator import attrgetter
from typing import Any

from fetch_engine.model.limits import Timeouts
from fetch_engine.model.requests import FetchRequest, InputTag
from fetch_engine.model.results import ErrorKind, FetchError, FetchResult, Timings
from tui.bridge.snapshot import FinishedRecord

Packed = tuple[Any, ...]
"""Of a record: its own fields, then those of its outcome, then the times."""

_OWN = [f.name for f in fields(FinishedRecord) if f.name != "outcome"]
_OUTCOME = [f.name for f in fields(FinishedRecord)].index("outcome")
_REQUEST = _OWN.index("request")
_ASKED = [f.name for f in fields(FetchRequest) if f.name not in ("timeouts", "tag")]
_RESULT, _ERROR = ([f.name for f in fields(made)] for made in (FetchResult, FetchError))
_TIMES = [f"timings.{f.name}" for f in fields(Timings)]
_COUNT = len(_TIMES)


def _getter(names: list[str]) -> attrgetter[Packed]:
    plain = [f"outcome.{name}" for name in names if name != "timings"]
    return attrgetter(*_OWN, *plain, *(f"outcome.{name}" for name in _TIMES))


def _place(name: str) -> int:
    """Where a field of a result stands in its packed form."""
    return len(_OWN) + [field for field in _RESULT if field != "timings"].index(name)


_pack_asked = attrgetter(*_ASKED)
_pack_result, _pack_error = _getter(_RESULT), _getter(_ERROR)
_RESULT_LENGTH = len(_OWN) + len(_RESULT) - 1 + _COUNT
_KIND = len(_OWN)
_WARNINGS, _PREVIEW, _HEADERS = _OWN.index("warnings"), _place("preview"), _place("headers")
_HEADER_COST = 120  # two short strings and a tuple in CPython, beside their characters
_RESULT_TIMINGS, _ERROR_TIMINGS = _RESULT.index("timings"), _ERROR.index("timings")


def pack(record: FinishedRecord) -> Packed:
    """The values of a record."""
    if isinstance(record.outcome, FetchResult):
        values = _pack_result(record)
    else:
        values = _pack_error(record)
        values = (*values[:_KIND], str(values[_KIND]), *values[_KIND + 1 :])
    if record.request is None:
        return values
    return (*values[:_REQUEST], _pack_request(record.request), *values[_REQUEST + 1 :])


def unpack(packed: Packed) -> FinishedRecord:
    """The record that was packed."""
    own = list(packed[:_KIND])
    values = list(packed[_KIND:-_COUNT])
    timings = Timings(*packed[-_COUNT:])
    outcome: FetchResult | FetchError
    if len(packed) == _RESULT_LENGTH:
        values.insert(_RESULT_TIMINGS, timings)
        outcome = FetchResult(*values)
    else:
        values[0] = ErrorKind(values[0])
        values.insert(_ERROR_TIMINGS, timings)
        outcome = FetchError(*values)
    if own[_REQUEST] is not None:
        own[_REQUEST] = _unpack_request(own[_REQUEST])
    own.insert(_OUTCOME, outcome)
    return FinishedRecord(*own)


def _pack_request(request: FetchRequest) -> Packed:
    timeouts = None if request.timeouts is None else astuple(request.timeouts)
    tag = (request.tag.index, request.tag.id) if isinstance(request.tag, InputTag) else None
    return (timeouts, tag, *_pack_asked(request))


def _unpack_request(packed: Packed) -> FetchRequest:
    timeouts = None if packed[0] is None else Timeouts(*packed[0])
    tag = None if packed[1] is None else InputTag(*packed[1])
    return FetchRequest(timeouts=timeouts, tag=tag, **dict(zip(_ASKED, packed[2:], strict=True)))


def weight(packed: Packed) -> int:
    """Bytes of body and headers, about."""
    if len(packed) != _RESULT_LENGTH:
        return 0
    headers = packed[_HEADERS]
    return len(packed[_PREVIEW]) + sum(map(len, chain.from_iterable(headers))) + _HEADER_COST * len(headers)


def trimmed(packed: Packed, glimpse: int) -> Packed:
    """The record without headers, and with the first `glimpse` bytes of its preview."""
    if len(packed) != _RESULT_LENGTH:
        return packed
    values = list(packed)
    values[_PREVIEW], values[_HEADERS] = packed[_PREVIEW][:glimpse], ()
    return tuple(values)


def has_warnings(packed: Packed) -> bool:
    """Whether the record has any."""
    return bool(packed[_WARNINGS])
