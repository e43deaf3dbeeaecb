"""How one attempt saves its body: under which name, and going on with what an earlier one left."""

from __future__ import annotations

from urllib.parse import urlsplit

from anyio import to_thread

from fetch_engine.bodies.downloads import Download
from fetch_engine.bodies.partial import Partial, Validator, content_range, joined_size, strong_validator
from fetch_engine.bodies.save_places import Begun, claim_place, find_save_place, known_name
from fetch_engine.files.file_names import file_name, is_coding_of_file
from fetch_engine.files.name_claims import NameClaims
from fetch_engine.model.codings import content_codings
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.save_to import SaveTo
from fetch_engine.model.transport import WireResponse

PARTIAL_CONTENT = 206
# What servers and firewalls answer to a range where the whole may still be had. Not what is said of the resource itself
# or of whoever asks (401, 404, 407, 410, 429): the next run asks for the rest again.
RANGE_REFUSED = frozenset({400, 403, 405, 406, 412, 416, 501})


class Saving:
    """Used by one attempt, in `async with`. url: what was asked for, without user and password.

    goes_on: whether what an earlier attempt left is asked for. is_part: the request asks for a part itself. raw: no
    coding is undone, whatever its name.
    """

    def __init__(
        self,
        save: SaveTo,
        url: str,
        claims: NameClaims,
        *,
        goes_on: bool = False,
        is_part: bool = False,
        raw: bool = False,
    ) -> None:
        self._save = save
        self._url = url
        self._claims = claims
        self._name = known_name(save, url)
        self._goes_on = goes_on and save.descriptor is None
        self._is_part = is_part
        self._raw = raw
        self._begun = Begun()
        self._is_whole_asked = False  # what is there is kept until something comes in its place
        self.refused: int | None = None  # the status with which the server refused the rest
        self._download: Download | None = None

    async def __aenter__(self) -> Saving:
        if self._goes_on and self._name is not None:
            reason = ""
            try:
                await to_thread.run_sync(self._begin, self._name)
            except OSError as error:
                reason = error.strerror or str(error)
            if reason:
                raise AttemptFailed(ErrorKind.STORAGE, f"cannot save {self._name}: {reason}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._download is None:
            self._begun.leave()

    def _begin(self, name: str) -> None:
        """In a thread."""
        begun, save = self._begun, self._save
        folder = save.folder
        if save.replaces:
            begun.place = find_save_place(save, name)
            if begun.place.is_through:
                return
            begun.place, begun.claim = claim_place(save, begun.place, self._claims)
            folder = begun.place.folder
        try:
            begun.partial = Partial.open(folder, name, self._url)
        except BaseException:
            begun.leave()
            raise

    @property
    def is_passed_on(self) -> bool:
        """Whether bytes went to where they cannot be taken back, so that a second attempt would mix them."""
        return self._download is not None and self._download.is_passed_on

    @property
    def partial(self) -> Partial | None:
        """What there is to go on with, if anything."""
        return self._begun.partial if self._begun.partial is not None and self._begun.partial.size else None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What is to be asked for beside what the request asks."""
        # Of a coded body only the decoded bytes are kept, and they cannot be asked for.
        asked = (("Accept-Encoding", "identity"),) if self._save.resume or self.partial is not None else ()
        return asked if self.partial is None else (*asked, *self.partial.headers)

    def joined_size(self, response: WireResponse, source: str) -> int | None:
        """How long the body is, if the response is the rest of what there is. source: the URL that it came from."""
        partial = self.partial
        if response.status != PARTIAL_CONTENT or partial is None or partial.validator is None:
            return None
        if self._is_whole_asked or self.decodes(response):
            return None
        return joined_size(partial.validator, partial.size, response.headers, _without_query(source), _coding(response))

    def starts_over(self, response: WireResponse, source: str) -> bool:
        """Whether to ask once more, without a range: what came does not belong to what there is, or it was refused."""
        if self.partial is None or self._is_whole_asked:
            return False
        if response.status == PARTIAL_CONTENT:
            self._is_whole_asked = self.joined_size(response, source) is None
        else:
            self._is_whole_asked = response.status in RANGE_REFUSED
            self.refused = response.status if self._is_whole_asked else None
        return self._is_whole_asked

    def decodes(self, response: WireResponse) -> bool:
        """Whether a content coding is undone; where the file is published in that coding, it is not."""
        coding = _coding(response)
        if not coding or self._raw:
            return False
        names = {file_name(self._url), self._name or file_name(self._url, response.headers, by_header=True)}
        types = [value for name, value in response.headers if name.lower() == "content-type"]
        return not is_coding_of_file(coding, names, types[0] if types else "")

    def download(self, response: WireResponse, source: str) -> Download | None:
        """Where this response goes; None for one that is not what was asked for. Raises AttemptFailed."""
        if not 200 <= response.status < 300:
            return None
        partial = self._begun.partial
        if partial is not None and self.joined_size(response, source) is not None:
            validator = partial.validator
        else:
            if partial is not None:
                partial.start_over()
            total = self._total(response)
            # What has its name of the response cannot be asked for later, when there is none yet.
            is_lost = self._name is None or self._is_part or self.decodes(response)
            value = None if is_lost else strong_validator(response.headers)
            validator = None
            if value is not None:
                validator = Validator(self._url, value, _without_query(source), _coding(response), total)
        name = self._name or file_name(self._url, response.headers, by_header=True)
        self._download = Download(self._save, name, self._url, self._claims, self._begun, validator)
        return self._download

    def _total(self, response: WireResponse) -> int | None:
        """How long a body is that comes from its beginning. Raises AttemptFailed where it does not."""
        if response.status == PARTIAL_CONTENT and not self._is_part:
            part = content_range(response.headers)
            if part is None or part[0] or part[1] + 1 != part[2]:
                raise AttemptFailed(ErrorKind.INCOMPLETE, "the server sent a part of the body, which was not asked for")
        lengths = {value.strip(" \t") for name, value in response.headers if name.lower() == "content-length"}
        length = lengths.pop() if len(lengths) == 1 else ""
        return int(length) if length.isascii() and length.isdigit() and len(length) <= 18 else None


def _coding(response: WireResponse) -> str:
    values = [value for name, value in response.headers if name.lower() == "content-encoding"]
    return ",".join(content_codings(values)) if values else ""


def _without_query(url: str) -> str:
    """Many servers sign each redirect anew, in the query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
