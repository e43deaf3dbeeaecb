"""Where a body is to be saved: a value."""

from __future__ import annotations

from dataclasses import dataclass


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
