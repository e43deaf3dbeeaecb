"""A run that goes on has the options of the first; none that keeps it safe is lost without a word."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fetch_engine.store.reader import Reader
from tests.headless.counting_server import counting_server
from tests.headless.program import run, start
from tests.headless.test_delivery import store, until  # noqa: F401 - a fixture
from tui.options.table import Options, parse
from tui.run.engine_options import engine_settings, request_for
from tui.run.resume import open_run, store_path
from tui.run.resumed_options import with_options_of_run

URL = "http://a.test/1"

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WEAKFETCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    (tmp_path / "netrc").write_text("")
    return tmp_path


def given(*args: str, environ: dict[str, str] | None = None) -> Options:
    return parse(args, stdout_is_terminal=False, environ=environ or {})


def begun(*args: str, environ: dict[str, str] | None = None) -> Options:
    """A run that was asked for one URL, and killed."""
    options = given(*args, URL, environ=environ)
    opened = open_run(options, lambda _: 0)
    opened.journal.close()
    return options


def resumed(*args: str, environ: dict[str, str] | None = None) -> Options:
    options = with_options_of_run(given("--resume", *args, environ=environ), stdout_is_terminal=False)
    opened = open_run(options, lambda _: 0)
    opened.journal.close()
    return options


def lasting(options: Options) -> Options:
    """Without what is of one invocation."""
    return replace(options, urls=(), arguments=(), resume=None, of_run=(), setting_arguments=())


EACH = [
    ["--deny-private"], ["--same-host"], ["--rate", "5/s"], ["--host-rate", "30/m"], ["--limit-rate", "1M"],
    ["--host-limit-rate", "10K"], ["-j", "3"], ["--per-host", "2"], ["--max-filesize", "9K"], ["-m", "7"],
    ["--connect-timeout", "3"], ["--read-timeout", "4"], ["--retry", "3"], ["--retry-delay", "9"],
    ["--retry-max-time", "9"], ["--retry-all-methods"], ["--retry-on", "503"], ["-Y", "1K", "-y", "9"], ["-k"],
    ["--tlsv1.3"], ["--tls-max", "1.2"], ["--http2"], ["--transport", "httpx"], ["-4"], ["--noproxy", "a,b"],
    ["--resolve", "a.test:80:127.0.0.1", "--resolve", "b.test:80:127.0.0.2"], ["--connect-to", "a:1:b:2"],
    ["--interface", "127.0.0.1"], ["--max-redirs", "2"], ["--no-location"], ["-x", "http://p.test:1"],
    ["-X", "PUT", "-d", "a=1", "-d", "b=2"], ["-H", "A: b", "-H", "C:d", "-A", "me"], ["--processes", "2"],
    ["--netrc-file", "netrc"], ["-b", "netrc", "-c", "jar"], ["--format", "csv", "--fail-on", "none"],
    ["--report", "csv:out.csv"], ["--input-format", "lines", "-g"], ["--output-dir", "out", "-J", "--fsync"],
    ["--on-429", "fail"], ["--max-host-wait", "9"],
]  # fmt: skip


@pytest.mark.parametrize("args", EACH, ids=lambda args: args[0])
def test_each_option_of_the_first_holds(folder: Path, monkeypatch: pytest.MonkeyPatch, args: list[str]) -> None:
    first = begun(*args)
    plain = given(URL)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    for _ in range(2):  # also the time after
        again = resumed()
        assert again.notes == ()
    monkeypatch.chdir(folder)
    found, wanted = lasting(again), lasting(first)
    assert str(found).replace(f"{folder}/", "") == str(wanted)
    assert wanted != lasting(plain)
    if "--processes" not in args and "--netrc-file" not in args and "-b" not in args:
        assert engine_settings(again) == engine_settings(first)
    assert request_for(again, URL).headers == request_for(first, URL).headers


def test_private_addresses_stay_refused() -> None:
    with counting_server() as server:
        with start(
            "--headless", "--deny-private", "--rate", "2/s", *(f"{server.url}/{n}" for n in range(60))
        ) as process:
            until(lambda: bool(process.stdout and process.stdout.readline()))
            process.kill()
        ended = run("--resume", "--headless", "--rate", "1000/s")
        assert {line["error"]["kind"] for line in ended.lines} == {"blocked"}
        assert len(ended.lines) > 20
        assert "run 1: it had --rate 2/s, and now has --rate 1000/s" in ended.err
        assert not server.asked


def test_a_safety_option_can_be_added_and_stays() -> None:
    begun("--rate", "5/s")
    assert resumed("--deny-private").access.deny_private
    again = resumed()
    assert (again.access.deny_private, again.pace.rate, again.notes) == (True, 5.0, ())


def test_taking_one_away_is_told() -> None:
    begun("--deny-private", "--same-host", "-j", "3")
    again = resumed("--no-deny-private", "-j", "4", "--same-host")
    assert not again.access.deny_private
    assert (again.access.same_host, again.concurrency) == (True, 4)
    assert again.notes == (
        "run 1: it had --deny-private, and now has --no-deny-private",
        "run 1: it had --concurrency 3, and now has --concurrency 4",
    )


def test_what_the_settings_say_is_told_and_adds_safety() -> None:
    begun("--no-deny-private", "--rate", "5/s", environ={"WEAKFETCH_MAX_TIME": "9", "WEAKFETCH_HEADER": "A: b"})
    # The settings as they are when it is resumed.
    options = given("--resume", environ={"WEAKFETCH_DENY_PRIVATE": "1", "WEAKFETCH_RATE": "9/s"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEAKFETCH_DENY_PRIVATE", "1")
        patch.setenv("WEAKFETCH_RATE", "9/s")
        again = with_options_of_run(options, stdout_is_terminal=False)
    assert (again.access.deny_private, again.pace.rate, again.max_time) == (True, 5.0, 9.0)
    assert ("A", "b") in again.headers
    assert again.notes == (
        "run 1: --deny-private is added, as the settings say",
        "run 1: it goes on with --rate 5/s, though the settings say --rate 9/s",
    )


def test_exclusive_options_replace_each_other() -> None:
    begun("--tlsv1.2", "-4", "-H", "A: b", "-H", "C: d")
    again = resumed("--tlsv1.3", "-6", "-H", "a: new")
    assert (again.access.min_tls, again.access.ip_version) == ("1.3", 6)
    assert again.headers == (("C", "d"), ("a", "new"))


@pytest.mark.parametrize(
    ("args", "again", "lacking"),
    [
        (["-x", "http://me:hunter2@p.test:1"], ["-x", "http://me:hunter2@p.test:1"], "give --proxy again"),
        (["-u", "me:hunter2"], ["-u", "me:hunter2"], "Authorization (-H, -u or --oauth2-bearer); give it again"),
        (["--oauth2-bearer", "hunter2"], ["-u", "me:hunter2"], "Authorization (-H, -u or --oauth2-bearer)"),
        (["-b", "a=hunter2"], ["-b", "a=hunter2"], "Cookie (-H or -b); give it again"),
        (["-H", "X-Api-Key: hunter2"], ["-H", "x-api-key: hunter2"], "X-Api-Key (-H); give it again"),
        (["-d", "password=hunter2"], ["-d", "password=hunter2"], "the body (-d); give it again"),
    ],
)  # fmt: skip
def test_what_was_not_saved_is_asked_for_by_its_option(args: list[str], again: list[str], lacking: str) -> None:
    first = begun(*args)
    for file in store_path().parent.iterdir():
        assert b"hunter" not in file.read_bytes()
    refused = run("--resume", "--headless")
    assert (refused.code, refused.out) == (2, b"")
    assert lacking in refused.err
    found = resumed(*again)
    assert (found.proxy, found.body, len(found.headers)) == (first.proxy, first.body, len(first.headers))
    assert not any("hunter" in note for note in found.notes)


def test_new_urls_are_not_sent_without_what_was_not_saved() -> None:
    with counting_server() as server:
        run("--headless", "-H", "X-Api-Key: hunter2", f"{server.url}/1")
        refused = run("--resume", "--headless", f"{server.url}/2")
        assert (refused.code, "needs what was not saved: --header X-Api-Key" in refused.err) == (2, True)
        assert run("--resume", "--headless", f"{server.url}/2", "-H", "X-Api-Key: hunter2").code == 0
        assert server.asked.total() == 2


def test_with_stored_secrets_nothing_is_asked_for() -> None:
    args = ["--store-secrets", "-u", "me:hunter2", "-x", "http://me:hunter2@p.test:1", "-b", "a=hunter3"]
    first = begun(*args)
    again = resumed()
    assert (again.headers, again.proxy, again.store_secrets) == (first.headers, first.proxy, True)


def test_a_run_of_an_older_version_has_those_of_its_command_line() -> None:
    begun("--deny-private", "-j", "3", "-u", "me:hunter2")
    with closing(sqlite3.connect(store_path())) as database, database:
        database.execute("UPDATE runs SET options = 'null'")
    again = resumed("-u", "me:hunter2")
    assert (again.access.deny_private, again.concurrency) == (True, 3)


def test_options_that_are_damaged_are_told(folder: Path) -> None:
    begun("--deny-private")
    with closing(sqlite3.connect(store_path())) as database, database:
        database.execute("UPDATE runs SET options = '[[1, [2]], 3]'")
    refused = run("--resume", "1", "--headless")
    assert (refused.code, "cannot be read" in refused.err) == (2, True)
    with Reader(store_path()) as reader:
        assert reader.runs() == []


def test_a_run_over_a_transport_that_was_removed_goes_on_over_another(capfd: pytest.CaptureFixture[str]) -> None:
    begun("--transport", "httpx", "-j", "3")
    with closing(sqlite3.connect(store_path())) as database, database:
        database.execute("UPDATE runs SET options = replace(options, '\"httpx\"', '\"httpx2\"')")
    with pytest.raises(SystemExit):
        resumed()
    assert "argument --transport: httpx2 was removed; use httpx\n" in capfd.readouterr().err
    again = resumed("--transport", "httpx")
    assert (again.transport, again.concurrency) == ("httpx", 3)


def test_bodies_are_saved_where_the_first_run_would_have(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with counting_server() as server:
        options = given("--output-dir", "out", f"{server.url}/name")
        open_run(options, lambda _: 0).journal.close()
        (folder / "elsewhere").mkdir()
        monkeypatch.chdir(folder / "elsewhere")
        assert run("--resume", "--headless").code == 0
    assert (folder / "out" / "name").read_bytes() == b"ok"
