"""A request as it leaves on an HTTP/1.1 connection (RFC 9112 section 3)."""

from __future__ import annotations

import re

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.wire import RawRequest

_ONE_WRITE = 64 * 1024
_HEAD = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\0\r\n]*\r\n)*\r\n"
)


def encoded(request: RawRequest) -> list[bytes]:
    """In pieces, a long body by itself. Raises AttemptFailed (protocol) where there is more in a part than it says."""
    fields = b"".join([b"%s: %s\r\n" % field for field in request.headers])
    head = b"%s %s HTTP/1.1\r\n%s\r\n" % (request.method, request.target, fields)
    if _HEAD.fullmatch(head) is None or head.count(b"\n") != len(request.headers) + 2:
        raise AttemptFailed(ErrorKind.PROTOCOL, "not a valid request: illegal method, target or header")
    if len(request.body) <= _ONE_WRITE:
        return [head + request.body]
    return [head, request.body]
