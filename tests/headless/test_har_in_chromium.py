"""Chromium's developer tools take the archive: imported by their own code, in a headless browser."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.headless.har_schema import har_entries
from tests.headless.program import run

CHROMIUM = shutil.which("chromium")
TOOLS = "devtools://devtools/bundled/devtools_app.html"
# What "Import HAR file" of the network panel does with the text.
IMPORT = """(async text => {
  const {HARFormat, Importer} = await import('./models/har/har.js');
  const requests = Importer.Importer.requestsFromHARLog(new HARFormat.HARRoot(JSON.parse(text)).log);
  return JSON.stringify(await Promise.all(requests.map(async request => {
    const content = await request.requestContentData();
    const body = 'error' in content ? null : content.isTextContent ? content.text : content.base64;
    const {statusCode, statusText, duration, responseHeaders} = request;
    return [request.url(), statusCode, statusText, duration, responseHeaders.length, body];
  })));
})"""

pytestmark = [pytest.mark.once, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


class Browser:
    """A headless Chromium that is spoken to by the debugging protocol over two pipes: JSON, each ended by a zero."""

    def __init__(self, profile: Path) -> None:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        options += ["--remote-debugging-pipe", f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            # Other shells take descriptors of one digit only.
            ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash", str(CHROMIUM), *options],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._number = 0
        self._read = b""

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of a command."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "result" in message, message
                result: dict[str, Any] = message["result"]
                return result

    def _message(self) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while b"\0" not in self._read:
            assert select.select([self._answers], [], [], max(0, deadline - time.monotonic()))[0], "no answer in time"
            piece = os.read(self._answers, 65536)
            assert piece, "the browser has gone"
            self._read += piece
        message, _, self._read = self._read.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed

    def close(self) -> None:
        os.close(self._commands)
        os.close(self._answers)
        self._process.kill()
        self._process.wait()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


def imported(browser: Browser, text: str) -> list[list[Any]]:
    target = browser.call("Target.createTarget", url=TOOLS)["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    deadline = time.monotonic() + 60
    while True:
        answer = browser.call(
            "Runtime.evaluate",
            session,
            expression=f"{IMPORT}({json.dumps(text)})",
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" not in answer:
            requests: list[list[Any]] = json.loads(answer["result"]["value"])
            return requests
        assert time.monotonic() < deadline, answer["exceptionDetails"]  # until the page is there
        time.sleep(0.2)


def test_the_demo_in_the_developer_tools(browser: Browser) -> None:
    har = run("--headless", "--demo", "--format", "har").out
    entries = har_entries(har)
    requests = imported(browser, har.decode())
    assert sorted((url, status) for url, status, *_ in requests) == sorted(
        (entry["request"]["url"], entry["response"]["status"]) for entry in entries
    )
    by_path = {url.rpartition("/")[2]: rest for url, *rest in requests}
    status, text, seconds, headers, body = by_path["slow?s=1"]
    assert (status, text, body) == (200, "OK", "answered after 1 s\n")
    assert seconds >= 1
    assert headers >= 2
    assert "日本語" in by_path["unicode"][-1]
    assert len(by_path["binary"][-1]) == 5464  # in base64
