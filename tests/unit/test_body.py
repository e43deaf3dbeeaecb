"""The body's sink: counts, hash, preview, limit."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch_engine.bodies.sink import BodySink
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.results import ErrorKind


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=10), st.integers(0, 40))
def test_pieces_do_not_matter(pieces: list[bytes], preview_size: int) -> None:
    sink = BodySink(Limits(preview_size=preview_size))
    for piece in pieces:
        sink.write(piece)
    body = b"".join(pieces)
    assert (sink.size, sink.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert sink.preview == body[:preview_size]


def test_limit_is_the_last_size_accepted() -> None:
    sink = BodySink(Limits(max_body=10))
    sink.write(b"12345")
    sink.write(b"67890")
    with pytest.raises(AttemptFailed) as caught:
        sink.write(b"1")
    assert caught.value.kind is ErrorKind.TOO_LARGE
    assert sink.size == 10
