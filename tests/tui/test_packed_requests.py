"""A packed record keeps its request, as plain values that the cyclic collector passes over."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from fetch_engine import FetchRequest, Timeouts
from fetch_engine.model.requests import InputTag
from fetch_engine.model.results import ErrorKind
from tests.tui.fake_link import failure, result
from tui.bridge.snapshot import FinishedRecord
from tui.rows.packed import pack, unpack

REQUEST = FetchRequest(
    "http://h/", "POST", (("A", "b"),), b"x", Timeouts(total=3), False, True, "p:1", tag=InputTag(7, "x")
)


@pytest.mark.parametrize("record", [result(1), failure(2, "http://h/", ErrorKind.DNS, "no such name")])
@pytest.mark.parametrize("request_", [None, REQUEST, replace(REQUEST, timeouts=None)])
def test_a_request_is_packed_and_unpacked(record: FinishedRecord, request_: FetchRequest | None) -> None:
    record = replace(record, request=request_, warnings=("odd",))
    packed = pack(record)
    assert unpack(packed) == record
    assert getattr(unpack(packed).request, "tag", None) == getattr(request_, "tag", None)
    for _ in range(4):  # each ceases to track tuples that hold plain values only, from the inside out
        gc.collect()
    assert not gc.is_tracked(packed)
