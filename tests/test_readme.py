"""The README says what is: its commands run, its tables are those of the program."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.tui.pty_terminal import PtyTerminal
from tui.demo.server import demo_server
from tui.keys.table import KEYS, PLACES
from tui.options.table import parse
from tui.rows.row_filter import parse as parse_filter

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PROGRAM = f"{sys.executable} -m tui.cli"
LIMIT = 60.0


def block(heading: str, language: str) -> str:
    """The first fenced block of this language under a heading."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path, server: str) -> Path:
    (tmp_path / "urls.txt").write_text(f"# a list\n{server}/fast\n{server}/json\n")
    (tmp_path / "page.html").write_text('<a href="https://example.com/fast">x</a>')
    return tmp_path


USE = [line.partition(" # ")[0].rstrip() for line in block("Reference", "sh").splitlines()]


def runnable(command: str, server: str) -> str:
    command = command.replace("https://example.com", server).replace(
        " example.com", f" {server.removeprefix('http://')}"
    )
    return command.replace("weakfetch-tui", PROGRAM).replace("https://[^", "http://[^")


@pytest.mark.parametrize("command", [line for line in USE if "--headless" in line])
def test_each_headless_command_does_its_work(command: str, server: str, folder: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", runnable(command, server)], cwd=folder, capture_output=True, check=False, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    results = folder / "results.ndjson"
    lines = (results.read_bytes() if results.exists() else done.stdout).splitlines()
    assert [json.loads(line)["status"] for line in lines] == [200, 200]


@pytest.mark.parametrize("command", [line for line in USE if "--headless" not in line])
def test_each_dashboard_command_opens_and_leaves(command: str, server: str, folder: Path) -> None:
    (folder / "page.html").write_text(f'<a href="{server}/fast">x</a>')
    with PtyTerminal(["sh", "-c", f"cd {folder} && {runnable(command, server)}"], size=(80, 24)) as terminal:
        terminal.wait_for("Refs 0 alive", LIMIT)
        terminal.wait_for(lambda: re.search(r"Done [12]\b", terminal.text), LIMIT)
        terminal.send("q")
        code = terminal.wait_exit(LIMIT)
        assert "0 alive" in terminal.text
    assert code == (1 if "missing" in command else 0)


def recipe(heading: str) -> str:
    """The commands of a recipe."""
    section = README.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    return section.split("```sh\n")[1].split("```")[0]


def test_the_recipe_for_a_list_opens_the_dashboard_and_its_filter_finds_what_failed(server: str, folder: Path) -> None:
    (folder / "urls.txt").write_text(f"{server}/fast\n{server}/status/404\n")
    command = runnable(recipe("Fetch a list and see what failed"), server)
    with PtyTerminal(["sh", "-c", f"cd {folder} && {command}"], size=(100, 24)) as terminal:
        terminal.wait_for(lambda: re.search(r"Done 2\b", terminal.text), LIMIT)
        terminal.wait_for(lambda: "/fast" in terminal.text and "/status/404" in terminal.text, LIMIT)
        terminal.send("2")
        terminal.send("/")
        terminal.send("!code:200\r")
        terminal.wait_for(lambda: "/fast" not in terminal.text and "/status/404" in terminal.text, LIMIT)
        terminal.send("q")
        assert terminal.wait_exit(LIMIT) == 1


def test_the_recipe_for_scripts_prints_what_failed(server: str, folder: Path) -> None:
    (folder / "urls.txt").write_text(f"{server}/fast\n{server}/status/404\n")
    done = run_recipe("Run it from a script", server, folder)
    said, line = done.stdout.splitlines()
    assert said == "some URLs failed"
    assert json.loads(line)["status"] == 404


def test_the_recipe_for_saving_saves_and_can_be_run_again(server: str, folder: Path) -> None:
    for _ in range(2):
        done = run_recipe("Save files and resume broken downloads", server, folder)
        assert done.returncode == 0, done.stderr
        assert statuses(folder) == [200, 200]
        assert sorted(one.name for one in (folder / "downloads").iterdir()) == ["fast", "json"]


def test_the_recipe_for_a_gentle_run_does_its_work(server: str, folder: Path) -> None:
    done = run_recipe("Be gentle to a host", server, folder)
    assert done.returncode == 0, done.stderr
    assert statuses(folder) == [200, 200]


def test_the_recipe_for_an_interrupted_run_fetches_the_rest(server: str, folder: Path) -> None:
    (folder / "urls.txt").write_text(f"{server}/fast\n{server}/slow?s=5\n")
    first, second = runnable(recipe("Continue an interrupted run"), server).splitlines()
    with subprocess.Popen(["sh", "-c", f"exec {first}"], cwd=folder, stderr=subprocess.PIPE) as run:
        try:
            until = time.monotonic() + LIMIT
            while not ((folder / "results.ndjson").exists() and statuses(folder)):
                assert time.monotonic() < until
                time.sleep(0.05)
        finally:
            run.kill()
    assert statuses(folder) == [200]
    done = subprocess.run(["sh", "-c", second], cwd=folder, capture_output=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (folder / "results.ndjson").read_text().splitlines()]
    assert [(line["index"], line["status"]) for line in lines] == [(1, 200), (2, 200)]


def run_recipe(heading: str, server: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = runnable(recipe(heading), server)
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=False, text=True, timeout=LIMIT)
    assert "Traceback" not in done.stderr
    return done


def statuses(folder: Path) -> list[int]:
    return [json.loads(line)["status"] for line in (folder / "results.ndjson").read_text().splitlines()]


def test_the_demo_command_opens_the_dashboard_and_leaves_nothing(tmp_path: Path) -> None:
    assert ".venv/bin/weakfetch-tui --demo" in block("Install and try it", "sh")
    with PtyTerminal([*PROGRAM.split(), "--demo"], size=(80, 24)) as terminal:
        terminal.wait_for(lambda: re.search(r"Done [3-9]", terminal.text), LIMIT)
        terminal.send("q")
        terminal.wait_for("Quit and cancel?", LIMIT)
        terminal.send("y")
        assert terminal.wait_exit(LIMIT) == 0
        assert "0 alive" in terminal.text


def test_the_result_line_starts_with_the_keys_that_are_promised(server: str) -> None:
    promised = json.loads(block("Reference", "json"))
    done = subprocess.run(
        [*PROGRAM.split(), "--headless", f"{server}/fast"], capture_output=True, check=False, timeout=LIMIT
    )
    line = json.loads(done.stdout)
    assert list(line)[: len(promised)] == list(promised)
    assert {key: type(value) for key, value in promised.items()} == {key: type(line[key]) for key in promised}


def test_the_example_of_the_library_runs(server: str, tmp_path: Path) -> None:
    example = tmp_path / "example.py"
    example.write_text(block("The library", "python").replace("https://example.com", server))
    done = subprocess.run(
        [sys.executable, "-W", "error", example], capture_output=True, check=False, text=True, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 102
    census = dict(re.findall(r"(\w+)=(\d+)", done.stdout.splitlines()[-1]))
    assert census["opened"] == census["closed"] == "102"


def keys_table() -> str:
    """The keys as the README has them."""
    rows = ["| where | keys | what |", "| --- | --- | --- |"]
    for place, where in PLACES.items():
        rows += [f"| {where} | {_code(key.labels)} | {key.text} |" for key in KEYS if key.place == place]
    return "\n".join(rows)


def _code(labels: str) -> str:
    return " ".join(f"`{label}`" for label in labels.split())


def test_the_keys_are_those_of_the_program() -> None:
    assert keys_table() in README


def test_the_exit_codes_of_signals_are_the_real_ones() -> None:
    named = [128 + number for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)]
    assert f"| {', '.join(map(str, named))} | after SIGINT, SIGHUP, SIGTERM" in README


def test_pictures_and_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (Path(__file__).parent.parent / unquote(target)).is_file(), target


def test_the_settings_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(block("Reference", "toml"))
    options = parse(["--config", str(file), "http://a.test/"], stdout_is_terminal=True, environ={})
    assert (options.theme, options.concurrency, options.max_time) == ("contrast", 32, 60)
    assert options.headers == (("Accept", "text/html"),)
    assert options.keys == {"row.cancel": ("x", "delete")}


FILTERS = README.split("| filter | rows |")[1].split("\n\n")[0]


@pytest.mark.parametrize(
    "words", [words for row in FILTERS.splitlines()[2:] for words in re.findall(r"`([^`]+)`", row.split("|")[1])]
)
def test_each_filter_is_one(words: str) -> None:
    parse_filter(words)


# The commands for a cluster: tests/cluster/test_ports.py.


def test_each_option_that_is_named_exists() -> None:
    named = set(re.findall(r"`(-[-A-Za-z0-9]+)", README))
    known = subprocess.run([*PROGRAM.split(), "--help"], capture_output=True, check=True, text=True).stdout
    assert {option for option in named if not re.search(rf"(?<![-\w]){re.escape(option)}(?![-\w])", known)} == set()
