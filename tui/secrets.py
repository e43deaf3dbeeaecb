"""What is not shown unless asked for: credentials in headers and in URLs."""

from __future__ import annotations

import re

from fetch_engine.requests import SECRET_HEADERS

HIDDEN = "[hidden]"

_SECRET = SECRET_HEADERS | {"authentication-info"}
_USERINFO = re.compile(r"(?<=://)[^/?#\s@\"'<>]+@")
_COOKIE = re.compile(r"([^=;]*=)[^;]*(.*)", re.DOTALL)


def open_value(name: str, value: str) -> str:
    """A header's value with its secrets hidden: of a cookie that is set the value, of credentials all."""
    name = name.strip().lower()
    if name in _SECRET:
        return HIDDEN
    if name == "set-cookie":
        found = _COOKIE.fullmatch(value)
        return HIDDEN if found is None else f"{found[1]}{HIDDEN}{found[2]}"
    return open_text(value)


def open_text(text: str) -> str:
    """Text without user and password in the URLs that it holds."""
    return _USERINFO.sub(f"{HIDDEN}@", text) if "@" in text else text


def has_secrets(name: str, value: str) -> bool:
    """Whether `open_value` hides anything of it."""
    return open_value(name, value) != value
