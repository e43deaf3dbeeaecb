"""A name for a saved body: taken from the response or its URL, and fit for any file system.

What comes from outside never leaves the folder it is put in, never hides, never looks like an option, and has no
character that a terminal obeys.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

MAX_BYTES = 200  # of 255 that most file systems take: there is room for a number and for the end of a temporary name
_LONGEST = 250  # bytes of a hidden name, to which `.json` may be added
FALLBACK = "index.html"

# RFC 6266 section 4.1: parameters with a token, a quoted string, or an extended value (RFC 8187).
_PARAMETER = re.compile(
    r";[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\"]*))[ \t]*", re.DOTALL
)
_EXTENDED = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE | re.DOTALL)
_SUFFIX = re.compile(r"(?:\.tar)?\.[0-9A-Za-z]{1,10}$")
# Directions (bidi), marks of the byte order and other characters that are there and cannot be seen.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def file_name(url: str, headers: Iterable[tuple[str, str]] = (), *, by_header: bool = False) -> str:
    """The name under which to save what came from `url`, without a folder.

    by_header: a name in Content-Disposition goes before that of the URL (RFC 6266 section 4.3).
    """
    found = None
    if by_header:
        value = next((value for name, value in headers if name.lower() == "content-disposition"), None)
        found = disposition_name(value) if value is not None else None
    return safe_name(found or _url_name(url))


def disposition_name(value: str) -> str | None:
    """The file name that a Content-Disposition header gives, as it stands there; None if it gives none."""
    plain = None
    for match in _PARAMETER.finditer(value):
        name = match[1].lower()
        text = re.sub(r"\\(.)", r"\1", match[2], flags=re.DOTALL) if match[2] is not None else match[3].rstrip(" \t")
        if name == "filename*":
            extended = _EXTENDED.fullmatch(text)
            if extended is not None:
                return unquote(extended[2], extended[1], "replace")
        elif name == "filename" and plain is None:
            plain = _as_utf8(text)
    return plain


def safe_name(name: str) -> str:
    """The last part of `name`, without what no file name should have; never empty, at most MAX_BYTES in UTF-8."""
    import pathvalidate

    last = re.split(r"[/\\]", name)[-1]
    seen = "".join(character for character in last if unicodedata.category(character) not in _UNSEEN)
    plain = pathvalidate.sanitize_filename(_cut(" ".join(seen.split())), platform="universal", max_len=255)
    # Only now, as marks may follow other letters than before, and blanks other blanks.
    plain = unicodedata.normalize("NFC", " ".join(plain.split())).lstrip(".-~ ")  # hidden, an option, a home folder
    plain = _cut(plain).rstrip(". ")
    # Once more for reserved names, of which the above may have made one.
    return pathvalidate.sanitize_filename(plain, platform="universal", max_len=255).strip(" ") or FALLBACK


def numbered(name: str, number: int) -> str:
    """The same name with a number before its suffix, for where the name is taken; 0 leaves it as it is."""
    return marked(name, str(number)) if number else name


def marked(name: str, mark: str) -> str:
    """The name with this before its suffix."""
    suffix = _SUFFIX.search(name)
    at = suffix.start() if suffix is not None and suffix.start() else len(name)
    return f"{name[:at]}-{mark}{name[at:]}"


def hidden(name: str, end: str) -> str:
    """The name of a hidden file beside the one of this name, with this end; the name is cut where it is too long."""
    return os.fsdecode(os.fsencode(f".{name}")[: _LONGEST - len(end)]) + end


def _url_name(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return unquote(path.rpartition("/")[2], errors="replace")


def _as_utf8(text: str) -> str:
    """Header text comes as Latin-1; many servers send UTF-8 there."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _cut(name: str) -> str:
    if len(name.encode()) <= MAX_BYTES:
        return name
    suffix = _SUFFIX.search(name)
    end = suffix.group() if suffix is not None else ""
    start = name[: len(name) - len(end)]
    return start.encode()[: MAX_BYTES - len(end)].decode(errors="ignore") + end


# What a name or a media type says of the coding that a file is in, as it was published.
_SUFFIXES = {
    "gzip": (".gz", ".gzip", ".tgz", ".taz", ".svgz", ".emz", ".wmz"),
    "br": (".br",),
    "zstd": (".zst", ".zstd", ".tzst"),
}
_TYPES = {
    "gzip": (
        "gzip",
        "x-gzip",
        "x-gunzip",
        "gzipped",
        "gzip-compressed",
        "x-tgz",
        "x-gtar-compressed",
        "x-compressed-tar",
    ),
    "br": ("x-brotli",),
    "zstd": ("zstd", "x-zstd", "x-zstd-compressed-tar"),
}


def is_coding_of_file(coding: str, names: Iterable[str], media_type: str) -> bool:
    """Whether a body in this content coding is the file itself, and not one that was packed for the way.

    So it is where a name or the type says so, as of pkg.tar.gz with Content-Encoding gzip; browsers take it so too.
    """
    plain = coding.removeprefix("x-")
    subtype = media_type.partition(";")[0].strip().lower().removeprefix("application/")
    return subtype in _TYPES.get(plain, ()) or any(
        name.lower().endswith(_SUFFIXES[plain]) for name in names if plain in _SUFFIXES
    )
