"""What was entered in the URL field, in this run and before, and the hosts seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from fetch_engine.model.redaction import masked_url
from tui.text.plain_text import safe

MAX_ENTRIES = 1000
MAX_LINE = 8192  # characters; longer lines are not kept
MAX_HOSTS = 5000
_URL = re.compile(r"https?://[^\s'\"]+")


def fit_to_keep(line: str) -> str:
    """The line as history keeps it, "" if it does not: printable, at most MAX_LINE characters."""
    line = line.strip()
    return safe(line, MAX_LINE) if 0 < len(line) <= MAX_LINE else ""


def merged(entries: Iterable[str], newer: Iterable[str]) -> list[str]:
    """Oldest first, each line once, where it was entered last, at most MAX_ENTRIES."""
    lines: dict[str, None] = {}
    for line in (*entries, *newer):
        lines.pop(line, None)
        lines[line] = None
    return list(lines)[-MAX_ENTRIES:]


class EntryHistory:
    """Entered lines, oldest first. keep: told each new line, to keep it for other runs."""

    def __init__(self, entries: Iterable[str] = (), keep: Callable[[str], None] | None = None) -> None:
        self.entries = merged((), entries)
        self._keep = keep

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, line: str) -> None:
        """Remember a line that holds no secret."""
        if line := fit_to_keep(line):
            self.entries = merged(self.entries, (line,))
            if self._keep is not None:
                self._keep(line)

    def matches(self, query: str) -> list[str]:
        """The lines that hold every word of the query, newest first; small letters match capitals too."""
        words = query.split()
        return [line for line in reversed(self.entries) if all(_holds(line, word) for word in words)]


class SeenHosts:
    """Hosts, with their ports, of URLs entered and fetched; the one seen last is suggested first."""

    def __init__(self) -> None:
        self._hosts: dict[str, None] = {}
        self._last = ""

    def note(self, line: str) -> None:
        """Take the host of a URL or of an entered line, if it has one that shows as itself."""
        found = _URL.search(line) if " " in line else None
        host = host_of(found.group() if found else line)
        if host and host != self._last and safe(host) == host:
            self._last = host
            self._hosts.pop(host, None)
            self._hosts[host] = None
            if len(self._hosts) > MAX_HOSTS:
                del self._hosts[next(iter(self._hosts))]

    def complete(self, text: str) -> str | None:
        """The text with its host completed, None where it has none that was seen or is past its host."""
        scheme, separator, rest = text.rpartition("://")
        if not rest or any(char in rest for char in "/?#@ ") or (separator and scheme not in ("http", "https")):
            return None
        start = rest.lower()
        for host in reversed(self._hosts):
            if host.startswith(start) and len(host) > len(rest):
                return text + host[len(rest) :]
        return None


def host_of(url: str) -> str:
    """Host and port as they stand in a URL, in lower case; "" where there are none. Quick, and not strict."""
    rest = url.partition("://")[2] or url
    for mark in "/?#":
        rest = rest.partition(mark)[0]
    host = rest.rpartition("@")[2].lower()
    return "" if any(char in host for char in "{}\\ ") or not any(char.isalnum() for char in host) else host


def without_secrets(url: str) -> str:
    """A URL as history keeps it: its secrets masked."""
    return masked_url(url)


def _holds(line: str, word: str) -> bool:
    return word in line if word != word.lower() else word in line.lower()
