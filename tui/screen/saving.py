"""A body into a file of the user's: a safe name for it, nothing overwritten unasked, whole or not at all."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator

from fetch_engine.files.file_names import FALLBACK, file_name
from fetch_engine.files.output_files import write_file
from fetch_engine.model.results import FetchResult
from tui.screen.body.source import BodySource

PATIENCE = 2.0  # seconds for somebody to read from a fifo
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

    A file appears under its name only when it is complete; what is there and is no file is written through.
    """
    return write_file(path, pieces_of(source), overwrite=overwrite, sync=True, patience=PATIENCE)


def pieces_of(source: BodySource) -> Iterator[bytes]:
    """What is left of a body, piece by piece."""
    if not source.in_memory and source.path is not None and source.available() == source.size:
        try:
            file = open(source.path, "rb")  # noqa: SIM115
        except OSError:
            pass  # it went to bound the disk
        else:
            with file:
                while piece := file.read(_PIECE):
                    yield piece
            return
    yield source.preview
