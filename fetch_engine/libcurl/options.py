"""What one of libcurl's handles is told of a request. It keeps what it was told, so only what differs is said again."""

from __future__ import annotations

import pycurl  # type: ignore[import-untyped]

from fetch_engine.libcurl.places import target_of
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.methods import IDEMPOTENT
from fetch_engine.model.requests import TOKEN
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport import WireRequest

_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})  # a body of no bytes is told by Content-Length: 0
_NEVER = 2**31 - 1  # ms, 24 days; 0 would be libcurl's default


class RequestOptions:
    """verify: whether certificates are checked, unless a request says otherwise. secure: the last one was https."""

    __slots__ = ("_connect_timeout", "_curl", "_has_target", "_lines", "_shape", "_verify", "secure")

    def __init__(self, curl: pycurl.Curl, *, verify: bool) -> None:
        self._curl = curl
        self._verify = verify
        self._shape: tuple[str, bool, bool, bool] | None = None
        self._lines: list[bytes] | None = None
        self._connect_timeout: float | None = -1.0
        self._has_target = False
        self.secure = False

    def set(self, request: WireRequest, lines: list[bytes], connect_timeout: float | None, *, fresh: bool) -> None:
        """lines: the header fields as libcurl takes them. connect_timeout: seconds. fresh: on no connection that was
        kept. Raises AttemptFailed (protocol)."""
        # libcurl repeats any request on a connection that was kept and turns out to be dead.
        fresh = fresh or request.method not in IDEMPOTENT
        curl, shape = self._curl, (request.method, bool(request.body), request.insecure, fresh)
        secure = request.url.startswith("https:")
        if secure != self.secure:
            self.secure = secure
            curl.setopt(pycurl.FORBID_REUSE, secure)
        if shape != self._shape:
            self._reshape(*shape)
            self._shape = shape
        if request.body:
            curl.setopt(pycurl.POSTFIELDS, request.body)
        curl.setopt(pycurl.URL, request.url)
        if self._has_target or "%" in request.url:
            # libcurl writes %2f as %2F; a server that signs its paths tells them apart. It cannot be unset.
            curl.setopt(pycurl.REQUEST_TARGET, target_of(request.url))
            self._has_target = True
        if lines is not self._lines:
            curl.setopt(pycurl.HTTPHEADER, lines)
            self._lines = lines
        if connect_timeout != self._connect_timeout:
            milliseconds = _NEVER if connect_timeout is None else min(_NEVER, max(1, int(connect_timeout * 1000)))
            curl.setopt(pycurl.CONNECTTIMEOUT_MS, milliseconds)
            self._connect_timeout = connect_timeout

    def forget_body(self) -> None:
        """The request is over; the handle would keep its body."""
        if self._shape is not None and self._shape[1]:
            self._curl.setopt(pycurl.POSTFIELDS, b"")
            self._shape = None

    def _reshape(self, method: str, has_body: bool, insecure: bool, fresh: bool) -> None:
        if not TOKEN.fullmatch(method):
            raise AttemptFailed(ErrorKind.PROTOCOL, "invalid request method: not an HTTP token", unsent=True)
        curl = self._curl
        curl.unsetopt(pycurl.CUSTOMREQUEST)
        curl.setopt(pycurl.HTTPGET, 1)
        if method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        elif has_body or method in _BODY_METHODS:
            curl.setopt(pycurl.POSTFIELDS, b"")
            curl.setopt(pycurl.CUSTOMREQUEST, method)
        elif method != "GET":
            curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.FRESH_CONNECT, fresh)
        check = self._verify and not insecure
        curl.setopt(pycurl.SSL_VERIFYPEER, int(check))
        curl.setopt(pycurl.SSL_VERIFYHOST, 2 if check else 0)
