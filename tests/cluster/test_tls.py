"""A cluster behind TLS: certificates as Dask's configuration names them, and what is said without the right ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dask
import pytest
import trustme
from distributed import LocalCluster, Scheduler, Security

from fetch_engine import FetchEngine
from fetch_engine.executors.dask.executor import DaskExecutor
from tests.cluster.pages import Pages

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities, of which the cluster knows the first, and a certificate of each."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("right", "wrong"):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / f"{name}-ca"))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / name))
    return folder


def security(files: Path) -> Any:
    make: Any = Security
    own, authority = str(files / "right"), str(files / "right-ca")
    return make(tls_ca_file=authority, tls_scheduler_cert=own, tls_worker_cert=own, tls_client_cert=own)


@pytest.fixture
async def guarded(anyio_backend: Any, files: Path) -> AsyncIterator[str]:
    """The address of a cluster in this loop."""
    start: Any = LocalCluster
    async with start(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        asynchronous=True,
        protocol="tls://",
        host="127.0.0.1",
        security=security(files),
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=False,
    ) as cluster:
        yield cluster.scheduler_address


def named(files: Path, authority: str, own: str) -> Any:
    tls = "distributed.comm.tls"
    return dask.config.set({f"{tls}.ca-file": str(files / authority), f"{tls}.client.cert": str(files / own)})


async def test_fetches_go_through_it(guarded: str, files: Path, pages: Pages) -> None:
    assert guarded.startswith("tls://")
    with named(files, "right-ca", "right"):
        executor = DaskExecutor(guarded)
        assert executor.address.warning is None
        assert await executor.check() is None
        async with FetchEngine(executor=executor) as engine:
            assert (await engine.submit(f"{pages.base}/0/5")).body_size == 5


@pytest.mark.parametrize(
    ("authority", "own", "said"),
    [
        ("wrong-ca", "right", "TLS certificate does not match"),
        ("right-ca", "wrong", "unknown ca"),
        ("right-ca", "none", "cannot be read"),
        ("right-ca", "right-ca", "cannot be read"),
    ],
)
async def test_wrong_certificates_are_told(guarded: str, files: Path, authority: str, own: str, said: str) -> None:
    with named(files, authority, own):
        why = await DaskExecutor(guarded).check()
    assert why is not None
    assert said.lower() in why.lower()


async def test_a_plain_client_is_sent_away(guarded: str) -> None:
    assert "no Dask scheduler" in (await DaskExecutor(guarded.replace("tls:", "tcp:")).check() or "")


async def test_a_scheduler_that_speaks_no_tls_is_told(anyio_backend: Any, files: Path) -> None:
    start: Any = Scheduler
    async with start(protocol="tcp://", host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as plain:
        with named(files, "right-ca", "right"):
            why = await DaskExecutor(plain.address.replace("tcp:", "tls:")).check()
    assert "no Dask scheduler" in (why or "")


def test_without_certificates_the_program_says_where_to_name_them(tmp_path: Path) -> None:
    command = "import sys; from tui.cli import main; sys.exit(main())"
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", command, "--headless", "--no-store", "--cluster", "tls://127.0.0.1:9", "http://h/"],
        env={**os.environ, "DASK_CONFIG": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2, ended.stderr
    assert "distributed.comm.tls.ca-file" in ended.stderr
    assert "never awaited" not in ended.stderr
    assert ended.stdout == ""
    assert time.monotonic() - began < 30
