"""Bodies to a sink: under names of their own, whole or not at all, and what cannot be written fails once."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import resource
import signal
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fetch_engine import FetchEngine, FetchRequest, Limits
from fetch_engine.bodies.shared_folder import SharedFolder
from fetch_engine.model.results import ErrorKind, FetchError
from fetch_engine.model.save_to import SaveTo
from tests.lifetimes.waiting import until

from .servers import Connection, RawServer

pytestmark = [pytest.mark.anyio, pytest.mark.once]

fsspec: Any = pytest.importorskip("fsspec")

BODY = bytes(range(256)) * 4096  # 1 MiB


class Server:
    def __init__(self) -> None:
        self.hold = False
        self.cut = False

    def handle(self, connection: Connection) -> None:
        while request := connection.request():
            path = request.split()[1].decode()
            if self.hold or self.cut:
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
                connection.send(head + BODY[: len(BODY) * 3 // 4])
                if self.hold:
                    connection.gone()
                return
            if path == "/long":
                connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {64 * len(BODY)}\r\n\r\n".encode())
                for _ in range(64):
                    connection.send(BODY)
                continue
            connection.answer(BODY, status="404 Not Found" if path == "/none" else "200 OK")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    with RawServer(server.handle) as running:
        yield running.url("")


@pytest.fixture(params=["", "file://"], ids=["folder", "url"])
def place(request: Any, tmp_path: Path) -> str:
    return f"{request.param}{tmp_path}/in/sink"


def contents(pointer: str) -> bytes:
    return Path(pointer.removeprefix("file://")).read_bytes()


async def outcomes(place: str, *requests: str | FetchRequest) -> list[Any]:
    async with FetchEngine(sink=SharedFolder(place), limits=Limits(preview_size=100)) as engine:
        tasks = [engine.submit(one) for one in requests]
        await engine.join()
        return [task.outcome for task in tasks]


async def test_each_body_has_a_name_of_its_own(url: str, place: str, tmp_path: Path) -> None:
    results = await outcomes(place, *[f"{url}/a/report.tar.gz"] * 8, f"{url}/none")
    missing = results.pop()
    assert (missing.status, missing.body_path) == (404, None)
    found = {result.body_path for result in results}
    assert len(found) == 8
    for result in results:
        assert result.body_path.startswith(f"{place}/report-")
        body = contents(result.body_path)
        assert body == BODY
        assert (result.body_size, result.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert result.preview == BODY[:100]
    assert sorted(os.listdir(tmp_path / "in/sink")) == sorted(os.path.basename(path) for path in found)


async def test_a_request_that_says_where_goes_there(url: str, place: str, tmp_path: Path) -> None:
    (result,) = await outcomes(place, FetchRequest(f"{url}/a", save=SaveTo(str(tmp_path / "own"))))
    assert result.body_path == str(tmp_path / "own" / "a")


async def test_of_a_body_that_breaks_off_nothing_stays(url: str, server: Server, place: str, tmp_path: Path) -> None:
    server.cut = True
    (outcome,) = await outcomes(place, f"{url}/a")
    assert outcome.kind is ErrorKind.INCOMPLETE
    assert os.listdir(tmp_path / "in/sink") == []


async def test_cancelled_in_the_midst_nothing_stays(url: str, server: Server, place: str, tmp_path: Path) -> None:
    server.hold = True
    async with FetchEngine(sink=SharedFolder(place)) as engine:
        task = engine.submit(f"{url}/a")
        await until(lambda: bool(list(tmp_path.glob("in/sink/.*"))), 10.0)
        task.cancel()
        await engine.join()
    assert isinstance(task.outcome, FetchError)
    assert task.outcome.kind is ErrorKind.CANCELLED
    assert os.listdir(tmp_path / "in/sink") == []


async def test_what_cannot_be_written_fails(url: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("no folder")
    for outcome in await outcomes(place, f"{url}/a", f"{url}/b"):
        assert outcome.kind is ErrorKind.STORAGE
        assert "cannot save" in outcome.message


async def test_a_long_body_is_never_in_memory(url: str, place: str, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        (result,) = await outcomes(place, f"{url}/long")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.body_size == 64 * len(BODY)
    assert peak < 32 * len(BODY), peak


async def test_a_full_disk_is_told_and_leaves_nothing(url: str, place: str, tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limit[1]))
    try:
        (outcome,) = await outcomes(place, f"{url}/a.bin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert (outcome.kind, outcome.attempts) == (ErrorKind.STORAGE, 1)
    assert os.strerror(errno.EFBIG) in outcome.message
    assert os.listdir(tmp_path / "in/sink") == []


class ObjectStore(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Shows an object when its file is closed, as S3 does, and by no other way."""

    protocol = "objects"
    objects: ClassVar[dict[str, bytes]] = {}

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **_: Any) -> Any:
        return ObjectFile(self, path, mode, block_size)


class ObjectFile(fsspec.spec.AbstractBufferedFile):  # type: ignore[misc]
    def _initiate_upload(self) -> None:
        self.parts: list[bytes] = []

    def _upload_chunk(self, final: bool = False) -> bool:
        self.parts.append(self.buffer.getvalue())
        if final:
            ObjectStore.objects[self.path] = b"".join(self.parts)
        return True

    def discard(self) -> None:
        self.parts = []


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    fsspec.register_implementation("objects", ObjectStore, clobber=True)
    monkeypatch.setattr("fetch_engine.bodies.uploads._OBJECT_STORES", frozenset({"objects"}))
    ObjectStore.objects.clear()
    return ObjectStore.objects


async def test_an_object_store_has_whole_objects_only(url: str, server: Server, objects: dict[str, bytes]) -> None:
    (result,) = await outcomes("objects://me:secret@bucket/run", f"{url}/a.bin")
    assert result.body_path.startswith("objects://bucket/run/a-")
    assert list(objects.values()) == [BODY]
    objects.clear()
    server.cut = True
    (outcome,) = await outcomes("objects://bucket/run", f"{url}/a.bin")
    assert outcome.kind is ErrorKind.INCOMPLETE
    gc.collect()  # a file that is not closed closes itself
    assert not objects
