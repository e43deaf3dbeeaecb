"""Names in a folder that only one fetch uses: of an engine, of several, of several processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fetch_engine.files import name_claims
from fetch_engine.files.name_claims import FILE, NameClaims

pytestmark = pytest.mark.once


def test_a_name_is_one_fetchs_until_it_is_released_and_longer_if_it_was_used(tmp_path: Path) -> None:
    claims, folder = NameClaims(), str(tmp_path)
    first = claims.take(folder, "a.bin")
    assert first is not None
    assert claims.take(folder, "a.bin") is None
    first.release()
    first.release()
    second = claims.take(folder, "a.bin")
    assert second is not None
    second.used()
    second.release()
    assert claims.take(folder, "a.bin") is None
    assert claims.take(folder, "b.bin") is not None
    claims.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("one", "other"), [("a.bin", "A.BIN"), ("stra\u00dfe", "STRASSE"), ("caf\u00e9", "cafe\u0301")]
)
def test_names_that_a_file_system_may_take_for_one_are_one(tmp_path: Path, one: str, other: str) -> None:
    claims = NameClaims()
    assert claims.take(str(tmp_path), one) is not None
    assert claims.take(str(tmp_path), other) is None
    claims.close()


def test_two_engines_at_once_share_no_name(tmp_path: Path) -> None:
    one, other, folder = NameClaims(), NameClaims(), str(tmp_path)
    first, second = one.take(folder, "a"), other.take(folder, "b")
    assert first is not None
    assert second is not None
    assert other.take(folder, "a") is None
    assert one.take(folder, "b") is None
    first.used()
    second.release()
    assert other.take(folder, "a") is None
    again = one.take(folder, "b")
    assert again is not None
    again.used()
    one.close()  # what it has used stays its own for as long as the other saves there
    assert other.take(folder, "a") is None
    assert other.take(folder, "b") is None
    other.close()
    assert os.listdir(tmp_path) == []
    third = NameClaims()
    assert third.take(folder, "a") is not None
    third.close()


HOLD = """
import sys
from fetch_engine.files.name_claims import NameClaims
claims = NameClaims()
assert claims.take(sys.argv[1], "used") is not None
claims.take(sys.argv[1], "written").used()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_process_that_is_killed_leaves_nothing_taken(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        claims = NameClaims()
        assert claims.take(str(tmp_path), "used") is None
        assert claims.take(str(tmp_path), "written") is None
        other.kill()
        other.wait()
    claim = claims.take(str(tmp_path), "used")
    assert claim is not None
    claim.release()
    assert claims.take(str(tmp_path), "written") is None  # as long as we are in
    claims.close()
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_left_counts_no_more(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
        other.wait()
    assert os.path.getsize(tmp_path / FILE) > 0
    claims = NameClaims()
    assert claims.take(str(tmp_path), "written") is not None
    claims.close()
    assert os.listdir(tmp_path) == []


def test_many_come_and_go_and_no_name_has_two_owners(tmp_path: Path) -> None:
    owners: list[int] = []

    def work() -> None:
        for number in range(40):
            claims = NameClaims()
            claim = claims.take(str(tmp_path), "a")
            if claim is not None:
                owners.append(number)
                owners.pop()
                claim.release()
            claims.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert owners == []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("why", ["no locks", "a fifo", "a link"])
def test_where_names_cannot_be_shared_an_engine_knows_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "no locks":
        monkeypatch.setattr(name_claims, "_SET", None)
    elif why == "a fifo":
        os.mkfifo(tmp_path / FILE)
    else:
        (tmp_path / FILE).symlink_to("precious")
    claims = NameClaims()
    first = claims.take(str(tmp_path), "a")
    assert first is not None
    assert claims.take(str(tmp_path), "a") is None
    first.used()
    assert claims.take(str(tmp_path), "a") is None
    claims.close()
    assert not (tmp_path / "precious").exists()
