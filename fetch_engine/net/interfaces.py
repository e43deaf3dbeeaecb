"""Where connections leave from: a local address or a network device, as curl's `--interface`."""

from __future__ import annotations

import ipaddress
import socket
import sys
from dataclasses import dataclass

from fetch_engine.model.transport_options import TransportOptions

# <netinet/in.h> and <netinet6/in6.h> of macOS, which the socket module does not name.
_IP_BOUND_IF = 25
_IPV6_BOUND_IF = 125
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Interface:
    """A local IP `address`, or a `device` by its name; one of them is given."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None
    device: str | None = None

    @classmethod
    def parse(cls, text: str) -> Interface:
        """From an IP address or a device's name. Raises ValueError where it is neither."""
        try:
            return cls(address=ipaddress.ip_address(text))
        except ValueError:
            pass
        try:
            socket.if_nametoindex(text)
        except (OSError, ValueError):
            raise ValueError(f"{text!r} is neither an IP address nor a network interface") from None
        return cls(device=text)

    @property
    def family(self) -> socket.AddressFamily | None:
        """The only family of addresses that can be reached from it; None if both may be."""
        if self.address is None:
            return None
        return socket.AF_INET if self.address.version == 4 else socket.AF_INET6

    def bind(self, sock: socket.socket) -> None:
        """Make the connection leave from here. Raises OSError."""
        if self.address is not None:
            sock.bind((str(self.address), 0))
        elif self.device is not None and sys.platform == "linux":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.device.encode() + b"\0")
        elif self.device is not None:
            index = socket.if_nametoindex(self.device)
            if sock.family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, _IP_BOUND_IF, index)
            else:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_BOUND_IF, index)


def local_end(options: TransportOptions) -> tuple[Interface | None, socket.AddressFamily | None]:
    """The interface that the options ask for, and the family of addresses that is left; None for any.

    Raises ValueError for an interface that is none or has another version of IP than the one asked for.
    """
    family = _FAMILIES.get(options.ip_version or 0)
    if options.interface is None:
        return None, family
    interface = Interface.parse(options.interface)
    if interface.family is not None and family not in (None, interface.family):
        raise ValueError(f"not an IPv{options.ip_version} address: {options.interface}")
    return interface, interface.family or family
