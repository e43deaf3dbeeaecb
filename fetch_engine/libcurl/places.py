"""The place that a URL names, host and port, as libcurl's answers are told with it."""

from __future__ import annotations

import re
from collections.abc import Set

_ADDRESS = re.compile(r"\[.*\]|[0-9.]+")


def authority(url: str) -> str:
    """Host and port as they stand in the URL."""
    return re.split("[/?]", url.partition("://")[2], maxsplit=1)[0]


def target_of(url: str) -> str:
    """Path and query as they stand in the URL."""
    return url[url.index("/", url.index("://") + 3) :]


def place_of(url: str) -> str:
    """Host and port; that of the scheme where the URL has none."""
    place = authority(url)
    if ":" in place.rpartition("]")[2]:
        return place
    return f"{place}:{443 if url.startswith('https:') else 80}"


def is_known(place: str, known: Set[tuple[str, int]]) -> bool:
    """Whether the address of this host and port needs no look-up. known: those that were given, `*` for any host."""
    host, _, port = place.rpartition(":")
    return _ADDRESS.fullmatch(host) is not None or not known.isdisjoint({(host, int(port)), ("*", int(port))})
