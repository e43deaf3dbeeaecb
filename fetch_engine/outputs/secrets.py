"""Which secrets an output shows: none, unless it is asked to."""

from __future__ import annotations

from fetch_engine.model.redaction import masked_body, masked_headers, masked_text, masked_url
from fetch_engine.model.requests import Headers


class Secrets:
    """Takes URLs, headers and bodies of requests as they are, gives them as they may be written."""

    def __init__(self, *, show: bool = False) -> None:
        self._show = show

    def url(self, url: str) -> str:
        """Without user and password, and with tokens in the query masked."""
        return url if self._show else masked_url(url)

    def text(self, text: str) -> str:
        """A message, or another text that may quote a URL or a header."""
        return text if self._show else masked_text(text)

    def headers(self, headers: Headers) -> Headers:
        """With credentials, cookies and tokens masked."""
        return headers if self._show else masked_headers(headers)

    def body(self, body: bytes) -> bytes:
        """With the values of secret form fields and JSON members masked."""
        return body if self._show else masked_body(body)
