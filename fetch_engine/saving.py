"""How one attempt saves its body: under which name, and going on with what an earlier one left."""

from __future__ import annotations

from anyio import to_thread

from fetch_engine.downloads import Download, SaveTo
from fetch_engine.errors import AttemptFailed
from fetch_engine.file_names import file_name
from fetch_engine.partial import Partial, resumes_at, validator_of
from fetch_engine.results import ErrorKind
from fetch_engine.transports.protocol import WireResponse

PARTIAL_CONTENT = 206
RANGE_NOT_SATISFIABLE = 416


class Saving:
    """Used by one attempt, in `async with`. url: what was asked for, without user and password."""

    def __init__(self, save: SaveTo, url: str) -> None:
        self._save = save
        self._url = url
        self._name = save.known_name(url)
        self._partial: Partial | None = None

    async def __aenter__(self) -> Saving:
        if self._save.resume and self._name is not None:
            reason = ""
            try:
                self._partial = await to_thread.run_sync(Partial.open, self._save.folder, self._name, self._url)
            except OSError as error:
                reason = error.strerror or str(error)
            if reason:
                raise AttemptFailed(ErrorKind.STORAGE, f"cannot save {self._name}: {reason}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._partial is not None:
            self._partial.leave()

    @property
    def partial(self) -> Partial:
        """What there is to go on with; only where `goes_on` says so."""
        assert self._partial is not None
        return self._partial

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What is to be asked for beside what the request asks."""
        if not self._save.resume:
            return ()
        # Of a coded body only the decoded bytes are kept, and they cannot be asked for.
        return (("Accept-Encoding", "identity"), *(() if self._partial is None else self._partial.headers))

    def goes_on(self, response: WireResponse) -> bool:
        """Whether the response is the rest of what there is. Raises AttemptFailed where it is another part."""
        if response.status != PARTIAL_CONTENT or self._partial is None or not self._partial.size:
            return False
        if resumes_at(response.headers, self._partial.size) and not _is_coded(response):
            return True
        self._partial.start_over()
        raise AttemptFailed(ErrorKind.INCOMPLETE, "the server sent another part of the body than was asked for")

    def starts_over(self, response: WireResponse) -> bool:
        """Whether the request is to be repeated without a range, as the server has nothing at that place."""
        if response.status != RANGE_NOT_SATISFIABLE or self._partial is None or not self._partial.size:
            return False
        self._partial.start_over()
        return True

    def download(self, response: WireResponse) -> Download | None:
        """Where this response goes; None for one that is not what was asked for. Raises AttemptFailed."""
        if not 200 <= response.status < 300:
            return None
        name = self._name or file_name(self._url, response.headers, by_header=True)
        validator = None if _is_coded(response) else validator_of(self._url, response.headers)
        if self._partial is not None and not self.goes_on(response):
            self._partial.start_over()
        elif self._partial is not None:
            validator = self._partial.validator
        return Download(self._save, name, self._partial, validator)


def _is_coded(response: WireResponse) -> bool:
    return any(name.lower() == "content-encoding" for name, _ in response.headers)
