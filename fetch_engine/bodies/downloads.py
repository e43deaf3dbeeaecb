"""A body on its way into a file of its own: written beside its place, and moved there when it is whole.

Under its final name there is never half a file. What is there and is no regular file is written through. Everything
that touches the disk runs in a thread; what goes wrong there is an AttemptFailed of kind `storage`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Sequence

import anyio
from anyio import to_thread

from fetch_engine.bodies.partial import Partial, Validator
from fetch_engine.bodies.save_places import MOST_NUMBERS, Begun, claim_place, find_save_place
from fetch_engine.bodies.write_behind import WorkerThreads, WriteBehind
from fetch_engine.files.file_names import numbered
from fetch_engine.files.name_claims import NameClaims
from fetch_engine.files.output_files import (
    Draft,
    OutputPlace,
    keep_access,
    move_new,
    open_through,
    replace,
    sync_folder,
    write_all,
    write_through,
)
from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.model.save_to import SaveTo

EVERY = 1.0  # seconds after which what came is written however little it is: a killed program loses no more

WRITERS = WorkerThreads("writing", 8)  # a disk may be slow; what waits for it is no work for a processor


class Download:
    """One body. `finish` gives the path of its file; `discard`, also after `finish`, removes what is not whole, or
    keeps it where it can be gone on with.

    url: what was asked for. validator: what proves later that the same is gone on with. is_passed_on: whether bytes
    went to something that cannot take them back. claims: None where nobody else uses such names.
    """

    __slots__ = (
        "_begun",
        "_behind",
        "_claims",
        "_descriptor",
        "_draft",
        "_is_given_up",
        "_is_open",
        "_name",
        "_path",
        "_save",
        "_url",
        "_validator",
        "_written",
        "is_passed_on",
    )

    def __init__(
        self,
        save: SaveTo,
        name: str,
        url: str = "",
        claims: NameClaims | None = None,
        begun: Begun | None = None,
        validator: Validator | None = None,
    ) -> None:
        self._save = save
        self._name = name
        self._url = url
        self._claims = claims
        self._begun = begun or Begun()
        self._validator = validator
        self._draft: Draft | None = None
        self._descriptor = -1
        self._path: str | None = None
        self._is_open = self._is_given_up = False
        self._behind = WriteBehind(WRITERS)
        self._written = time.monotonic()
        self.is_passed_on = False

    @property
    def is_due(self) -> bool:
        """Whether `flush` is to be awaited before more is added."""
        behind = self._behind
        # Whoever reads standard output may want to see it come.
        late = self._save.descriptor is not None or time.monotonic() - self._written > EVERY
        return (bool(behind.size) and behind.is_free and late) or behind.is_due

    def add(self, data: bytes) -> None:
        """Bytes to be written."""
        self._behind.add(data)

    def reject(self) -> None:
        """What came is not what it should be: keep nothing of it."""
        self._validator = None
        if self._begun.partial is not None:
            self._begun.partial.start_over()

    async def flush(self) -> None:
        """Begin to write what is waiting, once what came before is written."""
        await self._settle()
        self._behind.hand_over(self._write_long)
        self._written = time.monotonic()

    async def finish(self) -> str | None:
        """Write the rest and give the file its name; returns its path, None where there is no file."""
        await self._settle()
        if self._save.descriptor is not None or self._save.replaces:
            # Among the writers: a device or a fifo may have us wait, and must not be waited for once it is given up.
            self._behind.hand_over(self._complete)
            await self._settle()
            return self._path
        reason = None
        try:
            await to_thread.run_sync(self._complete, self._behind.take())
        except OSError as error:
            reason = _reason(error)
        if reason is not None:
            self.reject()
            raise self._failure(reason)
        return self._path

    async def discard(self) -> None:
        """Close and remove what is not whole; keep it where it can be resumed."""
        self._is_given_up = True
        with anyio.CancelScope(shield=True):
            error = await self._behind.settle()
            if error is not None and not self._save.resume:
                self.reject()
            if self._is_open or self._begun.partial is not None or self._begun.claim is not None:
                await to_thread.run_sync(self._leave)

    async def _settle(self) -> None:
        error = await self._behind.settle()
        if error is not None:
            if not self._save.resume:
                self.reject()  # a disk that is full keeps nothing unasked
            reason, error = _reason(error), None
            raise self._failure(reason)

    def _failure(self, reason: str) -> AttemptFailed:
        what = "write to standard output" if self._save.descriptor is not None else f"save {self._name}"
        return AttemptFailed(ErrorKind.STORAGE, f"cannot {what}: {reason}")

    # In a thread

    @property
    def _is_through(self) -> bool:
        place = self._begun.place
        return self._save.descriptor is not None or (place is not None and place.is_through)

    def _open(self, *, is_long: bool) -> None:
        if self._is_open:
            return
        begun, save = self._begun, self._save
        if save.descriptor is not None:
            self._descriptor = save.descriptor
            self._is_open = True
            return
        os.makedirs(save.folder, exist_ok=True)
        if begun.place is None:
            if save.replaces:
                begun.place = find_save_place(save, self._name)
            else:
                folder = os.path.realpath(save.folder) if self._claims is None else self._claims.folder(save.folder)
                begun.place = OutputPlace(folder, self._name)
        place = begun.place
        if place.is_through:
            self._descriptor = open_through(place, lambda: self._is_given_up)
            self._is_open = True
            return
        if save.replaces and begun.claim is None and self._claims is not None:
            begun.place, begun.claim = claim_place(save, place, self._claims)
        if begun.partial is None and is_long and self._validator is not None:
            begun.partial = Partial.open(place.folder, self._name, self._url)
            if begun.partial is not None:
                begun.partial.start_over()
        if begun.partial is not None:
            begun.partial.begin(self._validator)
            self._descriptor = begun.partial.descriptor
        else:
            self._draft = Draft(begun.place)
            self._descriptor = self._draft.descriptor
        self._is_open = True
        if save.replaces:
            keep_access(self._descriptor, begun.place.path)

    def _write_long(self, pieces: Sequence[bytes]) -> None:
        self._write(pieces, is_long=True)

    def _write(self, pieces: Sequence[bytes], *, is_long: bool = False) -> None:
        self._open(is_long=is_long)
        if self._is_through:
            self.is_passed_on = self.is_passed_on or any(pieces)
            write_through(self._descriptor, pieces, lambda: self._is_given_up)
        else:
            write_all(self._descriptor, pieces)

    def _complete(self, pieces: Sequence[bytes]) -> None:
        self._write(pieces)
        begun, save = self._begun, self._save
        if self._is_through or begun.place is None:
            self._is_open = False
            self._close()
            return
        if save.sync:
            os.fsync(self._descriptor)
        name = self._move(begun.place)
        if save.sync:
            sync_folder(begun.place.folder)
        self._path = os.path.join(save.folder, self._name if save.replaces and save.name is not None else name)
        self._is_open = False
        self._close()
        if begun.partial is not None:
            begun.partial.forget()
            begun.partial = None

    def _move(self, place: OutputPlace) -> str:
        """Give it its name, and say which that is."""
        begun = self._begun
        path = begun.partial.path if begun.partial is not None else None if self._draft is None else self._draft.path
        assert path is not None
        if self._save.replaces:
            replace(path, place.path)
            if begun.claim is not None:
                begun.claim.used()
            return place.name
        for number in range(MOST_NUMBERS):
            name = numbered(self._name, number)
            if self._claims is None:
                claim = None
            elif (claim := self._claims.take(place.folder, name)) is None:
                continue
            try:
                move_new(path, os.path.join(place.folder, name))
                if claim is not None:
                    claim.used()
            except FileExistsError:
                continue
            finally:
                if claim is not None:
                    claim.release()
            return name
        raise FileExistsError(errno.EEXIST, "too many files of that name")

    def _leave(self) -> None:
        begun = self._begun
        with contextlib.suppress(OSError):
            if begun.partial is not None and self._validator is not None and self._behind.size:
                self._write(self._behind.take())
        self._is_open = False
        if self._draft is not None:
            self._draft.discard()
        self._close()
        begun.leave()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0 and self._begun.partial is None and self._save.descriptor is None:
            if self._draft is None:
                os.close(descriptor)
            else:
                self._draft.close()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
