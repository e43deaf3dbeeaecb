"""Who we are to a server: basic and bearer credentials as headers, and those of a netrc file.

A header Authorization belongs to the origin of the request it is given with; redirects to other origins go without it.
"""

from __future__ import annotations

import base64
import netrc
import re

from fetch_engine.urls import Target

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
    entry `default` is for all others. Read by the standard library: of several entries for a host the last one counts.
    """

    __slots__ = ("_default", "_hosts")

    def __init__(self, path: str | None = None) -> None:
        """Read `path`, or ~/.netrc, which then must belong to the user and be readable by nobody else if it holds a
        password. Raises OSError, or ValueError where the file is not valid."""
        try:
            entries = netrc.netrc(path).hosts
        except netrc.NetrcParseError as error:
            # The words of an error of the format may hold a password.
            is_about_access = error.lineno is None
            why = error.msg if is_about_access else f"line {error.lineno} is not valid"
        except UnicodeDecodeError:
            why = "not valid text"
        else:
            values = {name: _basic(login, password or "") for name, (login, _, password) in entries.items() if login}
            self._default = values.pop("default", None)
            self._hosts = {name.lower(): value for name, value in values.items()}
            return
        raise ValueError(f"{path or '~/.netrc'}: {why}")

    def __repr__(self) -> str:
        return f"<Netrc with {len(self._hosts)} hosts>"

    def complete(self, target: Target) -> Target:
        """The target with the credentials for its host, unless its URL named some."""
        if target.authorization is not None:
            return target
        return target.with_authorization(self._hosts.get(target.host, self._default))


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")
