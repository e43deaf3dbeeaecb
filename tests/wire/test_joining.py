"""A body in several runs: whatever the server does between and within them, what is called complete is one version."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fetch_engine import FetchEngine, FetchRequest, FetchResult, RetryPolicy
from fetch_engine.model.checksum import Checksum
from fetch_engine.model.results import FetchError
from fetch_engine.model.save_to import SaveTo
from fetch_engine.model.transport_options import TransportOptions

from .servers import Connection, RawServer

CLIENTS = ("httpx", "fast")
REFUSALS = {
    "400": "Bad Request",
    "401": "Unauthorized",
    "403": "Forbidden",
    "404": "Not Found",
    "410": "Gone",
    "412": "Precondition Failed",
    "501": "Not Implemented",
}
DATE = 1_790_000_000.0
pytestmark = pytest.mark.once


@dataclass(frozen=True)
class Step:
    """What the server does in one run, and what is asked of the program."""

    changes: bool = False
    size: int = 3000
    tag: str = "strong"  # strong, weak, none
    modified: str = "none"  # old: a strong validator; fresh: none; none
    if_range: bool = True  # heeded
    answer: str = "range"  # to a range: range, 200, 416, other start, other end, other total, unknown total, multipart,
    #                        or a status of REFUSALS
    whole: bool = True  # 403 to a request without a range, if not
    says_validator: bool = True  # in a 206
    old_validator: bool = False  # a 206 of the new version with the tag of the old one, whose length was told
    chunked: bool = False
    coding: bool = False  # Content-Encoding on a 206 that is not so
    cut: int | None = None  # bytes of the first body that are sent
    goes_on: bool = True
    checked: bool = False
    retries: int = 0


@dataclass
class Changing:
    """A server with a file that changes. Each version has bytes of its own, so that a mixture is seen."""

    step: Step = field(default_factory=Step)
    versions: list[bytes] = field(default_factory=list)
    cut: int | None = None
    untold: set[int] = field(default_factory=set)  # versions of which some answer did not tell the length
    asked: list[str | None] = field(default_factory=list)  # ranges of the requests of one step
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, step: Step) -> None:
        if step.changes or not self.versions:
            self.versions.append(bytes([65 + len(self.versions)]) * step.size)
        self.step, self.cut = step, step.cut
        self.asked.clear()

    def differs(self, number: int) -> bool:
        """Whether its length tells a version from the one before; of one length nothing could."""
        return len(self.versions[number]) != len(self.versions[number - 1])

    def validators(self, number: int) -> str:
        step = self.step
        made = f"Date: {formatdate(DATE, usegmt=True)}\r\n"
        if step.tag != "none":
            made += f'ETag: {"W/" if step.tag == "weak" else ""}"v{number}"\r\n'
        if step.modified != "none":
            at = DATE - 100_000 + 1000 * number if step.modified == "old" else DATE - 1
            made += f"Last-Modified: {formatdate(at, usegmt=True)}\r\n"
        return made

    def handle(self, connection: Connection) -> None:
        while request := connection.request():
            lines = request.decode().split("\r\n")[1:]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
            with self.lock:
                done = self.answer(connection, headers)
            if done:
                return

    def answer(self, connection: Connection, headers: dict[str, str]) -> bool:
        step, number = self.step, len(self.versions) - 1
        body, validators = self.versions[number], self.validators(number)
        asked = headers.get("range")
        status, more = "200 OK", ""
        self.asked.append(asked)
        refusal = "403" if asked is None and not step.whole else step.answer if asked is not None else ""
        if refusal in REFUSALS:
            connection.answer(b"not so", f"{refusal} {REFUSALS[refusal]}")
            return False
        holds = headers.get("if-range", "?") in validators and step.tag != "weak"
        if asked is not None and (holds or not step.if_range):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            total = len(body)
            if step.answer == "416" or start >= total:
                connection.answer(b"", "416 Range Not Satisfiable", f"Content-Range: bytes */{total}\r\n")
                return False
            if step.answer != "200":
                status = "206 Partial Content"
                first, last, told = start, total - 1, str(total)
                match step.answer:
                    case "other start":
                        first = start // 2
                    case "other end":
                        last = max(first, total - 10)
                    case "other total":
                        told = str(total + 7)
                    case "unknown total":
                        told = "*"
                more = f"Content-Range: bytes {first}-{last}/{told}\r\n"
                if step.answer == "multipart":
                    more = "Content-Type: multipart/byteranges; boundary=x\r\n"
                if step.coding:
                    more += "Content-Encoding: br\r\n"
                body = body[first : last + 1]
                if not step.says_validator:
                    validators = ""
                elif step.old_validator and number and number - 1 not in self.untold and self.differs(number):
                    validators = self.validators(number - 1)
        if step.chunked:
            self.untold.add(number)
        cut, self.cut = self.cut, None
        sent = body if cut is None else body[:cut]
        if step.chunked:
            head = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n{validators}{more}\r\n".encode()
            end = b"0\r\n\r\n" if cut is None else b""
            connection.send(head + (b"%x\r\n%s\r\n" % (len(sent), sent) if sent else b"") + end)
        else:
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{validators}{more}\r\n".encode()
            connection.send(head + sent)
        return cut is not None


@pytest.fixture(scope="module")
def changing() -> Iterator[tuple[Changing, str]]:
    server = Changing()
    with RawServer(server.handle) as raw:
        yield server, raw.url("/file.bin")


async def fetched(client: str, url: str, folder: str, step: Step, wanted: str | None) -> FetchResult | FetchError:
    checksum = None if wanted is None else Checksum("sha256", wanted)
    async with FetchEngine(
        transport=TransportOptions(client=client),  # type: ignore[arg-type]
        retry=RetryPolicy(retries=step.retries, delay=0),
    ) as engine:
        task = engine.submit(
            FetchRequest(url, save=SaveTo(folder, resume=step.goes_on, overwrite=True), checksum=checksum)
        )
        with anyio.fail_after(60):
            await engine.join()
        assert task.outcome is not None
        return task.outcome


def play(
    client: str, server: Changing, url: str, folder: str, steps: list[Step], *, fresh: bool = True
) -> list[FetchResult | FetchError]:
    """Each step in a run of its own; checks what must hold after each. fresh: the server forgets its files."""
    outcomes = []
    if fresh:
        server.versions.clear()
        server.untold.clear()
    path = Path(folder, "file.bin")
    for step in steps:
        server.begin(step)
        wanted = hashlib.sha256(server.versions[-1]).hexdigest() if step.checked else None
        outcome = anyio.run(partial(fetched, client, url, folder, step, wanted))
        outcomes.append(outcome)
        if isinstance(outcome, FetchResult) and 200 <= outcome.status < 300:
            body = path.read_bytes()
            assert body == server.versions[-1]
            assert outcome.body_path == str(path)
            assert (outcome.body_size, outcome.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert not path.exists() or path.read_bytes() in server.versions
        assert {name for name in os.listdir(folder) if not name.startswith(".file.bin.part")} <= {"file.bin"}
    return outcomes


_sizes = st.sampled_from([1, 2999, 3000, 3001, 50_000, 700_000])
_steps = st.builds(
    Step,
    changes=st.booleans(),
    size=_sizes,
    tag=st.sampled_from(["strong", "strong", "weak", "none"]),
    modified=st.sampled_from(["none", "old", "fresh"]),
    if_range=st.booleans(),
    answer=st.sampled_from(
        [
            "range",
            "range",
            "range",
            "200",
            "416",
            "other start",
            "other end",
            "other total",
            "unknown total",
            "multipart",
            "403",
            "404",
        ]
    ),
    whole=st.sampled_from([True, True, True, False]),
    says_validator=st.sampled_from([True, True, False]),
    old_validator=st.booleans(),
    chunked=st.booleans(),
    coding=st.sampled_from([False, False, False, True]),
    cut=st.none() | st.sampled_from([0, 1, 1500, 2999, 40_000, 600_000]),
    goes_on=st.sampled_from([True, True, True, False]),
    checked=st.booleans(),
    retries=st.sampled_from([0, 0, 1]),
)


@pytest.mark.parametrize("client", CLIENTS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_steps, min_size=2, max_size=5))
def test_what_is_complete_is_one_version(client: str, changing: tuple[Changing, str], steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play(client, *changing, folder, steps)


FIRST = Step(size=3000, cut=2000)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("second", "status"),
    [
        (Step(), 206),
        (Step(chunked=True), 206),
        (Step(checked=True), 206),
        (Step(answer="unknown total"), 206),  # the first response told it
        (Step(changes=True), 200),
        (Step(changes=True, if_range=False), 200),  # a 206 with the tag of another version
        (Step(changes=True, if_range=False, size=5000, old_validator=True), 200),
        (Step(changes=True, if_range=False, says_validator=False), 200),
        (Step(says_validator=False), 200),
        (Step(answer="other start"), 200),
        (Step(answer="other end"), 200),
        (Step(answer="other total"), 200),
        (Step(answer="multipart"), 200),
        (Step(coding=True), 200),
        (Step(answer="416"), 200),
        (Step(answer="400"), 200),
        (Step(answer="403"), 200),
        (Step(answer="412"), 200),
        (Step(answer="501"), 200),
        (Step(changes=True, if_range=False, size=1000), 200),
        (Step(tag="weak", if_range=False), 200),
        (Step(tag="none", modified="old", if_range=False), 200),
    ],
    ids=str,
)
def test_what_is_joined_and_what_is_not(
    client: str, changing: tuple[Changing, str], tmp_path: Path, second: Step, status: int
) -> None:
    _, outcome = play(client, *changing, str(tmp_path), [FIRST, second])
    assert isinstance(outcome, FetchResult)
    assert (outcome.status, outcome.attempts) == (status, 1)
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("answer", "status", "requests"),
    [("401", 401, 1), ("404", 404, 1), ("410", 410, 1), ("403", 403, 2), ("416", 403, 2), ("other start", 403, 2)],
)
def test_what_there_is_stays_where_neither_the_rest_nor_the_whole_is_given(
    client: str, changing: tuple[Changing, str], tmp_path: Path, answer: str, status: int, requests: int
) -> None:
    server = changing[0]
    refused = Step(answer=answer, whole=False)
    asked: list[list[str | None]] = []
    for steps in ([FIRST, refused], [refused], [Step()]):  # each a run; the last one gets the rest
        outcomes = play(client, *changing, str(tmp_path), steps, fresh=steps[0] is FIRST)
        asked.append(list(server.asked))
        last = outcomes[-1]
        assert isinstance(last, FetchResult)
        if steps[-1] is refused:
            assert last.status == status
            assert last.body_path is None
            assert "2000 bytes that came before are kept, to go on with" in last.warnings
            assert ("refused the rest of the body" in " ".join(last.warnings)) is (answer in ("403", "416"))
    assert asked == [["bytes=2000-", None][:requests]] * 2 + [["bytes=2000-"]]
    assert last.status == 206
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_date_is_a_validator_where_it_is_old_enough(
    client: str, changing: tuple[Changing, str], tmp_path: Path
) -> None:
    dated = Step(tag="none", modified="old")
    first = Step(tag="none", modified="old", cut=2000)
    _, outcome = play(client, *changing, str(tmp_path / "a"), [first, dated])
    assert isinstance(outcome, FetchResult)
    assert outcome.status == 206
    newer = Step(tag="none", modified="old", changes=True, if_range=False)
    _, outcome = play(client, *changing, str(tmp_path / "b"), [first, newer])
    assert isinstance(outcome, FetchResult)
    assert outcome.status == 200


@pytest.mark.parametrize("client", CLIENTS)
def test_a_joined_body_with_another_checksum_is_fetched_once_more(
    client: str, changing: tuple[Changing, str], tmp_path: Path
) -> None:
    server, url = changing
    server.versions.clear()
    server.begin(FIRST)
    anyio.run(partial(fetched, client, url, str(tmp_path), FIRST, None))
    (part,) = (path for path in tmp_path.iterdir() if path.suffix == ".part")
    part.write_bytes(b"x" * part.stat().st_size)  # a disk that lies
    server.begin(Step())
    wanted = hashlib.sha256(server.versions[-1]).hexdigest()
    outcome = anyio.run(partial(fetched, client, url, str(tmp_path), Step(), wanted))
    assert isinstance(outcome, FetchResult)
    assert (outcome.status, outcome.sha256) == (200, wanted)
    assert (tmp_path / "file.bin").read_bytes() == server.versions[-1]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_part_that_nobody_asked_for_is_not_the_body(client: str, tmp_path: Path) -> None:
    def handle(connection: Connection) -> None:
        while connection.request():
            connection.answer(b"half", "206 Partial Content", "Content-Range: bytes 0-3/8\r\n")

    with RawServer(handle) as server:
        outcome = anyio.run(partial(fetched, client, server.url("/file.bin"), str(tmp_path), Step(), None))
    assert isinstance(outcome, FetchError)
    assert outcome.kind == "incomplete"
    assert os.listdir(tmp_path) == []
