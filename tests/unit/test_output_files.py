"""The one rule for what a path that is written to stands for; as root, and as a user in a process of its own."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetch_engine.files.output_files import (
    Draft,
    find_place,
    is_standard_output,
    open_through,
    write_file,
    write_through,
)

NOBODY = 65534
pytestmark = pytest.mark.once


def never() -> bool:
    return False


def null_device(folder: Path) -> Path:
    """A node of our own that takes everything, as /dev/null."""
    path = folder / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.chmod(0o666)
        with path.open("wb"):
            pass
    except OSError as error:
        pytest.skip(f"no device can be made or opened here: {error}")
    return path


def is_null(path: Path) -> bool:
    status = os.lstat(path)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)


def read_from(path: Path) -> tuple[threading.Thread, list[bytes]]:
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    thread.start()
    return thread, found


def test_a_file_is_replaced_as_a_whole_and_keeps_who_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with path.open("rb") as reader:
        assert write_file(str(path), [b"new", b"er"]) == 5
        assert reader.read() == b"old"
    assert path.read_bytes() == b"newer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_leaves_a_file_to_whom_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, NOBODY, NOBODY)
    write_file(str(path), [b"new"])
    assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    for folder in "there", "here":
        (tmp_path / folder).mkdir()
    target = tmp_path / "there" / "target"
    target.write_bytes(b"old")
    (tmp_path / "here" / "second").symlink_to("../there/target")
    (tmp_path / "here" / "first").symlink_to("second")
    write_file(str(tmp_path / "here" / "first"), [b"new"])
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()
    assert (tmp_path / "here" / "first").is_symlink()
    assert (tmp_path / "here" / "second").is_symlink()
    assert os.listdir(tmp_path / "there") == ["target"]


def test_a_link_to_nothing_makes_the_file_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write_file(str(tmp_path / "link"), [b"new"])
    assert (tmp_path / "target").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        write_file(str(tmp_path / "a"), [b"new"])


def test_no_link_leads_out_of_the_folder_that_was_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"precious")
    (folder / "out").symlink_to("../outside")
    (folder / "up").symlink_to("..")
    (folder / "in").symlink_to("sub/inside")
    for name in "out", "up/outside":
        with pytest.raises(PermissionError, match="leads out of"):
            find_place(str(folder / name), within=str(folder))
    assert find_place(str(folder / "in"), within=str(folder)).path == str(folder / "sub" / "inside")
    not_followed = find_place(str(folder / "out"), follow=False, within=str(folder))
    assert not_followed.path == str(folder / "out")


def test_folders_and_what_may_not_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        find_place(str(tmp_path))
    (tmp_path / "link").symlink_to(".")
    with pytest.raises(IsADirectoryError):
        find_place(str(tmp_path / "link"))


def test_a_fifo_is_written_through_and_waits_for_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    link = tmp_path / "link"
    link.symlink_to("fifo")
    for each in path, link:
        place = find_place(str(each))
        assert place.is_through
        writer = threading.Thread(target=write_file, args=(str(each), [b"x" * 300_000, b"end"]), daemon=True)
        writer.start()
        time.sleep(0.1)
        reader, found = read_from(path)
        writer.join(60)
        reader.join(60)
        assert found == [b"x" * 300_000 + b"end"]
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["fifo", "link"]


def test_a_fifo_that_nobody_reads_is_given_up_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with pytest.raises(OSError, match="nobody reads"):
        write_file(str(path), [b"x"], patience=0.2)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError, match="nobody reads"):
            write_file(str(path), [b"x" * 10_000_000], patience=0.2)
        descriptor = open_through(find_place(str(path)), never)
        given_up = threading.Event()
        threading.Timer(0.2, given_up.set).start()
        with pytest.raises(OSError, match="nobody reads"):
            write_through(descriptor, [b"x" * 10_000_000], given_up.is_set)
        os.close(descriptor)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.lstat().st_mode)


def test_a_socket_is_neither_written_nor_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):
            write_file(str(path), [b"x"])
    assert stat.S_ISSOCK(path.lstat().st_mode)


def test_a_device_is_written_through_and_stays(tmp_path: Path) -> None:
    path = null_device(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(path)
    for each in path, link:
        assert write_file(str(each), [b"x" * 1_000_000]) == 1_000_000
    assert is_null(path)
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "null"]


def test_what_came_meanwhile_and_is_no_file_is_not_renamed_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    draft = Draft(find_place(str(path)))
    os.mkfifo(path)
    with pytest.raises(FileExistsError):
        draft.commit()
    draft.discard()
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert os.listdir(tmp_path) == ["file"]


def test_what_went_meanwhile_is_not_made_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    place = find_place(str(path))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        open_through(place, never)
    path.write_bytes(b"precious")
    with pytest.raises(OSError, match="replaced by a file"):
        open_through(place, never)
    assert path.read_bytes() == b"precious"


def test_what_stands_for_a_descriptor_is_written_to_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"begun ")
    with file.open("ab") as opened:
        number = opened.fileno()
        (tmp_path / "link").symlink_to(f"/dev/fd/{number}")
        for path in f"/dev/fd/{number}", f"/proc/self/fd/{number}", str(tmp_path / "link"):
            write_file(path, [b"more "])
        opened.write(b"end")
    assert file.read_bytes() == b"begun more more more end"
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)), open(os.devnull, "rb") as read_only:
        write_file(f"/dev/fd/{read_only.fileno()}", [b"x"])
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_standard_output_has_many_names(tmp_path: Path) -> None:
    code = (
        "import sys; from fetch_engine.files.output_files import is_standard_output as is_it\n"
        "print([is_it(path) for path in sys.argv[1:]], file=sys.stderr)"
    )
    file = tmp_path / "out"
    names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", str(file), str(tmp_path / "other"), "/dev/null"]
    with file.open("wb") as out:
        done = subprocess.run([sys.executable, "-c", code, *names], stdout=out, stderr=subprocess.PIPE, check=True)
    assert done.stderr.decode().strip() == str([True] * 5 + [False] * 2)
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, check=True)
    assert done.stderr.decode().strip() == str([True] * 4 + [False] * 3)
    assert not is_standard_output("\0")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder in which all may make files and none may remove those of others, as /tmp."""
    folder = Path(tempfile.mkdtemp(prefix="open-"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def as_nobody(code: str, *args: str) -> subprocess.CompletedProcess[bytes]:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    program = f"import os, sys\nos.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n{code}"
    # imported before the user changes: the packages may be in a folder of root's
    imports = "from fetch_engine.files.output_files import write_file, find_place\nimport os, stat, sys\n"
    return subprocess.run(
        [sys.executable, "-c", imports + program, *args], capture_output=True, timeout=60, check=False
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_another_user_has_put_into_tmp_is_not_followed(open_folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    made = as_nobody("os.symlink(sys.argv[2], sys.argv[1] + '/link'); os.mkfifo(sys.argv[1] + '/fifo')",
                     str(open_folder), str(precious))  # fmt: skip
    assert made.returncode == 0, made.stderr
    for name in "link", "fifo":
        with pytest.raises(PermissionError, match="another user"):
            write_file(str(open_folder / name), [b"x"])
    assert precious.read_bytes() == b"precious"
    (open_folder / "mine").symlink_to(precious)
    write_file(str(open_folder / "mine"), [b"new"])
    assert precious.read_bytes() == b"new"


def test_a_user_writes_by_the_same_rule(open_folder: Path) -> None:
    theirs = open_folder / "theirs"
    theirs.mkdir()
    os.chmod(theirs, 0o777)
    null_device(open_folder)
    code = """
folder = sys.argv[1]
os.chdir(folder + "/theirs")
open("old", "w").write("old")
os.symlink("old", "link")
write_file("link", [b"new"])
assert os.path.islink("link") and open("old").read() == "new"
write_file(folder + "/null", [b"x" * 100_000])
assert stat.S_ISCHR(os.lstat(folder + "/null").st_mode)
os.chmod("old", 0o400)
for path, error in ("old", PermissionError), ("/proc/1/environ", PermissionError), (".", IsADirectoryError):
    try:
        write_file(path, [b"x"])
    except error:
        continue
    sys.exit(path)
assert sorted(os.listdir(".")) == ["link", "old"]
"""
    done = as_nobody(code, str(open_folder))
    assert (done.returncode, done.stderr) == (0, b"")
