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

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_STEP = 1 << 20
_SECONDS_APART = 60  # RFC 9110 section 8.8.2.2: a Last-Modified so much older than Date is a strong validator


@dataclass(frozen=True, slots=True)
class Validator:
    """What identifies the bytes at `url`: a strong entity tag, or a date. As If-Range takes it."""

    url: str
    value: str


def validator_of(url: str, headers: Iterable[tuple[str, str]]) -> Validator | None:
    """The strong validator of a response (RFC 9110 section 8.8.1), or None."""
    found = {name.lower(): value.strip(" \t") for name, value in headers}
    tag = found.get("etag", "")
    if tag.startswith('"') and tag.endswith('"') and len(tag) >= 2:
        return Validator(url, tag)
    try:
        date = email.utils.parsedate_to_datetime(found["date"])
        modified = email.utils.parsedate_to_datetime(found["last-modified"])
        if (date - modified).total_seconds() >= _SECONDS_APART:
            return Validator(url, found["last-modified"])
    except (KeyError, ValueError, TypeError, OverflowError):
        pass
    return None


def resumes_at(headers: Iterable[tuple[str, str]], size: int) -> bool:
    """Whether a 206 response continues after `size` bytes and goes on to the end."""
    value = next((value for name, value in headers if name.lower() == "content-range"), "")
    match = _CONTENT_RANGE.fullmatch(value.strip(" \t"))
    return match is not None and int(match[1]) == size and (match[3] == "*" or int(match[2]) == int(match[3]) - 1)


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
        """What there is for this name and URL, made where missing; None while somebody else writes to it."""
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f".{name}.part")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            if not _lock(path, descriptor):
                os.close(descriptor)
                return None
            size = os.fstat(descriptor).st_size
            validator = _read_validator(f"{path}.json")
            if validator is None or validator.url != url:
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
        return Validator(str(found["url"]), str(found["value"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
