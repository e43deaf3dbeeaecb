"""What an interrupted download left, and what proves that the rest belongs to it (RFC 9110, 13.1.5 and 14)."""

from __future__ import annotations

import contextlib
import email.utils
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from fetch_engine.files.file_names import hidden, numbered

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_STEP = 1 << 20
_SECONDS_APART = 60  # RFC 9110 section 8.8.2.2: a Last-Modified so much older than Date is a strong validator
_MOST_PARTS = 20  # of one name: what was left of other URLs stays

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Validator:
    """What identifies the bytes at `url`: a strong entity tag, or a date. As If-Range takes it.

    source: where they came from, redirects followed, without the query: tags say nothing of other resources. coding:
    the content coding that they are in. total: how many there are in all, None if that was not told.
    """

    url: str
    value: str
    source: str = ""
    coding: str = ""
    total: int | None = None


def strong_validator(headers: Headers) -> str | None:
    """The strong validator of a response (RFC 9110 section 8.8.1), or None."""
    found = {name.lower(): value.strip(" \t") for name, value in headers}
    tag = found.get("etag", "")
    if tag.startswith('"') and tag.endswith('"') and len(tag) >= 2:
        return tag
    try:
        date = email.utils.parsedate_to_datetime(found["date"])
        modified = email.utils.parsedate_to_datetime(found["last-modified"])
        if (date - modified).total_seconds() >= _SECONDS_APART:
            return found["last-modified"]
    except (KeyError, ValueError, TypeError, OverflowError):
        pass
    return None


def content_range(headers: Headers) -> tuple[int, int, int | None] | None:
    """First and last byte of a part, and how many there are in all; None without the one header that says so."""
    values = [value for name, value in headers if name.lower() == "content-range"]
    match = _CONTENT_RANGE.fullmatch(values[0].strip(" \t")) if len(values) == 1 else None
    if match is None or int(match[1]) > int(match[2]):
        return None
    return int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])


def joined_size(noted: Validator, size: int, headers: Headers, source: str, coding: str) -> int | None:
    """How long the whole is, if a 206 response is the rest of what begins with `size` bytes; None if that is not sure.

    It is where both have the same strong validator (RFC 9110 sections 13.1.5 and 15.3.7.3), and it goes to the end.
    """
    part = content_range(headers)
    if part is None or strong_validator(headers) != noted.value:
        return None
    if source != noted.source or coding != noted.coding:
        return None
    first, last, total = part
    if total is None:
        total = noted.total
    if first != size or last + 1 != total or noted.total not in (None, total):
        return None
    return total


class Partial:
    """The file that grows, locked against other processes and fetches, with its validator beside it.

    size: bytes that are there already. All methods touch the disk and raise OSError.
    """

    __slots__ = ("_facts", "descriptor", "path", "size", "validator")

    def __init__(self, path: str, descriptor: int, size: int, validator: Validator | None) -> None:
        self.path = path
        self._facts = f"{path}.json"
        self.descriptor = descriptor
        self.size = size
        self.validator = validator

    @classmethod
    def open(cls, folder: str, name: str, url: str) -> Partial | None:
        """What there is for this name and URL, made where missing; None where too many others write such files.

        What belongs to other URLs stays as it is.
        """
        os.makedirs(folder, exist_ok=True)
        free: list[str] = []
        for number in range(_MOST_PARTS):
            path = os.path.join(folder, hidden(numbered(name, number), ".part"))
            noted = _read_validator(f"{path}.json")
            if noted is None:
                free.append(path)
            elif noted.url == url and (found := cls._open(path, url)) is not None:
                return found
        return next(filter(None, (cls._open(path, url) for path in free)), None)

    @classmethod
    def _open(cls, path: str, url: str) -> Partial | None:
        """None while somebody else writes to it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            if not _lock(path, descriptor):
                os.close(descriptor)
                return None
            size = os.fstat(descriptor).st_size
            validator = _read_validator(f"{path}.json")
            if validator is not None and validator.url != url:  # made meanwhile
                os.close(descriptor)
                return None
            if validator is None or size > (size if validator.total is None else validator.total):
                size, validator = 0, None
            return cls(path, descriptor, size, validator)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def is_resumable(self) -> bool:
        """Whether it is worth keeping."""
        return self.validator is not None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What asks for the rest; empty if there is nothing to go on with."""
        if not self.size or self.validator is None:
            return ()
        return ("Range", f"bytes={self.size}-"), ("If-Range", self.validator.value)

    def start_over(self) -> None:
        """What is there does not belong to what comes."""
        self.size = 0
        self.validator = None

    def begin(self, validator: Validator | None) -> None:
        """Bytes come: go to the end of what is kept, and note what they are part of."""
        os.ftruncate(self.descriptor, self.size)
        os.lseek(self.descriptor, 0, os.SEEK_END)
        self.validator = validator
        if validator is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._facts)
        else:
            descriptor = os.open(
                self._facts, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
            )
            with open(descriptor, "w", encoding="utf-8") as facts:
                json.dump(asdict(validator), facts)

    def read(self, hashes: Iterable[hashlib._Hash], preview_size: int) -> bytes:
        """Feed what is there to the hashes; returns its first bytes."""
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        preview = b""
        left = self.size
        while left and (data := os.read(self.descriptor, min(_STEP, left))):
            left -= len(data)
            for each in hashes:
                each.update(data)
            if len(preview) < preview_size:
                preview += data[: preview_size - len(preview)]
        if left:
            raise OSError("the partial file became shorter")
        return preview

    def forget(self) -> None:
        """It has been completed and has its name."""
        with contextlib.suppress(OSError):
            os.unlink(self._facts)
        self._close()

    def leave(self) -> None:
        """It was interrupted: keep it if it can be resumed."""
        if not self.is_resumable:
            for path in (self._facts, self.path):
                with contextlib.suppress(OSError):
                    os.unlink(path)
        self._close()

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _lock(path: str, descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # It may have been completed and renamed between the two.
        return os.stat(path, follow_symlinks=False).st_ino == os.fstat(descriptor).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _read_validator(path: str) -> Validator | None:
    try:
        with open(path, encoding="utf-8") as facts:
            found = json.load(facts)
        total = found.get("total")
        return Validator(
            str(found["url"]),
            str(found["value"]),
            str(found.get("source", "")),
            str(found.get("coding", "")),
            total if isinstance(total, int) else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
