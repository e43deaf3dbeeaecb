"""Without a screen: one line for each URL, whatever it is, and an exit code that hides nothing."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from fetch_engine.model.redaction import masked_url
from fetch_engine.model.results import ErrorKind
from fetch_engine.outputs.accounts import unicode_only
from tests.headless.program import run, start
from tests.headless.test_inputs import expected
from tui.demo.scenario import HEADLESS
from tui.demo.server import demo_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with demo_server() as url:
        yield url


def next_line(process: subprocess.Popen[bytes], seconds: float = 20) -> dict[str, Any]:
    """The next line of output, without waiting for more than it."""
    assert process.stdout
    line = b""
    deadline = time.monotonic() + seconds
    while not line.endswith(b"\n"):
        assert select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))[0], "no line in time"
        byte = os.read(process.stdout.fileno(), 1)
        assert byte, f"output ended: {process.stderr.read() if process.stderr else ''!r}"
        line += byte
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_the_line_is_the_contract(server: str) -> None:
    ended = run(f"{server}/redirect?n=2", f"{server}/status/404")
    assert ended.code == 1
    by_url = {line["url"]: line for line in ended.lines}
    line = by_url[f"{server}/redirect?n=2"]
    assert list(line)[:9] == [
        "url", "final_url", "status", "error", "bytes", "sha256", "elapsed_ms", "attempts", "redirects",
    ]  # fmt: skip
    assert (line["final_url"], line["status"], line["error"], line["bytes"]) == (f"{server}/fast", 200, None, 12)
    assert (line["attempts"], line["redirects"], len(line["sha256"])) == (1, 2, 64)
    assert (by_url[f"{server}/status/404"]["status"], by_url[f"{server}/status/404"]["error"]) == (404, None)


def test_all_below_400_is_0(server: str) -> None:
    ended = run(f"{server}/fast", f"{server}/status/399", f"{server}/status/204")
    assert ended.code == 0
    assert len(ended.lines) == 3


def test_output_is_ascii_without_control_characters(server: str) -> None:
    url = f"{server}/echo?\u202e\u00e4\x1b[31m"
    ended = run("-g", url, f"{server}/unicode")
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in ended.out)
    assert url in [line["url"] for line in ended.lines]


def test_secrets_of_a_url_are_in_no_line_unless_asked_for(server: str) -> None:
    url = server.replace("://", "://me:geheim@") + "/fast?api_key=verborgen&x=1"
    (line,) = run(url).lines
    assert (line["url"], line["status"]) == (f"{server}/fast?api_key=***&x=1", 200)
    assert not any(secret in json.dumps(line) for secret in ("geheim", "verborgen"))
    (line,) = run("--show-secrets", url).lines
    assert line["url"] == url


def test_a_list_with_everything_in_it(server: str, tmp_path: Path) -> None:
    data = (
        (
            f"\ufeff# comment\r\n\r\n{server}/fast\r\n{server}/fast\n   {server}/json\t\nnot a url\n\nhttp://[::1\n"
            f"ftp://127.0.0.1/\nhttp://127.0.0.1:99999/\n"
        ).encode()
        + b"http://\xff\xfe/\nhttp://a\x00b/\nhttp://"
        + b"x" * 1_000_000
        + b"\n"
        + f"{server}/html".encode()
    )
    (tmp_path / "list").write_bytes(data)
    ended = run("-i", str(tmp_path / "list"), f"{server}/fast?given")
    assert ended.code == 1
    kinds = {line["url"][:20]: line["error"] and line["error"]["kind"] for line in ended.lines}
    assert len(ended.lines) == 12
    assert Counter(line["url"] for line in ended.lines)[f"{server}/fast"] == 2
    assert kinds["not a url"] == kinds["http://[::1"] == kinds["http://127.0.0.1:999"] == "invalid-url"
    assert kinds["http://\ufffd\ufffd/"] == kinds["http://a\x00b/"] == kinds["http://" + "x" * 13] == "invalid-url"
    assert kinds["ftp://127.0.0.1/"] == "unsupported-scheme"


URLS = [
    "http://a.example/fast", "http://a.example/status/404", "http://b.example/redirect?n=1", "https://c.example/", "#c",
]  # fmt: skip
lines = st.sampled_from(URLS) | st.text(max_size=12).map(lambda text: text.replace("\n", ""))
lists = st.lists(lines.map(str.encode) | st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"")), max_size=60)


@pytest.mark.once
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=lists, end=st.sampled_from([b"\n", b"\r\n"]), last=st.booleans())
@example(parts=[b"\x1f\x8b"], end=b"\n", last=False)
def test_one_line_for_every_line_of_any_list(server: str, parts: list[bytes], end: bytes, last: bool) -> None:
    data = end.join(parts) + (end if last else b"")
    assume(not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff", b"\x1f\x8b\x08")))  # lists in other forms
    # Through a proxy, so that no name is looked up, whatever the garbage looks like; it may begin as gzip does.
    ended = run("-", "--input-format", "lines", "-x", server, "--exit-report", input=data)
    assert Counter(line["url"] for line in ended.lines) == Counter(
        unicode_only(masked_url(url)) for url in expected(data)
    )
    report = json.loads(ended.err.splitlines()[-1])
    assert report["clean"]
    assert report["fetches"] == len(ended.lines) == report["opened"] == report["closed"]
    assert ended.code == (0 if all((line["status"] or 999) < 400 for line in ended.lines) else 1)


def test_an_empty_list_is_no_error() -> None:
    assert run("-").code == 0
    assert run("-i", os.devnull).code == 0


def test_lines_come_while_the_input_is_still_open(server: str) -> None:
    with start("-") as process:
        assert process.stdin
        for number in range(3):
            process.stdin.write(f"{server}/fast?i={number}\n".encode())
            process.stdin.flush()
            assert next_line(process)["url"].endswith(f"i={number}")
        process.stdin.write(f"{server}/hang\n{server}/fast?last".encode())
        process.stdin.flush()
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert next_line(process)["url"].endswith("last")
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 143


def test_lines_come_in_order_of_completion(server: str) -> None:
    ended = run(f"{server}/slow?s=1", f"{server}/slow?s=0.5", f"{server}/fast")
    assert [line["url"].removeprefix(server) for line in ended.lines] == ["/fast", "/slow?s=0.5", "/slow?s=1"]


def test_the_demo_has_the_outcomes_it_promises() -> None:
    ended = run("--headless", "--demo", "--exit-report")
    assert ended.code == 1
    outcomes = Counter(
        (line["url"].split("/", 3)[3] if "127.0.0.1:" in line["url"] else line["url"],
         line["status"] if line["error"] is None else line["error"]["kind"])
        for line in ended.lines
    )  # fmt: skip
    assert outcomes == Counter((path.removeprefix("/"), outcome) for path, outcome in HEADLESS)
    report = json.loads(ended.err.splitlines()[-1])
    assert report == {
        "fetches": 21, "opened": 21, "closed": 21, "alive": 0, "sessions_opened": 1, "sessions_closed": 1,
        "descriptors_before": report["descriptors_before"], "descriptors_after": report["descriptors_before"],
        "counts": {"ok": 12, "failed": 9, "cancelled": 0}, "left": 0, "seconds": report["seconds"],
        "clean": True,
    }  # fmt: skip
    assert {kind for _, kind in HEADLESS if isinstance(kind, ErrorKind)} > {ErrorKind.RESET, ErrorKind.INCOMPLETE}


def test_the_report_is_one_line_for_a_person_unless_json_is_asked_for(server: str) -> None:
    err = run(f"{server}/fast").err.splitlines()[-1]
    assert re.match(
        r"weakfetch-tui: 1 ok, 0 failed in [0-9.]+ s; 1 fetches; handles 1 opened, 1 closed, 0 alive; ", err
    )
    assert "; sessions 1 opened, 1 closed; " in err


def test_method_headers_and_body_reach_the_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with start(
            "-d", "a=1", "-d", "b=2", "-A", "me", "-H", "X-One: 1", "-H", "X-Empty;", "-X", "PATCH", url
        ) as process:
            listener.settimeout(20)
            connection, _ = listener.accept()
            with connection:
                request = b""
                while not request.endswith(b"\r\n\r\na=1&b=2"):
                    request += connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                assert next_line(process)["status"] == 200
            process.communicate(timeout=20)
    head = request.split(b"\r\n")
    assert head[0] == b"PATCH / HTTP/1.1"
    sent = {line.split(b":")[0].lower(): line.split(b":", 1)[1].strip() for line in head[1:-2]}
    assert (sent[b"x-one"], sent[b"x-empty"], sent[b"user-agent"], sent[b"content-length"]) == (b"1", b"", b"me", b"7")
    assert sent[b"content-type"] == b"application/x-www-form-urlencoded"


def test_no_location_makes_the_redirect_the_result(server: str) -> None:
    (line,) = run("--no-location", f"{server}/redirect").lines
    assert (line["status"], line["redirects"]) == (302, 0)


@pytest.mark.parametrize(
    ("args", "path", "kind"),
    [
        (["--max-redirs", "2"], "/redirect?n=3", "too-many-redirects"),
        (["--max-time", "0.3"], "/hang", "timeout-total"),
        (["--max-filesize", "10K"], "/large?mb=1", "too-large"),
    ],
)
def test_limits_are_kept(server: str, args: list[str], path: str, kind: str) -> None:
    ended = run(*args, server + path)
    assert (ended.code, [line["error"]["kind"] for line in ended.lines]) == (1, [kind])


def test_retries_are_counted(server: str) -> None:
    (line,) = run("--retry", "2", "--retry-delay", "0.01", f"{server}/status/503").lines
    assert (line["status"], line["attempts"]) == (503, 3)


def test_few_descriptors_mean_slower_and_not_failed(server: str) -> None:
    urls = "".join(f"{server}/slow?s=0.02&i={number}\n" for number in range(300))
    ended = run("-", "-j", "200", "--per-host", "200", input=urls.encode(), shell='ulimit -n 64; exec "$@"')
    assert Counter(line["status"] for line in ended.lines) == {200: 300}
    assert ended.code == 0
