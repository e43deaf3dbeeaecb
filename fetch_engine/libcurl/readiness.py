"""Which of libcurl's sockets are ready, as the event loop sees it."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Protocol

import pycurl  # type: ignore[import-untyped]

IN: int = pycurl.CSELECT_IN
OUT: int = pycurl.CSELECT_OUT

OnReady = Callable[[list[tuple[int, int]]], None]
"""Called with the descriptors that are ready, and for what: IN, OUT or both."""


class Readiness(Protocol):
    """Watches descriptors in the loop in which the first one is watched."""

    def watch(self, descriptor: int, wanted: int) -> None:
        """Look for IN, OUT, both, or with 0 for neither any more. A descriptor is forgotten before it is closed."""
        ...

    def close(self) -> None:
        """Forget them all."""
        ...


def readiness(on_ready: OnReady) -> Readiness:
    """The quickest one that this system has."""
    if hasattr(select, "epoll"):
        return EpollReadiness(on_ready)
    return LoopReadiness(on_ready)


class EpollReadiness:
    """An epoll of our own, which the loop watches as one descriptor.

    libcurl watches and forgets a socket in every transfer. A loop makes and drops objects for each, which takes several
    times as long as the system calls; and here all that are ready come in one call.
    """

    def __init__(self, on_ready: OnReady) -> None:
        self._on_ready = on_ready
        self._wanted: dict[int, int] = {}
        self._epoll = select.epoll()
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, descriptor: int, wanted: int) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._epoll.fileno(), self._look)
        events = (select.EPOLLIN if wanted & IN else 0) | (select.EPOLLOUT if wanted & OUT else 0)
        if not wanted:
            if self._wanted.pop(descriptor, None) is not None:
                self._epoll.unregister(descriptor)
        elif descriptor in self._wanted:
            self._epoll.modify(descriptor, events)
            self._wanted[descriptor] = wanted
        else:
            self._epoll.register(descriptor, events)
            self._wanted[descriptor] = wanted

    def close(self) -> None:
        if self._loop is not None and not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._wanted.clear()
        self._on_ready = _nobody

    def _look(self) -> None:
        ready = []
        for descriptor, events in self._epoll.poll(0):
            what = (IN if events & select.EPOLLIN else 0) | (OUT if events & select.EPOLLOUT else 0)
            if events & (select.EPOLLERR | select.EPOLLHUP):
                what |= self._wanted[descriptor]  # libcurl sees the error where it is about to read or write
            ready.append((descriptor, what))
        if ready:
            self._on_ready(ready)


class LoopReadiness:
    """The loop's own readers and writers, for systems that have no epoll."""

    def __init__(self, on_ready: OnReady) -> None:
        self._on_ready = on_ready
        self._wanted: dict[int, int] = {}

    def watch(self, descriptor: int, wanted: int) -> None:
        loop = asyncio.get_running_loop()
        changed = self._wanted.get(descriptor, 0) ^ wanted
        if changed & IN:
            if wanted & IN:
                loop.add_reader(descriptor, self._on_ready, [(descriptor, IN)])
            else:
                loop.remove_reader(descriptor)
        if changed & OUT:
            if wanted & OUT:
                loop.add_writer(descriptor, self._on_ready, [(descriptor, OUT)])
            else:
                loop.remove_writer(descriptor)
        if wanted:
            self._wanted[descriptor] = wanted
        else:
            self._wanted.pop(descriptor, None)

    def close(self) -> None:
        for descriptor in list(self._wanted):
            self.watch(descriptor, 0)
        self._on_ready = _nobody


def _nobody(ready: list[tuple[int, int]]) -> None:
    """Told after the end: whoever was told before may hold what tells, and would be kept by it."""
