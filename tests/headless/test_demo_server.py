"""The demo server, asked over real sockets by a client that is none of ours."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tui.demo.pages import PAGES
from tui.demo.server import demo_server

pytestmark = pytest.mark.once


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with demo_server(backend=request.param) as url:
        yield url


def ask(
    server: str, path: str, method: str = "GET", body: bytes | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=10)
    try:
        connection.request(method, path, body=body)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def raw(server: str, request: bytes) -> socket.socket:
    parts = urlsplit(server)
    assert parts.hostname
    sock = socket.create_connection((parts.hostname, parts.port or 80), timeout=10)
    sock.sendall(request)
    return sock


def read_until_end(sock: socket.socket) -> bytes:
    received = b""
    while chunk := sock.recv(65536):
        received += chunk
    return received


@pytest.mark.parametrize(
    ("path", "status", "content_type", "size"),
    [
        ("/", 200, "text/html; charset=utf-8", None),
        ("/fast?i=7", 200, "application/json", None),
        ("/slow?s=0.05", 200, "text/plain; charset=utf-8", None),
        ("/large?mb=1.5", 200, "application/octet-stream", 1_500_000),
        ("/large?mb=0", 200, "application/octet-stream", 0),
        ("/chunked?n=3&every=0.01", 200, "text/plain; charset=utf-8", 24),
        ("/redirect?n=1", 302, "text/plain; charset=utf-8", None),
        ("/status/503", 503, "text/plain; charset=utf-8", None),
        ("/status/999", 999, "text/plain; charset=utf-8", None),
        ("/status/nonsense", 400, "text/plain; charset=utf-8", None),
        ("/status/100", 400, "text/plain; charset=utf-8", None),
        ("/slow?s=nan", 400, "text/plain; charset=utf-8", None),
        ("/slow?s=-1", 400, "text/plain; charset=utf-8", None),
        ("/drip?n=4&every=0.01", 200, "text/plain; charset=utf-8", 256),
        ("/json", 200, "application/json", None),
        ("/html", 200, "text/html; charset=utf-8", None),
        ("/binary", 200, "application/octet-stream", 4096),
        ("/unicode", 200, "text/plain; charset=utf-8", None),
        ("/nothing-here", 404, "text/plain; charset=utf-8", None),
    ],
)
def test_pages_answer_with_their_status_type_and_size(
    server: str, path: str, status: int, content_type: str, size: int | None
) -> None:
    response, body = ask(server, path)
    assert (response.status, response.headers["Content-Type"]) == (status, content_type)
    if size is not None:
        assert len(body) == size


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_leave_the_connection_usable(server: str, status: int) -> None:
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=10)
    for _ in range(2):
        connection.request("GET", f"/status/{status}")
        response = connection.getresponse()
        assert (response.status, response.read()) == (status, b"")
    connection.close()


def test_redirects_count_down_to_an_answer(server: str) -> None:
    path, hops = "/redirect?n=3", 0
    while True:
        response, body = ask(server, path)
        if response.status != 302:
            break
        path = response.headers["Location"]
        hops += 1
    assert (response.status, hops, json.loads(body)["ok"]) == (200, 3, True)


def test_connections_are_kept_and_head_has_no_body(server: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=10)
    connection.connect()
    own_port = connection.sock.getsockname()[1]
    for path in PAGES:
        if path in ("/hang", "/stall", "/reset", "/truncate"):
            continue
        connection.request("HEAD", path if path != "/slow" else "/slow?s=0.01")
        response = connection.getresponse()
        assert response.read() == b""
        assert response.status in (200, 302, 503)
        if path in ("/chunked", "/drip"):
            continue
        assert int(response.headers["Content-Length"]) >= 0
    assert connection.sock.getsockname()[1] == own_port
    connection.close()


def test_echo_tells_what_it_saw(server: str) -> None:
    seen = json.loads(ask(server, "/echo?a=1", "PUT", "grüß".encode())[1])
    assert (seen["method"], seen["query"], seen["body"]) == ("PUT", {"a": "1"}, "grüß")
    assert ["content-length", "6"] in seen["headers"]


def test_gzip_is_gzip(server: str) -> None:
    response, body = ask(server, "/gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(body))["gzip"] is True


def test_unicode_page_holds_what_must_not_reach_a_terminal(server: str) -> None:
    text = ask(server, "/unicode")[1].decode()
    for trick in ("\x1b[31m", "\x1b]0;", "\x9b", "\u202e", "\u2066", "[@click="):
        assert trick in text


def test_reset_sends_a_rst_amid_the_body(server: str) -> None:
    with raw(server, b"GET /reset HTTP/1.1\r\nHost: x\r\n\r\n") as sock, pytest.raises(ConnectionResetError):
        read_until_end(sock)


def test_truncated_body_ends_with_a_fin(server: str) -> None:
    with raw(server, b"GET /truncate HTTP/1.1\r\nHost: x\r\n\r\n") as sock:
        head, _, body = read_until_end(sock).partition(b"\r\n\r\n")
    assert b"Content-Length: 1000" in head
    assert 0 < len(body) < 1000


@pytest.mark.parametrize(("path", "head"), [("/hang", b""), ("/stall", b"HTTP/1.1 200 ")])
def test_pages_that_never_end_stay_silent(server: str, path: str, head: bytes) -> None:
    with raw(server, b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()) as sock:
        received = sock.recv(65536) if head else b""
        assert received.startswith(head)
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(65536)


def test_connection_close_is_kept(server: str) -> None:
    with raw(server, b"GET /fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as sock:
        assert read_until_end(sock).endswith(b"}")


def test_pipelined_requests_are_answered_in_order(server: str) -> None:
    with raw(server, b"GET /slow?s=0.05 HTTP/1.1\r\nHost: x\r\n\r\nGET /fast HTTP/1.0\r\nHost: x\r\n\r\n") as sock:
        received = read_until_end(sock)
    assert received.index(b"answered after") < received.index(b'{"ok"')


def test_garbage_and_clients_that_leave_do_no_harm(server: str, capfd: pytest.CaptureFixture[str]) -> None:
    for request in (b"\x00\xff\r\n\r\n", b"", b"GET /", b"GET /large?mb=50 HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /drip HTTP/1.1\r\nHost: x\r\n\r\n"):  # fmt: skip
        raw(server, request).close()
    assert ask(server, "/fast")[0].status == 200
    assert capfd.readouterr().err == ""


@pytest.mark.timing
def test_many_clients_at_once(server: str) -> None:
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(server, "/slow?s=0.3")[0].status)) for _ in range(40)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 40
    assert time.monotonic() - started < 6  # one after the other would be 12 s


def test_leaving_lets_go_of_every_descriptor() -> None:
    before = len(os.listdir("/dev/fd"))
    with demo_server() as url:
        held = [raw(url, b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(5)]
        ask(url, "/fast")
    for sock in held:
        sock.close()
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_as_a_program_it_prints_its_url_and_ends_on_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "tui.demo.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert ask(url, "/fast")[0].status == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    # On a busy machine asyncio's development mode tells of slow callbacks.
    assert (out, [line for line in err.splitlines() if not line.startswith("Executing <")]) == ("", [])
    assert process.returncode == 0


def test_a_port_that_is_taken_is_a_usage_error(server: str) -> None:
    port = str(urlsplit(server).port)
    done = subprocess.run(
        [sys.executable, "-m", "tui.demo.server", "--port", port],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("demo_server: ")
    assert "Traceback" not in done.stderr
