"""Settings: where they come from, which one wins, and what an error names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.keys.choices import Choices
from tui.options.access import Access
from tui.options.config_file import ConfigError, read_config
from tui.options.pace import Pace
from tui.options.settings import SETTINGS, SWITCHES, merge_headers
from tui.options.table import Options, parse


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def options(config: Path, *argv: str, environ: dict[str, str] | None = None) -> Options:
    return parse(["--config", str(config), *argv], stdout_is_terminal=True, environ=environ or {})


def complaint(capfd: pytest.CaptureFixture[str], config: Path, text: str | bytes, *argv: str) -> str:
    """What is said of a settings file, after the program's name and the file's."""
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SystemExit) as end:
        options(config, *argv)
    assert end.value.code == 2
    said = capfd.readouterr().err
    assert said.startswith(f"weakfetch-tui: {config}:"), said
    assert said.count("\n") == 1
    return said.removeprefix(f"weakfetch-tui: {config}:").strip()


EVERY = """
theme = "light"
fps = 2.5
ascii = true
mouse = true
max-rows = 500
header = ["X-One: 1", "X-Two: 2"]
user-agent = "me"
location = false
max-redirs = 3
max-filesize = "10M"
concurrency = 5
per_host = 2
processes = 2
connect-timeout = 1
max-time = 0
retry = 4
retry-delay = 0.5
proxy = "http://127.0.0.1:3128"
insecure = true
http2 = true
store = false
store-days = 3
ca-native = true
same-host = true
retry-on = "429,5xx"
on-429 = "fail"
max-host-wait = 7.5
read-timeout = 4
speed-limit = "2K"
speed-time = 7
"""


def test_every_setting_reaches_the_options(config: Path) -> None:
    config.write_text(EVERY)
    read = options(config)
    assert read == replace(
        read, fps=2.5, ascii=True, headers=(("X-One", "1"), ("X-Two", "2"), ("User-Agent", "me")),
        follow_redirects=False, max_redirects=3, max_filesize=10 * 1024**2, connect_timeout=1.0, max_time=None,
        retries=4, retry_delay=0.5, concurrency=5, per_host=2, processes=2,
        proxy="http://127.0.0.1:3128", insecure=True,
        http2=True, theme="light", mouse=True, max_rows=500, store=False, store_days=3.0,
        access=Access(ca_native=True, same_host=True),
        pace=Pace(
            retry_on=frozenset({429, *range(500, 1000)}), read_timeout=4.0, min_rate=2048.0, min_rate_time=7.0,
            on_429="fail", max_host_wait=7.5,
        ),
    )  # fmt: skip


OF_ONE_RUN = {
    *(
        "help",
        "version",
        "config",
        "demo",
        "resume",
        "history",
        "headless",
        "format",
        "report",
        "exit-report",
        "fail-on",
    ),
    *("output", "remote-name", "output-dir", "remote-header-name", "continue-at", "fsync", "checksum", "sink"),
    *(
        "retry-all-methods",
        "user",
        "oauth2-bearer",
        "cookie",
        "cookie-jar",
        "globoff",
        "silent",
        "input-format",
        "input-file",
        "request",
        "data",
        "compressed",
        "resolve",
        "connect-to",
        "tlsv1",
        "ipv4",
        "ipv6",
        "cluster",
        "raw",
    ),
}


def test_every_option_can_be_set_unless_it_is_of_one_run(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"], stdout_is_terminal=True, environ={})
    options = set(re.findall(r"--([a-z][a-z0-9-]+)", capfd.readouterr().out))
    assert {name for name in options if not name.startswith("no-")} == {*SETTINGS, *OF_ONE_RUN}


def test_every_switch_can_be_set_and_unset(config: Path) -> None:
    for name in SWITCHES:
        for value in ("true", "false"):
            config.write_text(f"{name} = {value}\n")
            options(config)


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default(config: Path) -> None:
    config.write_text('concurrency = 1\nper-host = 1\nretry = 1\ntheme = "light"\nmouse = true\nhttp2 = true\n')
    environ = {"WEAKFETCH_PER_HOST": "2", "WEAKFETCH_RETRY": "2", "WEAKFETCH_HTTP2": "off", "WEAKFETCH_MAX_TIME": ""}
    read = options(config, "--retry", "3", "--no-mouse", environ=environ)
    assert (read.concurrency, read.per_host, read.retries, read.max_redirects, read.theme) == (1, 2, 3, 10, "light")
    assert (read.mouse, read.http2, read.max_time) == (False, False, 300.0)


def test_a_header_is_taken_from_where_it_was_named_last(config: Path) -> None:
    config.write_text('header = ["A: file", "B: file", "C: file", "C: file2"]\nuser-agent = "file"\n')
    read = options(config, "-H", "a: line", "-H", "a: line2", environ={"WEAKFETCH_HEADER": "B: env\nD: env"})
    assert read.headers == (
        ("C", "file"), ("C", "file2"), ("B", "env"), ("D", "env"), ("a", "line"), ("a", "line2"),
        ("User-Agent", "file"),
    )  # fmt: skip
    assert options(config, "-A", "line").headers[-1] == ("User-Agent", "line")
    assert merge_headers([("A", "1")], [], [("b", "2")]) == (("A", "1"), ("b", "2"))


def test_without_a_file_there_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert parse([], stdout_is_terminal=True, environ={}).concurrency == 64
    folder = tmp_path / "weakfetch-tui"
    folder.mkdir()
    (folder / "config.toml").write_text("concurrency = 7\n")
    assert parse([], stdout_is_terminal=True, environ={}).concurrency == 7


ERRORS: list[tuple[str | bytes, str]] = [
    ("\nfps = 99", "2: fps: invalid number (0.1 to 60): '99'"),
    ("fps = true", "1: fps: must be text or a number, not true or false"),
    ("fps = [1]", "1: fps: must be text or a number, not a list"),
    ("# no\nascii = 1\n", "2: ascii: must be true or false"),
    ("[retry]\nx = 1\n", "1: retry: must be text or a number, not a table"),
    ("retry = 1\nconcurency = 3\n", "2: concurency: unknown setting; did you mean concurrency?"),
    ("url = 'x'\n", "1: url: unknown setting"),
    ("input-file = 'x'\n", "1: input-file: unknown setting"),
    ('"a\\nb" = 1', "1: 'a\\nb': unknown setting"),
    ("header = [\n 'A: 1',\n 'B',\n]\nfps = 3", "1: header: malformed header: expected 'Name: value'"),
    ("fps = 1\nheader = [\n 3,\n]\n", "2: header: malformed header: expected 'Name: value'"),
    ("theme = 'pink'", "1: theme: invalid choice: 'pink' (choose from "),
    ("transport = 'httpx2'", "1: transport: httpx2 was removed; use httpx"),
    ("transport = 'curl'", "1: transport: invalid choice: 'curl' (choose from "),
    ("fps = 1\n\nkey = '/dev/null'\n", "3: key: it needs cert"),
    ("fps = 1\nproxy = 'http://user:secret@h:no/'\n", "2: proxy: the proxy's port must be a number from 1 to 65535"),
    ("cert = '/no/such'", "1: cert: cannot read /no/such: No such file or directory"),
    ("fps = 1\nfps = ", "2: Invalid value, in 'fps ='"),
    ("fps = 1\nfps = 2", "2: Cannot overwrite a value, in 'fps = 2'"),
    ("a = '''\n\n", "3: "),
    (b"fps = 1\n# \xff\n", "2: not UTF-8"),
    ("keys = 3\n", "1: keys: must be a table, as [keys]"),
    ("fps = 1\n[keys]\nquit = 3\n", "3: keys.quit: must be a key or a list of keys, in quotes"),
    ("[keys]\nrow.cancle = 'c'\n", "2: keys.row.cancle: unknown key id; did you mean row.cancel?"),
    ("[keys]\n\nhelp = 'hyper+x'\n", "3: keys.help: unknown key 'hyper+x' (examples: x, X, f5, ctrl+x, pgup, space)"),
    ("[keys]\nhelp = 'ctrl+m'\n", "2: keys.help: to a terminal 'ctrl+m' is the same as enter"),
    ("[keys]\n'row.cancel' = ['c', 'd']\n", "2: keys.row.cancel: 'd' is also the key of row.drop (drop the handle"),
    ("[keys]\nhelp = 'c'\nrow.cancel = 'c'\n", "2: keys.help: 'c' is also the key of row.cancel"),
    ("[keys]\nquit = []\n", "2: keys.quit: cannot be without a key"),
    ("[keys]\nquit = 'Q'\n", "2: keys.quit: 'Q' could not be typed any more"),
    ("[keys]\nurl.older = 'p'\n", "2: keys.url.older: 'p' would be typed into the field"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ERRORS)
def test_an_error_names_file_line_and_key(
    config: Path, capfd: pytest.CaptureFixture[str], text: str | bytes, said: str
) -> None:
    assert complaint(capfd, config, text).startswith(said)


def test_errors_of_the_file_as_a_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"

    def fails(said: str) -> None:
        with pytest.raises(SystemExit):
            options(config)
        assert said in capfd.readouterr().err

    fails("No such file")
    config.mkdir()
    fails("Is a directory")
    config.rmdir()
    config.write_bytes(b"#" * 65537)
    fails("larger than 64 KiB")
    config.write_text("a = " + "[" * 5000)
    fails("nested too deeply")


def test_an_error_of_the_environment_names_the_variable(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config.write_text("")
    for name, value, said in (
        ("FPS", "x", "invalid number (0.1 to 60): 'x'"),
        ("ASCII", "maybe", "must be true or false"),
        ("HEADER", "x", "malformed header: expected 'Name: value'"),
    ):
        with pytest.raises(SystemExit):
            options(config, environ={f"WEAKFETCH_{name}": value})
        assert capfd.readouterr().err.startswith(f"weakfetch-tui: WEAKFETCH_{name}: {said}")


def test_keys_can_be_changed_swapped_and_taken_away(config: Path) -> None:
    config.write_text(
        '[keys]\nrow.cancel = "d"\n"row.drop" = ["x", "DELETE", "ctrl+d"]\nrow.pin = []\nhelp = ["?", "esc"]'
    )
    config.write_text(config.read_text().replace('"esc"', '","'))
    assert options(config).keys == {
        "row.cancel": ("d",), "row.drop": ("x", "delete", "ctrl+d"), "row.pin": (), "help": ("?", "comma"),
    }  # fmt: skip


names = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
values = st.sampled_from(["1", "'x'", "[\n  1,\n  2, # c\n]", '"""\nb = 3\n"""', "{ q = 1 }", "'''\n[t]\n'''"])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(names, values, st.sampled_from(["", "\n", "# c\n", "[x.y]\n"])),
        max_size=8,
        unique_by=lambda item: item[0],
    )
)
def test_the_line_of_every_value_is_found(tmp_path_factory: Any, statements: list[tuple[str, str, str]]) -> None:
    text = ""
    table: tuple[str, ...] = ()
    expected: list[tuple[tuple[str, ...], int]] = []
    for name, value, before in statements:
        if not before.startswith("["):
            text += before
        elif not table:
            text += before
            table = ("x", "y")
        if name == "x":
            continue
        expected.append(((*table, name), text.count("\n") + 1))
        text += f"{name} = {value}\n"
    path = tmp_path_factory.getbasetemp() / "lines.toml"
    path.write_text(text)
    file = read_config(path, must_exist=True)
    assert file is not None
    assert [(keys, file.where(keys)) for keys, _ in expected] == [(keys, f"{path}:{line}") for keys, line in expected]
    with pytest.raises(ConfigError, match="no"):
        raise file.error(("a",), "no")


def test_choices_are_kept_until_their_setting_changes(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "choices.json"
    choices = Choices(path)
    choices.save()
    assert not path.exists()
    assert choices.get("theme", "auto") == "auto"
    choices.keep("theme", "light", setting="auto")
    choices.keep("fps", 2.0, setting=4.0)
    choices.save()
    assert [entry.name for entry in path.parent.iterdir()] == ["choices.json"]
    again = Choices(path)
    assert (again.get("theme", "auto"), again.get("fps", 4.0)) == ("light", 2.0)
    assert again.get("theme", "dark") == "dark"  # somebody edited the settings since
    assert Choices(path, fixed={"theme"}).get("theme", "auto") == "auto"  # given for this run


@pytest.mark.parametrize("text", ["", "[]", '{"fps": 3}', '{"fps": ["x", 4.0]}', '{"fps": [[1], 4.0]}', "\xff"])
def test_choices_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "choices.json"
    path.write_text(text, encoding="latin-1")
    assert Choices(path).get("fps", 4.0) == 4.0


def test_choices_that_cannot_be_written_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    choices = Choices(tmp_path / "file" / "choices.json")
    choices.keep("fps", 2.0, setting=4.0)
    choices.save()
    assert choices.get("fps", 4.0) == 2.0
