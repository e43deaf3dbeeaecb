"""A body into a file of the user's: a safe name for it, nothing overwritten unasked, whole or not at all."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import re
import secrets
import shutil
import unicodedata
import urllib.parse
from collections.abc import Callable

from fetch_engine.results import FetchResult
from tui.body.source import BodySource

MAX_NAME = 120  # bytes; file systems take 255, of which a user may want some
_PIECE = 1 << 18
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r"[/\\:*?\"<>|\s]+")
_EXTENDED = re.compile(r"filename\*\s*=\s*([\w-]*)'[^']*'([^;\s]+)", re.IGNORECASE)
_PLAIN = re.compile(r"filename\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\s]+))", re.IGNORECASE)


def default_name(result: FetchResult) -> str:
    """What to call the body: by Content-Disposition (RFC 6266), else by the URL; never a path and never hidden."""
    disposition = result.header("content-disposition") or ""
    parts = urllib.parse.urlsplit(result.final_url)
    last = urllib.parse.unquote(parts.path, errors="replace").rstrip("/").rpartition("/")[2]
    for given in (_named(disposition[:4096]), last, parts.hostname or ""):
        if name := safe_name(given):
            return name if "." in name[1:] and given != parts.hostname else _with_suffix(name, result.content_type)
    return _with_suffix("body", result.content_type)


def safe_name(name: str) -> str:
    """A name as one plain file name of at most MAX_NAME bytes: no folder, no control character, no leading dot or
    dash, no name that Windows reserves; "" if nothing is left of it."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = "".join(char if char.isprintable() else "_" for char in name)
    name = _FORBIDDEN.sub("_", name).lstrip(".-_ ").rstrip(". ")
    if _RESERVED.fullmatch(name):
        name = f"{name.partition('.')[0]}_.{name.partition('.')[2]}".rstrip(".")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > 20:
        stem, dot, suffix = name, "", ""
    room = MAX_NAME - len((dot + suffix).encode())
    return (stem.encode()[:room].decode("utf-8", "ignore") + dot + suffix).rstrip(". ")


def suffix_of(content_type: str) -> str:
    """A fitting suffix with its dot, "" where the type says nothing."""
    media_type = content_type.split(";", 1)[0].strip().lower()
    if media_type.endswith("+json"):
        return ".json"
    return mimetypes.guess_extension(media_type) or ""


def write_body(source: BodySource, path: str, *, overwrite: bool) -> int:
    """Write what is left of a body to `path`; returns how many bytes. Raises OSError, FileExistsError among them.

    The file appears under its name only when it is complete.
    """
    folder = os.path.dirname(path) or "."
    draft = os.path.join(folder, f".{secrets.token_hex(6)}.part")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
            copy_body(source, file.write)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(draft, path)
        else:
            _move_unless_there(draft, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(draft)
    return size


def copy_body(source: BodySource, write: Callable[[bytes], object]) -> None:
    """Hand what is left of a body to `write`, piece by piece."""
    if not source.in_memory and source.path is not None:
        try:
            file = open(source.path, "rb")  # noqa: SIM115
        except OSError:
            pass  # it went to bound the disk
        else:
            with file:
                while piece := file.read(_PIECE):
                    write(piece)
            return
    write(source.preview)


def _move_unless_there(draft: str, path: str) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with open(path, "xb") as file, open(draft, "rb") as written:
            shutil.copyfileobj(written, file)


def _named(disposition: str) -> str:
    found = _EXTENDED.search(disposition)
    if found is not None:
        with contextlib.suppress(LookupError, ValueError):
            return urllib.parse.unquote(found[2], encoding=found[1] or "utf-8", errors="replace")
    found = _PLAIN.search(disposition)
    if found is None:
        return ""
    return re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]


def _with_suffix(name: str, content_type: str) -> str:
    suffix = suffix_of(content_type)
    return name if name.lower().endswith(suffix) else safe_name(name + suffix)
