"""Where a body is to be saved, and what is found out and taken for that before it comes."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from fetch_engine.bodies.partial import Partial
from fetch_engine.files.file_names import file_name, numbered
from fetch_engine.files.name_claims import Claim, NameClaims
from fetch_engine.files.output_files import OutputPlace, find_place

MOST_NUMBERS = 10_000  # of one name


@dataclass(frozen=True, slots=True)
class SaveTo:
    """Where the body of a response with a status of 2xx goes.

    folder: made where missing. name: given by the user; None for that of the URL or, with `by_header`, of the response.
    overwrite: a file of that name is replaced, else the new one gets a number. resume: what an earlier fetch left half
    done is completed, where the server can prove that it is the same (RFC 9110 section 13.1.5); implies `overwrite`.
    sync: the file is on the disk before it gets its name. within: a folder that links must not lead out of.
    descriptor: the body is written to it, and to no file; it stays the caller's.

    Nothing that another fetch of the engine has written is replaced: a name of the user's is refused then, others get
    a number. What is there and is no regular file, is written through where a file would be replaced.
    """

    folder: str
    name: str | None = None
    by_header: bool = False
    overwrite: bool = False
    resume: bool = False
    sync: bool = False
    within: str | None = None
    descriptor: int | None = None

    @property
    def replaces(self) -> bool:
        """Whether a file that is there is replaced."""
        return self.overwrite or self.resume

    def known_name(self, url: str) -> str | None:
        """The name, if it is known before the response."""
        if self.name is not None or not self.by_header:
            return self.name or file_name(url)
        return None

    def place(self, name: str) -> OutputPlace:
        """What the name stands for. Only what the user named is followed where it is a link. Raises OSError."""
        return find_place(os.path.join(self.folder, name), follow=self.name is not None, within=self.within)

    def claim(self, place: OutputPlace, claims: NameClaims) -> tuple[OutputPlace, Claim]:
        """The place for one that is to replace what is there, with a number where another fetch has the name.

        Raises OSError where the user gave the name.
        """
        for number in range(1 if self.name is not None else MOST_NUMBERS):
            name = numbered(place.name, number)
            claim = claims.take(place.folder, name)
            if claim is not None:
                return OutputPlace(place.folder, name), claim
        raise OSError(errno.EBUSY, "another fetch of this run, or of another one at the same time, saves to it")


@dataclass(slots=True)
class Begun:
    """What was found out and taken for a download before its response: its place, the right to it, what there is."""

    place: OutputPlace | None = None
    claim: Claim | None = None
    partial: Partial | None = None

    def leave(self) -> None:
        """In a thread: nothing came of it, or all that did is done."""
        partial, self.partial = self.partial, None
        if partial is not None:
            partial.leave()
        claim, self.claim = self.claim, None
        if claim is not None:
            claim.release()
