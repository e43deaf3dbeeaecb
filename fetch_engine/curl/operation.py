"""One operation of a curl command, and the requests that it makes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from fetch_engine.model.limits import Timeouts
from fetch_engine.model.requests import TOKEN, FetchRequest, Headers, has_header

_FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class CurlOperation:
    """What stands between two --next: what the options of one operation say."""

    urls: list[str] = field(default_factory=list)
    method: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    defaults: list[tuple[str, str]] = field(default_factory=list)  # unless a header is given
    cookies: list[str] = field(default_factory=list)
    body: bytes | None = None
    query: list[str] = field(default_factory=list)
    as_query: bool = False
    head: bool = False
    follow: bool = False
    trust: bool = False
    insecure: bool = False
    proxy: str | None = None
    proxy_user: str | None = None
    connect_timeout: str | None = None
    max_time: str | None = None

    def requests(self, missing: list[str]) -> list[FetchRequest]:
        """One request for each URL; what is not valid is added to `missing`."""
        body, query = self.body, list(self.query)
        if self.as_query and body is not None:
            query.insert(0, body.decode("utf-8", "surrogateescape"))
            body = None
        headers = self._headers(with_body=body is not None)
        inferred = "HEAD" if self.head else "GET" if self.as_query or body is None else "POST"
        method = self.method or inferred
        if not TOKEN.fullmatch(method):
            missing.append("the method is not valid")
        timeouts = self._timeouts(missing)
        return [
            FetchRequest(
                _with_query(_with_http(url), query),
                method=method,
                headers=headers,
                body=body or b"",
                timeouts=timeouts,
                follow_redirects=self.follow,
                trust_redirects=self.trust,
                insecure=self.insecure,
                proxy=self._proxy(),
            )
            for url in self.urls
        ]

    def _headers(self, *, with_body: bool) -> Headers:
        headers = list(self.headers)
        defaults = [*self.defaults]
        if self.cookies:
            defaults.append(("Cookie", "; ".join(self.cookies)))
        if with_body:
            defaults.append(("Content-Type", _FORM))
        for name, value in defaults:
            if name.lower() not in self.removed and not has_header(tuple(headers), name.lower()):
                headers.append((name, value))
        return tuple(headers)

    def _proxy(self) -> str | None:
        if not self.proxy or self.proxy_user is None:
            return self.proxy
        user, colon, password = self.proxy_user.partition(":")
        scheme, separator, rest = self.proxy.rpartition("://")
        return f"{scheme}{separator}{_quoted(user)}{colon}{_quoted(password)}@{rest.rpartition('@')[2]}"

    def _timeouts(self, missing: list[str]) -> Timeouts | None:
        if self.connect_timeout is None and self.max_time is None:
            return None
        values: dict[str, float | None] = {}
        for name, option, text in (
            ("connect", "--connect-timeout", self.connect_timeout),
            ("total", "--max-time", self.max_time),
        ):
            if text is None:
                continue
            if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{0,9})?", text):
                missing.append(f"{option}: invalid number of seconds")
            else:
                values[name] = float(text) or None
        return Timeouts(**values)


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")


def _with_http(url: str) -> str:
    return url if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url) else f"http://{url}"


def _with_query(url: str, query: list[str]) -> str:
    if not query:
        return url
    before, hash_sign, fragment = url.partition("#")
    joint = "" if before.endswith(("?", "&")) else "&" if "?" in before else "?"
    return before + joint + "&".join(query) + hash_sign + fragment
