"""Options of the command line about who we are and which way we go: credentials, cookies, trust, routes; as in curl.

Imports nothing that `--help` would have to wait for.
"""

from __future__ import annotations

import argparse
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

_HOST = r"(\[[^\]]*\]|[^:\[\]]*)"
_RESOLVE = re.compile(_HOST + r":([0-9]{1,5}):(.+)", re.DOTALL)
_CONNECT_TO = re.compile(_HOST + r":([0-9]{0,5}):" + _HOST + r":([0-9]{0,5})")

HostAndPort = tuple[str, int]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """What these options ask for, in the terms of TransportOptions."""

    ca_native: bool = False
    min_tls: Literal["1.2", "1.3"] = "1.2"
    max_tls: Literal["1.2", "1.3"] = "1.3"
    no_proxy: tuple[str, ...] | None = None
    resolve: Mapping[HostAndPort, tuple[str, ...]] = field(default_factory=dict)
    connect_to: Mapping[HostAndPort, HostAndPort] = field(default_factory=dict)
    interface: str | None = None
    ip_version: Literal[4, 6] | None = None
    deny_private: bool = False


def add_access_options(parser: argparse.ArgumentParser) -> None:
    """Tell the parser about them."""
    group = parser.add_argument_group("trust and route, as in curl")
    group.add_argument(
        "--ca-native", action=argparse.BooleanOptionalAction, default=False, help="trust what the system trusts"
    )
    versions = group.add_mutually_exclusive_group()
    versions.add_argument(
        "--tlsv1.2", dest="min_tls", action="store_const", const="1.2", default="1.2", help="TLS 1.2 or later (default)"
    )
    versions.add_argument("--tlsv1.3", dest="min_tls", action="store_const", const="1.3", help="TLS 1.3 or later")
    group.add_argument("--tls-max", choices=["1.2", "1.3", "default"], default="1.3", help="TLS up to this version")
    group.add_argument(
        "--noproxy", metavar="LIST", help="hosts, domains, addresses and networks reached without a proxy; '*': all"
    )
    group.add_argument(
        "--resolve", type=_resolve, action="append", default=[], metavar="HOST:PORT:ADDRESS[,ADDRESS]",
        help="use these addresses for HOST; '*' is any host",
    )  # fmt: skip
    group.add_argument(
        "--connect-to", type=_connect_to, action="append", default=[], metavar="HOST1:PORT1:HOST2:PORT2",
        help="connect to HOST2 in place of HOST1; what is empty stays",
    )  # fmt: skip
    group.add_argument("--interface", metavar="NAME", help="local address or device that connections leave from")
    group.add_argument(
        "--deny-private", action="store_true",
        help="refuse addresses that are not public (loopback, private, link-local, metadata), also after redirects",
    )  # fmt: skip
    addresses = group.add_mutually_exclusive_group()
    addresses.add_argument("-4", "--ipv4", dest="ip_version", action="store_const", const=4, help="IPv4 only")
    addresses.add_argument("-6", "--ipv6", dest="ip_version", action="store_const", const=6, help="IPv6 only")


def read_access(given: Any) -> Access:
    """What was given. Raises ValueError."""
    max_tls: Any = "1.3" if given.tls_max == "default" else given.tls_max
    if given.min_tls > max_tls:
        raise ValueError(f"argument --tls-max: {max_tls} is below --tlsv{given.min_tls}")
    return Access(
        ca_native=given.ca_native,
        min_tls=given.min_tls,
        max_tls=max_tls,
        no_proxy=None if given.noproxy is None else tuple(given.noproxy.replace(",", " ").split()),
        resolve=_first_wins(given.resolve),
        connect_to=_first_wins(given.connect_to),
        interface=given.interface,
        ip_version=given.ip_version,
        deny_private=given.deny_private,
    )


def _first_wins(pairs: Sequence[tuple[HostAndPort, T]]) -> dict[HostAndPort, T]:
    return dict(reversed(pairs))


def _resolve(text: str) -> tuple[HostAndPort, tuple[str, ...]]:
    match = _RESOLVE.fullmatch(text.removeprefix("+"))
    if match is None or not match[1] or match[1].startswith("-"):
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT:ADDRESS")
    addresses = []
    for address in match[3].split(","):
        try:
            addresses.append(str(ipaddress.ip_address(address.strip("[]"))))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{address!r} is no IP address") from None
    return (_host(match[1]), int(match[2])), tuple(addresses)


def _connect_to(text: str) -> tuple[HostAndPort, HostAndPort]:
    match = _CONNECT_TO.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST1:PORT1:HOST2:PORT2")
    return (_host(match[1]), int(match[2] or 0)), (_host(match[3]), int(match[4] or 0))


def _host(text: str) -> str:
    """As the engine names hosts: in lower case, IPv6 addresses without brackets and in their short form."""
    if not text.startswith("["):
        return text.lower()
    try:
        return ipaddress.IPv6Address(text[1:-1]).compressed
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IPv6 address") from None
