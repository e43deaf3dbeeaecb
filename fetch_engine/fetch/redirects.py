"""Where a redirect leads (RFC 9110 section 15.4, Fetch standard section 4.4), and when it is not followed."""

from __future__ import annotations

from dataclasses import replace

from fetch_engine.fetch.hop import HopRequest
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.redaction import is_secret_header
from fetch_engine.model.requests import Headers
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.urls import Target, resolve

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_BODY_HEADERS = frozenset(
    {"content-encoding", "content-language", "content-location", "content-type", "digest", "last-modified"}
)


class RedirectTrail:
    """The way of one attempt through redirects, at most `limit` of them; with `same_host` none leads elsewhere.

    trusted: credentials follow to other origins.
    """

    __slots__ = ("_left", "_limit", "_looped", "_same_host", "_seen", "_trusted")

    def __init__(self, limit: int, *, same_host: bool = False, trusted: bool = False) -> None:
        self._limit = limit
        self._trusted = trusted
        self._same_host = same_host
        self._left = limit
        self._looped = False
        self._seen: set[tuple[str, str]] = set()

    def follow(self, hop: HopRequest, status: int, headers: Headers) -> HopRequest | None:
        """The next hop, or None where the response is the result.

        A URL that comes again is followed up to the limit, as the server may answer otherwise the next time.
        Raises AttemptFailed: too-many-redirects, redirect-refused.
        """
        following = next_hop(hop, status, headers, trusted=self._trusted)
        if following is None:
            return None
        if self._same_host and following.target.host != hop.target.host:
            raise AttemptFailed(
                ErrorKind.REDIRECT_REFUSED, f"redirect refused: to another host, {following.target.host}"
            )
        self._seen.add((hop.method, hop.target.url))
        self._looped = self._looped or (following.method, following.target.url) in self._seen
        if self._left == 0:
            why = ", they form a loop" if self._looped else ""
            raise AttemptFailed(ErrorKind.TOO_MANY_REDIRECTS, f"more than {self._limit} redirects{why}")
        self._left -= 1
        return following


def next_hop(hop: HopRequest, status: int, headers: Headers, *, trusted: bool = False) -> HopRequest | None:
    """The request that a redirect asks for, or None if the response is none or names no location.

    300 and 304 are not followed. POST becomes GET after 301 and 302, every method but HEAD after 303; 307 and 308
    keep method and body. Credentials, and every other header whose value is masked as a secret, stay with their origin:
    scheme, host and port; unless all are `trusted`. Raises AttemptFailed (redirect-refused) where the location is no
    http or https URL.
    """
    if status not in REDIRECTS:
        return None
    locations = {value.strip(" \t") for name, value in headers if name.lower() == "location"} - {""}
    if not locations:
        return None
    if len(locations) > 1:
        raise AttemptFailed(ErrorKind.REDIRECT_REFUSED, "the redirect names more than one location")
    target = _target(hop.target, locations.pop())
    kept, method, body = hop.headers, hop.method, hop.body
    if (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD")):
        method, body = "GET", b""
        kept = without(kept, _BODY_HEADERS)
    if target.origin != hop.target.origin:
        # Host as well: given by hand it names the first server.
        kept = tuple([field for field in kept if not _stays(field[0], trusted=trusted)])
    if target.authorization is None and (trusted or target.origin == hop.target.origin):
        target = target.with_authorization(hop.target.authorization)
    return replace(hop, target=target, method=method, headers=kept, body=body)


def _stays(name: str, *, trusted: bool) -> bool:
    return name.lower() == "host" or (not trusted and is_secret_header(name))


def _target(base: Target, location: str) -> Target:
    raw = location.encode("latin-1", "replace")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)
    try:
        return resolve(base, text)
    except AttemptFailed as refusal:
        why = refusal.message
    raise AttemptFailed(ErrorKind.REDIRECT_REFUSED, f"redirect refused: {why}")


def without(headers: Headers, names: frozenset[str]) -> Headers:
    """The headers without those of these names (in lower case)."""
    return tuple(pair for pair in headers if pair[0].lower() not in names)
