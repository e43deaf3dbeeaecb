"""Cookies in a file, in the format of Netscape that curl and browsers' tools read and write.

domain, TRUE where hosts below it count, path, TRUE for https only, seconds since 1970 or 0, name, value; with tabs
between them. `#HttpOnly_` before the domain is no comment.
"""

from __future__ import annotations

from collections.abc import Iterator

from fetch_engine.cookies.jar import MAX_PAIR, Cookie, CookieJar, is_acceptable
from fetch_engine.files.output_files import write_file

_HTTP_ONLY = "#HttpOnly_"
_MOST_OF_A_LINE = MAX_PAIR + 4096
_TITLE = "# Netscape HTTP Cookie File\n# Written by weakfetch-tui. Whoever can read it can act as you.\n\n"


def load_cookies(jar: CookieJar, path: str) -> int:
    """Add the cookies of a file and return how many lines were none. Raises OSError."""
    skipped = 0
    # As bytes: a value may be in any encoding, and has to leave as it came.
    with open(path, encoding="latin-1", newline="\n") as file:
        for line in _lines(file):
            cookie = _read(line)
            if cookie is None:
                skipped += 1
            else:
                jar.add(cookie)
    return skipped


def save_cookies(jar: CookieJar, path: str) -> None:
    """Write the cookies that have not expired, those of the run as well, for its owner only (mode 0600).

    The file is replaced as a whole, by the rule of `output_files`. Raises OSError; then it is as it was.
    """
    write_file(path, [_TITLE.encode(), "".join(map(_line, jar)).encode("latin-1")], private=True)


def _lines(file: Iterator[str]) -> Iterator[str]:
    for line in file:
        text = line.rstrip("\r\n")
        if text.strip() and (not text.startswith("#") or text.startswith(_HTTP_ONLY)):
            yield text


def _read(line: str) -> Cookie | None:
    fields = line.removeprefix(_HTTP_ONLY).split("\t")
    if len(fields) == 6:  # an empty value at the end that an editor has removed
        fields.append("")
    if len(fields) != 7 or len(line) > _MOST_OF_A_LINE:
        return None
    domain, below, path, secure, expires, name, value = fields
    # curl and browsers write seconds; some tools write fractions of them, and words in small letters.
    whole = expires.partition(".")[0]
    below, secure = below.upper(), secure.upper()
    if below not in _WORDS or secure not in _WORDS or not whole.isascii() or not whole.isdigit() or len(whole) > 15:
        return None
    cookie = Cookie(
        name,
        value,
        domain.removeprefix(".").lower(),
        path,
        host_only=not _WORDS[below],
        secure=_WORDS[secure],
        http_only=line.startswith(_HTTP_ONLY),
        expires=float(whole) or None,
    )
    return cookie if is_acceptable(cookie) else None


_WORDS = {"TRUE": True, "FALSE": False}


def _line(cookie: Cookie) -> str:
    fields = (
        (_HTTP_ONLY if cookie.http_only else "") + ("" if cookie.host_only else ".") + cookie.domain,
        "FALSE" if cookie.host_only else "TRUE",
        cookie.path,
        "TRUE" if cookie.secure else "FALSE",
        "0" if cookie.expires is None else str(max(int(cookie.expires), 1)),
        cookie.name,
        cookie.value,
    )
    return "\t".join(fields) + "\n"
