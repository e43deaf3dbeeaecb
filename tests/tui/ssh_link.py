"""A real OpenSSH server for tests: on the loopback, with keys and settings of its own, for whoever runs the tests."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.tui.pty_terminal import PtyTerminal

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0

_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UseDNS no
PrintMotd no
PrintLastLog no
"""


def find_sshd() -> str | None:
    """The server's path: it wants to be started by that."""
    return shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")


class SshLink:
    """One server, and clients that run commands in a terminal through it."""

    def __init__(self, sshd: str, folder: Path) -> None:
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True, timeout=LIMIT)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # it refuses to start without
        config = folder / "config"
        config.write_text(_CONFIG.format(port=self._port, folder=folder))
        self._folder = folder
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._server = subprocess.Popen([sshd, "-D", "-e", "-f", str(config)], stderr=log, stdin=subprocess.DEVNULL)
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                assert self._server.poll() is None, self._log.read_text()
                assert time.monotonic() < end, self._log.read_text()
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        """End the server and all that it started."""
        for process in self.processes():
            process.kill()
        self._server.kill()
        self._server.wait(LIMIT)

    def processes(self) -> list[psutil.Process]:
        """What the server has started and what runs below it."""
        return psutil.Process(self._server.pid).children(recursive=True)

    def sessions(self) -> list[psutil.Process]:
        """The server's processes for its clients."""
        return [process for process in self.processes() if process.name().startswith("sshd")]

    def dashboard(self) -> psutil.Process:
        """The program on the far side."""
        end = time.monotonic() + LIMIT
        while True:
            found = [process for process in self.processes() if "tui.cli" in process.cmdline()]
            if len(found) == 1 and found[0].cmdline()[0] == sys.executable:
                return found[0]
            assert time.monotonic() < end, self.processes()
            time.sleep(0.02)

    def open(self, *arguments: str, size: tuple[int, int] = (80, 24), data: Path) -> PtyTerminal:
        """The dashboard on the far side in a terminal of this size. data: the folder that it saves runs in."""
        folders = {f"XDG_{name}_HOME": str(data / name.lower()) for name in ("DATA", "CONFIG", "CACHE", "STATE")}
        environ = {"PYTHONPATH": str(ROOT), "COLORTERM": "truecolor", "LANG": "C.UTF-8", **folders}
        command = ["env", *(f"{name}={value}" for name, value in environ.items())]
        return self.terminal([*command, sys.executable, "-m", "tui.cli", *arguments], size)

    def terminal(self, command: Sequence[str], size: tuple[int, int]) -> PtyTerminal:
        """A command on the far side."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes"]
        client = ["ssh", "-tt", "-F", "none", "-i", str(self._folder / "user"), "-p", str(self._port)]
        client += [part for option in options for part in ("-o", option)]
        return PtyTerminal([*client, f"{getpass.getuser()}@127.0.0.1", f"exec {shlex.join(command)}"], size=size)
