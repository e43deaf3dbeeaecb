"""What a host refused is not finished: `--resume` makes those requests later, and no other ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from fetch_engine.store.reader import Reader
from tests.headless.program import run
from tests.wire.servers import Connection, RawServer
from tui.run.resume import store_path

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a store of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return store_path()


class Host:
    """Answers 429 with an hour to wait as long as it is `busy`; notes method and path of what comes."""

    def __init__(self) -> None:
        self.busy = True
        self.seen: list[str] = []

    def __call__(self, connection: Connection) -> None:
        while request := connection.request():
            self.seen.append(b" ".join(request.split()[:2]).decode())
            if self.busy:
                connection.answer(b"busy", status="429 Too Many Requests", headers="Retry-After: 3600\r\n")
            else:
                connection.answer(b"hello")


def left(store: Path) -> tuple[int, int, int, bool]:
    """Done, failed and left requests of the run, and whether it is complete."""
    with Reader(store) as reader:
        facts = reader.run(1)
    assert facts is not None
    return facts.done, facts.failed, facts.left, facts.complete


@pytest.mark.parametrize("how", ["given", "list", "glob"])
def test_they_are_made_when_the_run_goes_on(how: str, store: Path, tmp_path: Path) -> None:
    host = Host()
    with RawServer(host) as server:
        urls = [server.url(f"/{number}") for number in range(1, 6)]
        if how == "list":
            (tmp_path / "urls").write_text("\n".join(urls))
            urls = ["-i", str(tmp_path / "urls")]
        elif how == "glob":
            urls = [server.url("/[1-5]")]
        ended = run("--headless", "--per-host", "1", *urls)
        statuses = [line["status"] or line["error"]["kind"] for line in ended.lines]
        assert sorted(map(str, statuses)) == ["429", *["host-busy"] * 4]
        assert host.seen == ["GET /1"]
        assert left(store) == (1, 0, 4, False)

        # It is still busy: one more learns that, and the others are left as they were.
        ended = run("--headless", "--per-host", "1", "--resume")
        assert len(ended.lines) == 4
        assert left(store) == (2, 0, 3, False)
        assert len(host.seen) == 2

        host.busy = False
        ended = run("--headless", "--resume")
        assert [line["status"] for line in ended.lines] == [200] * 3
        assert sorted(host.seen) == [f"GET /{number}" for number in range(1, 6)]
        assert left(store) == (5, 0, 0, True)


def test_a_post_that_was_not_sent_is_sent_and_only_once(store: Path) -> None:
    host = Host()
    with RawServer(host) as server:
        urls = [server.url(f"/{number}") for number in range(1, 4)]
        run("--headless", "--per-host", "1", "-d", "a=1", *urls)
        assert host.seen == ["POST /1"]
        host.busy = False
        for lines in (2, 0):
            assert len(run("--headless", "--resume", "1").lines) == lines
        assert sorted(host.seen) == ["POST /1", "POST /2", "POST /3"]
        assert left(store) == (3, 0, 0, True)
