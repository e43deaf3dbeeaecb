"""What the URL field asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the screen is there before the engine is
    from fetch_engine.curl.globbing import UrlGlob
    from fetch_engine.model.requests import FetchRequest


@dataclass(frozen=True, slots=True)
class AddUrls:
    """Fetch these, in this order."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddRequests:
    """Make these requests, in this order."""

    requests: tuple[FetchRequest, ...]


@dataclass(frozen=True, slots=True)
class AddGlob:
    """Fetch each URL of the glob, written out only as fast as they are fetched.

    request: made of each, whatever its own URL; None for what the command line makes of a URL.
    """

    glob: UrlGlob
    request: FetchRequest | None = None
