"""-o, --output-dir, --report and -c from the command line, at whatever is there; names from globs; no limit of time."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fetch_engine.model.limits import GIB
from tests.headless.program import check_stderr, run, start
from tests.unit.test_output_files import is_null, null_device, read_from
from tests.wire.servers import Connection, RawServer
from tui.options.table import parse
from tui.run.engine_options import engine_settings, given_urls, request_for

pytestmark = pytest.mark.once

PACKED = gzip.compress(b"a tar" * 10_000)


class Places:
    """The body is the path; /missing is none, /gz is packed, /long never ends; `hold` keeps /hold back."""

    def __init__(self) -> None:
        self.hold = threading.Event()

    def handle(self, connection: Connection) -> None:
        while request := connection.request():
            path = request.split()[1]
            if path == b"/missing":
                connection.answer(b"none", status="404 Not Found")
            elif path.startswith(b"/gz"):
                connection.answer(PACKED, headers="Content-Encoding: gzip\r\n")
            elif path == b"/long":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n")
                for _ in range(3000):
                    connection.send(b"x" * 10_000)
                    if self.hold.wait(0.02):
                        return
            else:
                if path.startswith(b"/hold"):
                    self.hold.wait(60)
                connection.answer(path, headers="Set-Cookie: a=b; Max-Age=1000\r\n")


@pytest.fixture
def places() -> Iterator[Places]:
    made = Places()
    yield made
    made.hold.set()


@pytest.fixture
def server(places: Places) -> Iterator[str]:
    with RawServer(places.handle) as server:
        yield server.url("")
        places.hold.set()


def lines(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("more", [[], ["-C", "-"], ["--fsync"], ["--processes", "1"]], ids=str)
def test_a_device_stays_a_device(server: str, tmp_path: Path, more: list[str]) -> None:
    path = null_device(tmp_path)
    ended = run("--headless", "-o", str(path), *more, f"{server}/a")
    assert (ended.code, lines(ended.out)[0]["saved_as"]) == (0, None)
    assert is_null(path)
    assert os.listdir(tmp_path) == ["null"]


def test_reports_and_cookies_go_through_a_device_too(server: str, tmp_path: Path) -> None:
    path = null_device(tmp_path)
    ended = run("--headless", "--report", f"ndjson:{path}", "--report", f"har:{path}", "-c", str(path), f"{server}/a")
    assert ended.code == 0
    assert is_null(path)
    assert os.listdir(tmp_path) == ["null"]


def test_fifos_are_written_through(server: str, tmp_path: Path) -> None:
    names = ["body", "report", "jar"]
    readers = []
    for name in names:
        os.mkfifo(tmp_path / name)
        readers.append(read_from(tmp_path / name))
    args = ["-o", "body", "--report", "ndjson:report", "-c", "jar"]
    ended = run("--headless", *args, f"{server}/a", cwd=tmp_path)
    assert ended.code == 0, ended.err
    for thread, _ in readers:
        thread.join(60)
    body, report, jar = (found[0] for _, found in readers)
    assert body == b"/a"
    assert lines(report) == lines(ended.out)
    assert jar.startswith(b"# Netscape")
    assert all(stat.S_ISFIFO((tmp_path / name).lstat().st_mode) for name in names)
    assert sorted(os.listdir(tmp_path)) == sorted(names)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_a_reader(server: str, tmp_path: Path, number: signal.Signals) -> None:
    os.mkfifo(tmp_path / "body")
    with start(
        "--headless", "-o", "body", f"{server}/a", f"--report=ndjson:{tmp_path / 'lines'}", cwd=tmp_path
    ) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "lines").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    check_stderr(err.decode())
    assert process.returncode == 128 + number
    assert stat.S_ISFIFO((tmp_path / "body").lstat().st_mode)


def test_links_stay_and_their_targets_are_replaced(server: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in "body", "report", "jar":
        (tmp_path / "there" / name).write_text("old")
        (tmp_path / name).symlink_to(f"there/{name}")
    args = ["-o", "body", "--report", "ndjson:report", "-c", "jar"]
    ended = run("--headless", *args, f"{server}/a", cwd=tmp_path)
    assert (ended.code, lines(ended.out)[0]["saved_as"]) == (0, "./body")
    assert all((tmp_path / name).is_symlink() for name in ("body", "report", "jar"))
    assert (tmp_path / "there" / "body").read_bytes() == b"/a"
    assert lines((tmp_path / "there" / "report").read_bytes()) == lines(ended.out)
    assert (tmp_path / "there" / "jar").read_text().startswith("# Netscape")
    assert sorted(os.listdir(tmp_path / "there")) == ["body", "jar", "report"]


def test_no_link_leads_out_of_the_folder_that_was_asked_for(server: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "d" / "out").symlink_to("../precious")
    (tmp_path / "d" / "a").symlink_to("../precious")
    ended = run("--headless", "--output-dir", str(tmp_path / "d"), "-o", "out", f"{server}/a")
    assert ended.code == 1
    assert "leads out of" in lines(ended.out)[0]["error"]["message"]
    ended = run("--headless", "--output-dir", str(tmp_path / "d"), f"{server}/a")
    assert lines(ended.out)[0]["saved_as"] == str(tmp_path / "d" / "a-1")
    ended = run("--headless", "--output-dir", str(tmp_path / "d"), "-C", "-", f"{server}/a")
    assert (ended.code, lines(ended.out)[0]["saved_as"]) == (0, str(tmp_path / "d" / "a"))
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_report_that_is_there_stays_until_the_new_one_is_whole(server: str, places: Places, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text("old")
    report.chmod(0o644)
    with start("--headless", f"--report=ndjson:{report}", f"{server}/a", f"{server}/hold") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert report.read_text() == "old"
        places.hold.set()
        out, err = process.communicate(timeout=60)
    check_stderr(err.decode())
    assert report.read_bytes() == first + out
    assert stat.S_IMODE(report.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["report"]


def test_a_usage_error_touches_no_report(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    args = [f"--report=ndjson:{tmp_path / 'old'}", f"--report=csv:{tmp_path / 'new'}"]
    ended = run("--headless", *args, "-i", str(tmp_path / "nothing"))
    assert ended.code == 2
    ended = run("--headless", *args, f"--report=har:{tmp_path / 'old'}", "http://127.0.0.1:1/")
    assert (ended.code, "named twice" in ended.err) == (2, True)
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_a_disk_that_is_full_leaves_the_old_report(server: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text("old")

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    urls = [f"{server}/{number}" for number in range(30)]
    ended = run("--headless", "--no-store", f"--report=ndjson:{report}", *urls, preexec_fn=small_files)
    assert ended.code == 1
    assert "writing results failed: File too large" in ended.err
    assert report.read_text() == "old"
    assert os.listdir(tmp_path) == ["report"]


def test_a_report_is_whole_though_nobody_reads_the_results(server: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    with start("--headless", "--format", "har", f"--report=har:{report}", f"{server}/a") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(60)
    assert process.returncode == 1
    json.loads(report.read_bytes())


def test_standard_output_takes_the_body_and_nothing_else(server: str, tmp_path: Path) -> None:
    for name in "-", "/dev/stdout":
        ended = run("--headless", "-o", name, f"{server}/a", cwd=tmp_path)
        assert (ended.code, ended.out) == (0, b"/a")
    report = tmp_path / "report"
    ended = run("--headless", "-o", "-", f"--report=ndjson:{report}", "--raw", f"{server}/gz", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, PACKED)
    (line,) = lines(report.read_bytes())
    assert (line["saved_as"], line["sha256"]) == (None, hashlib.sha256(PACKED).hexdigest())
    ended = run("--headless", "-o", "-", f"{server}/missing", cwd=tmp_path)
    assert (ended.code, ended.out) == (1, b"")
    assert f"{server}/missing: 404 Not Found" in ended.err
    ended = run("--headless", "-o", "-", "http://127.0.0.1:1/", cwd=tmp_path)
    assert (ended.code, ended.out) == (1, b"")
    assert "http://127.0.0.1:1/: connect: " in ended.err
    with (tmp_path / "out").open("wb") as out:
        assert run("--headless", "-o", "out", f"{server}/a", cwd=tmp_path, stdout=out).code == 0
    assert (tmp_path / "out").read_bytes() == b"/a"
    assert sorted(os.listdir(tmp_path)) == ["out", "report"]


def test_a_reader_that_leaves_ends_the_body(server: str) -> None:
    with start("--headless", "-o", "-", f"{server}/long") as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"x"
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.wait(60)
    assert process.returncode == 1
    assert "cannot write to standard output: Broken pipe" in check_stderr(err.decode())


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["-o", "-", "--format", "csv", "http://a"], "--report csv:FILE"),
        (["-o", "-", "http://a/[1-2]"], "one body, not 2"),
        (["-o", "-", "--processes", "2", "http://a"], "not with --processes"),
        (["-o", "-", "-C", "-", "http://a"], "goes with neither -C"),
        (["-o", "-", "--report", "csv:-", "http://a"], "standard output has the results"),
        (["--report", "har:/dev/stdout", "http://a"], "--format har has them so"),
        (["-c", "-", "http://a"], "name a file"),
        (["-o", "x", "http://a/[1-2]"], "would name 2 files; #1"),
        (["-o", "x#2", "http://a/{a,b,c}/[1-2]"], "would name 3 files"),
        (["-o", "#1", "http://a/{..,b}"], "not a file name: '..'"),
        (["--checksum", "md5:" + "0" * 32, "http://a/[1-2]"], "exactly one URL"),
        (["-o", "../x", "--output-dir", "d", "http://a"], "no '..'"),
        (["-o", "/x", "--output-dir", "d", "http://a"], "is relative"),
        (["--report", "csv:/", "http://a"], "Is a directory"),
        (["-c", "/", "http://a"], "Is a directory"),
    ],
)
def test_what_cannot_be_is_a_usage_error(args: list[str], named: str, tmp_path: Path) -> None:
    ended = run("--headless", *args, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, b"")
    assert named in ended.err
    assert os.listdir(tmp_path) == []


def test_a_screen_has_no_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["-o", "-", "http://a"], stdout_is_terminal=True, environ={})
    assert "standard output is the screen" in capfd.readouterr().err


def test_globs_name_files(server: str, tmp_path: Path) -> None:
    ended = run("--headless", "-o", "#2-f#1.#3", "--output-dir", str(tmp_path), f"{server}/[1-3]/{{a,b/c}}")
    assert ended.code == 0
    saved = {line["url"].removeprefix(server): line["saved_as"] for line in lines(ended.out)}
    assert saved == {
        f"/{number}/{letter}": str(tmp_path / f"{letter.replace('/', '_')}-f{number}.#3")
        for number in range(1, 4)
        for letter in ("a", "b/c")
    }
    assert all(Path(path).read_text() == url for url, path in saved.items())


def test_what_globs_name_alike_is_refused(server: str, tmp_path: Path) -> None:
    ended = run("--headless", "-o", "f#1", "--output-dir", str(tmp_path), f"{server}/{{a,A}}")
    assert ended.code == 1
    errors = [line["error"] for line in lines(ended.out) if line["error"]]
    assert [error["kind"] for error in errors] == ["storage"]
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("more", [[], ["--processes", "2"], ["--transport", "httpx"]], ids=str)
def test_equal_names_of_a_run_are_numbered(server: str, tmp_path: Path, more: list[str]) -> None:
    urls = [f"{server}/{letter}/index.html" for letter in "abcdef"]
    ended = run("--headless", "-C", "-", "--output-dir", str(tmp_path), *more, *urls)
    assert ended.code == 0
    for line in lines(ended.out):
        assert Path(line["saved_as"]).read_text() == line["url"].removeprefix(server)
    assert len(os.listdir(tmp_path)) == 6


def test_two_programs_at_once_share_no_file(server: str, places: Places, tmp_path: Path) -> None:
    command = ["--headless", "-C", "-", "--output-dir", str(tmp_path)]
    with start(*command, f"{server}/one/x", f"{server}/hold") as first:
        assert first.stdout is not None
        saved = lines(first.stdout.readline())
        other = run(*command, f"{server}/two/x")
        places.hold.set()
        out, _ = first.communicate(timeout=60)
    for line in (*saved, *lines(other.out), *lines(out)):
        assert Path(line["saved_as"]).read_text() == line["url"].removeprefix(server)
    assert sorted(os.listdir(tmp_path)) == ["hold", "x", "x-1"]


def test_no_limit_of_time_or_size_is_set_for_what_is_saved_unless_it_is_asked_for() -> None:
    def limits(*args: str) -> tuple[float | None, int]:
        options = parse([*args, "http://a/x"], stdout_is_terminal=False, environ={})
        settings = engine_settings(options)
        return settings["timeouts"].total, settings["limits"].max_body

    assert limits() == (300.0, GIB)
    for args in ["-O"], ["-o", "x"], ["--output-dir", "d"], ["-o", "-"]:
        total, size = limits(*args)
        assert total is None
        assert size > 1 << 60
        assert limits(*args, "-m", "7", "--max-filesize", "1K") == (7.0, 1024)


def test_what_is_added_later_is_not_saved_as_the_one_url() -> None:
    options = parse(["-o", "x", "http://a/x"], stdout_is_terminal=False, environ={})
    (url,) = given_urls(options)
    save = request_for(options, url).save
    assert save is not None
    assert (save.folder, save.name) == (".", "x")
    assert request_for(options, "http://a/y").save is None


def test_a_coding_is_kept_where_it_is_the_file_and_by_raw(server: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(PACKED).hexdigest()
    for args in ["-o", "p.tar.gz", f"{server}/gz"], ["-o", "raw", "--raw", f"{server}/gz"], ["-O", f"{server}/gz.tgz"]:
        ended = run("--headless", "--output-dir", str(tmp_path), "--checksum", f"sha256:{digest}", *args)
        assert ended.code == 0, ended.out
    ended = run("--headless", "--no-decode", f"{server}/gz")
    assert lines(ended.out)[0]["sha256"] == digest
    assert (tmp_path / "p.tar.gz").read_bytes() == (tmp_path / "gz.tgz").read_bytes() == PACKED


def test_as_a_user_the_rule_is_the_same(server: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory(prefix="user-") as name:
        folder = Path(name)
        os.chown(folder, 65534, 65534)
        path = null_device(folder)
        (folder / "target").write_text("old")
        os.chown(folder / "target", 65534, 65534)
        (folder / "link").symlink_to("target")
        (folder / "roots").write_text("root's")
        code = (
            "import os, sys; from tui import cli\n"
            "kept = os.dup(1); os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
            "cli.main(['--headless', '--no-store', sys.argv[-1]])\n"  # imports all that the user may not read
            "os.dup2(kept, 1)\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "os.chdir(sys.argv[1]); sys.exit(cli.main(sys.argv[2:]))"
        )
        environ = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")} | {"HOME": name}

        def user(*args: str) -> subprocess.CompletedProcess[bytes]:
            command = [sys.executable, "-c", code, name, "--headless", "--no-store", *args]
            return subprocess.run(command, capture_output=True, timeout=60, check=False, env=environ)

        for place in "null", "link":
            ended = user("-o", place, f"{server}/a")
            assert ended.returncode == 0, (ended.stdout, ended.stderr)
        ended = user("-o", "roots", f"{server}/a")
        assert lines(ended.stdout)[0]["error"]["message"] == "cannot save roots: Permission denied"
        assert is_null(path)
        assert (folder / "link").is_symlink()
        assert (folder / "target").read_text() == "/a"
        assert (folder / "roots").read_text() == "root's"
        assert sorted(os.listdir(folder)) == ["link", "null", "roots", "target"]


@pytest.mark.parametrize("name", ["x" * 255, "\u00e9" * 127])
def test_the_longest_name_has_room_beside_it(server: str, tmp_path: Path, name: str) -> None:
    for more in [], ["-C", "-"]:
        ended = run("--headless", "-o", name, *more, f"{server}/a", cwd=tmp_path)
        assert ended.code == 0, ended.out
        assert os.listdir(tmp_path) == [name]


def children_of(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_name_of_the_users_is_free_again_when_its_process_was_killed(
    server: str, places: Places, tmp_path: Path
) -> None:
    args = ["-C", "-", "-o", str(tmp_path / "x"), "--processes", "1", f"{server}/hold"]
    with start("--headless", *args) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / ".x.part").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for child in children_of(process.pid):
            os.kill(child, signal.SIGKILL)
        places.hold.set()
        out, err = process.communicate(timeout=60)
    check_stderr(err.decode())
    (line,) = lines(out)
    assert (line["saved_as"], line["error"]) == (str(tmp_path / "x"), None)
    assert (tmp_path / "x").read_bytes() == b"/hold"
