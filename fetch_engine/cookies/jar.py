"""Cookies of one run, by the rules of RFC 6265bis (draft 20): which are taken, and which requests they go with.

SameSite is not looked at: every request here is one that a person asked for. A cookie for a domain under which anybody
can have a host (`co.uk`, `github.io`, by the Public Suffix List) is refused.
"""

from __future__ import annotations

import functools
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fetch_engine.cookies.dates import parse_cookie_date
from fetch_engine.model.requests import Headers
from fetch_engine.model.urls import Target

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

MAX_COOKIES = 3000
MAX_PER_DOMAIN = 180
MAX_PAIR = 4096  # bytes of name and value, RFC 6265bis section 5.6
MAX_ATTRIBUTE = 1024  # bytes, ditto
MAX_AGE = 400 * 86_400  # seconds, ditto 5.5
MAX_TAKEN = 50  # of one response, as curl
MAX_SENT = 150  # with one request, as curl
MAX_HEADER = 8190  # bytes, as curl: servers refuse more, which would shut everybody out who shares the domain

# CVE-2022-35252: a server answers them with 400 from then on. The tab is the separator of the file.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_IPV4 = re.compile(r"[0-9.]+")


@dataclass(slots=True)
class Cookie:
    """One cookie. domain: in lower case, without a leading dot. host_only: not for hosts below the domain.

    expires, used: seconds since 1970; expires None: at the end of the run. order: in which they were created.
    """

    name: str
    value: str = field(repr=False)
    domain: str
    path: str = "/"
    host_only: bool = True
    secure: bool = False
    http_only: bool = False
    expires: float | None = None
    order: int = 0
    used: float = 0.0

    @property
    def key(self) -> tuple[str, str, bool, str]:
        """What two cookies cannot both have."""
        return self.name, self.domain, self.host_only, self.path

    def has_expired(self, now: float) -> bool:
        """Whether it is to be forgotten."""
        return self.expires is not None and self.expires <= now

    def is_for(self, target: Target) -> bool:
        """Whether it goes with a request to this target (section 5.8.3)."""
        return (
            (target.scheme == "https" or not self.secure)
            and (target.host == self.domain if self.host_only else _domain_matches(target.host, self.domain))
            and _path_matches(_path(target), self.path)
        )


class CookieJar:
    """At most MAX_COOKIES cookies in memory, MAX_PER_DOMAIN of one domain. Used in one thread.

    clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        public_suffixes()  # takes some 50 ms to read, for which no event loop should wait
        self._clock = clock
        self._by_domain: dict[str, dict[tuple[str, str, bool, str], Cookie]] = {}
        self._count = 0
        self._orders = itertools.count()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Cookie]:
        """Those that have not expired, in the order in which they were created."""
        now = self._clock()
        alive = [each for cookies in self._by_domain.values() for each in cookies.values() if not each.has_expired(now)]
        return iter(sorted(alive, key=lambda cookie: cookie.order))

    def header(self, target: Target, given: str = "") -> str:
        """The value of the header Cookie for a request, empty if there is none (section 5.8.3).

        given: the pairs that the request brings itself; they come first, and in place of cookies of the same names.
        """
        now = self._clock()
        names = {pair.partition("=")[0].strip() for pair in given.split(";")} if given else set()
        found = [cookie for cookie in self._near(target.host) if cookie.is_for(target) and cookie.name not in names]
        # Expired ones stay until there is need of their place.
        found = [cookie for cookie in found if not cookie.has_expired(now)]
        found.sort(key=lambda cookie: (-len(cookie.path), cookie.order))
        value = given.strip(" \t;")
        for cookie in found[:MAX_SENT]:
            pair = f"{cookie.name}={cookie.value}" if cookie.name else cookie.value
            if len(value) + 2 + len(pair) > MAX_HEADER:
                break
            value = f"{value}; {pair}" if value else pair
            cookie.used = now
        return value

    def take(self, target: Target, headers: Headers) -> None:
        """Store what a response from `target` sets. What the rules refuse is left out."""
        given = (value for name, value in headers if name.lower() == "set-cookie")
        for text in itertools.islice(given, MAX_TAKEN):
            cookie = read_set_cookie(text, target, self._clock())
            if cookie is not None and (target.scheme == "https" or not self._shadows_secure(cookie)):
                self.add(cookie)

    def add(self, cookie: Cookie) -> None:
        """Store it in place of the one with the same name, domain and path, whose age it keeps; forget those that are
        one too many."""
        now = self._clock()
        cookies = self._by_domain.get(cookie.domain, {})
        known = cookies.pop(cookie.key, None)
        self._count -= known is not None
        if cookie.has_expired(now):
            self._drop_if_empty(cookie.domain, cookies)
            return
        cookie.order = next(self._orders) if known is None else known.order
        cookie.used = now
        self._by_domain.setdefault(cookie.domain, cookies)[cookie.key] = cookie
        self._count += 1
        if len(cookies) > MAX_PER_DOMAIN:
            self._make_room(cookies.values(), now, sparing=cookie)
        if self._count > MAX_COOKIES:
            self._make_room([each for some in self._by_domain.values() for each in some.values()], now, sparing=cookie)

    def _near(self, host: str) -> Iterator[Cookie]:
        """The cookies of the host and of all domains above it."""
        labels = host.split(".")
        for start in range(len(labels)):
            yield from self._by_domain.get(".".join(labels[start:]), {}).values()

    def _shadows_secure(self, cookie: Cookie) -> bool:
        """Whether a plain connection would set what goes in place of, or before, a secure cookie (section 5.7)."""
        return any(
            each.name == cookie.name
            and each.secure
            and (_domain_matches(each.domain, cookie.domain) or _domain_matches(cookie.domain, each.domain))
            and _path_matches(cookie.path, each.path)
            for cookies in self._by_domain.values()
            for each in cookies.values()
        )

    def _make_room(self, cookies: Iterable[Cookie], now: float, *, sparing: Cookie) -> None:
        """Forget the expired ones, or else a tenth: those that are not secure first, so that nobody who can answer in
        plain text pushes out the others, and of them those that were not sent for the longest time."""
        others = [cookie for cookie in cookies if cookie is not sparing]
        gone = [cookie for cookie in others if cookie.has_expired(now)]
        if not gone:
            others.sort(key=lambda cookie: (cookie.secure, cookie.used, cookie.order))
            gone = others[: len(others) // 10 + 1]
        for cookie in gone:
            stored = self._by_domain[cookie.domain]
            del stored[cookie.key]
            self._count -= 1
            self._drop_if_empty(cookie.domain, stored)

    def _drop_if_empty(self, domain: str, cookies: object) -> None:
        if not cookies:
            self._by_domain.pop(domain, None)


def read_set_cookie(text: str, target: Target, now: float) -> Cookie | None:
    """The cookie that a header Set-Cookie sets, None where the rules refuse it (sections 5.6 and 5.7)."""
    if _CONTROL.search(text):
        return None
    pair, *rest = text.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", name
    name, value = name.strip(" "), value.strip(" ")
    if not (name or value) or len(name) + len(value) > MAX_PAIR:
        return None
    cookie = Cookie(name, value, target.host, _default_path(target))
    attributes = dict(_attributes(rest))
    cookie.secure = "secure" in attributes
    cookie.http_only = "httponly" in attributes
    if attributes.get("path", "").startswith("/"):
        cookie.path = attributes["path"]
    cookie.expires = _expires(attributes, now)
    domain = attributes.get("domain", "").removeprefix(".").lower()
    if domain and domain != target.host:
        if not _domain_matches(target.host, domain) or is_public_suffix(domain):
            return None
        cookie.domain, cookie.host_only = domain, False
    elif domain:
        # Of an address, or of a name that is a public suffix itself, the cookie is for it alone.
        cookie.host_only = _is_address(domain) or is_public_suffix(domain)
    if cookie.secure and target.scheme != "https":
        return None
    return cookie if _keeps_promise(cookie, has_path=attributes.get("path") == "/") else None


def keeps_promise(cookie: Cookie) -> bool:
    """Whether a stored cookie is what the prefix of its name promises (section 4.1.3)."""
    return _keeps_promise(cookie, has_path=cookie.path == "/")


def is_public_suffix(domain: str) -> bool:
    """Whether anybody can have a host below it (RFC 6265bis section 5.7); so too for what is no domain."""
    return not public_suffixes().is_private(domain.removesuffix("."))


@functools.cache
def public_suffixes() -> PublicSuffixList:
    """The Public Suffix List as it was when its package was released."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def is_acceptable(cookie: Cookie) -> bool:
    """Whether a cookie that comes from elsewhere than a response can be one: no control characters, no super cookie,
    not too long."""
    texts = (cookie.name, cookie.value, cookie.domain, cookie.path)
    return (
        not any(_CONTROL.search(text) or ";" in text for text in texts)
        and "=" not in cookie.name
        and bool(cookie.domain)
        and bool(cookie.name or cookie.value)
        and len(cookie.name) + len(cookie.value) <= MAX_PAIR
        and cookie.path.startswith("/")
        and (cookie.host_only or not (is_public_suffix(cookie.domain) or _is_address(cookie.domain)))
        and keeps_promise(cookie)
    )


def _keeps_promise(cookie: Cookie, *, has_path: bool) -> bool:
    name = cookie.name.lower()
    if not name:  # else a value would pass for a name with such a prefix
        return not cookie.value.lower().startswith(("__secure-", "__host-"))
    if name.startswith("__host-"):
        return cookie.secure and cookie.host_only and has_path
    return cookie.secure or not name.startswith("__secure-")


def _attributes(parts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        name, _, value = part.partition("=")
        value = value.strip(" ")
        if len(value) <= MAX_ATTRIBUTE:
            yield name.strip(" ").lower(), value


def _expires(attributes: dict[str, str], now: float) -> float | None:
    """Max-Age goes before Expires; neither reaches further than MAX_AGE."""
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", age):
        seconds = -1 if age.startswith("-") else int(age[:10])
        return now + min(seconds, MAX_AGE) if seconds > 0 else 0.0
    date = parse_cookie_date(attributes["expires"]) if "expires" in attributes else None
    return None if date is None else min(date, now + MAX_AGE)


def _domain_matches(host: str, domain: str) -> bool:
    return host == domain or (host.endswith(f".{domain}") and not _is_address(host))


def _is_address(host: str) -> bool:
    return ":" in host or _IPV4.fullmatch(host) is not None


def _path(target: Target) -> str:
    rest = target.url.split("/", 3)[3]
    return "/" + rest.partition("?")[0]


def _default_path(target: Target) -> str:
    return _path(target).rpartition("/")[0] or "/"


def _path_matches(path: str, wanted: str) -> bool:
    return path == wanted or (path.startswith(wanted) and (wanted.endswith("/") or path[len(wanted)] == "/"))
