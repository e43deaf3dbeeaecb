"""The command line: help, usage, and what is loaded for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.headless.program import run, start
from tui.demo.server import demo_server
from tui.options.table import parse


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


def test_help_tells_options_and_exit_codes() -> None:
    ended = run("--help")
    assert (ended.code, ended.err) == (0, "")
    text = ended.out.decode()
    for option in ("-X", "-H", "-d", "-k", "-x", "-A", "--no-location", "--max-redirs", "--max-filesize", "--http2",
                   "--retry", "--retry-delay", "--cacert", "--cert", "--key", "-j", "--per-host", "-i", "--headless",
                   "--format", "--demo", "--exit-report", "--fps", "--ascii", "--version", "Exit codes"):  # fmt: skip
        assert option in text


def test_version() -> None:
    assert run("--version").out.decode() == f"weakfetch-tui {version('weakfetch-tui')}\n"


def test_the_installed_script_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("weakfetch-tui")
    assert run("--version", command=[str(script)]).out == run("--version").out


@pytest.mark.parametrize("argument", ["--help", "--version", "--nonsense"])
def test_help_and_usage_load_neither_screen_nor_engine(argument: str) -> None:
    code = (
        "import resource, sys, tui.cli; tui.cli.main(sys.argv[1:]); "
        "heavy = {'textual', 'rich', 'httpx', 'httpcore', 'h11', 'anyio', 'asyncio', 'ssl', 'fetch_engine', 'uvloop'}; "
        "usage = resource.getrusage(resource.RUSAGE_SELF); "
        "print(heavy & {*sys.modules}, usage.ru_utime + usage.ru_stime < 0.5, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, argument], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr.endswith("set() True\n")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ([], "no URL given"),
        (["-b", "/nothing/here", "http://a/"], "/nothing/here"),
        (["-c", "/nothing/here", "http://a/"], "/nothing"),
        (["-u", "a", "http://a/"], "--user"),
        (["-u", "a:b", "--oauth2-bearer", "c", "http://a/"], "--oauth2-bearer"),
        (["--netrc-file", "/nothing/here", "http://a/"], "/nothing/here"),
        (["--resume", "--demo"], "--resume"),
        (["--head", "http://a/"], "--head"),
        (["--format", "xml", "http://a/"], "--format"),
        (["--transport", "httpx2", "http://a/"], "argument --transport: httpx2 was removed; use httpx\n"),
        (["--report", "csv", "http://a/"], "--report"),
        (["--report", "csv:/nothing/here", "http://a/"], "/nothing/here"),
        (["--fail-on", "4xx,oops", "http://a/"], "--fail-on"),
        (["--max-time", "-1", "http://a/"], "--max-time"),
        (["--max-time", "nan", "http://a/"], "--max-time"),
        (["-j", "0", "http://a/"], "--concurrency"),
        (["--per-host", "x", "http://a/"], "--per-host"),
        (["-H", "nonsense", "http://a/"], "--header"),
        (["-H", "A: b\nC: d", "http://a/"], "--header"),
        (["-X", "GE T", "http://a/"], "--request"),
        (["-d", "@/nothing/here", "http://a/"], "--data"),
        (["-d", "@-", "-"], "standard input"),
        (["-", "-i", "-"], "standard input"),
        (["--cacert", "/nothing/here", "http://a/"], "--cacert"),
        (["--key", os.devnull, "http://a/"], "--cert"),
        (["-x", "ftp://proxy/", "http://a/"], "proxy"),
        (["--cacert", __file__, "http://a/"], __file__),
        (["-i", "/nothing/here"], "/nothing/here"),
        (["-i", "/"], "directory"),
    ],
)
def test_usage_errors_name_what_is_wrong(args: list[str], named: str) -> None:
    ended = run(*args)
    assert (ended.code, ended.out) == (2, b"")
    assert named in ended.err
    assert ended.err.startswith("weakfetch-tui: ")


def test_what_a_message_quotes_cannot_play_tricks_on_the_terminal() -> None:
    ended = run("-i", "/\x1b]0;owned\x07\u202e")
    assert ended.code == 2
    assert "owned" in ended.err
    assert all(char.isprintable() or char == "\n" for char in ended.err)


def test_options_mix_with_urls_and_end_at_two_dashes() -> None:
    options = parse(["a", "-j", "3", "b", "-", "-H", "X: y", "--", "-c", "--"], stdout_is_terminal=True)
    assert (options.urls, options.inputs, options.concurrency) == (("a", "b", "-c", "--"), ("-",), 3)
    assert not options.headless


def test_data_makes_a_post_of_a_form_as_in_curl(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"b=2\r\n&c=3\n\0")
    options = parse(["-d", "a=1", "-d", f"@{tmp_path / 'part'}", "u"], stdout_is_terminal=False)
    assert (options.method, options.body) == ("POST", b"a=1&b=2&c=3")
    assert options.headers == (("Content-Type", "application/x-www-form-urlencoded"),)
    options = parse(["-d", "{}", "-H", "content-type: application/json", "-X", "PUT", "u"], stdout_is_terminal=False)
    assert (options.method, options.headers) == ("PUT", (("content-type", "application/json"),))


def test_times_of_zero_mean_no_limit() -> None:
    options = parse(["--max-time", "0", "--connect-timeout", "0", "u"], stdout_is_terminal=False)
    assert (options.max_time, options.connect_timeout) == (None, None)


def test_help_into_a_pipe_that_nobody_reads() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = run("--help", stdout=writing)
    finally:
        os.close(writing)
    assert (ended.code, ended.err) == (1, "")


def test_help_onto_a_full_disk() -> None:
    with open("/dev/full", "wb") as full:
        ended = run("--help", stdout=full)
    assert (ended.code, ended.err) == (1, "weakfetch-tui: cannot write: No space left on device\n")


def test_interrupted_while_still_loading() -> None:
    code = (
        "import os, signal, sys, tui.cli\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'tui.headless.run': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.exit(tui.cli.main(['http://127.0.0.1:1/']))"
    )
    ended = run(command=[sys.executable, "-X", "dev", "-W", "error", "-c", code])
    assert (ended.code, ended.out, ended.err) == (130, b"", "weakfetch-tui: interrupted\n")


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_closed_standard_descriptors_are_never_taken_by_a_socket(server: str, descriptor: int) -> None:
    """Otherwise the results would go to the server as a request."""
    with start(f"{server}/fast", shell=f'exec "$@" {descriptor}>&-') as process:
        out, err = process.communicate(timeout=30)
    assert b"Traceback" not in err
    assert process.returncode == (1 if descriptor == 1 else 0)
    assert out.count(b"\n") == (0 if descriptor == 1 else 1)
    if descriptor == 1:
        assert b"Bad file descriptor" in err
