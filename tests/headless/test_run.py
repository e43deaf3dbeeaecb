"""The same run on every event loop."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial

import anyio
import pytest

from fetch_engine.outputs.fail_on import DEFAULT, FailOn
from fetch_engine.outputs.ndjson import NdjsonFormat
from fetch_engine.outputs.secrets import Secrets
from tui.demo.server import demo_server
from tui.headless.run import HeadlessRun
from tui.inputs.sources import UrlSource
from tui.options.table import Options, parse
from tui.run.engine_options import engine_for, request_for
from tui.run.inputs import RunInputs, UrlList
from tui.run.journal import Journal

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


def inputs(options: Options, listed: int, *urls: str) -> RunInputs:
    make_request = partial(request_for, options)
    return RunInputs(map(make_request, urls), [UrlList(UrlSource([], [listed]), 0, make_request)], Journal())


async def test_results_are_written_and_everything_is_closed(server: str) -> None:
    options = parse(["-j", "4", "-", "x"], stdout_is_terminal=False)
    reading, writing = os.pipe()
    listed, listing = os.pipe()
    os.write(listing, f"{server}/fast\n{server}/status/500\nnot a url\n".encode())
    os.close(listing)
    engine = engine_for(options, preview_size=0)
    source = inputs(options, listed, f"{server}/slow?s=0.1")
    run = HeadlessRun(engine, source, 8, [(NdjsonFormat(Secrets()), writing)], FailOn.parse(DEFAULT))
    await run.run()
    os.close(writing)
    with os.fdopen(reading, "rb") as results:
        lines = [json.loads(line) for line in results]
    assert [line["status"] for line in lines if line["error"] is None and line["status"] != 500][-1] == 200
    assert (len(lines), run.fetches, run.failed, run.signal, run.problem) == (4, 4, 2, None, None)
    assert (engine.alive, engine.session.opened_generations, engine.session.closed_generations) == (0, 1, 1)


async def test_a_signal_ends_the_run(server: str) -> None:
    options = parse(["-"], stdout_is_terminal=False)
    reading, writing = os.pipe()
    listed, listing = os.pipe()
    os.write(listing, f"{server}/fast\n{server}/hang\n".encode())
    engine = engine_for(options, preview_size=0)
    source = inputs(options, listed)
    run = HeadlessRun(engine, source, 8, [(NdjsonFormat(Secrets()), writing)], FailOn.parse(DEFAULT))

    def send_after_the_first_line() -> None:
        os.read(reading, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=send_after_the_first_line).start()
    with anyio.fail_after(60):
        await run.run()
    assert run.last_resort is not None
    run.last_resort.cancel()
    source.close()
    for descriptor in (reading, writing, listing):
        os.close(descriptor)
    assert (run.signal, run.fetches, engine.alive) == (signal.SIGTERM, 1, 0)
