"""The user's pager and editor on a body, on a real pseudo-terminal."""

from __future__ import annotations

import pathlib
import signal
import sys

import pytest

from tests.tui.pty_terminal import PtyTerminal
from tui.screen.outside import NoProgram, editor_command, environment_for, pager_command

ROOT = pathlib.Path(__file__).parents[2]


def test_the_pager_shows_no_raw_control_characters() -> None:
    assert pager_command({"PAGER": "env -i less"}) == ["env", "-i", "less"]
    found = pager_command({"PAGER": "less -iRS -r --RAW-CONTROL-CHARS +G", "PATH": "/usr/bin:/bin"})
    assert found == ["less", "-iS", "+G"]
    changed = environment_for(["/usr/bin/less"], {"LESS": "-FRX", "LESSOPEN": "|lesspipe %s", "A": "b"})
    assert changed == {"LESS": "-M", "A": "b"}
    assert environment_for(["vi"], {"LESS": "-R"}) == {"LESS": "-R"}


def test_what_cannot_be_run_is_named() -> None:
    with pytest.raises(NoProgram, match=r"program not found: 'no-such-pager' \(from \$PAGER\)"):
        pager_command({"PAGER": "no-such-pager -x"})
    with pytest.raises(NoProgram, match=r"\$VISUAL cannot be understood"):
        editor_command({"VISUAL": "vi 'x", "EDITOR": "vi"})
    assert editor_command({"EDITOR": f"{sys.executable} -m pdb"}) == [sys.executable, "-m", "pdb"]


PROGRAM = """
import os, sys
from tests.tui.fake_link import FakeLink, result, snapshot
from tui.screen.app import DashboardApp
import asyncio
from tui.terminal.setup import run_app

body = ("first line\\n" + "x\\n" * 5000 + "last \\x1b[31mline\\n").encode()
path = sys.argv[1] + "/spooled"
open(path, "wb").write(body)
record = result(1, "http://h/note", body=body[:100], size=len(body), content_type="text/plain", body_path=path)
app = DashboardApp(FakeLink(snapshot(done=1), [record]))
sys.exit(asyncio.run(run_app(app)))
"""

VIEWER = """
import os, select, signal, stat, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
path = sys.argv[-1]
data = open(path, "rb").read()
mode = stat.S_IMODE(os.stat(path).st_mode)
with open(sys.argv[2], "w") as note:
    note.write(path)
print("VIEWER", len(data), oct(mode), path.endswith(".txt"), sys.argv[1], os.isatty(0), flush=True)
select.select([0], [], [])
"""


@pytest.mark.once
def test_a_program_gets_the_terminal_and_gives_it_back(tmp_path: pathlib.Path) -> None:
    viewer, note = tmp_path / "viewer.py", tmp_path / "path"
    viewer.write_text(VIEWER)
    (tmp_path / "spool").mkdir()
    environ: dict[str, str | None] = {
        "PAGER": f"{sys.executable} '{viewer}' arg {note}",
        "EDITOR": "no-such-editor",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(tmp_path / "spool"),
    }
    with PtyTerminal([sys.executable, "-c", PROGRAM, str(tmp_path)], env=environ) as terminal:
        terminal.wait_for("1 Active")
        terminal.send("v")
        terminal.wait_for("VIEWER")
        assert not terminal.in_alternate_screen
        assert f"VIEWER {11 + 10_000 + 15} 0o600 True arg True" in terminal.text
        copy = pathlib.Path(note.read_text())
        assert copy.exists()
        assert copy.parent == tmp_path / "spool"
        note.unlink()
        terminal.send("\n")
        terminal.wait_for(lambda: terminal.in_alternate_screen)
        terminal.wait_for(lambda: not copy.exists())
        terminal.send("v")
        terminal.wait_for(note.exists)
        terminal.send("\x03")
        terminal.wait_for(lambda: terminal.in_alternate_screen)
        terminal.send("e")
        terminal.wait_for("no-such-editor")
        terminal.send("q")
        assert terminal.wait_exit() == 0
    assert not list((tmp_path / "spool").iterdir())


@pytest.mark.once
def test_the_end_of_the_program_ends_the_pager(tmp_path: pathlib.Path) -> None:
    viewer, note = tmp_path / "viewer.py", tmp_path / "path"
    viewer.write_text(VIEWER)
    environ: dict[str, str | None] = {"PAGER": f"{sys.executable} {viewer} arg {note}", "PYTHONPATH": str(ROOT)}
    with PtyTerminal([sys.executable, "-c", PROGRAM, str(tmp_path)], env=environ) as terminal:
        terminal.wait_for("1 Active")
        terminal.send("v")
        terminal.wait_for("VIEWER")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 128 + signal.SIGTERM
    assert not pathlib.Path(note.read_text()).exists()
