"""No option without a test that gives it to the program, or to an engine at work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.options.table import parse

TESTS = Path(__file__).parents[1]
# Tests of what is read, refused and printed; they would not notice an option without an effect.
OF_WORDS = {"test_cli.py", "test_settings.py", "test_access_options.py", "test_curl_command.py", Path(__file__).name}


def texts() -> Iterator[str]:
    """All texts in the other tests, and the words of commands among them."""
    for folder in ("headless", "tui", "wire", "cluster"):
        for path in (TESTS / folder).glob("test_*.py"):
            if path.name not in OF_WORDS:
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        yield node.value
                        yield from node.value.split() if len(node.value) < 200 else ()


@pytest.mark.once
def test_every_option_is_at_work_in_some_test(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"], stdout_is_terminal=True, environ={})
    shown = re.findall(r"^  (-.+?)(?:  .*)?$", capfd.readouterr().out, re.MULTILINE)
    options = [{word.split()[0] for word in line.split(", ") if word.startswith("-")} for line in shown]
    assert len(options) > 60
    used = {text.partition("=")[0] for text in texts() if text.startswith("-")}
    assert [names for names in options if not names & (used | {"--help", "--version"})] == []
