"""Options of the command line about who we are and which way we go: credentials, cookies, trust, routes; as in curl.

Imports nothing that `--help` would have to wait for.
"""

from __future__ import annotations

import argparse
import base64
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from tui.text.stderr import printable

_HOST = r"(\[[^\]]*\]|[^:\[\]]*)"
_RESOLVE = re.compile(_HOST + r":([0-9]{1,5}):(.+)", re.DOTALL)
_CONNECT_TO = re.compile(_HOST + r":([0-9]{0,5}):" + _HOST + r":([0-9]{0,5})")

# Their own names, as they are no options that a settings file could hold.
USER = "WEAKFETCH_USER"
BEARER = "WEAKFETCH_BEARER"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[\x21-\x7e]+")

HostAndPort = tuple[str, int]
Headers = tuple[tuple[str, str], ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """What these options ask for, in the terms of TransportOptions."""

    netrc: bool = False
    netrc_file: str | None = None
    cookie_files: tuple[str, ...] | None = None  # to be read into the jar; None: no jar
    cookie_jar: str | None = None  # to be written
    ca_native: bool = False
    min_tls: Literal["1.2", "1.3"] = "1.2"
    max_tls: Literal["1.2", "1.3"] = "1.3"
    no_proxy: tuple[str, ...] | None = None
    resolve: Mapping[HostAndPort, tuple[str, ...]] = field(default_factory=dict)
    connect_to: Mapping[HostAndPort, HostAndPort] = field(default_factory=dict)
    interface: str | None = None
    ip_version: Literal[4, 6] | None = None
    deny_private: bool = False
    same_host: bool = False
    location_trusted: bool = False


def add_access_options(parser: argparse.ArgumentParser) -> None:
    """Tell the parser about them."""
    group = parser.add_argument_group("credentials and cookies (as in curl)")
    group.add_argument(
        "-u", "--user", metavar="USER:PASSWORD",
        help=f"basic authentication; set ${USER} instead to keep it out of the process list",
    )  # fmt: skip
    group.add_argument(
        "--oauth2-bearer",
        metavar="TOKEN",
        help=f"bearer authentication; set ${BEARER} instead to keep it out of the process list",
    )
    group.add_argument(
        "-n",
        "--netrc",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="read user names and passwords from ~/.netrc",
    )
    group.add_argument("--netrc-file", metavar="FILE", help="read them from FILE")
    group.add_argument(
        "-b", "--cookie", dest="cookies", action="append", default=[], metavar="NAME=VALUE|FILE",
        help="send these cookies, or load cookies from FILE and keep those that servers set; '' starts with none",
    )  # fmt: skip
    group.add_argument("-c", "--cookie-jar", metavar="FILE", help="keep cookies and write them to FILE at the end")

    group = parser.add_argument_group("TLS and routing (as in curl)")
    group.add_argument(
        "--ca-native",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="trust the CA certificates of the system",
    )
    versions = group.add_mutually_exclusive_group()
    versions.add_argument(
        "--tlsv1.2",
        dest="min_tls",
        action="store_const",
        const="1.2",
        default="1.2",
        help="use TLS 1.2 or later (default)",
    )
    versions.add_argument("--tlsv1.3", dest="min_tls", action="store_const", const="1.3", help="use TLS 1.3 or later")
    group.add_argument(
        "--tls-max", choices=["1.2", "1.3", "default"], default="1.3", help="maximum TLS version (default: 1.3)"
    )
    group.add_argument(
        "--noproxy", metavar="LIST", help="hosts, domains, addresses and networks to reach without a proxy; '*' for all"
    )
    group.add_argument(
        "--resolve", type=_resolve, action="append", default=[], metavar="HOST:PORT:ADDRESS[,ADDRESS]",
        help="use these addresses for HOST; '*' matches any host",
    )  # fmt: skip
    group.add_argument(
        "--connect-to", type=_connect_to, action="append", default=[], metavar="HOST1:PORT1:HOST2:PORT2",
        help="connect to HOST2:PORT2 instead of HOST1:PORT1; an empty HOST1 or PORT1 matches any,"
        " an empty HOST2 or PORT2 changes nothing",
    )  # fmt: skip
    group.add_argument("--interface", metavar="NAME", help="local address or network interface to connect from")
    group.add_argument(
        "--deny-private", action=argparse.BooleanOptionalAction, default=False,
        help="refuse addresses that are not public (loopback, private, link-local, metadata), also after redirects",
    )  # fmt: skip
    group.add_argument(
        "--same-host",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="do not follow redirects to other hosts",
    )
    group.add_argument(
        "--location-trusted",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="also send credentials and secret headers of -H (X-Api-Key, ...) to other origins on redirects",
    )
    addresses = group.add_mutually_exclusive_group()
    addresses.add_argument("-4", "--ipv4", dest="ip_version", action="store_const", const=4, help="use IPv4 only")
    addresses.add_argument("-6", "--ipv6", dest="ip_version", action="store_const", const=6, help="use IPv6 only")


def credential_headers(given: Any, environ: Mapping[str, str], headers: Headers) -> Headers:
    """The headers Authorization and Cookie that -u, --oauth2-bearer and -b make, unless `headers` has them.

    Asks on the terminal for a password that is missing. Raises ValueError, which names no secret.
    """
    made = []
    names = {name.lower() for name, _ in headers}
    if "authorization" not in names and (value := _authorization(given, environ)) is not None:
        made.append(("Authorization", value))
    cookies = "; ".join(text for text in given.cookies if "=" in text)
    if _CONTROL.search(cookies):
        raise ValueError("argument -b/--cookie: control character in a cookie")
    if "cookie" not in names and cookies:
        made.append(("Cookie", cookies))
    return tuple(made)


def read_access(given: Any) -> Access:
    """The other options. Raises ValueError."""
    max_tls: Any = "1.3" if given.tls_max == "default" else given.tls_max
    if given.min_tls > max_tls:
        raise ValueError(f"argument --tls-max: {max_tls} is below --tlsv{given.min_tls}")
    files = [text for text in given.cookies if "=" not in text]
    keeps_cookies = bool(files) or given.cookie_jar is not None
    return Access(
        netrc=given.netrc or given.netrc_file is not None,
        netrc_file=given.netrc_file,
        cookie_files=tuple(filter(None, files)) if keeps_cookies else None,
        cookie_jar=given.cookie_jar,
        ca_native=given.ca_native,
        min_tls=given.min_tls,
        max_tls=max_tls,
        no_proxy=None if given.noproxy is None else tuple(given.noproxy.replace(",", " ").split()),
        resolve=_first_wins(given.resolve),
        connect_to=_first_wins(given.connect_to),
        interface=given.interface,
        ip_version=given.ip_version,
        deny_private=given.deny_private,
        same_host=given.same_host,
        location_trusted=given.location_trusted,
    )


def _authorization(given: Any, environ: Mapping[str, str]) -> str | None:
    user, token = given.user, given.oauth2_bearer
    if user is None and token is None:
        user, token = environ.get(USER) or None, environ.get(BEARER) or None
    if user is not None and token is not None:
        raise ValueError(f"-u (${USER}) and --oauth2-bearer (${BEARER}) exclude each other")
    if token is not None:
        if not _TOKEN.fullmatch(token):
            raise ValueError("a bearer token consists of printable ASCII characters without blanks")
        return f"Bearer {token}"
    if user is None:
        return None
    name, colon, password = user.partition(":")
    if not colon:
        password = _ask(name)
    if _CONTROL.search(name + password):
        raise ValueError("control character in user or password")
    coded = base64.b64encode(f"{name}:{password}".encode("utf-8", "surrogateescape"))
    return f"Basic {coded.decode('ascii')}"


def _ask(user: str) -> str:
    """The password, from the terminal without an echo; standard input may be a list of URLs."""
    try:
        with open("/dev/tty", "rb"):
            pass
    except OSError:
        raise ValueError(f"argument -u/--user: no password (USER:PASSWORD, or in ${USER}), and no terminal") from None
    from getpass import getpass

    try:
        return getpass(f"Password of {printable(user)}: ")
    except (EOFError, KeyboardInterrupt):
        raise ValueError("no password was given") from None


def _first_wins(pairs: Sequence[tuple[HostAndPort, T]]) -> dict[HostAndPort, T]:
    return dict(reversed(pairs))


def _resolve(text: str) -> tuple[HostAndPort, tuple[str, ...]]:
    match = _RESOLVE.fullmatch(text.removeprefix("+"))
    if match is None or not match[1] or match[1].startswith("-"):
        raise argparse.ArgumentTypeError(f"invalid HOST:PORT:ADDRESS: {text!r}")
    addresses = []
    for address in match[3].split(","):
        try:
            addresses.append(str(ipaddress.ip_address(address.strip("[]"))))
        except ValueError:
            raise argparse.ArgumentTypeError(f"invalid IP address: {address!r}") from None
    return (_host(match[1]), int(match[2])), tuple(addresses)


def _connect_to(text: str) -> tuple[HostAndPort, HostAndPort]:
    match = _CONNECT_TO.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"invalid HOST1:PORT1:HOST2:PORT2: {text!r}")
    return (_host(match[1]), int(match[2] or 0)), (_host(match[3]), int(match[4] or 0))


def _host(text: str) -> str:
    """As the engine names hosts: in lower case, IPv6 addresses without brackets and in their short form."""
    if not text.startswith("["):
        return text.lower()
    try:
        return ipaddress.IPv6Address(text[1:-1]).compressed
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid IPv6 address: {text!r}") from None
