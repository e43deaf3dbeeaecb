"""What listens while fetches run on a cluster, and that it lets in nobody who is not meant to be.

Whoever can send a message to one of Dask's ports can run code there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import trustme

from tests.cluster.by_hand import TREE, ByHand, free_port, until
from tests.cluster.pages import Pages

pytestmark = [pytest.mark.anyio, pytest.mark.once, pytest.mark.timeout(180)]

LIMIT = 60.0
PROGRAM = ("-c", "import sys; from tui.cli import main; sys.exit(main())")

# Another user's program, which knows the address and nothing else: what Dask offers to everybody, then what it
# would not refuse to a client. Its code would leave a file behind.
INTRUDER = """
import asyncio, sys
import dask
from distributed import Client, Security
from distributed.core import connect, rpc

address, trace, *files = sys.argv[1:]
security = Security(tls_ca_file=files[0], tls_client_cert=files[1]) if files else Security()

def leave(path):
    open(path, "w").close()

async def main():
    with dask.config.set({"distributed.comm.timeouts.connect": "5s"}):
        try:
            comm = await connect(address, timeout=5, connection_args=security.get_connection_args("client"))
            await comm.write({"op": "identity", "reply": True})
            print("talked to", await asyncio.wait_for(comm.read(), 5))
        except Exception as error:
            print("refused:", type(error).__name__)
        try:
            async with Client(address, asynchronous=True, timeout=5, security=security) as client:
                await asyncio.wait_for(client.run_on_scheduler(leave, trace), 5)
        except Exception as error:
            print("refused:", type(error).__name__)

asyncio.run(main())
"""


@dataclass(frozen=True)
class Listening:
    host: str
    port: int
    pid: int


def listening(parent: psutil.Process) -> list[Listening]:
    """What a process and its children listen on."""
    found = []
    for process in (parent, *parent.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            for one in process.net_connections("inet"):
                if one.status == psutil.CONN_LISTEN:
                    found.append(Listening(one.laddr.ip, one.laddr.port, process.pid))
    return found


def foreign_certificate(folder: Path) -> list[str]:
    """Of an authority that a stranger has made."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "foreign-ca"))
    authority.issue_cert("dask-internal").private_key_and_cert_chain_pem.write_to_path(str(folder / "foreign"))
    return [str(folder / "foreign-ca"), str(folder / "foreign")]


def intrude(folder: Path, address: str, *files: str) -> str:
    """What a stranger comes to there."""
    done = subprocess.run(
        [sys.executable, "-c", INTRUDER, address, str(folder / "trace"), *files],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, "DASK_CONFIG": str(folder), "DASK_LOGGING__DISTRIBUTED": "critical"},
    )
    assert not (folder / "trace").exists(), "its code ran"
    return done.stdout


def shows_certificate_request(port: int) -> bool:
    """Whether TLS is spoken there, and a client without a certificate is sent away before it can say anything."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3 the alert comes after the handshake
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        try:
            context.wrap_socket(plain)
        except ssl.SSLError as error:
            return "HANDSHAKE_FAILURE" in str(error) or "CERTIFICATE_REQUIRED" in str(error)
        except ConnectionResetError:
            return True
    return False


@contextlib.contextmanager
def held(pages: Pages) -> Iterator[None]:
    pages.held = asyncio.Event()
    try:
        yield
    finally:
        pages.held.set()


def started(pages: Pages, temporary: Path) -> subprocess.Popen[str]:
    """The program with a cluster on this machine, at four fetches."""
    temporary.mkdir()
    return subprocess.Popen(
        [sys.executable, *PROGRAM, "--headless", "--no-store", "--cluster", "local:2", "--per-host", "4",
         *[f"{pages.base}/0/1/{number}" for number in range(4)]],
        env={**os.environ, "PYTHONPATH": str(TREE), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


async def test_a_cluster_on_this_machine_lets_nobody_in(pages: Pages, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    with held(pages):
        run = started(pages, temporary)
        try:
            await until(lambda: pages.running == 4, LIMIT)
            sockets = listening(psutil.Process(run.pid))
            assert {one.host for one in sockets} == {"127.0.0.1"}
            # The scheduler and a nanny for each worker are in the program, the workers beside it. No page server.
            assert len(sockets) == 5
            assert sum(one.pid == run.pid for one in sockets) == 3
            foreign = foreign_certificate(tmp_path)
            for one in sockets:
                assert await asyncio.to_thread(shows_certificate_request, one.port), one
                for protocol, shown in (("tcp", []), ("tls", foreign)):
                    said = await asyncio.to_thread(intrude, tmp_path, f"{protocol}://127.0.0.1:{one.port}", *shown)
                    assert said.count("refused") == 2, said
                    assert "talked" not in said
            assert [one.stat().st_mode & 0o777 for one in temporary.iterdir()] == [0o700]
            assert all(b"PRIVATE KEY" not in one.read_bytes() for one in files(temporary))
            pages.held.set()  # type: ignore[union-attr]
            out, err = await asyncio.to_thread(run.communicate, timeout=LIMIT)
        finally:
            run.kill()
            run.wait()
    assert run.returncode == 0, err
    assert out.count('"status": 200') == 4, out
    assert list(temporary.iterdir()) == []


def readme_commands() -> str:
    section = (TREE / "README.md").read_text(encoding="utf-8").split("\n### On a cluster\n")[1]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_commands_of_the_readme_bind_what_they_say_and_let_nobody_in(
    by_hand: ByHand, pages: Pages, tmp_path: Path
) -> None:
    """As they stand there, but for addresses of loopback, other ports, and the programs of this environment."""
    ports = {number: free_port() for number in ("8786", "8788", "8789")}
    text = readme_commands().replace("10.0.0.", "127.0.0.").replace("$HOME", str(tmp_path))
    for number, port in ports.items():
        text = re.sub(rf"\b{number}\b", str(port), text)
    dask = f"{shlex.quote(sys.executable)} -m dask"
    text = text.replace("\ndask ", f"\nexec {dask} ").replace("\nweakfetch-tui ", "\nexec weakfetch-tui ")
    lines = text.replace("\\\n", "").splitlines()
    commands = [line for line in lines if line.startswith("exec ")]
    common = "\n".join(line for line in lines if not line.startswith("exec "))
    assert len(commands) == 3

    scheduler_command, worker_command, program = commands
    (tmp_path / "urls.txt").write_text(f"{pages.base}/0/1\n{pages.base}/0/2\n")
    scheduler = by_hand.start_script(f"{common}\n{scheduler_command}")
    await until(lambda: (tmp_path / "fetch.pem").exists() and ports_of(scheduler), LIMIT)
    keep = "\n".join(line for line in common.splitlines() if "openssl" not in line)
    worker = by_hand.start_script(f"{keep}\n{worker_command}")
    await until(lambda: len(ports_of(worker)) == 3, LIMIT)
    assert (tmp_path / "fetch.key").stat().st_mode & 0o777 == 0o600

    reachable = {(one.host, one.port) for one in listening(psutil.Process(scheduler.pid))}
    assert ("127.0.0.1", ports["8786"]) in reachable
    assert len(reachable) == 2  # and its page of facts, for this machine alone
    assert {host for host, _ in reachable} == {"127.0.0.1"}
    reachable = {(one.host, one.port) for one in listening(psutil.Process(worker.pid))}
    assert {port for host, port in reachable if host == "127.0.0.2"} == {ports["8788"], ports["8789"]}
    assert [host for host, _ in reachable if host != "127.0.0.2"] == ["127.0.0.1"]

    own = [str(tmp_path / "fetch.pem"), str(tmp_path / "mine")]
    (tmp_path / "mine").write_text((tmp_path / "fetch.key").read_text() + (tmp_path / "fetch.pem").read_text())
    foreign = foreign_certificate(tmp_path)
    for host, number in (("127.0.0.1", "8786"), ("127.0.0.2", "8788"), ("127.0.0.2", "8789")):
        for protocol, shown in (("tcp", []), ("tls", foreign)):
            said = await asyncio.to_thread(intrude, tmp_path, f"{protocol}://{host}:{ports[number]}", *shown)
            assert said.count("refused") == 2, said
    # The same program with the key: it was not refused for another reason.
    with pytest.raises(AssertionError, match="its code ran"):
        await asyncio.to_thread(intrude, tmp_path, f"tls://127.0.0.1:{ports['8786']}", *own)

    run = by_hand.start_script(
        f"{keep}\n{program.replace('weakfetch-tui', f'{shlex.quote(sys.executable)} -m tui.cli')}"
        " --headless --no-store > out"
    )
    assert await asyncio.to_thread(run.wait, LIMIT) == 0
    assert (tmp_path / "out").read_text().count('"status": 200') == 2


def ports_of(process: subprocess.Popen[bytes]) -> list[Listening]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return listening(psutil.Process(process.pid))
    return []
