"""What was entered: each line once, searched, kept in a file that many programs write at once."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.entry import history_file
from tui.entry.history import MAX_ENTRIES, MAX_LINE, EntryHistory, SeenHosts, host_of
from tui.entry.history_file import HistoryFile, history_path


def test_each_line_is_there_once_where_it_came_last() -> None:
    kept: list[str] = []
    history = EntryHistory(["a", "b", "a"], kept.append)
    assert history.entries == ["b", "a"]
    for line in ("b", " c ", "", "x" * (MAX_LINE + 1)):
        history.add(line)
    assert history.entries == ["a", "b", "c"]
    assert kept == ["b", "c"]


def test_the_number_of_lines_is_bounded() -> None:
    history = EntryHistory(map(str, range(MAX_ENTRIES + 5)))
    history.add("new")
    assert (len(history), history.entries[0], history.entries[-1]) == (MAX_ENTRIES, "6", "new")


def test_search_finds_every_word_newest_first() -> None:
    history = EntryHistory(["https://a/One", "https://b/two", "https://a/one two"])
    assert history.matches("a one") == ["https://a/one two", "https://a/One"]
    assert history.matches("One") == ["https://a/One"]
    assert history.matches("") == history.entries[::-1]


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("https://user:pass@API.example.org:8443/x?y@z", "api.example.org:8443"),
        ("example.org", "example.org"),
        ("http://[::1]:80/", "[::1]:80"),
        ("http://h?x", "h"),
        ("{a,b}.example/", ""),
        ("///", ""),
    ],
)
def test_the_host_of_a_line(line: str, host: str) -> None:
    assert host_of(line) == host


def test_hosts_are_completed_the_one_seen_last_first() -> None:
    hosts = SeenHosts()
    for line in ("https://api.example.org/1", "http://app.example.org", "http://evil\u202e.example/", "https://é.example",
                 "curl -H 'A: b c' --url 'https://curled.example/x'"):  # fmt: skip
        hosts.note(line)
    assert hosts.complete("a") == "app.example.org"
    assert hosts.complete("https://AP") == "https://APp.example.org"
    assert hosts.complete("https://api") == "https://api.example.org"
    assert hosts.complete("cur") == "curled.example"
    hosts.note("https://api.example.org/2")
    assert hosts.complete("a") == "api.example.org"
    for text in ("", "https://", "api.example.org", "api.example.org/", "x", "ftp://a", "u@a", "evil"):
        assert hosts.complete(text) is None, text


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_text_is_a_host_or_none(line: str, start: str) -> None:
    hosts = SeenHosts()
    hosts.note(line)
    completed = hosts.complete(start)
    assert completed is None or (completed.startswith(start) and completed != start)


def test_lines_are_kept_for_the_user_only(tmp_path: Path) -> None:
    file = HistoryFile(tmp_path / "state" / "history")
    assert file.read() == []
    file.add("http://a/")
    file.add("http://b/\x1b[2J")
    file.close()
    assert file.error is None
    assert HistoryFile(file.path).read() == ["http://a/", "http://b/␛[2J"]
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["history", "history.lock"]


def test_the_file_is_bounded_and_bad_bytes_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(b"\xff\x00\n\n" + b"x" * (MAX_LINE + 1) + b"\nhttp://a/\r\nlast")
    assert HistoryFile(path).read() == ["\ufffd␀", "http://a/", "last"]
    file = HistoryFile(path)
    file.write([f"http://{number}/" for number in range(MAX_ENTRIES)])
    assert len(file.read()) == MAX_ENTRIES


_WRITER = """
import sys
from pathlib import Path
from tui.entry.history_file import HistoryFile
file = HistoryFile(Path(sys.argv[1]))
for number in range(40):
    file.add(f"http://{sys.argv[2]}/{number}")
    if number % 5 == 0:
        file.close()
file.close()
assert file.error is None, file.error
"""


@pytest.mark.once
def test_programs_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history"
    command = [sys.executable, "-c", _WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = HistoryFile(path).read()
    assert sorted(lines) == sorted(f"http://{writer}/{number}" for writer in range(4) for number in range(40))
    for writer in range(4):  # each in its own order
        own = [line for line in lines if line.startswith(f"http://{writer}/")]
        assert own == [f"http://{writer}/{number}" for number in range(40)]


def test_threads_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    files = [HistoryFile(tmp_path / "history") for _ in range(3)]
    threads = [
        threading.Thread(target=lambda file=file, name=name: [file.add(f"{name}{n}") for n in range(30)])
        for name, file in enumerate(files)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for file in files:
        file.close()
    assert len(files[0].read()) == 90


def test_a_lock_that_is_never_given_back_is_an_error_and_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_file, "PATIENCE", 0.05)
    file = HistoryFile(tmp_path / "history")
    lock = os.open(tmp_path / "history.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    file.add("http://a/")
    file.close()
    assert file.error == "another program holds the lock of the history"
    os.close(lock)
    file.add("http://b/")
    file.close()
    assert file.error is None


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = HistoryFile(tmp_path / "file" / "history")
    file.add("http://a/")
    file.close()
    assert file.error
    assert file.read() == []


def test_a_reader_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = HistoryFile(tmp_path / "history")
    file.write(["http://a/"])

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        file.write(["http://b/"])
    assert file.read() == ["http://a/"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history", "history.lock"]


def test_the_folder_is_the_one_for_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert history_path() == tmp_path / "weakfetch-tui" / "history"
