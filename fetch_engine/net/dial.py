"""From a host name to a connected socket: look-up, address filter, happy eyeballs (RFC 8305)."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.recorder import Recorder
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.transport_options import TransportOptions
from fetch_engine.net.interfaces import Interface, local_end
from fetch_engine.net.lookups import LOOKUPS, MOST_LOOKUPS
from fetch_engine.net.socket_budget import OUT_OF_DESCRIPTORS, DescriptorBudget, pool_timeout
from fetch_engine.net.streams import SocketStream, deadline_in

STAGGER = 0.25  # RFC 8305 section 5: Connection Attempt Delay
_LOOKUP_DESCRIPTORS = 4

AddressFilter = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Address:
    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

    def __str__(self) -> str:
        host, port = self.sockaddr[:2]
        return f"[{host}]:{port}" if self.family == socket.AF_INET6 else f"{host}:{port}"


class ConnectDeadline:
    """How long one connection may take. `scope` ends the attempt; waiting for a descriptor stops that clock and
    has the pool timeout instead."""

    __slots__ = ("_left", "_pool", "_pool_left", "_waiting", "doing", "scope")

    def __init__(self, connect: float | None, pool: float | None) -> None:
        self.scope = anyio.CancelScope(deadline=deadline_in(connect))
        self.doing = "connecting"
        self._left = 0.0
        self._waiting = 0
        self._pool = pool
        self._pool_left = float("inf") if pool is None else pool

    async def for_descriptor(self, budget: DescriptorBudget) -> None:
        """Wait until a descriptor may be free. Raises AttemptFailed (timeout-pool)."""
        if self._pool_left <= 0:
            raise pool_timeout(self._pool)
        started = anyio.current_time()
        if not self._waiting:
            self._left = self.scope.deadline - started
            self.scope.deadline = float("inf")
        self._waiting += 1
        await budget.wait_for_descriptor()
        self._waiting -= 1
        if not self._waiting:
            now = anyio.current_time()
            self._pool_left -= now - started
            self.scope.deadline = now + self._left


@dataclass(slots=True)
class Dialer:
    """Opens sockets. `resolve` maps (host, port) to IP addresses used in place of a look-up.

    `address_filter` is asked with each IP address; those it refuses are never connected to (kind `blocked` if none
    is left). `family`: addresses of others are passed over. `connect_to`, `resolve`: as in TransportOptions.
    """

    budget: DescriptorBudget
    resolve: Mapping[tuple[str, int], Sequence[str]] = field(default_factory=dict)
    address_filter: AddressFilter | None = None
    connect_to: Mapping[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    interface: Interface | None = None
    family: socket.AddressFamily | None = None

    @classmethod
    def of(cls, options: TransportOptions, budget: DescriptorBudget) -> Dialer:
        """As the options say. Raises ValueError as `local_end` does."""
        interface, family = local_end(options)
        return cls(budget, options.resolve, options.address_filter, options.connect_to, interface, family)

    async def dial(
        self, host: str, port: int, recorder: Recorder, patience: ConnectDeadline, *, is_proxy: bool = False
    ) -> SocketStream:
        """A connection to `host`, for which the caller has taken one socket from the budget.

        The stream gives the socket back when it is closed; so does a failure. Raises AttemptFailed (dns, blocked,
        connect, timeout-pool). The caller's scope in `patience` bounds it. is_proxy: the user chose it, and so it is
        not filtered.
        """
        try:
            host, port = self._instead(host, port)
            addresses = await self._addresses(host, port, recorder, patience, is_filtered=not is_proxy)
            recorder.begin("connect")
            patience.doing = "connecting"
            if len(addresses) == 1:
                connected, address = await self.connect(addresses[0], patience), addresses[0]
            else:
                connected, address = await _Race(self, addresses, patience).run()
        except BaseException:
            self.budget.release()
            raise
        if isinstance(connected, int):
            self.budget.release()
            raise AttemptFailed(ErrorKind.CONNECT, _why(connected, host, addresses), unsent=True)
        return SocketStream(connected, str(address), self.budget.release)

    async def look_up(self, host: str, port: int, recorder: Recorder, patience: ConnectDeadline) -> str:
        """The IP address of `host` that would be tried first. Raises AttemptFailed (dns, blocked, timeout-pool)."""
        addresses = await self._addresses(host, port, recorder, patience)
        return addresses[0].sockaddr[0]

    def _instead(self, host: str, port: int) -> tuple[str, int]:
        for known in ((host, port), (host, 0), ("", port), ("", 0)):
            if known in self.connect_to:
                other_host, other_port = self.connect_to[known]
                return other_host or host, other_port or port
        return host, port

    async def check(self, host: str, port: int, recorder: Recorder, patience: ConnectDeadline) -> str:
        """What a proxy may be told in place of this host: the host where nothing is filtered, else an address of it.

        The proxy may take any of its addresses, so none may be refused; and a name that is not known here nobody can
        check. Raises AttemptFailed (blocked, timeout-pool).
        """
        if self.address_filter is None:
            return host
        try:
            addresses = await self._addresses(host, port, recorder, patience, is_filtered=False)
        except AttemptFailed as failure:
            if failure.kind is not ErrorKind.DNS:
                raise
            addresses = []
        for address in addresses:
            if not self.address_filter(address.sockaddr[0]):
                message = f"address {address.sockaddr[0]} of {host} is not allowed"
                raise AttemptFailed(ErrorKind.BLOCKED, message, unsent=True)
        if not addresses:
            message = f"{host} is not known here: which address a proxy goes to cannot be checked"
            raise AttemptFailed(ErrorKind.BLOCKED, message, unsent=True)
        return addresses[0].sockaddr[0]

    async def _addresses(
        self, host: str, port: int, recorder: Recorder, patience: ConnectDeadline, *, is_filtered: bool = True
    ) -> list[_Address]:
        given = self.resolve.get((host, port), self.resolve.get(("*", port)))
        if given is None:
            try:
                given = [str(ipaddress.ip_address(host))]
            except ValueError:
                recorder.begin("dns")
                patience.doing = "looking up the name"
                given = await self._look_up(host, patience)
        if self.address_filter is not None and is_filtered:
            refused = [ip for ip in given if not self.address_filter(ip)]
            given = [ip for ip in given if ip not in refused]
            if refused and not given:
                raise AttemptFailed(ErrorKind.BLOCKED, f"address {refused[0]} of {host} is not allowed", unsent=True)
        addresses = [address for ip in given if self.family in (None, (address := _parse(ip, port)).family)]
        if not addresses:
            raise AttemptFailed(ErrorKind.DNS, f"{host} has no {self._wanted_kind()}address", unsent=True)
        return _interleaved(addresses)

    def _wanted_kind(self) -> str:
        return {None: "", socket.AF_INET: "IPv4 ", socket.AF_INET6: "IPv6 "}[self.family]

    async def _look_up(self, host: str, patience: ConnectDeadline) -> list[str]:
        # A look-up opens descriptors that the budget does not see.
        most = min(max(self.budget.headroom // 4, 1), MOST_LOOKUPS)
        while True:
            shortages = self.budget.shortages
            try:
                return await LOOKUPS.look_up(host, self.family or 0, _getaddrinfo, most)
            except UnicodeError:
                raise AttemptFailed(ErrorKind.DNS, f"{host!r} is not a valid host name", unsent=True) from None
            except OSError as error:
                # The resolver reports a lack of descriptors as whatever it likes: believe it only if there was none.
                if error.errno not in OUT_OF_DESCRIPTORS and shortages == self.budget.shortages:
                    text = str(error.strerror or error)
                    raise AttemptFailed(ErrorKind.DNS, f"{host}: {text}", unsent=True) from None
            await patience.for_descriptor(self.budget)

    async def connect(self, address: _Address, patience: ConnectDeadline) -> socket.socket | int:
        """A connected socket, or the error number. A number, since a kept exception keeps its frames."""
        while True:
            try:
                sock = socket.socket(address.family, socket.SOCK_STREAM)
                break
            except OSError as error:
                if error.errno not in OUT_OF_DESCRIPTORS:
                    return error.errno or errno.EIO
            await patience.for_descriptor(self.budget)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.interface is not None:
                self.interface.bind(sock)
            code = sock.connect_ex(address.sockaddr)
            if code == errno.EINPROGRESS:
                await anyio.wait_writable(sock)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as error:
            code = error.errno or errno.EIO
        except BaseException:
            sock.close()
            raise
        if code:
            sock.close()
            return code
        return sock


class _Race:
    """Addresses tried one after the other, each a little later than the one before; the first connected wins.

    Starts with one socket of the budget and takes one for each attempt that runs beside another; ends with one.
    """

    def __init__(self, dialer: Dialer, addresses: Sequence[_Address], patience: ConnectDeadline) -> None:
        self._dialer = dialer
        self._patience = patience
        self._addresses = addresses
        self._held = 1
        self._running = 0
        self._ended = anyio.Event()
        self._code = errno.EHOSTUNREACH
        self._winner: tuple[socket.socket, _Address] | None = None

    async def run(self) -> tuple[socket.socket | int, _Address]:
        try:
            async with anyio.create_task_group() as attempts:
                for address in self._addresses:
                    if self._running == self._held and not self._take():
                        await self._ended.wait()
                    if self._winner is not None:
                        break
                    self._ended = anyio.Event()
                    self._running += 1
                    attempts.start_soon(self._attempt, address, attempts.cancel_scope)
                    with anyio.CancelScope(deadline=anyio.current_time() + STAGGER):
                        await self._ended.wait()
        except BaseException:
            if self._winner is not None:
                self._winner[0].close()
            raise
        finally:
            for _ in range(self._held - 1):
                self._dialer.budget.release()
        return self._winner or (self._code, self._addresses[0])

    def _take(self) -> bool:
        if not self._dialer.budget.try_take():
            return False
        self._held += 1
        return True

    async def _attempt(self, address: _Address, race: anyio.CancelScope) -> None:
        try:
            connected = await self._dialer.connect(address, self._patience)
        finally:
            self._running -= 1
        if isinstance(connected, int):
            self._code = connected
            self._ended.set()
        elif self._winner is None:
            self._winner = (connected, address)
            race.cancel()
        else:
            connected.close()


def _getaddrinfo(host: str, family: int = 0) -> list[str]:
    """Raises OSError of EMFILE where descriptors lack, else socket.gaierror or UnicodeError."""
    _probe_descriptors()
    try:
        # Bytes: for text Python would import its IDNA codec, which takes descriptors too.
        found = socket.getaddrinfo(
            host.encode("ascii"), None, family, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except socket.gaierror:
        _probe_descriptors()
        raise
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _probe_descriptors() -> None:
    """Raise OSError if there are fewer descriptors left than a look-up takes."""
    held: list[int] = []
    try:
        held.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(_LOOKUP_DESCRIPTORS))
    finally:
        for descriptor in held:
            os.close(descriptor)


def _parse(ip: str, port: int) -> _Address:
    address, _, zone = ip.partition("%")
    if ":" in address:
        scope = socket.if_nametoindex(zone) if zone and not zone.isdigit() else int(zone or 0)
        return _Address(socket.AF_INET6, (address, port, 0, scope))
    return _Address(socket.AF_INET, (address, port))


def _interleaved(addresses: list[_Address]) -> list[_Address]:
    """Families in turn, beginning with that of the first address (RFC 8305 section 4)."""
    if not addresses:
        return []
    first = [address for address in addresses if address.family == addresses[0].family]
    other = [address for address in addresses if address.family != addresses[0].family]
    mixed = [address for pair in zip(first, other, strict=False) for address in pair]
    shorter = len(mixed) // 2
    return mixed + first[shorter:] + other[shorter:]


def _why(code: int, host: str, addresses: Sequence[_Address]) -> str:
    target = str(addresses[0]) if len(addresses) == 1 else f"{host} ({len(addresses)} addresses)"
    if code == errno.ECONNREFUSED:
        return f"connection refused by {target}"
    return f"no connection to {target}: {os.strerror(code).lower()}"
