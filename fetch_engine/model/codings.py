"""Content codings as headers name them (RFC 9110 section 8.4)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    if sys.version_info >= (3, 14):
        pass
    else:
        pass


# "none" is no registered coding, but what some servers say where there is none (curl takes it so too).
_IDENTITIES = frozenset({"", "identity", "none"})


def content_codings(values: Iterable[str]) -> list[str]:
    """The codings that the Content-Encoding headers name, in lower case, without those that change nothing."""
    names = [name.strip(" \t").lower() for value in values for name in value.split(",")]
    return [name for name in names if name not in _IDENTITIES]
