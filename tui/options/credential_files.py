"""The files of credentials and cookies that the options name, read before the run and written after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tui.options.access import Access

if TYPE_CHECKING:
    from fetch_engine import FetchEngine
    from fetch_engine.cookies.jar import CookieJar
    from fetch_engine.fetch.netrc import Netrc


def save_jar(access: Access, engine: FetchEngine) -> str | None:
    """Write the cookies of a run that has ended, if that was asked for; gives what went wrong."""
    path = access.cookie_jar
    if path is None or engine.cookies is None:
        return None
    from fetch_engine.cookies.file import save_cookies

    try:
        save_cookies(engine.cookies, path)
    except OSError as error:
        return f"the cookies were not saved: {path}: {error.strerror}"
    return None


def read_jar(access: Access) -> CookieJar | None:
    if access.cookie_files is None:
        return None
    from fetch_engine.cookies.file import load_cookies
    from fetch_engine.cookies.jar import CookieJar

    jar = CookieJar()
    for path in access.cookie_files:
        try:
            skipped = load_cookies(jar, path)
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from None
        if skipped and not jar:
            raise ValueError(f"{path} holds no cookies in the format of Netscape and curl")
    if access.cookie_jar is not None:
        _check_writable(access.cookie_jar)
    return jar


def _check_writable(path: str) -> None:
    """Find out now what would be in the way of saving the cookies at the end. Raises ValueError."""
    from fetch_engine.files.output_files import find_place

    try:
        place = find_place(path)
    except OSError as error:
        raise ValueError(f"cannot write {path}, where the cookies are to be saved: {error.strerror}") from None
    if not place.is_through and not os.access(place.folder, os.W_OK | os.X_OK):
        raise ValueError(f"cannot write into {place.folder}, where the cookies are to be saved")


def read_netrc(access: Access) -> Netrc | None:
    if not access.netrc:
        return None
    from fetch_engine.fetch.netrc import Netrc

    try:
        return Netrc(access.netrc_file)
    except OSError as error:
        raise ValueError(f"cannot read {access.netrc_file or '~/.netrc'}: {error.strerror}") from None
