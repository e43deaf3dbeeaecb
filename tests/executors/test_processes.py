"""Child processes: killed, not to be started, outlived by nothing; what they share with the parent, and what not."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from fetch_engine import FetchEngine, FetchError, FetchRequest, FetchResult, Limits, RetryPolicy
from fetch_engine.bodies.spool import SpoolFolder
from fetch_engine.cookies.jar import CookieJar
from fetch_engine.executors.frames import Frames
from fetch_engine.executors.processes.executor import ProcessExecutor
from fetch_engine.model.transport_options import TransportOptions
from tests.executors.peer import Peer
from tests.lifetimes.fake_transport import FakeWire
from tests.lifetimes.waiting import all_let_go, until
from tests.tui.pty_terminal import PtyTerminal
from tests.wire.servers import RawServer
from tui.run.exit_report import describe

pytestmark = pytest.mark.once

Url = Callable[[str], str]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def url(peer: Peer) -> Iterator[Url]:
    with RawServer(peer.handle) as server:
        yield server.url


def children(executor: ProcessExecutor) -> list[int]:
    return [child.pid for child in executor._living]


@pytest.mark.anyio
async def test_a_killed_child_is_replaced_and_its_fetches_run_again_once(peer: Peer, url: Url, tmp_path: Path) -> None:
    spool = SpoolFolder(str(tmp_path))
    executor = ProcessExecutor(2)
    limits = Limits(concurrency=10, per_host=10, preview_size=100)
    async with FetchEngine(executor=executor, limits=limits, grace=0.0, spool=spool) as engine:
        posts = [engine.submit(FetchRequest(url("/hang"), method="POST")) for _ in range(4)]
        await until(lambda: peer.hanging == 4, 20)
        given = [url(f"/sleep/{0.02 * (number % 7)}?{number}") for number in range(60)] + [url("/big")] * 3
        ended: Counter[str] = Counter()
        outcomes: list[Any] = []
        async for task in engine.as_completed(given):
            ended[task.url] += 1
            outcomes.append(task.outcome)
            if len(outcomes) == 20:
                os.kill(children(executor)[0], signal.SIGKILL)
            del task
        assert ended == Counter(given)
        assert {outcome.status for outcome in outcomes} == {200}
        assert executor.lost == 1
        twice = [outcome for outcome in outcomes if outcome.attempts == 2]
        assert executor.rerun == len(twice) > 0
        # What may have been done must not be done twice.
        await until(lambda: sum(task.done() for task in posts) == 2)
        errors = [task.outcome for task in posts if isinstance(task.outcome, FetchError)]
        assert [error.kind for error in errors] == ["reset", "reset"]
        assert "signal 9" in errors[0].message
        assert errors[0].message.startswith("unknown outcome: ")
        posts.clear()
        await all_let_go(engine)
        check_bodies(spool, [outcome.body_path for outcome in outcomes if outcome.url == url("/big")])
    facts = executor.processes
    assert facts.all_ended
    assert facts.started == facts.ended == 3
    assert "3 started, 3 ended, 1 lost" in describe(facts)
    spool.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.anyio
async def test_with_retry_all_methods_a_post_of_a_killed_child_runs_again(peer: Peer, url: Url) -> None:
    executor = ProcessExecutor(1)
    async with FetchEngine(executor=executor, retry=RetryPolicy(all_methods=True)) as engine:
        task = engine.submit(FetchRequest(url("/hang"), method="POST"))
        await until(lambda: peer.hanging == 1, 20)
        os.kill(children(executor)[0], signal.SIGKILL)
        await until(lambda: executor.rerun == 1 and peer.started["/hang"] == 2, 30)
        assert not task.done()


def check_bodies(spool: SpoolFolder, paths: list[str]) -> None:
    """Children wrote them, and the parent answers for them."""
    assert {Path(path).read_bytes() for path in paths} == {b"y" * 300_000}
    assert spool.size == 300_000 * len(set(paths)) == 900_000


async def _one(executor: ProcessExecutor, request: str, **options: Any) -> FetchResult | FetchError | None:
    async with FetchEngine(executor=executor, **options) as engine:
        task = engine.submit(request)
        await engine.join()
        return task.outcome


def test_a_child_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 5\n")
    broken.chmod(0o700)
    for program, why in ((str(broken), "no such luck"), (str(tmp_path / "none"), "No such file")):
        monkeypatch.setattr(sys, "executable", program)
        executor = ProcessExecutor(2)
        before = len(os.listdir("/proc/self/fd"))
        outcome = anyio.run(_one, executor, "http://127.0.0.1:1/")
        assert isinstance(outcome, FetchError)
        assert outcome.kind == "connect"
        assert f"a process could not be started: {why}" in outcome.message.replace(f"[Errno 2] {why}", why)
        assert executor.processes.all_ended
        assert len(os.listdir("/proc/self/fd")) <= before


def test_what_children_would_have_to_do_without_is_refused() -> None:
    for options, why in (
        ({"cookies": CookieJar()}, "cookies"),
        ({"open_transport": FakeWire.open}, "transport"),
        ({"transport": TransportOptions(address_filter=lambda _: True)}, "options"),
    ):
        with pytest.raises(ValueError, match=why):
            FetchEngine(executor=ProcessExecutor(1), **options)
    with pytest.raises(ValueError, match="at least one"):
        ProcessExecutor(0)


def test_messages_larger_than_a_socket_takes() -> None:
    ours, theirs = socket.socketpair()
    sent = [b"x" * 3_000_000, {"y": 1}, None]

    async def main() -> list[Any]:
        here, there = Frames(ours), Frames(theirs)
        got: list[Any] = []
        async with anyio.create_task_group() as group:

            async def send() -> None:
                for message in sent:
                    await here.send(message)
                here.close()

            group.start_soon(send)
            while messages := await there.receive():
                got += messages
        there.close()
        return got

    assert anyio.run(main) == sent


PARENT = """
import sys, anyio
from fetch_engine import FetchEngine
from fetch_engine.executors.processes.executor import ProcessExecutor

async def main():
    executor = ProcessExecutor(2)
    async with FetchEngine(executor=executor) as engine:
        tasks = [engine.submit(sys.argv[1]) for _ in range(4)]
        while engine.session.generations()[:1] == () or engine.session.generations()[0].connections != 4:
            await anyio.sleep(0.01)
        print(*(child.pid for child in executor._living), flush=True)
        await anyio.sleep(60)

anyio.run(main)
"""


def test_killing_the_parent_ends_the_children(peer: Peer, url: Url) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PARENT, url("/hang")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        processes = [psutil.Process(pid) for pid in pids]
        for process in processes:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                process.send_signal(number)
        parent.kill()
    _, alive = psutil.wait_procs(processes, 10)
    assert alive == []


def test_ctrl_c_in_a_terminal_ends_all_with_a_clean_report(peer: Peer, url: Url) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "tui.cli", "--headless", "--processes", "2"]
    command += ["--no-store", "--exit-report", url("/ok"), url("/hang"), url("/hang")]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        first = json.loads(program.stdout.readline())
        waited = threading.Event()
        while peer.hanging < 2 and not waited.wait(0.01):
            assert program.poll() is None
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does: the children have it too
        out, err = program.communicate(timeout=30)
    assert (program.returncode, first["status"], out) == (130, 200, "")
    report = json.loads(err)
    assert report["clean"], report
    facts = report["processes"]
    assert (facts["started"], facts["ended"], facts["lost"], facts["there"]["opened"]) == (2, 2, 0, 3)


def test_the_dashboard_shows_the_processes_and_leaves_none(peer: Peer, url: Url) -> None:
    command = [sys.executable, "-m", "tui.cli", "--processes", "2", "--no-store", "--exit-report"]
    command += [url("/ok"), url("/hang"), url("/hang"), url("/big")]
    with PtyTerminal(command, size=(140, 40), env={"PYTHONPATH": str(ROOT)}) as terminal:
        terminal.wait_for("processes 2 alive  in them 2 handles alive  2 leases  2 sessions open")
        terminal.send("q")
        terminal.wait_for("Quit and cancel")
        terminal.send("y")
        terminal.wait_for(lambda: '"clean": ' in "".join(terminal.lines))  # one line over several rows
        assert terminal.wait_exit() == 1
        report = "".join(terminal.lines)
        assert '"lost": 0' in report
        assert '"clean": true' in report
