"""Body previews as text a person can read, or not at all."""

from __future__ import annotations

import codecs
import re

_TEXT_TYPE = re.compile(
    r"text/|image/svg|application/(.*\+)?(json|xml|javascript|ecmascript|x-ndjson|x-www-form-urlencoded|yaml)"
)
_BINARY_TYPE = re.compile(r"(image|audio|video|font)/|application/(octet-stream|zip|gzip|pdf|wasm|x-tar)")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_NOT_FOR_BODIES = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
_WITHOUT_MARK = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}  # as WHATWG Encoding has it
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_BOMS_16 = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode_body(preview: bytes, content_type: str) -> str | None:
    """The text of a body, of which `preview` is the beginning; None where it is not text.

    A mark at the beginning decides the encoding before `content_type` does (WHATWG Encoding, section 6). A character
    cut at the end is left out; others that cannot be decoded become U+FFFD.
    """
    for bom, name in _BOMS + _BOMS_16:
        if preview.startswith(bom):
            return _decode(preview, name)
    media_type = content_type.split(";", 1)[0].strip().lower()
    if _BINARY_TYPE.match(media_type) and not _TEXT_TYPE.match(media_type):
        return None
    found = _CHARSET.search(content_type)
    encoding = _usable(found[1]) if found else None
    if encoding is not None and encoding.startswith(("utf-16", "utf-32")):
        return _decode(preview, _WITHOUT_MARK.get(encoding, encoding))
    if b"\0" in preview[:8192]:
        return None
    text = _decode(preview, encoding or "utf-8")
    if encoding is None and not _TEXT_TYPE.match(media_type) and text.count("\ufffd") > len(text) // 20:
        return None
    return text


def _usable(name: str) -> str | None:
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    # Not every codec is for text, and some take quadratic time on hostile input.
    is_text = getattr(codec, "_is_text_encoding", True)
    return codec.name if is_text and codec.incrementaldecoder and codec.name not in _NOT_FOR_BODIES else None


def _decode(data: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)(errors="replace").decode(data)


def hex_count(width: int) -> int:
    """How many bytes a hex line of at most `width` cells shows."""
    return next((n for n in (16, 8, 4) if 10 + 4 * n + n // 8 <= width), 2)


def hex_lines(data: bytes, width: int, offset: int = 0) -> list[str]:
    """`data`, which stands at `offset`, as offset, bytes and ASCII, in lines of at most `width` cells."""
    count = hex_count(width)
    lines = []
    for start in range(0, len(data), count):
        part = data[start : start + count]
        groups = "  ".join(part[at : at + 8].hex(" ") for at in range(0, len(part), 8))
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{offset + start:06x}  {groups:<{3 * count + count // 8 - 1}} {letters}")
    return lines
