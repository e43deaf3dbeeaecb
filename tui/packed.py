"""A finished record as one flat tuple of plain values.

Python's cyclic collector stops the program for as long as it takes to visit every object that can refer to others. It
passes over tuples of plain values: with 100,000 records packed a full collection takes a quarter of the time.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any

from fetch_engine.results import ErrorKind, FetchError, FetchResult, Timings
from tui.snapshot import FinishedRecord

Packed = tuple[Any, ...]
"""Of a record: its own fields, then those of its outcome, then the times."""

_OWN = [f.name for f in fields(FinishedRecord) if f.name != "outcome"]
_OUTCOME = [f.name for f in fields(FinishedRecord)].index("outcome")
_RESULT, _ERROR = ([f.name for f in fields(made)] for made in (FetchResult, FetchError))
_TIMES = [f"timings.{f.name}" for f in fields(Timings)]
_COUNT = len(_TIMES)


def _getter(names: list[str]) -> attrgetter[Packed]:
    plain = [f"outcome.{name}" for name in names if name != "timings"]
    return attrgetter(*_OWN, *plain, *(f"outcome.{name}" for name in _TIMES))


_pack_result, _pack_error = _getter(_RESULT), _getter(_ERROR)
_RESULT_LENGTH = len(_OWN) + len(_RESULT) - 1 + _COUNT
_KIND = len(_OWN)
_RESULT_TIMINGS, _ERROR_TIMINGS = _RESULT.index("timings"), _ERROR.index("timings")


def pack(record: FinishedRecord) -> Packed:
    """The values of a record."""
    if isinstance(record.outcome, FetchResult):
        return _pack_result(record)
    values = _pack_error(record)
    return (*values[:_KIND], str(values[_KIND]), *values[_KIND + 1 :])


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
    own.insert(_OUTCOME, outcome)
    return FinishedRecord(*own)
