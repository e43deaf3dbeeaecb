"""Saving a body: the name, no overwriting unasked, whole or not at all."""

# ruff: noqa: ASYNC240 (looks at small files of its own)

from __future__ import annotations

import errno
import os
import pathlib
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from fetch_engine.model.results import FetchResult
from tests.tui.fake_link import FakeLink, result, snapshot
from tests.tui.test_body_view import until
from tui.screen.app import DashboardApp
from tui.screen.body.source import BodySource
from tui.screen.saving import default_name, write_body
from tui.screen.screens.ask import AskInput
from tui.screen.screens.confirm import ConfirmScreen

BODY = b"0123456789" * 50_000


def outcome(url: str = "http://h/x", content_type: str = "text/plain", **changes: object) -> FetchResult:
    made = result(1, url, content_type=content_type, **changes).outcome  # type: ignore[arg-type]
    assert isinstance(made, FetchResult)
    return made


@pytest.mark.parametrize(
    ("url", "content_type", "name"),
    [
        ("http://h/a/report.pdf?x=1", "application/pdf", "report.pdf"),
        ("http://h/a/items", "application/json", "items.json"),
        ("http://h/a/items", "application/problem+json; charset=utf-8", "items.json"),
        ("http://h/", "application/json", "index.json"),
        ("http://h/", "text/html", "index.html"),
        ("http://h/..%2f..%2fetc%2fpasswd", "", "passwd"),
        ("http://h/.bashrc", "", "bashrc"),
    ],
)
def test_the_name_comes_from_the_url_and_fits_the_type(url: str, content_type: str, name: str) -> None:
    assert default_name(outcome(url, content_type)) == name


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_name_leaves_its_folder(disposition: str, path: str) -> None:
    headers = (("content-disposition", f'attachment; filename="{disposition}"'),)
    name = default_name(outcome(f"http://h/{path}", headers=headers))
    assert name
    assert name == os.path.basename(name)
    assert name.isprintable()
    assert name[0] not in ".-"
    assert len(name.encode()) <= 255


def spooled(path: pathlib.Path) -> BodySource:
    path.write_bytes(BODY)
    return BodySource(BODY[:100], len(BODY), str(path), "text/plain")


def test_all_of_a_spooled_body_is_written(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "saved"
    before = os.umask(0o027)
    try:
        assert write_body(spooled(tmp_path / "spool"), str(target), overwrite=False) == len(BODY)
    finally:
        os.umask(before)
    assert target.read_bytes() == BODY
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved", "spool"]


def test_nothing_is_overwritten_unasked_not_even_in_a_race(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "saved"
    target.write_bytes(b"mine")
    source = spooled(tmp_path / "spool")
    with pytest.raises(FileExistsError):
        write_body(source, str(target), overwrite=False)
    assert target.read_bytes() == b"mine"
    with target.open("rb") as reader:
        assert write_body(source, str(target), overwrite=True) == len(BODY)
        assert reader.read() == b"mine"  # it took the name, and wrote over nothing
    assert target.read_bytes() == BODY
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_leaves_nothing_and_the_old_file_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "saved"
    target.write_bytes(b"mine")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("fetch_engine.files.output_files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_body(spooled(tmp_path / "spool"), str(target), overwrite=True)
    assert target.read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_without_hard_links_nothing_is_overwritten_either(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("fetch_engine.files.output_files.os.link", refused)
    source = spooled(tmp_path / "spool")
    write_body(source, str(tmp_path / "saved"), overwrite=False)
    assert (tmp_path / "saved").read_bytes() == BODY
    with pytest.raises(FileExistsError):
        write_body(source, str(tmp_path / "saved"), overwrite=False)


def told(pilot: Pilot[None]) -> list[str]:
    return [note.message for note in pilot.app._notifications]


@pytest.mark.anyio
async def test_the_key_asks_for_a_name_and_before_overwriting(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    link = FakeLink(snapshot(done=1), [result(1, "http://h/a/note", body=b"hello", content_type="text/plain")])
    async with DashboardApp(link).run_test() as pilot:
        await pilot.pause()
        await pilot.press("s")
        assert isinstance(pilot.app.focused, AskInput)
        assert pilot.app.focused.value == "note.txt"
        await pilot.press("enter")
        saved = tmp_path / "note.txt"
        await until(lambda: len(told(pilot)) == 1)
        assert saved.read_bytes() == b"hello"
        assert told(pilot) == [f"saved 5 bytes as {saved}"]
        saved.write_bytes(b"mine")
        await pilot.press("enter", "s", "enter")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("n")
        assert saved.read_bytes() == b"mine"
        await pilot.press("s", "enter", "y")
        await until(lambda: len(told(pilot)) == 2)
        assert saved.read_bytes() == b"hello"
        await pilot.press("s", *"/no/such/folder/x", "enter")
        await until(lambda: len(told(pilot)) == 3)
        assert told(pilot)[-1] == "not saved: No such file or directory (/no/such/folder/x)"
        await pilot.press("s", "escape")
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.anyio
async def test_what_is_no_file_is_written_through_when_asked(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "note.txt")
    link = FakeLink(snapshot(done=1), [result(1, "http://h/a/note", body=b"hello", content_type="text/plain")])
    async with DashboardApp(link).run_test() as pilot:
        await pilot.pause()
        await pilot.press("s", "enter")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("y")
        await until(lambda: len(told(pilot)) == 1)  # nobody reads
        assert told(pilot) == [f"not saved: nobody reads from it ({tmp_path / 'note.txt'})"]
        reader = os.open(tmp_path / "note.txt", os.O_RDONLY | os.O_NONBLOCK)
        try:
            await pilot.press("s", "enter", "y")
            await until(lambda: len(told(pilot)) == 2)
            assert os.read(reader, 100) == b"hello"
        finally:
            os.close(reader)
        assert stat.S_ISFIFO((tmp_path / "note.txt").lstat().st_mode)
        assert os.listdir(tmp_path) == ["note.txt"]


@pytest.mark.anyio
async def test_a_part_is_saved_only_where_that_is_wanted(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    link = FakeLink(snapshot(done=1), [result(1, "http://h/n", body=b"hello", content_type="text/plain", size=5000)])
    async with DashboardApp(link).run_test() as pilot:
        await pilot.pause()
        await pilot.press("s", "enter")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("n")
        assert not list(tmp_path.iterdir())
        await pilot.press("s", "enter", "y")
        await until(lambda: told(pilot))
        assert (tmp_path / "n.txt").read_bytes() == b"hello"
