"""What --cluster takes, what it warns of, and that nobody else pays for it."""

from __future__ import annotations

import subprocess
import sys

import anyio
import pytest

from fetch_engine import FetchEngine
from fetch_engine.cookies.jar import CookieJar
from fetch_engine.core.worker_facts import Versions
from fetch_engine.executors.dask.address import parse_cluster
from fetch_engine.executors.dask.executor import DaskExecutor

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "text", ["tcp://10.0.0.1:8786", "tcp://[2001:db8::1]:8786", "tls://host.example:1/", "local:3"]
)
def test_addresses(text: str) -> None:
    address = parse_cluster(text)
    assert address.url == (None if text == "local:3" else text.rstrip("/"))
    assert address.workers == (3 if text == "local:3" else 0)


@pytest.mark.parametrize(
    "text", ["", "host:8786", "http://host:1", "tcp://host", "tcp://host:99999", "tcp://a b:1", "local:0", "local:999",
             "tcp://user@host:1", "local:x", "tcp://host:0"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_cluster(text)


@pytest.mark.parametrize(
    ("text", "warns"),
    [("tcp://10.0.0.1:1", True), ("tcp://name:1", True), ("tls://name:1", False), ("tcp://127.0.0.1:1", False),
     ("tcp://[::1]:1", False), ("tcp://localhost:1", False), ("local", False), ("tcp://0.0.0.0:1", True)],
)  # fmt: skip
def test_plain_messages_to_another_machine_are_warned_of(text: str, warns: bool) -> None:
    assert (parse_cluster(text).warning is not None) == warns


def test_versions_that_do_not_fit_say_what_to_do() -> None:
    here = Versions("3.11.7", "0.1.0", "2026.8.0")
    assert here.misfit(here) is None
    assert here.misfit(Versions("3.11.2", "0.1.0", "2026.8.0")) is None
    for other in (Versions("3.12.0", "0.1.0", "2026.8.0"), Versions("3.11.7", "0.2.0", "2026.8.0")):
        why = other.misfit(here)
        assert why is not None
        assert "there" in why
        assert "same" in why


def test_what_cannot_be_sent_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="cookies"):
        FetchEngine(executor=DaskExecutor("tcp://127.0.0.1:9"), cookies=CookieJar())


def test_dask_is_imported_only_when_it_is_asked_for() -> None:
    code = (
        "import sys, fetch_engine, tui.headless.run, tui.screen.main, tui.options.cluster; "
        "from tui.options.table import parse; "
        "parse(['--cluster', 'local', 'x'], stdout_is_terminal=True); "
        "print({'dask', 'distributed', 'tornado'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"


def test_trio_is_refused() -> None:
    async def enter() -> None:
        async with FetchEngine(executor=DaskExecutor("tcp://127.0.0.1:9")):
            raise AssertionError

    with pytest.raises(RuntimeError, match="needs asyncio"):
        anyio.run(enter, backend="trio")
