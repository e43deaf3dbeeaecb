"""How fast, and in how much memory, a long list is fetched without a screen: `python headless_list.py [N] [OPTION]...`

Uses nginx with a 1 KiB file if it is installed, else the demo server in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tui.demo.server import open_listener

CONFIG = """
daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000; client_body_temp_path {directory}; proxy_temp_path {directory};
  fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
  server {{ listen 127.0.0.1:{port}; root {directory}; }} }}
"""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a small file on a server in another process."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    listener, url = open_listener()
    listener.close()
    port = url.rpartition(":")[2]
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        Path(directory, "file").write_bytes(b"x" * 1024)
        Path(directory, "conf").write_text(CONFIG.format(directory=directory, port=port))
        command = (
            [nginx, "-c", f"{directory}/conf"] if nginx else [sys.executable, "-m", "tui.demo.server", "--port", port]
        )
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(1)
            try:
                yield f"{url}/{'file' if nginx else 'fast'}"
            finally:
                process.terminate()


def main(count: int, options: list[str]) -> None:
    """Fetch one URL so many times and print what it took."""
    with server() as url, tempfile.TemporaryFile() as urls:
        for number in range(count):
            urls.write(f"{url}?{number}\n".encode())
        urls.seek(0)
        started = time.perf_counter()
        command = [sys.executable, "-m", "tui.cli", "--headless", "-", *options]
        with subprocess.Popen(command, stdin=urls, stdout=subprocess.PIPE) as process:
            assert process.stdout
            good = sum(b'"status": 200' in line for line in process.stdout)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        elapsed = time.perf_counter() - started
    cpu = usage.ru_utime + usage.ru_stime
    page = 1024 if sys.platform != "darwin" else 1
    print(
        f"{good} of {count} with status 200, exit code {process.returncode}; {elapsed:.1f} s, {count / elapsed:.0f}/s, "
        f"{cpu / count * 1000:.2f} ms CPU each; peak memory {usage.ru_maxrss * page / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, sys.argv[2:])
