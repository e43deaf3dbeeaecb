"""Handles dropped after the loop has gone, in a forked child, and while the interpreter shuts down."""

from __future__ import annotations

import os

import pytest

from tests.lifetimes.processes import run_script

UNCLOSED = "ResourceWarning: unclosed FetchEngine"

on_both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@on_both
def test_handles_and_engine_left_to_the_end_of_the_process(backend: str) -> None:
    ended = run_script(
        """
        async def main():
            global engine
            async with FetchEngine(open_transport=wire.open) as engine:
                tasks.append(engine.submit(f"{HOST}/ok"))
                await tasks[0]
                tasks.extend(engine.submit(f"{HOST}/hang") for _ in range(20))
                await until(lambda: wire.in_flight > 0)

        tasks = []
        anyio.run(main, backend=sys.argv[1])
        census = engine.census()
        print(census.opened, census.alive, wire.closes, len(tasks))
        """,
        backend,
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "21 21 [1] 21\n")


@on_both
def test_handles_in_cycles_found_at_the_end(backend: str) -> None:
    ended = run_script(
        """
        gc.disable()

        async def main():
            async with FetchEngine(open_transport=wire.open) as engine:
                for path in ("ok", "hang") * 10:
                    cycle = [engine.submit(f"{HOST}/{path}")]
                    cycle.append(cycle)
                await turns(5)

        anyio.run(main, backend=sys.argv[1])
        """,
        backend,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_dropped_after_the_loop_was_closed_under_an_open_engine() -> None:
    ended = run_script(
        """
        engine = FetchEngine(open_transport=wire.open, limits=Limits(concurrency=4))

        async def enter():
            await engine.__aenter__()
            tasks.extend(engine.submit("no url") for _ in range(1000))
            await engine.join()

        tasks = []
        loop = asyncio.new_event_loop()
        loop.run_until_complete(enter())
        loop.close()
        tasks[0].cancel()
        with tasks[1]:
            pass
        tasks.clear()
        engine.census()
        print("silent", file=sys.stderr)
        """
    )
    assert ended.returncode == 0
    silent, _, rest = ended.stderr.partition("silent\n")
    assert silent == ""
    assert rest.count(UNCLOSED) == 1
    assert rest.count("Error") + rest.count("Warning") == 1, rest


def test_an_engine_that_is_never_left_says_so_once() -> None:
    ended = run_script(
        """
        async def main():
            await FetchEngine(open_transport=wire.open).__aenter__()

        try:
            asyncio.run(main())
        finally:
            gc.collect()
        """,
        warnings="always",
    )
    assert ended.stderr.count(UNCLOSED) == 1


@on_both
def test_a_daemon_thread_s_loop_at_the_end_of_the_process(backend: str) -> None:
    ended = run_script(
        """
        started = threading.Event()
        tasks = []

        async def main():
            async with FetchEngine(open_transport=wire.open) as engine:
                tasks.extend(engine.submit(f"{HOST}/hang") for _ in range(20))
                await until(lambda: wire.in_flight > 0)
                started.set()
                await anyio.sleep(60)

        threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": sys.argv[1]}, daemon=True).start()
        started.wait()
        del tasks[10:]
        sys.exit(7)
        """,
        backend,
    )
    assert (ended.returncode, ended.stderr) == (7, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@on_both
def test_a_forked_child_s_drops_are_its_own(backend: str) -> None:
    ended = run_script(
        """
        async def main():
            async with FetchEngine(open_transport=wire.open) as engine:
                tasks = [engine.submit(f"{HOST}/hang") for _ in range(20)]
                await until(lambda: wire.in_flight == 8)
                child = os.fork()
                if child == 0:
                    tasks.pop().cancel()
                    tasks.clear()
                    os._exit(0)
                _, status = os.waitpid(child, 0)
                assert status == 0
                await turns(10)
                census = engine.census()
                print(census.opened, census.alive, len(wire.cancelled), len(tasks))

        anyio.run(main, backend=sys.argv[1])
        """,
        backend,
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "20 20 0 20\n")


@on_both
@pytest.mark.parametrize(
    ("leave", "returncode"), [("sys.exit(3)", 3), ("raise KeyboardInterrupt", -2), ("os.kill(os.getpid(), 2)", -2)]
)
def test_leaving_by_exit_and_by_interrupt(backend: str, leave: str, returncode: int) -> None:
    ended = run_script(
        f"""
        async def main():
            global engine
            async with FetchEngine(open_transport=wire.open) as engine:
                tasks = [engine.submit(f"{{HOST}}/hang") for _ in range(20)]
                await until(lambda: wire.in_flight > 0)
                {leave}
                await anyio.sleep(60)

        try:
            anyio.run(main, backend=sys.argv[1])
        finally:
            print(wire.closes, wire.in_flight, engine.session.leases)
        """,
        backend,
    )
    assert (ended.returncode, ended.stdout) == (returncode, "[1] 0 0\n"), ended.stderr
    assert "Warning" not in ended.stderr
    assert "ignored" not in ended.stderr


@on_both
def test_engines_left_in_the_wrong_order(backend: str) -> None:
    """Each ends by itself, and the task goes on as if there had been none."""
    ended = run_script(
        """
        async def main():
            first, second = FetchEngine(open_transport=wire.open), FetchEngine(open_transport=wire.open)
            await first.__aenter__()
            await second.__aenter__()
            with anyio.fail_after(30):
                assert (await first.submit(f"{HOST}/ok")).status == 200
                kept = second.submit(f"{HOST}/hang")
                await until(lambda: wire.in_flight == 1)
                await first.__aexit__(None, None, None)
                assert wire.closes == [1, 0]
                assert (await second.submit(f"{HOST}/ok")).status == 200
                assert not kept.done()
                await second.__aexit__(None, None, None)
            with anyio.move_on_after(0.01):
                await anyio.sleep(60)
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0)
            print(wire.closes, kept.state)

        anyio.run(main, backend=sys.argv[1])
        """,
        backend,
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "[1, 1] cancelled\n")


@on_both
def test_two_runs_of_a_loop_one_engine_each(backend: str) -> None:
    ended = run_script(
        """
        kept = []

        async def main():
            async with FetchEngine(open_transport=wire.open) as engine:
                kept.append(engine.submit(f"{HOST}/hang"))
                kept.append(engine.submit(f"{HOST}/ok"))
                await kept[-1]

        async def drop():
            kept.clear()
            await main()

        anyio.run(main, backend=sys.argv[1])
        anyio.run(drop, backend=sys.argv[1])
        print(wire.closes)
        """,
        backend,
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "[1, 1]\n")
