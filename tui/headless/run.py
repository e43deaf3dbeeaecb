"""Fetching without a screen: each result written at once, in order of completion."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from functools import partial

import anyio
import anyio.abc

from fetch_engine import FetchEngine, FetchTask, Timeouts
from fetch_engine.core.as_completed import AsCompleted
from fetch_engine.fetch.host_backoff import HostRest
from fetch_engine.model.limits import KIB
from fetch_engine.outputs.accounts import Account, Format
from fetch_engine.outputs.fail_on import FailOn
from tui.headless.progress_line import Progress, ProgressLine, is_wanted
from tui.headless.results import STDOUT, Results, failure_line, make_format
from tui.inputs.counted_requests import CountedRequests
from tui.inputs.sources import open_input
from tui.options.cluster import check_cluster, prepare_cluster, watch_cluster
from tui.options.credential_files import save_jar
from tui.options.fail_rule import fail_on
from tui.options.table import Options
from tui.run.again import Again
from tui.run.counts import Counting, Counts
from tui.run.delivery import Delivery, Output, OutputFailed
from tui.run.engine_options import engine_for, given_urls, request_for
from tui.run.event_loop import prepare_loop
from tui.run.exit_report import ExitReport, open_descriptors
from tui.run.gc_at_start import collector_works
from tui.run.inputs import RunInputs
from tui.run.journal import Journal
from tui.run.report_files import end_reports, open_reports
from tui.run.resume import open_run
from tui.text.host_lines import announce, announce_rest, kept_waiting
from tui.text.stderr import print_error, write_stderr

PATIENCE = 2.0  # seconds for a reader that does not read, once a signal has asked for the end
LAST_RESORT = 10.0  # seconds from a signal to the end, whatever still hangs (a name look-up cannot be cancelled)
# What waits to be stored outlives Python's own quick passes, so that each batch of rows led to one over everything:
# measured, 8 % of the CPU of a fetch. Only cycles need the collector.
COLLECT = (5_000, 20, 50)
MIN_WINDOW = 512  # so that one slow host does not keep back the others behind it in the list


class HeadlessRun:
    """One run over one source. `signal` is the one that ended it, if any; `problem` why results could not be written;
    `lost` why nothing could run any more, so that the rest was left for another time.

    outputs: formats, each with the descriptor that it is written to. fail_on: which outcomes count as failed.
    fetches: results written or left to the writers. last_resort: runs from the
    signal on and ends the process; to be cancelled when the event loop is closed.
    """

    def __init__(
        self,
        engine: FetchEngine,
        requests: RunInputs,
        window: int,
        outputs: Sequence[tuple[Format, int]],
        fail_on: FailOn,
        journal: Journal | None = None,
        *,
        again: Again | None = None,
        delivery: Delivery | None = None,
        show_progress: bool = False,
        silent: bool = False,
    ) -> None:
        self._engine = engine
        self._silent = silent
        self._source = requests
        self._requests = CountedRequests(requests)
        self._show_progress = show_progress
        self._window = window
        self._outputs = outputs
        self._counting = Counting(fail_on)
        self._journal = journal or Journal()
        self._again = again or Again()
        self._delivery = delivery
        self.fetches = 0
        self.signal: int | None = None
        self.problem: str | None = None
        self.broken: frozenset[int] = frozenset()  # descriptors
        self.lost: str | None = None
        self.last_resort: threading.Timer | None = None

    @property
    def failed(self) -> int:
        """How many of the fetches count as failed."""
        return self._counting.failing

    @property
    def counts(self) -> Counts:
        """What the fetches came to."""
        return self._counting.counts

    async def run(self) -> None:
        """Fetch everything, or as much as there is time for before a signal."""
        with anyio.open_signal_receiver(*_ending_signals()) as signals:
            async with anyio.create_task_group() as group:
                work = anyio.CancelScope()
                group.start_soon(self._obey, signals, work)
                if self._engine.cluster is not None:
                    group.start_soon(watch_cluster, self._engine, partial(self._give_up, work))
                results = Results(self._outputs, self._delivery)
                if self._show_progress:
                    group.start_soon(ProgressLine(self._progress).run)
                try:
                    async with self._engine:
                        group.start_soon(announce, self._engine.hosts, self._concerns_us)
                        await self._fetch(results, work)
                        announce_rest(self._engine.hosts, self._concerns_us)
                finally:
                    results.close()
                group.cancel_scope.cancel()

    async def _fetch(self, results: Results, work: anyio.CancelScope) -> None:
        completions = self._engine.as_completed(self._requests, window=self._window)
        try:
            results.begin()
            is_rest_due = False  # until all that comes before it is written: it stays for the next time
            with work:
                async with anyio.create_task_group() as group:
                    group.start_soon(_cancel_on_failure, results, work)
                    with contextlib.suppress(OutputFailed):  # found out below, where the results end
                        await self._write_again(results)
                        is_rest_due = True
                        await self._write_results(completions, results)
                    group.cancel_scope.cancel()
            if self.signal is None and self.lost is None:
                await results.end()
            else:
                await self._write_finished(completions, results, is_due=is_rest_due)
                await results.end(None if self.signal is None else PATIENCE)
        except OutputFailed as failure:
            self.problem = _describe(failure)
            await results.end_rest(PATIENCE)
        finally:
            self.broken = results.broken

    async def _write_again(self, results: Results) -> None:
        """What had ended before the run was resumed, as far as it is to be written."""
        with contextlib.closing(self._again.pages(for_reports=results.has_reports)) as pages:
            while page := await self._again.next_page(pages):
                for account, is_lacking in page:
                    if is_lacking:
                        self._counting.add(account.outcome)
                    await results.put(account, only_reports=not is_lacking)
        for account in self._again.unknown:
            self._counting.add(account.outcome)
            results.put_nowait(account)

    async def _write_results(self, completions: AsCompleted, results: Results) -> None:
        async for task in completions:
            account = self._account(task)
            del task  # not to be held while the next one is awaited
            await results.put(account)
        await results.drain()

    async def _write_finished(self, completions: AsCompleted, results: Results, *, is_due: bool) -> None:
        """What had ended before the signal but was held back by a slow reader."""
        accounts = []
        with anyio.CancelScope(deadline=-1):
            async for task in completions:
                accounts.append(self._account(task))
                del task
        for account in accounts if is_due else ():
            results.put_nowait(account)

    def _account(self, task: FetchTask) -> Account:
        outcome = task.outcome
        assert outcome is not None
        self._journal.finished(task.request, task.id, outcome, time.time())
        self.fetches += 1
        if self._counting.add(outcome) and not self._outputs:
            print_error(failure_line(task.request, outcome))
        since = time.perf_counter() - task.submitted - outcome.elapsed
        return Account(task.request, outcome, time.time() - since)

    def _give_up(self, work: anyio.CancelScope, reason: str) -> None:
        self.lost = reason
        work.cancel()

    def _concerns_us(self, rest: HostRest) -> bool:
        """Whether it is to be said that this host rests: not where nothing is left that could wait for it."""
        return not self._silent and (rest.waiting > 0 or not self._requests.ended)

    @property
    def left(self) -> int:
        """Fetches that were asked for, as far as is known, and whose results were not written."""
        return max(0, self._requests.given - self.fetches)

    def _progress(self) -> Progress:
        hosts = self._engine.hosts
        running = hosts.in_flight
        left = max(0, self._requests.given - self.fetches - running) + self._source.left
        more = self._source.has_more
        kept = kept_waiting([rest for rest in hosts.resting() if rest.waiting])
        return Progress(self.fetches, self._counting.failing, running, left, more, kept)

    async def _obey(self, signals: AsyncIterator[signal.Signals], work: anyio.CancelScope) -> None:
        async for number in signals:
            if self.signal is not None:
                os._exit(128 + self.signal)
            self.signal = number
            work.cancel()
            self.last_resort = threading.Timer(LAST_RESORT, os._exit, [128 + number])
            self.last_resort.daemon = True
            self.last_resort.start()


def run(options: Options) -> int:
    """Do what the options say and return the exit code."""
    backend_options = prepare_loop()
    prepare_cluster(options)
    descriptors_before = open_descriptors()
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        try:
            fails_on = fail_on(options)
            with_bodies = "har" in (options.format, *(name for name, _ in options.reports))
            engine = engine_for(options, preview_size=64 * KIB if with_bodies else 0)
            check_cluster(options)
            reports = open_reports(options.reports, stack)
            wanted = [] if options.save.to_stdout else [(options.format, STDOUT)]
            outputs: list[tuple[Format, int]] = []
            for name, descriptor in [*wanted, *((name, report.descriptor) for name, report in reports)]:
                outputs.append((make_format(name, options, descriptor), descriptor))
                stack.callback(outputs[-1][0].close)
            demo_urls, timeouts = stack.enter_context(_demo(options))
            opened = open_run(
                replace(options, urls=(*given_urls(options), *demo_urls)),
                _open,
                lambda problem: print_error(f"this run is not saved any further: {problem}"),
                partial(request_for, options, timeouts=timeouts),
                print_error,
                Output(options.format, *outputs[0]) if wanted else None,
            )
        except ValueError as error:
            print_error(str(error))
            return 2
        preview_size = 64 * KIB if with_bodies else 0
        engine = engine_for(
            options, preview_size=preview_size, first_id=opened.first_id, announce=opened.journal.announce
        )
        for note in opened.notes:
            print_error(note)
        window = max(MIN_WINDOW, 2 * options.concurrency)
        show_progress = is_wanted(silent=options.silent)
        work = HeadlessRun(
            engine,
            opened.requests,
            window,
            outputs,
            fails_on,
            opened.journal,
            again=opened.again,
            delivery=opened.delivery,
            show_progress=show_progress,
            silent=options.silent,
        )
        stack.callback(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(*COLLECT)
        collector_works()
        try:
            anyio.run(work.run, backend_options=backend_options)
            unwritten = end_reports(reports, work.broken)
        except BaseException:
            for _, report in reports:
                report.close()
            raise
        finally:
            unread = opened.requests.left
            opened.requests.close()
            opened.journal.close()
            if work.last_resort is not None:
                work.last_resort.cancel()
    source = opened.requests
    if source.error is not None:
        print_error(f"reading URLs failed: {source.error}")
    unsaved = save_jar(options.access, engine)
    if unsaved is not None:
        print_error(unsaved)
    if work.lost is not None:
        kept = "what is not finished is kept for --resume" if opened.journal.run else "nothing of the run is kept"
        print_error(f"{work.lost}: given up; {kept}")
    for problem in unwritten:
        print_error(problem)
    if work.problem is not None:
        print_error(f"{work.problem}, after {work.fetches} results")
    account = ExitReport.of(
        engine,
        fetches=work.fetches,
        descriptors_before=descriptors_before,
        counts=work.counts,
        left=work.left + unread,
        seconds=time.monotonic() - began,
    )
    if options.exit_report:
        write_stderr(account.as_json())
    else:
        print_error(account.as_text())
    if work.signal is not None:
        return 128 + work.signal
    if not account.clean:
        return 3
    return (
        1 if work.failed or work.problem or work.lost or unwritten or unsaved or source.error or opened.left_out else 0
    )


def _open(name: str) -> int:
    try:
        return open_input(name)
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror}") from None


@contextlib.contextmanager
def _demo(options: Options) -> Iterator[tuple[list[str], Timeouts | None]]:
    if not options.demo:
        yield [], None
        return
    from tui.demo.scenario import HEADLESS_TIMEOUTS, headless_urls
    from tui.demo.server import demo_server

    with demo_server() as url:
        yield headless_urls(url), HEADLESS_TIMEOUTS


def _ending_signals() -> list[signal.Signals]:
    """Those that were ignored when the program was started (nohup, a shell's background jobs) stay so."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


async def _cancel_on_failure(results: Results, work: anyio.CancelScope) -> None:
    await results.failed()
    work.cancel()


def _describe(failure: OutputFailed) -> str:
    if failure.errno == errno.EPIPE:
        return "the reader of the results has gone"
    return f"writing results failed: {failure.reason}"
