"""A body as JSON can hold it: text in its charset, anything else in base64."""

from __future__ import annotations

import base64
import codecs
import contextlib
import re

_TEXTUAL = re.compile(
    r"text/|[^;]*[/+](json|xml|javascript|ecmascript|x-www-form-urlencoded|x-ndjson|yaml|csv)\s*(;|\Z)"
)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:-]+)", re.IGNORECASE)
# Python's own, of which no page can speak; some take quadratic time.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape"})


def content_text(body: bytes, content_type: str, *, complete: bool) -> dict[str, str]:
    """`text`, and `encoding` where it is not plain text: a body whose type is textual and that its charset decodes.

    complete: whether the body may not end within a character.
    """
    if _TEXTUAL.match(content_type.lower()):
        with contextlib.suppress(LookupError, ValueError):
            return {"text": _decoder(content_type).decode(body, complete)}
    return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _decoder(content_type: str) -> codecs.IncrementalDecoder:
    """Raises LookupError."""
    match = _CHARSET.search(content_type)
    name = match[1] if match else "utf-8"
    if codecs.lookup(name).name.replace("_", "-") in _NO_CHARSETS:
        raise LookupError(name)
    "a".encode(name)  # refuses those that are no text encodings, as zlib
    return codecs.getincrementaldecoder(name)()
