"""Who we are to a server: basic and bearer credentials as headers, and those of a netrc file.

A header Authorization belongs to the origin of the request it is given with; redirects to other origins go without it.
"""

from __future__ import annotations

import base64
import re

from fetch_engine.fetch.netrc_file import NetrcEntry, NetrcError, read_netrc
from fetch_engine.model.urls import Target

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[\x21-\x7e]+")


def basic(user: str, password: str) -> tuple[str, str]:
    """The header for a user and a password, in UTF-8 (RFC 7617).

    Raises ValueError, which names neither, for a control character or a colon in the user.
    """
    if _CONTROL.search(user) or _CONTROL.search(password):
        raise ValueError("control character in user or password")
    if ":" in user:
        raise ValueError("a colon in the user")
    return "Authorization", _basic(user, password)


def bearer(token: str) -> tuple[str, str]:
    """The header for a bearer token (RFC 6750). Raises ValueError, which does not name it, where it cannot be one."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("a bearer token consists of printable ASCII characters without blanks")
    return "Authorization", f"Bearer {token}"


class Netrc:
    """Credentials by the name of the host, read once from a file in the format of ftp's .netrc.

    They are for a host of exactly this name, in any case, at any port and by http as well as https, as with curl; the
    entry `default` is for all others. Of several entries for a host the first complete one counts.
    """

    __slots__ = ("_default", "_hosts")

    def __init__(self, path: str | None = None) -> None:
        """Read `path`, or ~/.netrc, which then must belong to the user and be readable by nobody else if it holds a
        password. Raises OSError, or ValueError where the file is not valid."""
        try:
            entries = read_netrc(path)
        except NetrcError as error:
            raise ValueError(f"{path or '~/.netrc'}: {error}") from None
        found: dict[str | None, NetrcEntry] = {}
        for entry in entries:
            name = None if entry.machine is None else entry.machine.lower()
            before = found.get(name)
            if entry.login and (before is None or (entry.is_complete and not before.is_complete)):
                found[name] = entry
        values = {name: _basic(entry.login, entry.password) for name, entry in found.items()}
        self._default = values.pop(None, None)
        self._hosts = {name: value for name, value in values.items() if name is not None}

    def __repr__(self) -> str:
        return f"<Netrc with {len(self._hosts)} hosts>"

    def complete(self, target: Target) -> Target:
        """The target with the credentials for its host, unless its URL named some."""
        if target.authorization is not None:
            return target
        return target.with_authorization(self._hosts.get(target.host, self._default))


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")
