"""Where a decoded body goes: counted, hashed, its beginning kept, the rest saved, spooled or forgotten."""

from __future__ import annotations

from anyio import to_thread

from fetch_engine.bodies.downloads import Download
from fetch_engine.bodies.hashing import Hashes
from fetch_engine.bodies.partial import Partial
from fetch_engine.bodies.spool import SpoolFile, SpoolFolder
from fetch_engine.bodies.uploads import Upload
from fetch_engine.model.checksum import Checksum
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.limits import Limits
from fetch_engine.model.results import ErrorKind


class JoinFailed(AttemptFailed):
    """What was there and what came do not make the body: it is to be fetched from its beginning."""


class BodySink:
    """Takes the decoded body piece by piece, in memory bounded by `Limits.preview_size`.

    With a download all of it goes there; else, with a spool, a body longer than the preview. In the `async with` block
    of the sink await `flush` whenever `is_due`, and `finish` at the end of the body; a block that is left without it
    leaves no file, or what can be resumed. checksum: what all of it must hash to.
    """

    __slots__ = (
        "_checksum",
        "_download",
        "_hashes",
        "_joined_size",
        "_limits",
        "_preview",
        "_spool",
        "_spooled",
        "path",
        "size",
    )

    def __init__(
        self,
        limits: Limits,
        spool: SpoolFolder | None = None,
        download: Download | Upload | None = None,
        checksum: Checksum | None = None,
    ) -> None:
        self._limits = limits
        self._checksum = checksum
        self._hashes = Hashes() if checksum is None else Hashes(checksum.algorithm)
        self._preview = bytearray()
        self._spool = spool if download is None else None
        self._spooled: SpoolFile | None = None
        self._download = download
        self._joined_size: int | None = None
        self.size = 0
        self.path: str | None = None

    async def __aenter__(self) -> BodySink:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for file in (self._spooled, self._download):
            if file is not None:
                await file.discard()

    async def go_on(self, partial: Partial, size: int) -> None:
        """The body begins with what is there already, and is so long in all. Raises AttemptFailed (storage)."""
        self._joined_size = size
        try:
            self._preview += await to_thread.run_sync(partial.read, self._hashes.all, self._limits.preview_size)
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            self.size = partial.size
            return
        raise AttemptFailed(ErrorKind.STORAGE, f"cannot go on with what is there: {reason}")

    def write(self, data: bytes) -> None:
        """Add bytes. Raises AttemptFailed (too-large) past `Limits.max_body`."""
        check_size(self.size + len(data), self._limits)
        self._hashes.update(data)
        missing = self._limits.preview_size - len(self._preview)
        if missing > 0:
            self._preview += data[:missing]
        if self._download is not None:
            self._download.add(data)
        elif self._spool is not None and self.size + len(data) > self._limits.preview_size:
            self._to_spool(self._spool, data, max(0, missing))
        self.size += len(data)

    def _to_spool(self, spool: SpoolFolder, data: bytes, previewed: int) -> None:
        if self._spooled is None:
            self._spooled = SpoolFile(spool)
            self._spooled.add(bytes(self._preview))
            data = data[previewed:]
        if data:
            self._spooled.add(data)

    @property
    def is_due(self) -> bool:
        """Whether `flush` is to be awaited before more is written."""
        file = self._download or self._spooled
        return (file is not None and file.is_due) or self._hashes.is_due

    async def flush(self) -> None:
        """Write and hash what waits for it. Raises AttemptFailed (storage) where a download cannot be written."""
        if self._hashes.is_due:
            await self._hashes.flush()
        file = self._download or self._spooled
        if file is not None and file.is_due:
            await file.flush()

    async def finish(self) -> None:
        """The body is complete: `path` says where all of it is, if it was saved or spooled.

        Raises AttemptFailed: storage, or decode where the checksum differs, and then nothing is saved. JoinFailed where
        a part of it was there before.
        """
        await self._hashes.finish()
        joined = self._joined_size
        checked = self._hashes.checked
        problem: AttemptFailed | None = None
        if self._checksum is not None and checked.hexdigest() != self._checksum.digest:
            found = f"{self._checksum.algorithm}:{checked.hexdigest()}"
            failed = AttemptFailed if joined is None else JoinFailed
            problem = failed(ErrorKind.DECODE, f"not what was expected: the body is {found}")
        elif joined is not None and self.size != joined:
            problem = JoinFailed(ErrorKind.INCOMPLETE, f"{self.size} bytes came where the server told of {joined}")
        if problem is not None:
            if isinstance(self._download, Download):
                self._download.reject()
            try:
                raise problem
            finally:
                del problem  # it refers to this frame
        file = self._download or self._spooled
        if file is not None:
            self.path = await file.finish()

    @property
    def not_spooled(self) -> str | None:
        """Why a body that was to be spooled is not."""
        return None if self._spooled is None else self._spooled.error

    @property
    def sha256(self) -> str:
        """Of all bytes, in hex; once `finish` has been awaited."""
        return self._hashes.sha256.hexdigest()

    @property
    def preview(self) -> bytes:
        """The first bytes."""
        return bytes(self._preview)


def check_size(size: int, limits: Limits) -> None:
    """Raise AttemptFailed (too-large) if a body of so many decoded bytes is not wanted."""
    if size > limits.max_body:
        raise AttemptFailed(ErrorKind.TOO_LARGE, f"body larger than {limits.max_body} bytes")
