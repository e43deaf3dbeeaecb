"""What a run takes its URLs from: requests as JSON, sitemaps from disk and from the web, globs. One result for each."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.headless.program import run, start
from tests.headless.test_headless import next_line
from tui.inputs.sitemap import index_of

pytestmark = pytest.mark.once


class Site:
    """A server that remembers what it was sent: methods, paths, headers, bodies."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                site.requests.append((self.command, self.path, headers, body))
                page = site.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Length", str(len(page or b"")))
                self.end_headers()
                self.wfile.write(page or b"")

            do_GET = do_PUT = do_POST = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def sitemap(self, *paths: str) -> bytes:
        pages = "".join(f"<url><loc>{self.url}{path}</loc></url>" for path in paths)
        return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{pages}</urlset>'.encode()

    def index(self, *paths: str) -> bytes:
        lists = "".join(f"<sitemap><loc>{self.url}{path}</loc></sitemap>" for path in paths)
        return f"<sitemapindex>{lists}</sitemapindex>".encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    site.pages |= {f"/{name}": name.encode() for name in "abc"}
    yield site
    site.close()


def paths(lines: list[dict[str, Any]], site: Site) -> list[str]:
    return sorted(line["url"].removeprefix(site.url) for line in lines)


def test_requests_as_json_give_one_result_each(site: Site) -> None:
    lines = [
        {"url": f"{site.url}/a", "method": "PUT", "headers": {"X-One": "1", "User-Agent": "me"}, "body": "data"},
        {"url": f"{site.url}/b"},
        {"url": f"{site.url}/c", "hedaers": {}},
        {"url": f"{site.url}/a", "headers": {"X": "a\r\nY: b"}},
    ]
    data = "\n".join([*map(json.dumps, lines), "{oops", ""]).encode()
    ended = run("-", "-H", "X-All: 2", "-A", "other", input=data)
    assert ended.code == 1
    assert len(ended.lines) == 5
    errors = {line["url"].removeprefix(site.url): line["error"]["message"] for line in ended.lines if line["error"]}
    assert "unknown key 'hedaers'" in errors["/c"]
    assert "control character" in errors["/a"]
    assert errors[""].startswith("line 5: invalid JSON")
    sent = {path: (method, headers, body) for method, path, headers, body in site.requests}
    method, headers, body = sent["/a"]
    assert (method, headers["x-one"], headers["user-agent"], headers["x-all"], body) == ("PUT", "1", "me", "2", b"data")
    assert (sent["/b"][0], sent["/b"][1]["user-agent"]) == ("GET", "other")
    assert len(site.requests) == 2


def test_requests_are_made_while_they_come(site: Site) -> None:
    with start("-", "--input-format", "ndjson") as process:
        assert process.stdin
        process.stdin.write(b"3\n")  # as a URL it would be invalid in another way
        process.stdin.flush()
        assert next_line(process)["error"]["message"] == "line 1: not a JSON object"
        for name in "ab":
            process.stdin.write(json.dumps({"url": f"{site.url}/{name}"}).encode() + b"\n")
            process.stdin.flush()
            assert next_line(process)["url"] == f"{site.url}/{name}"
        process.communicate(timeout=20)
    assert process.returncode == 1


@pytest.mark.parametrize("packed", [False, True])
def test_a_sitemap_file(site: Site, tmp_path: Path, packed: bool) -> None:
    data = site.sitemap("/a", "/b", "/missing")
    (tmp_path / "list").write_bytes(gzip.compress(data) if packed else data)
    ended = run("-i", str(tmp_path / "list"), f"{site.url}/c")
    assert (ended.code, paths(ended.lines, site)) == (1, ["/a", "/b", "/c", "/missing"])


def test_a_sitemap_on_the_web_is_fetched_first(site: Site) -> None:
    site.pages["/index.xml"] = site.index("/one.xml.gz", "/two.txt", "/one.xml.gz")
    site.pages["/one.xml.gz"] = gzip.compress(site.sitemap("/a", "/b"))
    site.pages["/two.txt"] = f"# list\n{site.url}/c\n".encode()
    ended = run("-i", f"{site.url}/index.xml", "-H", "X-All: 2")
    assert (ended.code, paths(ended.lines, site)) == (0, ["/a", "/b", "/c"])
    assert [path for _, path, _, _ in site.requests][:2] == ["/index.xml", "/one.xml.gz"]
    assert all(headers["x-all"] == "2" for _, _, headers, _ in site.requests)


def test_lists_that_name_each_other_end(site: Site) -> None:
    site.pages["/x"] = site.index("/y", "/x")
    site.pages["/y"] = site.index("/x", "/z")
    site.pages["/z"] = site.index("/x", "/deep")
    site.pages["/deep"] = site.sitemap("/a")
    ended = run("-i", f"{site.url}/x")
    assert (ended.code, ended.lines) == (1, [])
    assert f"reading URLs failed: {site.url}/deep: too many lists within lists" in ended.err


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (None, "404 Not Found"),
        (
            b'<?xml version="1.0"?><!DOCTYPE x []><urlset/>',
            "the sitemap is refused: it has a document type declaration",
        ),
    ],
)
def test_a_list_that_cannot_be_had_is_told(site: Site, page: bytes | None, why: str) -> None:
    if page is not None:
        site.pages["/list"] = page
    ended = run(f"{site.url}/a", "-i", f"{site.url}/list")
    assert (ended.code, paths(ended.lines, site)) == (1, ["/a"])
    assert why in ended.err


def test_a_sitemap_on_standard_input_may_be_an_index(site: Site) -> None:
    site.pages["/list"] = site.sitemap("/a")
    ended = run("-", input=index_of(f"{site.url}/list"))
    assert (ended.code, paths(ended.lines, site)) == (0, ["/a"])


def test_globs_make_one_result_for_each_url(site: Site) -> None:
    ended = run(f"{site.url}/[a-c]?x={{1,2}}")
    assert paths(ended.lines, site) == [f"/{name}?x={number}" for name in "abc" for number in "12"]
    assert paths(run("-g", f"{site.url}/a?x=[1-2]").lines, site) == ["/a?x=[1-2]"]
    assert paths(run("-", input=f"{site.url}/a?x=[1-2]".encode()).lines, site) == ["/a?x=[1-2]"]


@pytest.mark.parametrize(("glob", "why"), [("[3-1]", "runs backwards"), ("[1-9999999]", "makes 9999999 URLs")])
def test_a_bad_glob_fails_alone(site: Site, glob: str, why: str) -> None:
    ended = run(f"{site.url}/a", f"{site.url}/{glob}", f"{site.url}/b")
    first, bad, last = sorted(ended.lines, key=lambda line: int(line["index"]))
    assert (ended.code, first["status"], last["status"]) == (1, 200, 200)
    assert (bad["url"], bad["error"]["kind"], why in bad["error"]["message"]) == (
        f"{site.url}/{glob}", "invalid-url", True,
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/q?q[]=1", "/q?a[x]=1&b={", "/q?f={%22a%22:{}}"])
def test_brackets_that_are_no_glob_are_fetched_as_they_are(site: Site, path: str) -> None:
    ended = run(f"{site.url}/a", f"{site.url}{path}")
    assert (len(ended.lines), len(site.requests)) == (2, 2)
    assert sorted(line["url"] for line in ended.lines) == [f"{site.url}/a", f"{site.url}{path}"]


IDS = ["a", "", 0, -7, 1.5, True, False, None, 10**20]


@pytest.mark.parametrize("how", [["--no-store"], [], ["--processes", "2"]], ids=["alone", "stored", "processes"])
def test_each_result_tells_which_request_it_is_of(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "first").write_text(f"# a comment\n\n{site.url}/b\nhttp://[oops\n")
    asked: list[dict[str, Any]] = [{"url": f"{site.url}/a", "method": "POST", "id": name} for name in IDS]
    asked.append({"url": f"{site.url}/a", "id": "named", "oops": 1})
    (tmp_path / "second").write_text("".join(f"{json.dumps(each)}\n" for each in asked))
    ended = run(f"{site.url}/[1-2]", "-i", str(tmp_path / "first"), "-i", str(tmp_path / "second"), "--headless", *how)
    lines = {line["index"]: line for line in ended.lines}
    assert sorted(lines) == list(range(1, 5 + len(asked)))
    assert [lines[index]["url"].removeprefix(site.url) for index in range(1, 5)] == ["/1", "/2", "/b", "http://[oops"]
    for index, each in enumerate(asked, 5):
        assert json.dumps(lines[index]["id"]) == json.dumps(each["id"])
        assert lines[index]["method"] == each.get("method", "GET")
    assert [lines[index]["id"] for index in range(1, 5)] == [None] * 4


@pytest.mark.parametrize("name", [b"NaN", b"Infinity", b"1e999", b'"\\ud800"', b"[1]", b"{}", b"1" * 5000])
def test_an_id_that_no_strict_parser_takes_is_refused(site: Site, name: bytes) -> None:
    good = json.dumps({"url": f"{site.url}/a", "id": "good"}).encode()
    bad = b'{"url": "%s/b", "id": %s}' % (site.url.encode(), name)
    ended = run("-", "--input-format", "ndjson", input=bad + b"\n" + good + b"\n")
    first, second = sorted(ended.lines, key=lambda line: int(line["index"]))
    assert first["error"]["kind"] == "invalid-url"
    assert (first["id"], second["id"], second["status"]) == (None, "good", 200)


@pytest.mark.parametrize("how", ["file", "stdin"])
def test_every_kind_of_list_may_be_packed(site: Site, tmp_path: Path, how: str) -> None:
    kinds = {
        "lines": f"{site.url}/a\n# no\n{site.url}/b\n".encode(),
        "requests": json.dumps({"url": f"{site.url}/a"}).encode()
        + b"\n"
        + json.dumps({"url": f"{site.url}/b"}).encode(),
        "sitemap": site.sitemap("/a", "/b"),
        "wide": f"{site.url}/a\r\n{site.url}/b".encode("utf-16"),
    }
    for kind, data in kinds.items():
        (tmp_path / kind).write_bytes(gzip.compress(data))
        ended = run("-i", str(tmp_path / kind)) if how == "file" else run("-", input=gzip.compress(data))
        assert (ended.code, paths(ended.lines, site)) == (0, ["/a", "/b"]), kind


def test_a_broken_pack_gives_what_came_before(site: Site, tmp_path: Path) -> None:
    lines = "".join(f"{site.url}/a?{number}\n" for number in range(3000)).encode()
    (tmp_path / "cut").write_bytes(gzip.compress(lines)[:-20])
    ended = run("-i", str(tmp_path / "cut"), f"{site.url}/b")
    assert ended.code == 1
    assert "gzip data ends too early" in ended.err
    assert len(ended.lines) > 1


def test_the_i_of_curl_is_told_apart(site: Site) -> None:
    site.pages["/page"] = b"<!doctype html>\n<p>hello\n"
    ended = run("-i", f"{site.url}/page")
    assert (ended.code, ended.lines) == (1, [])
    assert "web page, not a list of URLs" in ended.err
    assert "-i reads a list of URLs from there; it does not show headers, as in curl" in ended.err
