"""Numbers in text from the wire: digits of ASCII and nothing else, and only so many of them.

`int` takes signs, underscores, blanks and the digits of every script, and gives numbers no database can hold.
"""

from __future__ import annotations

import re

_WHOLE = re.compile(r"[0-9]{1,18}")  # fits into 64 bits with a sign
_STATUS = re.compile(rb"[1-5][0-9]{2}")


def whole_number(text: str) -> int:
    """A number of at most 18 digits. Raises ValueError for any other text."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError("not a whole number of at most 18 digits")
    return int(text)


def status_code(text: bytes) -> int:
    """A status code: three digits, from 100 to 599 (RFC 9110 section 15). Raises ValueError for any other text."""
    if _STATUS.fullmatch(text) is None:
        raise ValueError("not a status code from 100 to 599")
    return int(text)
