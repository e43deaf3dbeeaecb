"""The demo: what `--demo` fetches, and the scenario that shows the idea in about twenty seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import anyio

from fetch_engine import ErrorKind, Timeouts


class ForgottenCache:
    """A cache that nobody ever empties: the planted leak. What it remembers stays alive until `clear`."""

    def __init__(self) -> None:
        self.entries: list[object] = []

    def remember(self, handle: object) -> None:
        """Hold on to it."""
        self.entries.append(handle)

    def clear(self) -> None:
        """Let go of everything."""
        self.entries.clear()


class DemoVerbs(Protocol):
    """What the scenario can do; the ids are those of the engine. A verb on a fetch that is gone does nothing."""

    def submit(self, url: str) -> int: ...
    def cancel(self, task_id: int) -> None: ...
    def drop(self, task_id: int) -> None: ...
    def pin(self, task_id: int) -> None: ...
    def leak(self, task_id: int, holder: ForgottenCache) -> None: ...


class Verb(Enum):
    """The deeds of the scenario."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    DROP = "drop"
    PIN = "pin"
    LEAK = "leak"


@dataclass(frozen=True, slots=True)
class Step:
    """`wait` seconds after the step before: do this with the fetch of that name (names of one step only: "")."""

    wait: float
    verb: Verb
    name: str
    path: str = ""


def _submits(wait: float, *paths: str) -> list[Step]:
    return [Step(wait, Verb.SUBMIT, "", path) for path in paths]


SCENARIO: tuple[Step, ...] = (
    # They finish, and are let go of.
    *_submits(0.15, "/fast?i=1", "/fast?i=2", "/json", "/html", "/unicode", "/gzip", "/binary", "/fast?i=3"),
    *_submits(0.2, "/redirect?n=3", "/status/404", "/status/503", "/chunked?n=30&every=0.2", "/slow?s=3"),
    *_submits(0.1, "/large?mb=40"),
    Step(0.3, Verb.SUBMIT, "drip", "/drip?n=120&every=0.1"),
    Step(0.3, Verb.SUBMIT, "stalled", "/stall"),
    Step(0.3, Verb.SUBMIT, "unwanted", "/drip?n=600&every=0.1&who=dropped"),
    *_submits(0.3, "/reset", "/truncate", "/slow?s=4", "/fast?i=4"),
    # One that stays on purpose.
    Step(0.5, Verb.SUBMIT, "pinned", "/slow?s=1.5&who=pinned"),
    Step(0.7, Verb.PIN, "pinned"),
    # One that stays by mistake: a while after its end the references pane tells who has it.
    Step(0.3, Verb.SUBMIT, "leaked", "/slow?s=1&who=leaked"),
    Step(0.5, Verb.LEAK, "leaked"),
    *_submits(0.4, "/fast?i=5", "/json", "/html", "/slow?s=2", "/chunked?n=20&every=0.2"),
    Step(0.4, Verb.CANCEL, "stalled"),
    *_submits(0.4, "/fast?i=6", "/slow?s=3", "/drip?n=30&every=0.1", "/large?mb=20"),
    # Nobody wants it any more: its request ends without being cancelled by anybody.
    Step(0.4, Verb.DROP, "unwanted"),
    *_submits(0.5, "/fast?i=7", "/redirect?n=2", "/slow?s=1", "/gzip", "/fast?i=8", "/slow?s=2", "/fast?i=9"),
)  # fmt: skip


async def play(verbs: DemoVerbs, base_url: str, holder: ForgottenCache, steps: Sequence[Step] = SCENARIO) -> None:
    """Do the steps at their times. It knows the fetches by id only; whoever calls it keeps `holder`."""
    ids: dict[str, int] = {}
    for step in steps:
        await anyio.sleep(step.wait)
        match step.verb:
            case Verb.SUBMIT:
                ids[step.name] = verbs.submit(base_url + step.path)
            case Verb.CANCEL:
                verbs.cancel(ids[step.name])
            case Verb.DROP:
                verbs.drop(ids[step.name])
            case Verb.PIN:
                verbs.pin(ids[step.name])
            case Verb.LEAK:
                verbs.leak(ids[step.name], holder)


# What each URL of the headless demo comes to: a status, or the kind of its failure. A text without a leading slash is
# fetched as it stands.
HEADLESS: tuple[tuple[str, int | ErrorKind], ...] = (
    ("/slow?s=1", 200),
    ("/fast?i=1", 200),
    ("/fast?i=1", 200),
    ("/json", 200),
    ("/html", 200),
    ("/unicode", 200),
    ("/binary", 200),
    ("/gzip", 200),
    ("/chunked?n=5&every=0.1", 200),
    ("/drip?n=8&every=0.1", 200),
    ("/large?mb=5", 200),
    ("/redirect?n=3", 200),
    ("/loop", ErrorKind.TOO_MANY_REDIRECTS),
    ("/status/404", 404),
    ("/status/503", 503),
    ("/reset", ErrorKind.RESET),
    ("/truncate", ErrorKind.INCOMPLETE),
    ("/stall", ErrorKind.TIMEOUT_READ),
    ("/hang", ErrorKind.TIMEOUT_READ),
    ("http://not a url/", ErrorKind.INVALID_URL),
    ("gopher://127.0.0.1/", ErrorKind.UNSUPPORTED_SCHEME),
)
HEADLESS_TIMEOUTS = Timeouts(connect=5, read=2, write=5, pool=10, total=20)


def headless_urls(base_url: str) -> list[str]:
    """The URLs of the headless demo. Some fail by design, so that the exit code is 1."""
    return [base_url + path if path.startswith("/") else path for path, _ in HEADLESS]
