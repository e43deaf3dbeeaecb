"""Which hosts are reached without a proxy, by a list as curl reads it (`--noproxy`, `NO_PROXY`)."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable


class DirectHosts:
    """Hosts that match an entry: a name and all below it, an IP address, a network (`10.0.0.0/8`), `*` for all.

    A leading dot of a name, its case and the root's dot make no difference; entries that are none match nothing.
    """

    __slots__ = ("_all", "_names", "_networks")

    def __init__(self, entries: Iterable[str]) -> None:
        self._all = False
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in entries:
            text = entry.strip().lower()
            self._all = self._all or text == "*"
            try:
                self._networks.append(ipaddress.ip_network(text.strip("[]"), strict=False))
            except ValueError:
                if name := _plain(text.removeprefix(".")):
                    self._names.add(name)

    def __contains__(self, host: str) -> bool:
        if self._all:
            return True
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host)
            return any(address in network for network in self._networks)
        labels = _plain(host.lower()).split(".")
        return any(".".join(labels[start:]) in self._names for start in range(len(labels)))


def split_entries(text: str) -> list[str]:
    """The entries of a list separated by commas or blanks."""
    return text.replace(",", " ").split()


def _plain(name: str) -> str:
    return name.removesuffix(".")
