"""Results as a table for people: a line for each fetch as it ends, in columns that do not move."""

from __future__ import annotations

import os
from collections.abc import Iterable

from fetch_engine.model.requests import tag_of
from fetch_engine.model.results import FetchError
from fetch_engine.outputs.accounts import Account
from fetch_engine.outputs.secrets import Secrets
from tui.text.plain_text import duration, fit, safe, size

_INDEX = 6  # cells; a longer one moves its line
_TYPE = 18  # cells; the longest kind of error has so many
_HEAD = ("#", "CODE", "TIME", "SIZE", "TYPE OR ERROR", "URL")
_LONGEST = 70_000  # characters of a line that is not cut: more than any URL that is fetched


class TableFormat:
    """Columns place in the input, code, time, size, type or error, URL; a method other than GET stands before it.

    On a terminal a line fills one row, elsewhere it is not cut."""

    def __init__(self, secrets: Secrets, descriptor: int, *, ascii_only: bool = False) -> None:
        self._secrets = secrets
        self._descriptor = descriptor
        self._ascii = ascii_only

    def begin(self) -> bytes:
        return self._line(*_HEAD)

    def add(self, account: Account) -> bytes:
        outcome = account.outcome
        index = tag_of(account.request).index
        where = safe(self._secrets.url(account.request.url), _LONGEST)
        if account.request.method != "GET":
            where = f"{safe(account.request.method)} {where}"
        if outcome.redirects and outcome.final_url:
            where += f" -> {safe(self._secrets.url(outcome.final_url), _LONGEST)}"
        if isinstance(outcome, FetchError):
            code, kind = "ERR", str(outcome.kind)
            where += f"  {safe(self._secrets.text(outcome.message))}"
        else:
            code, kind = str(outcome.status), self._secrets.text(outcome.content_type).partition(";")[0].strip()
        took, length = duration(outcome.elapsed), size(outcome.body_size)
        return self._line(str(index or ""), code, took, length, safe(kind), where)

    def end(self) -> Iterable[bytes]:
        return ()

    def close(self) -> None:
        pass

    def _line(self, index: str, code: str, time: str, size: str, kind: str, where: str) -> bytes:
        numbers = [index.rjust(_INDEX), fit(code, 4), fit(time, 6, right=True), fit(size, 5, right=True)]
        text = "  ".join([*numbers, fit(kind, _TYPE, ascii=self._ascii), where])
        width = self._width()
        if width is not None or self._ascii:
            text = fit(text, _LONGEST * 4 if width is None else width, ascii=self._ascii)
        return f"{text.rstrip()}\n".encode()

    def _width(self) -> int | None:
        """Cells of the terminal, None if it is none. Asked for each line, as it may be resized."""
        try:
            return os.get_terminal_size(self._descriptor).columns or None
        except OSError:
            return None
