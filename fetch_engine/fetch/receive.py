"""The body of a response: decoded, counted, paced, and put where it belongs."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel

from fetch_engine.bodies.downloads import Download
from fetch_engine.bodies.saving import Saving
from fetch_engine.bodies.sink import BodySink, check_size
from fetch_engine.bodies.uploads import Upload
from fetch_engine.fetch.context import FetchContext
from fetch_engine.fetch.decoders import Decoder, are_known, open_decoder
from fetch_engine.fetch.loop_fairness import NOTED
from fetch_engine.fetch.speed_floor import SpeedFloor
from fetch_engine.model.codings import content_codings
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import KIB
from fetch_engine.model.numbers import whole_number
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.requests import FetchRequest, Headers
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireResponse

# The body of a redirect is read only so that its connection can be used again.
DRAIN_BYTES = 16 * KIB
DRAIN_SECONDS = 0.5

# Decoding lets the loop go on after this long. A thread would give no more: measured, it holds the interpreter's lock
# for as long as a slice.
SLICE_SECONDS = 0.002

_MOST_NAMED = 60  # characters of codings that are named in a warning
_WHOLE_RANGE = re.compile(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})")


async def receive(
    request: FetchRequest,
    response: WireResponse,
    terms: FetchContext,
    recorder: Recorder,
    host: str,
    saving: Saving | None,
    source: str,
) -> BodySink:
    """Read the whole body. saving: how it is saved, None if it is not. source: the URL of the response.

    Raises AttemptFailed.
    """
    bodiless = request.method == "HEAD" or response.status in (204, 304)
    download: Download | Upload | None = None
    if not bodiless:
        if saving is not None:
            download = saving.download(response, source)
            if saving.refused is not None:
                recorder.warn(f"the server refused the rest of the body ({saving.refused}): asked for the whole")
            if download is None and saving.partial is not None:
                recorder.warn(f"{saving.partial.size} bytes that came before are kept, to go on with")
        elif terms.sink is not None and 200 <= response.status < 300:
            download = terms.sink.take(recorder.url or request.url)
    async with BodySink(terms.limits, terms.spool, download, request.checksum) as sink:
        if bodiless:
            await drain(response)
        else:
            decodes = not request.raw if saving is None else saving.decodes(response)
            if saving is not None and saving.partial is not None:
                size = saving.joined_size(response, source)
                if size is not None:
                    await sink.go_on(saving.partial, size)
            if terms.limits.min_rate is None:
                await _read(response, sink, terms, recorder, host, decodes=decodes)
            else:
                floor = SpeedFloor(terms.limits.min_rate, terms.limits.min_rate_time)
                with floor.scope:
                    await _read(response, sink, terms, recorder, host, floor, decodes=decodes)
                if floor.scope.cancelled_caught:
                    raise AttemptFailed(ErrorKind.TIMEOUT_READ, floor.message)
            await sink.finish()
    return sink


async def _read(
    response: WireResponse,
    sink: BodySink,
    terms: FetchContext,
    recorder: Recorder,
    host: str,
    floor: SpeedFloor | None = None,
    *,
    decodes: bool,
) -> None:
    decoder = _decoder(response, terms.limits.max_codings, recorder) if decodes else None
    if decoder is None:
        length = _content_length(response.headers)
        recorder.expected_size = None if length is None else sink.size + length
        check_size(recorder.expected_size or 0, terms.limits)
    pacing, turns = terms.pacing, terms.turns
    turn = time.perf_counter()
    chunks = response.chunks()
    try:
        async for chunk in chunks:
            recorder.reads += 1
            recorder.read_bytes += len(chunk)
            began = time.perf_counter()
            for piece in (chunk,) if decoder is None else decoder.feed(chunk):
                sink.write(piece)
                recorder.body_size = sink.size
                now = time.perf_counter()
                if now - began > NOTED:
                    turns.note(recorder.url, now - began)
                if sink.is_due:
                    await sink.flush()
                    began = time.perf_counter()
                if now - turn > SLICE_SECONDS:
                    async with turns.lock:
                        await anyio.lowlevel.checkpoint()
                    turn = began = time.perf_counter()
            seconds = 0.0
            if pacing.is_on:
                # What came with the head too: of short bodies that is all there is.
                seconds = pacing.take(host, recorder.bytes_received - recorder.paced)
                recorder.paced = recorder.bytes_received
            if floor is not None:
                floor.take(len(chunk), seconds)
            if pacing.is_on:
                recorder.resting_until = time.perf_counter() + seconds
                await anyio.sleep(seconds)
    finally:
        await _close(chunks)
    if decoder is not None:
        decoder.finish()


def _decoder(response: WireResponse, max_codings: int, recorder: Recorder) -> Decoder | None:
    """What undoes the body's codings; None where there is none, or none that can be undone, which is a warning.

    Raises AttemptFailed (decode) for too long a chain.
    """
    values = all_headers(response.headers, "content-encoding")
    codings = content_codings(values) if values else []
    if not codings:
        return None
    named = ", ".join(codings)[:_MOST_NAMED].encode("ascii", "backslashreplace").decode("ascii")
    if not are_known(codings):
        recorder.warn(f"unknown content coding {named!r}: the body is left as it came")
        return None
    if response.status == 206 and not _is_whole(response.headers):
        # RFC 9110 section 14.2: the range is one of the coded bytes.
        recorder.warn(f"a part of a body in {named} cannot be decoded: it is left as it came")
        return None
    return open_decoder(codings, max_codings)


def _is_whole(headers: Headers) -> bool:
    """Whether a 206 response holds all bytes there are."""
    match = _WHOLE_RANGE.fullmatch((header(headers, "content-range") or "").strip(" \t"))
    return match is not None and whole_number(match[1]) + 1 == whole_number(match[2])


async def _close(chunks: AsyncIterator[bytes]) -> None:
    """Close an async generator here, not whenever it is collected."""
    aclose = getattr(chunks, "aclose", None)
    if aclose is not None:
        await aclose()


async def drain(response: WireResponse) -> None:
    """Read a body that nobody wants, if it is short, so that its connection can be used again."""
    left = DRAIN_BYTES
    # Whatever goes wrong with a body nobody wants, its head has been received.
    with anyio.CancelScope(deadline=anyio.current_time() + DRAIN_SECONDS), contextlib.suppress(AttemptFailed):
        chunks = response.chunks()
        try:
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    return
        finally:
            await _close(chunks)


def header(headers: Headers, name: str) -> str | None:
    """The first header of this name (in lower case), or None."""
    size = len(name)
    for key, value in headers:
        if len(key) == size and key.lower() == name:
            return value
    return None


def all_headers(headers: Headers, name: str) -> list[str]:
    """Every header of this name (in lower case)."""
    size = len(name)
    return [value for key, value in headers if len(key) == size and key.lower() == name]


def _content_length(headers: Headers) -> int | None:
    try:
        return whole_number((header(headers, "content-length") or "").strip(" \t"))
    except ValueError:
        return None
