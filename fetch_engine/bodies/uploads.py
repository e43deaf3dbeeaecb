"""A body on its way to a URL by fsspec, which knows object stores, SFTP and many more.

Object stores show an object when it is complete. Elsewhere a body is written beside its place and moved there when it
is whole, as `downloads` does it in a folder. Everything runs in threads; what goes wrong is an AttemptFailed of kind
`storage`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
from anyio import to_thread

from fetch_engine.bodies.write_behind import BLOCK as PIECE
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

BLOCK = 5 << 20  # bytes that a file of fsspec keeps before it sends them; object stores take no smaller parts
MASK = "***"
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs"})
_PARALLEL = frozenset({"file", "local"})  # and all that are asynchronous within

T = TypeVar("T")


def _fsspec() -> Any:
    return importlib.import_module("fsspec")  # without types


def lacking(protocol: str) -> str | None:
    """What has to be installed in this process for URLs of this protocol; None where all is there."""
    try:
        fsspec = _fsspec()
    except ModuleNotFoundError as error:
        return f"{error.name} is missing; the extra `sink` brings it: pip install 'weakfetch-tui[sink]'"
    try:
        fsspec.get_filesystem_class(protocol)
    except ValueError:
        return f"fsspec knows no protocol {protocol}://"
    except ImportError as error:
        return f"{protocol}:// needs a package that is missing: {_line(error)}"
    return None


class Store:
    """The file system of one sink, opened for the first body. url: with all that it takes. shown: without secrets."""

    def __init__(self, url: str, shown: str, secrets: tuple[str, ...] = ()) -> None:
        self._url = url
        self._secrets = secrets
        self._shown = shown.rstrip("/")
        self._one = anyio.CapacityLimiter(1)
        self._limiter: anyio.CapacityLimiter | None = self._one
        self._opened = False
        self.fs: Any = None
        self.folder = ""
        self.protocol = url.partition("://")[0].lower()

    @property
    def is_object_store(self) -> bool:
        """Whether what is written can be seen only once it is complete."""
        return self.protocol in _OBJECT_STORES

    def pointer(self, name: str) -> str:
        """What a result tells about the body of this name."""
        return f"{self._shown}/{name}"

    async def run(self, action: Callable[[], T]) -> T:
        """In a thread, and one at a time where the file system is not made for more."""
        if not self._opened:
            await to_thread.run_sync(self._open, limiter=self._one)
        return await to_thread.run_sync(action, limiter=self._limiter)

    def _open(self) -> None:
        if self._opened:
            return
        # Of its own: fsspec would keep it, and the password, for as long as the process lives.
        self.fs, folder = _fsspec().core.url_to_fs(self._url, skip_instance_cache=True, use_listings_cache=False)
        self.folder = folder.rstrip("/")
        if not self.is_object_store:
            self.fs.makedirs(self.folder, exist_ok=True)
        if self.fs.async_impl or self.protocol in _PARALLEL:
            self._limiter = None
        self._opened = True

    def reason(self, error: Exception) -> str:
        """What went wrong, without the secrets of the URL."""
        said = error.strerror if isinstance(error, OSError) else None
        text = said or f"{type(error).__name__}: {_line(error)}"
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


class Upload:
    """One body. `finish` gives its place; `discard`, also after `finish`, removes what is not whole."""

    __slots__ = ("_draft", "_file", "_name", "_pending", "_pieces", "_store")

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._pieces: list[bytes] = []
        self._pending = 0
        self._file: Any = None
        self._draft = ""

    @property
    def is_due(self) -> bool:
        """Whether enough is waiting for a `flush`."""
        return self._pending >= PIECE

    def add(self, data: bytes) -> None:
        """Bytes for the next `flush`."""
        self._pieces.append(data)
        self._pending += len(data)

    async def flush(self) -> None:
        """Write what is waiting."""
        await self._run(self._write)

    async def finish(self) -> str:
        """Write the rest and give it its name; returns the URL, without user and password."""
        await self._run(self._complete)
        return self._store.pointer(self._name)

    async def discard(self) -> None:
        """Remove what is not whole."""
        if self._draft:
            with anyio.CancelScope(shield=True):
                await self._store.run(self._leave)

    async def _run(self, action: Callable[[], None]) -> None:
        try:
            return await self._store.run(action)
        except Exception as error:  # noqa: BLE001 - each protocol raises what its library does
            reason = self._store.reason(error)
        raise AttemptFailed(ErrorKind.STORAGE, f"cannot save {self._name}: {reason}")

    # In a thread

    def _write(self) -> None:
        store = self._store
        if not self._draft:
            name = self._name if store.is_object_store else f".{self._name}.part"
            self._draft = f"{store.folder}/{name}"
            self._file = store.fs.open(self._draft, "wb", block_size=BLOCK)
        pieces, self._pieces, self._pending = self._pieces, [], 0
        for piece in pieces:
            self._file.write(piece)

    def _complete(self) -> None:
        self._write()
        self._file.close()
        self._file = None
        place = f"{self._store.folder}/{self._name}"
        if self._draft != place:
            self._store.fs.mv(self._draft, place)
        self._draft = ""

    def _leave(self) -> None:
        file, self._file = self._file, None
        draft, self._draft = self._draft, ""
        # What cannot be removed either has no name that anybody was told.
        with contextlib.suppress(Exception):
            if file is not None and self._store.is_object_store:
                file.discard()
            elif file is not None:
                file.close()
        if file is not None and self._store.is_object_store:
            file.closed = True  # to be closed by its finalizer would complete the object
        elif not self._store.is_object_store:
            with contextlib.suppress(Exception):
                self._store.fs.rm_file(draft)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
