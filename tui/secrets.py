"""What is not shown unless asked for: credentials in headers and in URLs."""

from __future__ import annotations

import re

from fetch_engine.redaction import MASK, masked_value

_USERINFO = re.compile(r"(?<=://)[^/?#\s@\"'<>]+@")


def open_value(name: str, value: str) -> str:
    """A header's value with its secrets hidden."""
    return open_text(masked_value(name.strip(), value))


def open_text(text: str) -> str:
    """Text without user and password in the URLs that it holds."""
    return _USERINFO.sub(f"{MASK}@", text) if "@" in text else text


def has_secrets(name: str, value: str) -> bool:
    """Whether `open_value` hides anything of it."""
    return open_value(name, value) != value
