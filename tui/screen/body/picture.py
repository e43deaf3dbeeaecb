"""The kind of a picture and its size in pixels, read off the first bytes."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_SVG = re.compile(rb"<svg\b[^>]*>", re.IGNORECASE)
_SVG_LENGTH = rb"\s%s\s*=\s*[\"']\s*([0-9.]{1,12})\s*(?:px)?\s*[\"']"
_SVG_BOX = re.compile(rb"viewBox\s*=\s*[\"'][\s,]*\S+[\s,]+\S+[\s,]+([0-9.]{1,12})[\s,]+([0-9.]{1,12})")
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Picture:
    """width, height: None where the head does not say, or was not whole."""

    kind: str
    width: int | None = None
    height: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} picture" + (f", {self.width} x {self.height} pixels" if self.width else "")


def picture_of(head: bytes, content_type: str = "") -> Picture | None:
    """The picture that begins with `head`, None where it is none. Trusts bytes more than the content type."""
    try:
        return _known(head) or _svg(head, content_type)
    except (struct.error, IndexError, ValueError, OverflowError):
        return None


def _known(head: bytes) -> Picture | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _sized("PNG", ">II", head, 16)
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return _sized("GIF", "<HH", head, 6)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    if head[:2] == b"BM" and len(head) > 18 and head[6:10] == b"\0\0\0\0":
        return _bmp(head)
    if head[:4] in (b"\0\0\x01\0", b"\0\0\x02\0") and 0 < int.from_bytes(head[4:6], "little") < 256:
        return _icon(head)
    return None


def _sized(kind: str, layout: str, head: bytes, at: int) -> Picture:
    if len(head) < at + struct.calcsize(layout):
        return Picture(kind)
    return Picture(kind, *struct.unpack_from(layout, head, at))


def _jpeg(head: bytes) -> Picture:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            break
        marker = head[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return Picture("JPEG", width, height)
        elif 0xD0 <= marker <= 0xD8 or marker == 0x01:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(head[at + 2 : at + 4], "big"))
    return Picture("JPEG")


def _webp(head: bytes) -> Picture:
    chunk = head[12:16]
    if chunk == b"VP8X" and len(head) >= 30:
        return Picture("WebP", 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little"))
    if chunk == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return Picture("WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 " and len(head) >= 30:
        width, height = struct.unpack_from("<HH", head, 26)
        return Picture("WebP", width & 0x3FFF, height & 0x3FFF)
    return Picture("WebP")


def _bmp(head: bytes) -> Picture | None:
    header = int.from_bytes(head[14:18], "little")
    if header == 12:
        return _sized("BMP", "<HH", head, 18)
    if header not in (40, 52, 56, 64, 108, 124):
        return None
    found = _sized("BMP", "<ii", head, 18)
    return Picture("BMP", found.width, None if found.height is None else abs(found.height))


def _icon(head: bytes) -> Picture:
    """The largest of its pictures; 0 stands for 256."""
    count = int.from_bytes(head[4:6], "little")
    kind = "icon" if head[2] == 1 else "cursor"
    sizes = [(head[at] or 256, head[at + 1] or 256) for at in range(6, min(6 + 16 * count, len(head) - 1), 16)]
    return Picture(kind, *max(sizes)) if sizes else Picture(kind)


def _svg(head: bytes, content_type: str) -> Picture | None:
    head = head[:8192]
    tag = _SVG.search(head)
    if tag is None or ("svg" not in content_type.lower() and not head.lstrip().startswith((b"<svg", b"<?xml"))):
        return None
    found = [re.search(_SVG_LENGTH % name, tag[0]) for name in (b"width", b"height")]
    if found[0] and found[1]:
        return Picture("SVG", round(float(found[0][1])), round(float(found[1][1])))
    box = _SVG_BOX.search(tag[0])
    return Picture("SVG", round(float(box[1])), round(float(box[2]))) if box else Picture("SVG")
