"""Bodies saved to files: whole or not at all, under names of our making, gone on with where the server can prove it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from fetch_engine import FetchEngine, FetchRequest, FetchResult, Limits, RetryPolicy
from fetch_engine.model.checksum import Checksum
from fetch_engine.model.results import ErrorKind, FetchError
from fetch_engine.model.save_to import SaveTo

from .servers import Connection, RawServer

pytestmark = pytest.mark.anyio

BODY = bytes(range(256)) * 4096  # 1 MiB
TAG = '"v1"'


class Files:
    """Serves BODY, whole or from a byte on; `cut` bytes of the first answer are sent and the rest held back."""

    def __init__(self) -> None:
        self.body = BODY
        self.tag: str | None = TAG
        self.cut: int | None = None
        self.headers = ""
        self.status = "200 OK"
        self.requests: list[dict[str, str]] = []

    def handle(self, connection: Connection) -> None:
        while request := connection.request():
            lines = request.decode().split("\r\n")[1:]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
            self.requests.append(headers)
            extra = self.headers + (f"ETag: {self.tag}\r\n" if self.tag else "")
            start = 0
            status = self.status
            if "range" in headers and headers.get("if-range") == self.tag:
                start = int(headers["range"].removeprefix("bytes=").removesuffix("-"))
                if start >= len(self.body):
                    connection.answer(
                        b"", status="416 Range Not Satisfiable", headers=f"Content-Range: bytes */{len(self.body)}\r\n"
                    )
                    continue
                status = "206 Partial Content"
                extra += f"Content-Range: bytes {start}-{len(self.body) - 1}/{len(self.body)}\r\n"
            body = self.body[start:]
            if self.cut is not None:
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode()
                connection.send(head + body[: self.cut])
                self.cut = None
                return
            connection.answer(body, status=status, headers=extra)


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def url(files: Files) -> Iterator[Callable[[str], str]]:
    with RawServer(files.handle) as server:
        yield server.url


async def save(engine: FetchEngine, url: str, save: SaveTo, **more: object) -> FetchResult | FetchError:
    task = engine.submit(FetchRequest(url, save=save, **more))  # type: ignore[arg-type]
    await engine.join()
    assert task.outcome is not None
    return task.outcome


async def test_a_body_is_saved_under_the_name_of_its_url(url: Callable[[str], str], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    async with FetchEngine(limits=Limits(preview_size=100)) as engine:
        result = await save(engine, url("/a/report.bin?x=1"), SaveTo(str(folder)))
    assert isinstance(result, FetchResult)
    assert result.body_path == str(folder / "report.bin")
    assert (folder / "report.bin").read_bytes() == BODY
    assert result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert result.preview == BODY[:100]
    assert os.listdir(folder) == ["report.bin"]


async def test_files_that_are_there_stay_and_new_ones_are_numbered(url: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("mine")
    async with FetchEngine() as engine:
        tasks = [engine.submit(FetchRequest(url("/a.bin"), save=SaveTo(str(tmp_path)))) for _ in range(8)]
        await engine.join()
    assert (tmp_path / "a.bin").read_text() == "mine"
    places = {task.outcome.body_path for task in tasks if isinstance(task.outcome, FetchResult)}
    assert places == {str(tmp_path / f"a-{number}.bin") for number in range(1, 9)}
    assert all((tmp_path / f"a-{number}.bin").read_bytes() == BODY for number in range(1, 9))


async def test_a_file_is_replaced_at_once_where_that_is_asked_for(url: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(0o600)
    async with FetchEngine() as engine:
        result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path), name="x", overwrite=True, sync=True))
    assert isinstance(result, FetchResult)
    assert (tmp_path / "x").read_bytes() == BODY
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600  # what was private stays so
    assert os.listdir(tmp_path) == ["x"]


async def test_the_response_may_name_its_file_but_not_its_folder(
    url: Callable[[str], str], files: Files, tmp_path: Path
) -> None:
    files.headers = 'Content-Disposition: attachment; filename="../../\x9b31mevil.sh"\r\n'
    async with FetchEngine() as engine:
        result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path / "in"), by_header=True))
    assert isinstance(result, FetchResult)
    assert result.body_path == str(tmp_path / "in" / "31mevil.sh")
    assert os.listdir(tmp_path) == ["in"]


async def test_a_link_at_the_place_of_a_file_is_not_followed(url: Callable[[str], str], tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bin").symlink_to(target)
    async with FetchEngine() as engine:
        await save(engine, url("/a.bin"), SaveTo(str(tmp_path / "in")))
        await save(engine, url("/a.bin"), SaveTo(str(tmp_path / "in"), overwrite=True))
    assert target.read_text() == "precious"
    assert (tmp_path / "in" / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "304 Not Modified"])
async def test_only_what_was_asked_for_is_saved(
    url: Callable[[str], str], files: Files, tmp_path: Path, status: str
) -> None:
    files.status = status
    async with FetchEngine() as engine:
        result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path)))
    assert isinstance(result, FetchResult)
    assert result.body_path is None
    assert os.listdir(tmp_path) == []


async def test_an_empty_body_is_an_empty_file(url: Callable[[str], str], files: Files, tmp_path: Path) -> None:
    files.body = b""
    async with FetchEngine() as engine:
        await save(engine, url("/empty"), SaveTo(str(tmp_path)))
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize("how", ["cut", "cancel", "drop", "too large", "checksum"])
async def test_of_a_body_that_is_not_whole_nothing_stays(
    url: Callable[[str], str], files: Files, tmp_path: Path, how: str
) -> None:
    wrong = Checksum("sha256", "0" * 64) if how == "checksum" else None
    limits = Limits(max_body=500_000 if how == "too large" else 10**9)
    files.cut = 600_000 if how in ("cut", "cancel", "drop") else None
    if how == "cut":
        files.tag = None
    async with FetchEngine(limits=limits) as engine:
        tasks = [engine.submit(FetchRequest(url("/a.bin"), save=SaveTo(str(tmp_path)), checksum=wrong))]
        if how == "cancel":
            tasks[0].cancel()
        elif how == "drop":
            tasks.clear()
        await engine.join()
        kinds = [task.outcome.kind for task in tasks if isinstance(task.outcome, FetchError)]
    assert (
        kinds
        == {
            "cut": [ErrorKind.INCOMPLETE],
            "cancel": [ErrorKind.CANCELLED],
            "drop": [],
            "too large": [ErrorKind.TOO_LARGE],
            "checksum": [ErrorKind.DECODE],
        }[how]
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "md5"])
async def test_a_right_checksum_is_right(url: Callable[[str], str], tmp_path: Path, algorithm: str) -> None:
    checksum = Checksum.parse(f"{algorithm.upper()}:{hashlib.new(algorithm, BODY).hexdigest().upper()}")
    async with FetchEngine() as engine:
        result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path)), checksum=checksum)
    assert isinstance(result, FetchResult)


async def test_a_folder_that_cannot_be_written_is_told(url: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    async with FetchEngine() as engine:
        error = await save(engine, url("/a.bin"), SaveTo(str(tmp_path / "file")))
    assert isinstance(error, FetchError)
    assert error.kind is ErrorKind.STORAGE
    assert error.message == f"cannot save a.bin: {os.strerror(errno.EEXIST)}"


async def test_a_full_disk_is_told_and_leaves_nothing(url: Callable[[str], str], tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limit[1]))
    try:
        async with FetchEngine(retry=RetryPolicy(retries=3)) as engine:
            error = await save(engine, url("/a.bin"), SaveTo(str(tmp_path)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert isinstance(error, FetchError)
    assert (error.kind, error.attempts) == (ErrorKind.STORAGE, 1)
    assert error.message == f"cannot save a.bin: {os.strerror(errno.EFBIG)}"
    assert os.listdir(tmp_path) == []


class TestResuming:
    async def interrupted(self, url: str, folder: Path) -> None:
        async with FetchEngine() as engine:
            error = await save(engine, url, SaveTo(str(folder), resume=True))
        assert isinstance(error, FetchError)
        assert error.kind is ErrorKind.INCOMPLETE

    @pytest.mark.parametrize("cut", [1, 5_000, 600_000])
    async def test_what_is_missing_is_asked_for_and_nothing_more(
        self, url: Callable[[str], str], files: Files, tmp_path: Path, cut: int
    ) -> None:
        files.cut = cut
        await self.interrupted(url("/a.bin"), tmp_path)
        assert (tmp_path / ".a.bin.part").stat().st_size == cut
        async with FetchEngine(limits=Limits(preview_size=1000)) as engine:
            result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path), resume=True))
        assert isinstance(result, FetchResult)
        assert (result.status, result.body_size) == (206, len(BODY))
        assert result.sha256 == hashlib.sha256(BODY).hexdigest()
        assert result.preview == BODY[:1000]
        assert result.bytes_received < len(BODY) - cut + 1000
        assert files.requests[-1]["range"] == f"bytes={cut}-"
        assert files.requests[-1]["if-range"] == TAG
        assert files.requests[-1]["accept-encoding"] == "identity"
        assert (tmp_path / "a.bin").read_bytes() == BODY
        assert os.listdir(tmp_path) == ["a.bin"]

    async def test_a_retry_in_the_same_run_goes_on(
        self, url: Callable[[str], str], files: Files, tmp_path: Path
    ) -> None:
        files.cut = 600_000
        async with FetchEngine(retry=RetryPolicy(retries=1, delay=0)) as engine:
            result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path), resume=True))
        assert isinstance(result, FetchResult)
        assert (result.status, result.attempts) == (206, 2)
        assert (tmp_path / "a.bin").read_bytes() == BODY

    async def test_another_body_is_fetched_from_its_beginning(
        self, url: Callable[[str], str], files: Files, tmp_path: Path
    ) -> None:
        files.cut = 600_000
        await self.interrupted(url("/a.bin"), tmp_path)
        files.body, files.tag = b"quite another", '"v2"'
        async with FetchEngine() as engine:
            result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path), resume=True))
        assert isinstance(result, FetchResult)
        assert result.status == 200
        assert (tmp_path / "a.bin").read_bytes() == b"quite another"
        assert os.listdir(tmp_path) == ["a.bin"]

    async def test_a_shorter_body_with_the_same_tag_is_fetched_from_its_beginning(
        self, url: Callable[[str], str], files: Files, tmp_path: Path
    ) -> None:
        files.cut = 600_000
        await self.interrupted(url("/a.bin"), tmp_path)
        files.body = BODY[:1000]
        async with FetchEngine() as engine:
            result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path), resume=True))
        assert isinstance(result, FetchResult)
        assert (tmp_path / "a.bin").read_bytes() == BODY[:1000]
        assert result.sha256 == hashlib.sha256(BODY[:1000]).hexdigest()

    @pytest.mark.parametrize("tag", [None, 'W/"weak"'])
    async def test_without_a_proof_nothing_is_kept(
        self, url: Callable[[str], str], files: Files, tmp_path: Path, tag: str | None
    ) -> None:
        files.cut, files.tag = 600_000, tag
        await self.interrupted(url("/a.bin"), tmp_path)
        assert os.listdir(tmp_path) == []

    async def test_what_belongs_to_another_url_is_not_gone_on_with(
        self, url: Callable[[str], str], files: Files, tmp_path: Path
    ) -> None:
        files.cut = 600_000
        await self.interrupted(url("/one/a.bin"), tmp_path)
        async with FetchEngine() as engine:
            result = await save(engine, url("/two/a.bin"), SaveTo(str(tmp_path), resume=True))
        assert isinstance(result, FetchResult)
        assert "range" not in files.requests[-1]
        assert (tmp_path / "a.bin").read_bytes() == BODY

    async def test_broken_notes_mean_a_fresh_start(
        self, url: Callable[[str], str], files: Files, tmp_path: Path
    ) -> None:
        files.cut = 600_000
        await self.interrupted(url("/a.bin"), tmp_path)
        facts = json.loads((tmp_path / ".a.bin.part.json").read_text())
        assert facts["value"] == TAG
        (tmp_path / ".a.bin.part.json").write_text("{")
        async with FetchEngine() as engine:
            result = await save(engine, url("/a.bin"), SaveTo(str(tmp_path), resume=True))
        assert isinstance(result, FetchResult)
        assert result.status == 200
        assert (tmp_path / "a.bin").read_bytes() == BODY

    async def test_two_at_once_do_not_write_into_one_file(self, url: Callable[[str], str], tmp_path: Path) -> None:
        async with FetchEngine() as engine:
            tasks = [
                engine.submit(FetchRequest(url("/a.bin"), save=SaveTo(str(tmp_path), resume=True))) for _ in range(6)
            ]
            with anyio.fail_after(30):
                await engine.join()
        assert {task.state for task in tasks} == {"done"}
        names = ["a.bin", *(f"a-{number}.bin" for number in range(1, 6))]
        assert sorted(os.listdir(tmp_path)) == sorted(names)
        assert {task.outcome.body_path for task in tasks if isinstance(task.outcome, FetchResult)} == {
            str(tmp_path / name) for name in names
        }
        assert all((tmp_path / name).read_bytes() == BODY for name in names)


@pytest.mark.parametrize("text", ["", "sha256", "sha256:", "sha256:12", "crc32:00000000", "sha256:" + "g" * 64])
async def test_checksums_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"checksum|hex digits"):
        Checksum.parse(text)
