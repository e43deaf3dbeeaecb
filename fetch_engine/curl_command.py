"""A curl command as the requests that it makes, and a request as a curl command."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from fetch_engine import curl_options
from fetch_engine.limits import Timeouts
from fetch_engine.requests import SECRET_HEADERS, TRANSPORT_HEADERS, FetchRequest, Headers, has_header
from fetch_engine.shell_words import ShellError, quote_word, split_words
from fetch_engine.urls import complete_scheme, safe_url

REDACTED = "***"  # in place of a secret; a command that holds it is not complete
_FORM = "application/x-www-form-urlencoded"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class CurlCommand:
    """What a command came to.

    requests: in the order of its URLs; empty where something essential is missing. globs: whether brackets and braces
    in the URLs are globs. missing: what would make them other requests and could not be taken. ignored: what else was
    not taken. Both are short texts that hold no secret.
    """

    requests: tuple[FetchRequest, ...]
    globs: bool = True
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def is_curl_command(text: str) -> bool:
    """Whether a person would call it a curl command."""
    return re.match(r"\s*(?:\$\s+)?curl(?:\.exe)?\s", text) is not None


def parse_curl(text: str) -> CurlCommand:
    """Read a curl command as a shell and curl read it. Never raises.

    As with curl redirects are followed with -L only, and a URL without a scheme is http.
    """
    text = re.sub(r"\A\s*\$\s+", "", text)
    if re.search(r"\^\r?\n", text):
        return CurlCommand((), missing=("a command for cmd.exe; copy it as cURL for bash",))
    try:
        split = split_words(text)
    except ShellError as error:
        return CurlCommand((), missing=(str(error),))
    reader = _Reader()
    reader.missing += [f"{name} (only a shell knows its value)" for name in split.variables]
    if split.rest:
        reader.ignored.append("what follows the command")
    reader.read(list(split.words[1:]))
    requests = tuple(request for operation in reader.operations for request in operation.requests(reader))
    if not requests:
        reader.missing.append("a URL")
    missing, ignored = _unique(reader.missing), _unique(reader.ignored)
    return CurlCommand(() if missing else requests, not reader.globoff, missing, ignored)


def curl_command(request: FetchRequest, *, secrets: bool = False) -> str:
    """The request as a curl command on one line, in printable characters.

    Without `secrets` credentials and cookies are replaced by REDACTED. Of the timeouts connect and total are there. A
    body that holds a zero byte, which no command can, is named as the file `body`.
    """
    words = ["curl", "--globoff"]
    if request.follow_redirects:
        words.append("-L")
    has_data = bool(request.body)
    if request.method == "HEAD" and not has_data:
        words.append("-I")
    elif request.method != ("POST" if has_data else "GET"):
        words += ["-X", request.method]
    for name, value in request.headers:
        hidden = REDACTED if name.lower() in SECRET_HEADERS and value and not secrets else value
        words += ["-H", f"{name}: {hidden}" if hidden else f"{name};"]
    if has_data:
        if not has_header(request.headers, "content-type"):
            words += ["-H", "Content-Type:"]
        if b"\0" in request.body:
            words += ["--data-binary", "@body"]
        else:
            words += ["--data-raw", request.body.decode("utf-8", "surrogateescape")]
    if request.insecure:
        words.append("-k")
    if request.proxy is not None:
        words += ["-x", request.proxy if secrets else _without_password(request.proxy)]
    if request.timeouts is not None:
        words += ["--connect-timeout", _seconds(request.timeouts.connect), "-m", _seconds(request.timeouts.total)]
    url = complete_scheme(request.url)
    words += ["--url", url if secrets else _without_password(url)]
    return " ".join(map(quote_word, words))


@dataclass(slots=True)
class _Operation:
    """What stands between two --next."""

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
    insecure: bool = False
    proxy: str | None = None
    proxy_user: str | None = None
    connect_timeout: str | None = None
    max_time: str | None = None

    def requests(self, reader: _Reader) -> list[FetchRequest]:
        """One request for each URL."""
        body, query = self.body, list(self.query)
        if self.as_query and body is not None:
            query.insert(0, body.decode("utf-8", "surrogateescape"))
            body = None
        headers = self._headers(with_body=body is not None)
        inferred = "HEAD" if self.head else "GET" if self.as_query or body is None else "POST"
        method = self.method or inferred
        if not _TOKEN.fullmatch(method):
            reader.missing.append("a valid method")
        timeouts = self._timeouts(reader)
        return [
            FetchRequest(
                _with_query(_with_http(url), query),
                method=method,
                headers=headers,
                body=body or b"",
                timeouts=timeouts,
                follow_redirects=self.follow,
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

    def _timeouts(self, reader: _Reader) -> Timeouts | None:
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
                reader.missing.append(f"{option} as a number of seconds")
            else:
                values[name] = float(text) or None
        return Timeouts(**values)


class _Reader:
    """Reads the words after `curl`."""

    def __init__(self) -> None:
        self.operation = _Operation()
        self.operations = [self.operation]
        self.missing: list[str] = []
        self.ignored: list[str] = []
        self.globoff = False
        self._words: list[str] = []

    def read(self, words: list[str]) -> None:
        """Take all words."""
        self._words = words[::-1]
        only_urls = False
        while self._words:
            word = self._words.pop()
            if only_urls or not word.startswith("-") or word == "-":
                self._url("", word)
            elif word == "--":
                only_urls = True
            elif word.startswith("--"):
                self._long(word)
            else:
                self._short(word)

    def _long(self, word: str) -> None:
        name = word[2:]
        if name in curl_options.WITH_VALUE:
            self._value(name, word, self._words.pop() if self._words else None)
        else:
            self._flag(name, word)

    def _short(self, word: str) -> None:
        at = 1
        while at < len(word):
            letter = word[at]
            at += 1
            name = curl_options.SHORT.get(letter)
            if name is None:
                self.missing.append(f"unknown option -{letter}")
                return
            if name in curl_options.WITH_VALUE:
                rest = word[at:] or (self._words.pop() if self._words else None)
                self._value(name, f"-{letter}", rest)
                return
            self._flag(name, f"-{letter}")

    def _flag(self, name: str, shown: str) -> None:
        operation = self.operation
        on = not name.startswith("no-")
        match name.removeprefix("no-"):
            case "head":
                operation.head = on
            case "get":
                operation.as_query = on
            case "location":
                operation.follow = on
            case "insecure":
                operation.insecure = on
            case "globoff":
                self.globoff = on
            case "next":
                self.operation = _Operation()
                self.operations.append(self.operation)
            case plain if plain in curl_options.SILENT or (not on and plain in curl_options.KNOWN_FLAGS):
                pass
            case plain if plain in curl_options.IGNORED_FLAGS:
                self.ignored.append(shown)
            case plain if plain in curl_options.KNOWN_FLAGS:
                self.missing.append(shown)
            case _:
                self.missing.append(f"unknown option {shown[:40]}")

    def _value(self, name: str, shown: str, value: str | None) -> None:
        if value is None:
            self.missing.append(f"the value of {shown}")
            return
        take = _TAKEN.get(name)
        if take is not None:
            take(self, shown, value)
        elif name in curl_options.IGNORED_VALUES:
            self.ignored.append(shown)
        else:
            self.missing.append(shown)

    # Options with a value

    def _url(self, shown: str, value: str) -> None:
        self._note_redacted("the URL", value)
        self.operation.urls.append(value)

    def _request(self, shown: str, value: str) -> None:
        self.operation.method = value

    def _header(self, shown: str, value: str) -> None:
        name, colon, text = value.partition(":")
        name, text = name.strip(), text.strip(" \t\r\n")
        if value.startswith("@"):
            self.missing.append(f"{shown} from a file")
        elif not colon and value.endswith(";") and _TOKEN.fullmatch(value[:-1]):
            self.operation.headers.append((value[:-1], ""))
        elif not colon or not _TOKEN.fullmatch(name):
            self.ignored.append("a header that is none")
        elif name.lower() in TRANSPORT_HEADERS:
            self.ignored.append(f"{name} (the connection sets it)")
        elif text:
            if name.lower() in SECRET_HEADERS and text == REDACTED:
                self.missing.append(f"the value of {name}, left out where it was copied")
            self.operation.headers.append((name, text))
        else:
            self.operation.removed.add(name.lower())
            if name.lower() in ("accept", "user-agent", "host"):
                self.ignored.append(f"sending no {name}")

    def _default(self, name: str) -> Callable[[str, str], None]:
        def take(shown: str, value: str) -> None:
            if value:
                self.operation.defaults.append((name, value))
            else:
                self.ignored.append(f"sending no {name}")

        return take

    def _user_agent(self, shown: str, value: str) -> None:
        self._default("User-Agent")(shown, value)

    def _referer(self, shown: str, value: str) -> None:
        self._default("Referer")(shown, value.removesuffix(";auto"))

    def _bearer(self, shown: str, value: str) -> None:
        self._default("Authorization")(shown, f"Bearer {value}")

    def _range(self, shown: str, value: str) -> None:
        self._default("Range")(shown, f"bytes={value}")

    def _user(self, shown: str, value: str) -> None:
        if ":" not in value:
            self.missing.append(f"the password of {shown}")
            return
        coded = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode("ascii")
        self._default("Authorization")(shown, f"Basic {coded}")

    def _cookie(self, shown: str, value: str) -> None:
        if "=" in value:
            self.operation.cookies.append(value)
        elif value:
            self.missing.append(f"{shown} from a file")

    def _proxy(self, shown: str, value: str) -> None:
        if "://" in value and not re.match(r"(?:https?|socks5h?)://", value, re.IGNORECASE):
            self.missing.append(f"{shown} of another kind than http, https and socks5")
        self._note_redacted("the proxy", value)
        self.operation.proxy = value

    def _proxy_user(self, shown: str, value: str) -> None:
        self.operation.proxy_user = value

    def _connect_timeout(self, shown: str, value: str) -> None:
        self.operation.connect_timeout = value

    def _max_time(self, shown: str, value: str) -> None:
        self.operation.max_time = value

    def _data(self, shown: str, value: str) -> None:
        if value.startswith("@"):
            self.missing.append(f"{shown} from a file")
        else:
            self._add_data(value)

    def _data_raw(self, shown: str, value: str) -> None:
        self._add_data(value)

    def _data_urlencode(self, shown: str, value: str) -> None:
        if (coded := self._urlencoded(shown, value)) is not None:
            self._add_data(coded)

    def _url_query(self, shown: str, value: str) -> None:
        coded = value[1:] if value.startswith("+") else self._urlencoded(shown, value)
        if coded is not None:
            self.operation.query.append(coded)

    def _json(self, shown: str, value: str) -> None:
        if value.startswith("@"):
            self.missing.append(f"{shown} from a file")
            return
        self._add_data(value, between="")
        json = "application/json"
        self.operation.defaults += [("Content-Type", json), ("Accept", json)]

    def _urlencoded(self, shown: str, value: str) -> str | None:
        """As curl's --data-urlencode: `content`, `=content`, `name=content`."""
        name, equals, content = value.partition("=")
        if not equals:
            if "@" in value:
                self.missing.append(f"{shown} from a file")
                return None
            name, content = "", value
        coded = quote_plus(content.encode("utf-8", "surrogateescape"))
        return f"{name}={coded}" if name else coded

    def _note_redacted(self, what: str, url: str) -> None:
        if f"{REDACTED}@" in url:
            self.missing.append(f"user and password of {what}, left out where it was copied")

    def _add_data(self, text: str, between: str = "&") -> None:
        data = text.encode("utf-8", "surrogateescape")
        body = self.operation.body
        self.operation.body = data if body is None else body + between.encode() + data


_TAKEN: dict[str, Callable[[_Reader, str, str], None]] = {
    "url": _Reader._url,
    "request": _Reader._request,
    "header": _Reader._header,
    "user-agent": _Reader._user_agent,
    "referer": _Reader._referer,
    "oauth2-bearer": _Reader._bearer,
    "range": _Reader._range,
    "user": _Reader._user,
    "cookie": _Reader._cookie,
    "proxy": _Reader._proxy,
    "proxy-user": _Reader._proxy_user,
    "connect-timeout": _Reader._connect_timeout,
    "max-time": _Reader._max_time,
    "data": _Reader._data,
    "data-ascii": _Reader._data,
    "data-binary": _Reader._data,
    "data-raw": _Reader._data_raw,
    "data-urlencode": _Reader._data_urlencode,
    "url-query": _Reader._url_query,
    "json": _Reader._json,
}


def _unique(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _quoted(text: str) -> str:
    return quote_plus(text).replace("+", "%20")


def _seconds(value: float | None) -> str:
    return "0" if value is None else f"{value:.9f}".rstrip("0").rstrip(".")


def _with_http(url: str) -> str:
    return url if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url) else f"http://{url}"


def _with_query(url: str, query: list[str]) -> str:
    if not query:
        return url
    before, hash_sign, fragment = url.partition("#")
    joint = "" if before.endswith(("?", "&")) else "&" if "?" in before else "?"
    return before + joint + "&".join(query) + hash_sign + fragment


def _without_password(url: str) -> str:
    shown = safe_url(url)
    if shown == url:
        return url
    scheme, separator, rest = shown.rpartition("://")
    return f"{scheme}{separator}{REDACTED}@{rest.removeprefix(f'{REDACTED}@')}"
