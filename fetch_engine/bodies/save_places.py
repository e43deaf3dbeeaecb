"""What is found out and taken for a body that is to be saved, before it comes."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from fetch_engine.bodies.partial import Partial
from fetch_engine.files.file_names import file_name, numbered
from fetch_engine.files.name_claims import Claim, NameClaims
from fetch_engine.files.output_files import OutputPlace, find_place
from fetch_engine.model.save_to import SaveTo

MOST_NUMBERS = 10_000  # of one name


def known_name(save: SaveTo, url: str) -> str | None:
    """The name, if it is known before the response."""
    if save.name is not None or not save.by_header:
        return save.name or file_name(url)
    return None


def find_save_place(save: SaveTo, name: str) -> OutputPlace:
    """What the name stands for. Only what the user named is followed where it is a link. Raises OSError."""
    return find_place(os.path.join(save.folder, name), follow=save.name is not None, within=save.within)


def claim_place(save: SaveTo, place: OutputPlace, claims: NameClaims) -> tuple[OutputPlace, Claim]:
    """The place for one that is to replace what is there, with a number where another fetch has the name.

    Raises OSError where the user gave the name.
    """
    for number in range(1 if save.name is not None else MOST_NUMBERS):
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
