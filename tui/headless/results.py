"""Where the results of a run go: standard output in one format, files in others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import anyio

from fetch_engine.model.redaction import masked_url
from fetch_engine.model.requests import FetchRequest
from fetch_engine.model.results import FetchError, FetchResult
from fetch_engine.outputs.accounts import Account, Format
from fetch_engine.outputs.csv_lines import CsvFormat
from fetch_engine.outputs.fail_on import FailOn
from fetch_engine.outputs.har import HarFormat
from fetch_engine.outputs.junit import JunitFormat
from fetch_engine.outputs.ndjson import NdjsonFormat
from fetch_engine.outputs.secrets import Secrets
from tui.headless.line_writer import LineWriter
from tui.headless.result_table import TableFormat
from tui.run.delivery import Delivery, OutputFailed
from tui.terminal.setup import wants_ascii

if TYPE_CHECKING:
    from tui.options.table import Options

STDOUT = 1


def make_format(name: str, options: Options, descriptor: int) -> Format:
    """The format of this name, as the options want it, for this descriptor. Raises ValueError."""
    secrets = Secrets(show=options.show_secrets)
    match name:
        case "csv":
            return CsvFormat(secrets)
        case "har":
            return HarFormat(secrets)
        case "junit":
            return JunitFormat(secrets, FailOn.parse(options.fail_on))
        case "table":
            return TableFormat(secrets, descriptor, ascii_only=options.ascii or wants_ascii())
        case _:
            return NdjsonFormat(secrets)


class Results:
    """All outputs of a run; each has a writer of its own. Make it inside the event loop.

    delivery: told what was written to standard output.

    Every method that writes raises OutputFailed when one of them can take no more.
    """

    def __init__(self, outputs: Sequence[tuple[Format, int]], delivery: Delivery | None = None) -> None:
        self._delivery = delivery or Delivery()
        self._outputs = [(made, self._writer(made, descriptor)) for made, descriptor in outputs]
        self._descriptors = [descriptor for _, descriptor in outputs]
        self._over: list[Format] = []  # those that have been ended
        self._failure: OSError | None = None  # of a format

    def _writer(self, made: Format, descriptor: int) -> LineWriter:
        if made is not self._delivery.format:
            return LineWriter(descriptor)
        writer = LineWriter(descriptor, self._delivery.wrote, held=self._delivery.is_held)
        self._delivery.begin(writer.allow)
        return writer

    @property
    def has_reports(self) -> bool:
        """Whether there is more than standard output."""
        return any(made is not self._delivery.format for made, _ in self._outputs)

    def begin(self) -> None:
        """Write what comes first."""
        for made, writer in self._outputs:
            writer.put_nowait(self._delivery.head if made is self._delivery.format else made.begin())

    async def put(self, account: Account, *, only_reports: bool = False) -> None:
        """Write one fetch, then wait until there is room for another."""
        self.put_nowait(account, only_reports=only_reports)  # into all: the wait for one may be cancelled
        for _, writer in self._outputs:
            await writer.put(b"")

    def put_nowait(self, account: Account, *, only_reports: bool = False) -> None:
        """Write one fetch, whether there is room or not."""
        for made, writer in self._outputs:
            if not (only_reports and made is self._delivery.format):
                writer.put_nowait(self._added(made, account))

    async def end(self, patience: float | None = None) -> None:
        """Write what comes last, and wait until all is written, or nothing has moved for `patience` seconds."""
        self._delivery.hurry()
        for made, writer in self._outputs:
            for piece in self._ended(made):
                if patience is None:
                    await writer.put(piece)
                else:
                    writer.put_nowait(piece)
        await self.drain(patience)
        self._delivery.completed()

    async def drain(self, patience: float | None = None) -> None:
        """Wait until all so far is written."""
        self._delivery.hurry()
        for _, writer in self._outputs:
            await writer.drain(patience)

    async def end_rest(self, patience: float) -> None:
        """One of them has failed: have the others whole, as far as they can be written in that time."""
        for made, writer in self._outputs:
            if not writer.is_broken:
                with contextlib.suppress(OutputFailed):
                    for piece in self._ended(made):
                        writer.put_nowait(piece)
                    await writer.drain(patience)

    @property
    def broken(self) -> frozenset[int]:
        """The descriptors that could not be written to."""
        return frozenset(
            descriptor
            for descriptor, (_, writer) in zip(self._descriptors, self._outputs, strict=True)
            if writer.is_broken
        )

    async def failed(self) -> None:
        """Wait until one of them has failed; for ever where there is none."""
        if not self._outputs:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as group:

            async def watch(writer: LineWriter) -> None:
                await writer.failed()
                group.cancel_scope.cancel()

            for _, writer in self._outputs:
                group.start_soon(watch, writer)

    def close(self) -> None:
        """Write nothing more but what waits."""
        for made, writer in self._outputs:
            made.close()
            writer.close()

    def _added(self, made: Format, account: Account) -> bytes:
        try:
            return made.add(account)
        except OSError as error:
            self._failure = error
            raise _failed(error) from None

    def _ended(self, made: Format) -> Iterator[bytes]:
        if self._failure is not None:
            raise _failed(self._failure)
        if made in self._over:
            return
        self._over.append(made)
        try:
            yield from made.end()
        except OSError as error:
            raise _failed(error) from None


def _failed(error: OSError) -> OutputFailed:
    return OutputFailed(error.errno or 0, error.strerror or str(error))


def failure_line(request: FetchRequest, outcome: FetchResult | FetchError) -> str:
    """What is said of a fetch that failed where its result goes nowhere else."""
    if isinstance(outcome, FetchError):
        return f"{masked_url(request.url)}: {outcome.kind}: {outcome.message}"
    return f"{masked_url(request.url)}: {outcome.status} {outcome.reason}, of which no body is written"
