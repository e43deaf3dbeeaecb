"""A request made the short way says what httpx itself would make of the URL."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fetch_engine.http.httpx_adapter import make_request
from fetch_engine.model.limits import Timeouts
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.transport import WireRequest

pytestmark = pytest.mark.once

ORIGINS = ("http://example.org", "https://a.b-c.org:8443", "http://127.0.0.1:80", "https://[::1]:443", "http://h:")
TARGETS = st.text("aZ09/.?%=&;:@!$'()*+,~_-[]|\\\"<> ^`{}é", max_size=20)


@given(st.sampled_from(ORIGINS), TARGETS)
@example("http://example.org", "")
@example("http://example.org", "/a/../b")
@example("http://example.org", "/a/./b?c=/../d")
@example("http://example.org", "/..")
@example("http://example.org", "/a/..?x")
@example("http://example.org", "/%zz?a=%20")
def test_the_target_is_that_of_httpx(origin: str, target: str) -> None:
    url = origin + "/" * (target[:1] not in ("/", "?", "")) + target
    asked = httpx.URL(url)
    made = make_request(WireRequest("GET", url), Timeouts(), Recorder())
    assert made.extensions.get("target", made.url.raw_path) == asked.raw_path
    assert (made.url.scheme, made.url.raw_host, made.url.port) == (asked.scheme, asked.raw_host, asked.port)
    assert made.headers.raw == [(b"Host", asked.netloc)]


def test_most_urls_go_the_short_way() -> None:
    request = WireRequest("GET", "https://example.org:8443/a/b.c/?d=e.f&g=%20", (("Accept", "*/*"),))
    made = make_request(request, Timeouts(), Recorder())
    assert made.extensions["target"] == b"/a/b.c/?d=e.f&g=%20"
    assert str(made.url) == "https://example.org:8443"
