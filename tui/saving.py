"""A body into a file of the user's: a safe name for it, nothing overwritten unasked, whole or not at all."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import secrets
import shutil
from collections.abc import Callable

from fetch_engine.file_names import FALLBACK, file_name
from fetch_engine.results import FetchResult
from tui.body.source import BodySource

_PIECE = 1 << 18


def default_name(result: FetchResult) -> str:
    """What to call the body: by Content-Disposition, else by the URL; a fitting suffix where it has none."""
    name = file_name(result.final_url, result.headers, by_header=True)
    suffix = suffix_of(result.content_type)
    stem, dot, _ = name.rpartition(".")
    if name == FALLBACK:
        return stem + (suffix or ".html")
    return name if dot or not suffix else name + suffix


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
    if not source.in_memory and source.path is not None and source.available() == source.size:
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
