"""The sockets that libcurl uses: opened for it, counted, and looked at before one that was kept carries a request.

libcurl takes a kept connection without looking whether anything came on it meanwhile; what came would be the answer to
the next request.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

from fetch_engine.net.interfaces import Interface

Ends = tuple[str, str, int, int]
"""A connection by its two ends, as libcurl names them: addresses, ours second, and ports."""

_TIDY_AT = 1024


class Carrier(Protocol):
    """An exchange on a connection."""

    def left_fine(self) -> int:
        """The connection's descriptor if nothing that came over it speaks against the next request, else -1."""
        ...


class Sockets:
    """address_filter, interface: as in TransportOptions. family: of the addresses that may be used, None for any.
    keepalive: seconds for which an idle connection is good."""

    def __init__(
        self,
        address_filter: Callable[[str], bool] | None,
        interface: Interface | None,
        family: socket.AddressFamily | None,
        keepalive: float,
    ) -> None:
        self.address_filter = address_filter
        self._interface = interface
        self._family = family
        self._keepalive = keepalive
        self._opened: dict[int, int] = {}  # descriptors, and what tells a socket from the next one of that number
        self._carriers: dict[Ends, Carrier] = {}
        self._idle: dict[Ends, tuple[int, float]] = {}  # descriptor, and since when

    def passes_over(self, family: int) -> bool:
        """Whether addresses of this family are not to be used."""
        return self._family not in (None, family)

    def open(self, family: int, kind: int, protocol: int) -> int:
        """A descriptor, which libcurl will close. Raises OSError."""
        with socket.socket(family, kind, protocol) as opened:
            if self._interface is not None:
                self._interface.bind(opened)
            self._opened[opened.fileno()] = _inode(opened.fileno()) or 0
            return opened.detach()

    def carry(self, ends: Ends, carrier: Carrier) -> None:
        """A connection carries a request; `keep` or `leave` follows."""
        self._carriers[ends] = carrier

    def leave(self, ends: Ends, carrier: Carrier) -> None:
        """The request is over, and with it the connection."""
        if self._carriers.get(ends) is carrier:
            del self._carriers[ends]

    def keep(self, ends: Ends, descriptor: int, carrier: Carrier) -> None:
        """The request is over, and the connection may carry the next one as long as nothing happens on it."""
        if self._carriers.get(ends) is not carrier:
            return  # it carries the next one already
        del self._carriers[ends]
        if len(self._idle) > _TIDY_AT:
            self._tidy()
        self._idle[ends] = descriptor, time.monotonic()

    def take(self, ends: Ends) -> int | None:
        """The descriptor of a kept connection, None if it is not to be used: unknown, too old, closed by the server,
        or with bytes that nobody asked for."""
        descriptor, since = self._idle.pop(ends, (-1, 0.0))
        carrier = self._carriers.get(ends)
        if carrier is not None:
            # libcurl has seen the end of a response of which nobody was told yet.
            descriptor, since = carrier.left_fine(), time.monotonic()
        fresh = descriptor >= 0 and time.monotonic() - since <= self._keepalive and not _readable(descriptor)
        return descriptor if fresh else None

    def count(self) -> int:
        """How many are open. libcurl does not tell when it closes one that was kept, so the kernel is asked."""
        self._tidy()
        return len(self._opened)

    def count_idle(self) -> int:
        """How many of them are kept."""
        self._tidy()
        oldest = time.monotonic() - self._keepalive
        return sum(since >= oldest for _, since in self._idle.values())

    def _tidy(self) -> None:
        self._opened = {number: inode for number, inode in self._opened.items() if _inode(number) == inode}
        self._idle = {ends: kept for ends, kept in self._idle.items() if kept[0] in self._opened}


def local_port(descriptor: int) -> int:
    """That of a connected socket; 0 if it is none."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            return int(copy.getsockname()[1])
    except OSError:
        return 0


def _readable(descriptor: int) -> bool:
    """Whether anything has come: bytes, the end, or an error."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _inode(descriptor: int) -> int | None:
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return None
