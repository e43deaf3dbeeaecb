"""The engine and its controller in a thread and an event loop of their own; the screen's side of the seam.

Measured at full load on two cores, a key on the screen's own loop waits 80 to 900 ms for the sockets; with the engine
in its own thread 10 to 30 ms.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from fetch_engine.model.requests import FetchRequest
from tui.bridge.snapshot import Command, FinishedRecord, Snapshot
from tui.run.event_loop import prepare_loop
from tui.run.shortage import shortage

if TYPE_CHECKING:
    from fetch_engine import FetchEngine
    from fetch_engine.outputs.fail_on import FailOn
    from tui.bridge.controller import Controller
    from tui.run.counts import Counts
    from tui.run.journal import Journal

# What else runs beside the controller, in its task group: a reader of URLs, the demo.
Companion = Callable[["Controller"], Coroutine[Any, Any, None]]

JOIN_LIMIT = 10.0  # seconds for the engine to let go of everything


class EngineThread:
    """An `EngineLink`. Commands go in and snapshots come out; no handle leaves the thread.

    make_engine: called in the thread. companions: coroutine functions started with the controller. on_snapshot, once
    set, is called in the thread for each new snapshot; on_failure when the engine ended by a bug.
    """

    def __init__(
        self,
        make_engine: Callable[[], FetchEngine],
        companions: Sequence[Companion] = (),
        *,
        make_request: Callable[[str], FetchRequest] = FetchRequest,
        per_second: float = 4.0,
        journal: Journal | None = None,
        fail_on: FailOn | None = None,
        earlier: Counts | None = None,
    ) -> None:
        self._make_engine = make_engine
        self._companions = companions
        self._make_request = make_request
        self._per_second = per_second
        self._journal = journal
        self._counted = fail_on, earlier
        self._thread = threading.Thread(target=self._run, name="fetch-engine")
        self._commands: deque[Command] = deque()
        self._finished: deque[FinishedRecord] = deque()
        self._stopping = threading.Event()
        self._wake: Callable[[], None] | None = None
        self.engine: FetchEngine | None = None
        self.latest: Snapshot | None = None
        self.failure: str | None = None
        self.on_snapshot: Callable[[], object] | None = None
        self.on_failure: Callable[[], object] | None = None

    def start(self) -> None:
        """Open the engine."""
        self._thread.start()

    def stop(self) -> bool:
        """Cancel everything, close the engine, and wait for its end. False if it did not end in time.

        One that was not started is opened all the same: what it was given has to be accounted for.
        """
        self._stopping.set()
        if self._thread.ident is None:
            self.start()
        self._notify()
        self._thread.join(JOIN_LIMIT)
        return not self._thread.is_alive()

    def send(self, command: Command) -> None:
        self._commands.append(command)
        self._notify()

    def take_finished(self) -> list[FinishedRecord]:
        taken = []
        while self._finished:
            taken.append(self._finished.popleft())
        return taken

    def _notify(self) -> None:
        wake = self._wake
        if wake is not None:
            try:
                wake()
            except RuntimeError:
                self._wake = None  # the engine's loop has ended

    def _run(self) -> None:
        import anyio  # here and below: while the screen shows its first frame

        try:
            anyio.run(self._main, backend="asyncio", backend_options=prepare_loop())
            if not self._stopping.is_set():
                self.failure = "the engine ended by itself, which is a bug"
        except BaseException as error:  # noqa: BLE001 - shown to the user when the screen is gone; SystemExit too
            self.failure = shortage(error) or f"the engine ended by a bug\n{traceback.format_exc()}"
        if self.failure is not None and self.on_failure is not None:
            self.on_failure()

    async def _main(self) -> None:
        import anyio

        from fetch_engine.model.loop_waker import waker
        from tui.bridge.controller import FAIL_ON, Controller
        from tui.run.counts import NONE

        engine = self.engine = self._make_engine()
        async with engine:
            controller = Controller(
                engine,
                self._publish,
                self._finished,
                make_request=self._make_request,
                per_second=self._per_second,
                journal=self._journal,
                fail_on=self._counted[0] or FAIL_ON,
                earlier=self._counted[1] or NONE,
            )

            def obey() -> None:
                while self._commands:
                    controller.do(self._commands.popleft())
                if self._stopping.is_set():
                    controller.stop()

            self._wake = waker(obey)
            obey()  # what was sent before there was a loop to wake
            async with anyio.create_task_group() as group:
                for companion in self._companions:
                    group.start_soon(companion, controller)
                await controller.run()
                group.cancel_scope.cancel()

    def _publish(self, snapshot: Snapshot) -> None:
        self.latest = snapshot
        if self.on_snapshot is not None:
            self.on_snapshot()
