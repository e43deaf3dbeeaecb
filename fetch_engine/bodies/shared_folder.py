"""Where bodies go when the fetches run elsewhere: a folder that all share, or a URL that fsspec can write to."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fetch_engine.bodies.downloads import Download
from fetch_engine.files.file_names import file_name, marked
from fetch_engine.model.save_to import SaveTo

if TYPE_CHECKING:
    from fetch_engine.bodies.uploads import Store, Upload

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_UNFIT = {
    **dict.fromkeys(("http", "https", "data", "github", "git"), "nothing can be written there"),
    **dict.fromkeys(("memory", "inproc"), "each process has a memory of its own"),
    **dict.fromkeys(("simplecache", "filecache", "blockcache", "cached"), "bodies would be kept in a cache as well"),
}


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """Takes the body of each response with a status of 2xx, under a name that no other body gets.

    place: an absolute path of a folder, made where missing, or a URL of a protocol that the installed fsspec knows.
    What gets its name is whole: of a body that breaks off, or whose worker is lost, nothing has one. A body that was
    fetched again, as its worker was lost with the outcome, may lie there twice. Raises ValueError.
    """

    place: str = field(repr=False)

    def __post_init__(self) -> None:
        url = _URL.fullmatch(self.place)
        if any(ord(character) < 32 or character == "\x7f" for character in self.place):
            raise ValueError("a sink has no control characters")
        if url is None:
            if not os.path.isabs(self.place):
                raise ValueError("a sink is an absolute path or a URL: each worker has a working folder of its own")
            return
        why = _UNFIT.get(url[1].lower())
        if why is not None:
            raise ValueError(f"no sink: {url[1]}:// : {why}")
        if "::" in self.place or "?" in self.place or "#" in self.place:
            raise ValueError("a sink is a plain URL, without ::, ? and #")
        authority, _, path = url[2].partition("/")
        if ":" in authority and "@" not in authority and "@" in path:
            raise ValueError("in a user and a password, / is written %2F")
        if not url[2].strip("/"):
            raise ValueError("a sink is a URL with a path, as s3://bucket/folder")

    @property
    def protocol(self) -> str | None:
        """None of a folder."""
        url = _URL.fullmatch(self.place)
        return None if url is None else url[1].lower()

    @property
    def shown(self) -> str:
        """The place without user and password; a user without a password stays, who is part of some addresses."""
        url = _URL.fullmatch(self.place)
        user, host = ("", "") if url is None else _split(url[2])
        return self.place if url is None or ":" not in user else f"{url[1]}://{host}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of it, longest first."""
        url = _URL.fullmatch(self.place)
        user, _ = ("", "") if url is None else _split(url[2])
        password = user.partition(":")[2]
        return (self.place, user, password, unquote(password)) if password else ()

    def problem(self) -> str | None:
        """Why nothing can be written there from here, as far as can be told without trying; imports fsspec."""
        if self.protocol is None:
            return None
        from fetch_engine.bodies.uploads import lacking

        return lacking(self.protocol)

    def open(self) -> OpenSink:
        """For the fetches of one loop, in which it must be called."""
        return OpenSink(self)


class OpenSink:
    """A sink in use. Nothing is touched before the first body."""

    __slots__ = ("_sink", "_store")

    def __init__(self, sink: SharedFolder) -> None:
        self._sink = sink
        self._store: Store | None = None

    def take(self, url: str) -> Download | Upload:
        """A place for the body of a response. url: where it came from."""
        name = marked(file_name(url), secrets.token_hex(8))
        if self._sink.protocol is None:
            return Download(SaveTo(self._sink.place), name)
        from fetch_engine.bodies.uploads import Store, Upload

        if self._store is None:
            self._store = Store(self._sink.place, self._sink.shown, self._sink.secrets)
        return Upload(self._store, name)


def _split(rest: str) -> tuple[str, str]:
    """User and password of what follows the scheme of a URL, and the rest."""
    authority, slash, path = rest.partition("/")
    user, _, host = authority.rpartition("@")
    return user, f"{host}{slash}{path}"
