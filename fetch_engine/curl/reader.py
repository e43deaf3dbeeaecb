"""The words of a curl command, read as curl reads them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from urllib.parse import quote_plus

from fetch_engine.curl import options
from fetch_engine.curl.operation import CurlOperation
from fetch_engine.fetch.hop import TRANSPORT_HEADERS
from fetch_engine.model.redaction import MASK
from fetch_engine.model.requests import SECRET_HEADERS, TOKEN


class CurlReader:
    """Reads the words after `curl`. missing, ignored: as in CurlCommand."""

    def __init__(self) -> None:
        self.operation = CurlOperation()
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
        if name in options.WITH_VALUE:
            self._value(name, word, self._words.pop() if self._words else None)
        else:
            self._flag(name, word)

    def _short(self, word: str) -> None:
        at = 1
        while at < len(word):
            letter = word[at]
            at += 1
            name = options.SHORT.get(letter)
            if name is None:
                self.missing.append(f"unknown option -{letter}")
                return
            if name in options.WITH_VALUE:
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
            case "location-trusted":
                operation.follow = operation.trust = on
            case "insecure":
                operation.insecure = on
            case "globoff":
                self.globoff = on
            case "next":
                self.operation = CurlOperation()
                self.operations.append(self.operation)
            case plain if plain in options.SILENT or (not on and plain in options.KNOWN_FLAGS):
                pass
            case plain if plain in options.IGNORED_FLAGS:
                self.ignored.append(shown)
            case plain if plain in options.KNOWN_FLAGS:
                self.missing.append(f"{shown} is not supported")
            case _:
                self.missing.append(f"unknown option {shown[:40]}")

    def _value(self, name: str, shown: str, value: str | None) -> None:
        if value is None:
            self.missing.append(f"{shown} has no value")
            return
        take = _TAKEN.get(name)
        if take is not None:
            take(self, shown, value)
        elif name in options.IGNORED_VALUES:
            self.ignored.append(shown)
        else:
            self.missing.append(f"{shown} is not supported")

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
            self.missing.append(f"{shown} from a file is not supported")
        elif not colon and value.endswith(";") and TOKEN.fullmatch(value[:-1]):
            self.operation.headers.append((value[:-1], ""))
        elif not colon or not TOKEN.fullmatch(name):
            self.ignored.append("a malformed header")
        elif name.lower() in TRANSPORT_HEADERS:
            self.ignored.append(f"{name} (the connection sets it)")
        elif text:
            if name.lower() in SECRET_HEADERS and text == MASK:
                self.missing.append(f"the value of {name} was left out where it was copied")
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
            self.missing.append(f"{shown} has no password")
            return
        coded = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode("ascii")
        self._default("Authorization")(shown, f"Basic {coded}")

    def _cookie(self, shown: str, value: str) -> None:
        if "=" in value:
            self.operation.cookies.append(value)
        elif value:
            self.missing.append(f"{shown} from a file is not supported")

    def _proxy(self, shown: str, value: str) -> None:
        if "://" in value and not re.match(r"(?:https?|socks5h?)://", value, re.IGNORECASE):
            self.missing.append(f"{shown} names a proxy that is neither http, https nor socks5")
        self._note_redacted("the proxy", value)
        self.operation.proxy = value

    def _socks(self, shown: str, value: str) -> None:
        self._proxy(shown, f"{'socks5h' if shown == '--socks5-hostname' else 'socks5'}://{value}")

    def _proxy_user(self, shown: str, value: str) -> None:
        self.operation.proxy_user = value

    def _connect_timeout(self, shown: str, value: str) -> None:
        self.operation.connect_timeout = value

    def _max_time(self, shown: str, value: str) -> None:
        self.operation.max_time = value

    def _data(self, shown: str, value: str) -> None:
        if value.startswith("@"):
            self.missing.append(f"{shown} from a file is not supported")
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
            self.missing.append(f"{shown} from a file is not supported")
            return
        self._add_data(value, between="")
        json = "application/json"
        self.operation.defaults += [("Content-Type", json), ("Accept", json)]

    def _urlencoded(self, shown: str, value: str) -> str | None:
        """As curl's --data-urlencode: `content`, `=content`, `name=content`."""
        name, equals, content = value.partition("=")
        if not equals:
            if "@" in value:
                self.missing.append(f"{shown} from a file is not supported")
                return None
            name, content = "", value
        coded = quote_plus(content.encode("utf-8", "surrogateescape"))
        return f"{name}={coded}" if name else coded

    def _note_redacted(self, what: str, url: str) -> None:
        if f"{MASK}@" in url:
            self.missing.append(f"user and password of {what} were left out where it was copied")

    def _add_data(self, text: str, between: str = "&") -> None:
        data = text.encode("utf-8", "surrogateescape")
        body = self.operation.body
        self.operation.body = data if body is None else body + between.encode() + data


_TAKEN: dict[str, Callable[[CurlReader, str, str], None]] = {
    "url": CurlReader._url,
    "request": CurlReader._request,
    "header": CurlReader._header,
    "user-agent": CurlReader._user_agent,
    "referer": CurlReader._referer,
    "oauth2-bearer": CurlReader._bearer,
    "range": CurlReader._range,
    "user": CurlReader._user,
    "cookie": CurlReader._cookie,
    "proxy": CurlReader._proxy,
    "socks5": CurlReader._socks,
    "socks5-hostname": CurlReader._socks,
    "proxy-user": CurlReader._proxy_user,
    "connect-timeout": CurlReader._connect_timeout,
    "max-time": CurlReader._max_time,
    "data": CurlReader._data,
    "data-ascii": CurlReader._data,
    "data-binary": CurlReader._data,
    "data-raw": CurlReader._data_raw,
    "data-urlencode": CurlReader._data_urlencode,
    "url-query": CurlReader._url_query,
    "json": CurlReader._json,
}
