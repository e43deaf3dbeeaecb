"""The program with a screen: terminal, engine thread and app put together, and taken apart again at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tui.bridge.engine_thread import Companion, EngineThread
from tui.bridge.snapshot import Cancel, TogglePin
from tui.entry.history import EntryHistory
from tui.entry.history_file import HistoryFile, history_path
from tui.inputs.sources import open_input
from tui.keys.choices import Choices, default_path
from tui.keys.table import change_keys
from tui.options.cluster import check_cluster
from tui.options.credential_files import save_jar
from tui.options.fail_rule import fail_on
from tui.options.table import Options
from tui.rows.stored_rows import StoredRows
from tui.run.counts import NONE
from tui.run.engine_options import engine_for, engine_settings, given_urls, request_for, spool_folder
from tui.run.event_loop import prepare_loop
from tui.run.exit_report import ExitReport, open_descriptors
from tui.run.gc_at_start import collector_works
from tui.run.inputs import RunInputs
from tui.run.resume import OpenRun, open_run, store_path
from tui.terminal import setup
from tui.terminal.ending_signals import EndingSignals
from tui.terminal.gc_pauses import Pauses
from tui.text.stderr import print_error, write_stderr

if TYPE_CHECKING:
    from fetch_engine import FetchTask
    from tui.bridge.controller import Controller
    from tui.demo.scenario import ForgottenCache
    from tui.screen.app import DashboardApp


def run_dashboard(options: Options) -> int:
    """Show the dashboard until the user leaves, then print the exit report; returns the exit code."""
    reason = setup.why_not()
    if reason is not None:
        print_error(reason)
        return 2
    try:
        fail_on(options)
        engine_settings(options)  # an invalid option is a usage error, told before the screen is drawn
        check_cluster(options)
        with _keyboard() as stdin:
            prepare_loop()
            before = open_descriptors()
            given = replace(options, urls=tuple(given_urls(options)))
            opened = open_run(given, partial(_open, stdin=stdin))
            try:
                return _Run(options, opened, before).run()
            finally:
                opened.requests.close()
                opened.journal.close()
    except ValueError as error:
        print_error(str(error))
        return 2


class _Run:
    """One run of the dashboard."""

    def __init__(self, options: Options, opened: OpenRun, descriptors_before: int) -> None:
        self._options = options
        self._opened = opened
        self._choices = Choices(default_path(), fixed=options.fixed)
        journal = opened.journal
        self._stored = StoredRows(store_path(), journal, opened.earlier) if journal.is_kept else None
        self._spool = spool_folder()
        self._before = descriptors_before
        self._began = time.monotonic()
        self._fail_on = fail_on(options)

    def run(self) -> int:
        setup.prepare()
        threading.Thread(target=self._spool.sweep, name="sweep", daemon=True).start()
        with self._demo() as demo:
            thread = EngineThread(
                partial(
                    engine_for,
                    self._options,
                    spool=self._spool,
                    first_id=self._opened.first_id,
                    announce=self._opened.journal.announce,
                ),
                [Reader(self._opened.requests), *demo],
                make_request=partial(request_for, self._options),
                per_second=self._choices.get("fps", self._options.fps),
                journal=self._opened.journal,
                fail_on=self._fail_on,
                earlier=self._opened.counts,
            )
            try:
                code = self._show(thread)
            finally:
                with setup.LastSignal() as late:
                    ended = self._stop(thread)
        if late.number:
            code = 128 + late.number
        code = self._tell(thread, code, ended=ended)
        if not ended:
            os._exit(code)  # the interpreter would wait for the engine's thread
        return code

    def _stop(self, thread: EngineThread) -> bool:
        """End the engine and write down what there is; whether the engine ended in time."""
        ended = thread.stop()
        self._opened.requests.close()
        self._opened.journal.close()
        if self._stored is not None:
            self._stored.close()
        self._spool.close()
        return ended

    def _end_stuck(self, thread: EngineThread, app: DashboardApp, number: int) -> None:
        """What else happens when the app has ended, while it is stuck; in another thread, which then exits."""
        setup.abandon(app)
        print_error("the screen did not react to the signal; ended without it")
        thread.on_failure = None  # it would wait for the screen
        self._tell(thread, 128 + number, ended=self._stop(thread))

    def _tell(self, thread: EngineThread, code: int, *, ended: bool) -> int:
        """Say what is to be said when the screen is gone; returns the exit code."""
        for line in (*self._opened.notes, *self._opened.journal.warnings):
            print_error(line)
        if self._opened.requests.error is not None:
            print_error(f"reading URLs failed: {self._opened.requests.error}")
        if thread.failure is not None or not ended or thread.engine is None:
            print_error(thread.failure or "the engine did not end; what it had finished is lost")
            return code or 1
        return self._report(thread, code)

    def _show(self, thread: EngineThread) -> int:
        change_keys(self._options.keys)
        from tui.screen.app import DashboardApp  # Textual reads the environment that was prepared when it is imported
        from tui.text.glyphs import ASCII, UNICODE

        ascii_only = self._options.ascii or setup.wants_ascii()
        kept = HistoryFile(history_path())
        app = DashboardApp(
            thread,
            fps=self._options.fps,
            glyphs=ASCII if ascii_only else UNICODE,
            theme=self._options.theme,
            max_rows=self._options.max_rows,
            choices=self._choices,
            stored=self._stored,
            history=EntryHistory(kept.read(), kept.add),
            make_request=partial(request_for, self._options),
        )
        app.ascii_output = ascii_only
        thread.on_snapshot = app.snapshot_ready
        thread.on_failure = partial(_leave, app)

        def begin() -> None:
            """What the screen need not wait for: imports of the engine's own, in its thread."""
            collector_works()
            thread.start()

        app.on_first_frame = begin
        try:
            with EndingSignals(partial(self._end_stuck, thread, app)) as signals:
                code = asyncio.run(self._run_app(app, signals))
            return 128 + signals.number if signals.number else code
        finally:
            self._choices.save()
            kept.close()
            if kept.error is not None:
                print_error(f"the history of URLs could not be kept: {kept.error}")

    async def _run_app(self, app: DashboardApp, signals: EndingSignals) -> int:
        Pauses(lambda: app.last_key).start()
        return await setup.run_app(app, mouse=self._options.mouse, signals=signals)

    def _report(self, thread: EngineThread, code: int) -> int:
        last, engine = thread.latest, thread.engine
        assert engine is not None
        opened = engine.census().opened
        counts, waiting = (NONE, 0) if last is None else (last.counts, last.waiting)
        # What ran at the end was cancelled after the last look.
        left = max(0, opened - counts.ended) + waiting
        report = ExitReport.of(
            engine,
            fetches=opened,
            descriptors_before=self._before,
            counts=counts,
            left=left,
            seconds=time.monotonic() - self._began,
        )
        if self._options.exit_report:
            write_stderr(report.as_json())
        else:
            print_error(report.as_text())
        unsaved = save_jar(self._options.access, engine)
        if unsaved is not None:
            print_error(unsaved)
        if code or not report.clean:
            return code or 3
        # Some fetches of the demo fail by design.
        failed = left or last is None or last.failing or self._opened.left_out or self._opened.requests.error
        return 1 if (failed and not self._options.demo) or unsaved is not None else 0

    @contextlib.contextmanager
    def _demo(self) -> Iterator[Sequence[Companion]]:
        if not self._options.demo:
            yield []
            return
        from tui.demo.server import demo_server

        with demo_server() as url:
            yield [Demo(url)]


def _leave(app: DashboardApp) -> None:
    """End the app from another thread."""
    with contextlib.suppress(RuntimeError):  # it has ended
        app.call_from_thread(app.exit)


@contextlib.contextmanager
def _keyboard() -> Iterator[int]:
    """The terminal on descriptors 0, 1 and 2; gives the descriptor that standard input is on meanwhile."""
    saved = setup.grab()
    try:
        yield 0 if saved is None or saved.stdin is None else saved.stdin
    finally:
        for descriptor, stream in enumerate(saved or ()):
            if stream is not None:
                os.dup2(stream, descriptor)
                os.close(stream)


def _open(name: str, stdin: int) -> int:
    if name == "-":
        if stdin == 0:
            raise ValueError("standard input is the keyboard; give a list of URLs by a pipe or a file")
        return os.dup(stdin)
    try:
        return open_input(name)
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror}") from None


class Reader:
    """A companion of the controller that gives it the run's requests, as fast as they are fetched."""

    def __init__(self, requests: RunInputs) -> None:
        self._requests = requests

    async def __call__(self, controller: Controller) -> None:
        import anyio

        with anyio.CancelScope() as self._scope:
            controller.reads(self)
            async for request in self._requests:
                await controller.add(request)
        if self._scope.cancel_called:
            self._requests.close()  # nobody waits for its descriptors any more

    @property
    def left(self) -> int:
        return self._requests.left

    @property
    def has_more(self) -> bool:
        return self._requests.has_more

    def withdraw(self) -> None:
        """Read no further: what is left is not wanted."""
        self._requests.withdraw()
        self._scope.cancel()


class Demo:
    """A companion that plays the demo's scenario. It holds the cache that forgets to let go of a handle."""

    def __init__(self, base_url: str) -> None:
        from tui.demo.scenario import ForgottenCache

        self._base_url = base_url
        self._cache = ForgottenCache()

    async def __call__(self, controller: Controller) -> None:
        import anyio

        from tui.demo.scenario import play

        try:
            await play(_DemoVerbs(controller), self._base_url, self._cache)
            await anyio.sleep_forever()
        finally:
            self._cache.clear()


class _DemoVerbs:
    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.submit = controller.submit
        self.drop = controller.drop

    def cancel(self, task_id: int) -> None:
        self._controller.do(Cancel(task_id))

    def pin(self, task_id: int) -> None:
        self._controller.do(TogglePin(task_id))

    def leak(self, task_id: int, holder: ForgottenCache) -> None:
        def keep(task: FetchTask) -> None:
            holder.remember(task)

        self._controller.lend(task_id, keep)
