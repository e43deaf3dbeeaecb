"""What is kept or shown of a request: all but its secrets, found by where they stand and by what they are called."""

from __future__ import annotations

import functools
import re

from fetch_engine.requests import SECRET_HEADERS, Headers
from fetch_engine.urls import safe_url

MASK = "***"

_PARAMETER = re.compile(r"([?&;#])([^?&;#=]{1,100})=([^&;#]*)")
_FORM_FIELD = re.compile(r"(^|&)([^&=]{1,100})=([^&]*)")
_JSON_MEMBER = re.compile(r'"([^"\\]{1,100})"(\s*:\s*)("(?:[^"\\]|\\.)*"|[^\s,}\]{\["]+)')
_SEPARATORS = re.compile(r"%5[fF]|%2[dD]|[^a-z0-9]")
_SECRET_WORDS = re.compile(
    r"token|secret|passw|passphrase|apikey|accesskey|privatekey|signature|credential|authorization|sessionid|jwt|bearer"
)
_SECRET_NAMES = frozenset({"pwd", "pass", "pw", "pin", "otp", "sig", "key", "auth", "sid", "session", "cookie"})
_SECRET_HEADERS = SECRET_HEADERS | {"cookie2", "authentication-info"}
_URL_HEADERS = frozenset({"location", "content-location", "referer", "refresh", "link"})
_OPTIONS_WITH_SECRETS = re.compile(r"(-[kLn46]*[ub]|--user|--cookie|--proxy-user|--oauth2-bearer|--pass)(=.*)?")


@functools.lru_cache(4096)
def is_secret(name: str) -> bool:
    """Whether a parameter, field or header of this name is taken for a secret."""
    plain = _SEPARATORS.sub("", name.lower())
    return plain in _SECRET_NAMES or _SECRET_WORDS.search(plain) is not None


@functools.lru_cache(1024)  # a fetch's own URL comes three times
def masked_url(url: str) -> str:
    """The URL without user and password, and with the values of secret parameters masked."""
    if "@" in url:
        url = safe_url(url)
    if "=" not in url:
        return url
    return _PARAMETER.sub(lambda at: f"{at[1]}{at[2]}={MASK}" if at[3] and is_secret(at[2]) else at[0], url)


def masked_headers(headers: Headers) -> Headers:
    """The headers of a request or response with secret values masked; of a cookie that is set, its value."""
    return tuple((name, masked_value(name, value)) for name, value in headers)


def masked_value(name: str, value: str) -> str:
    """The value of a header with its secrets masked: of a cookie that is set the value, of credentials all."""
    lower = name.lower()
    if lower == "set-cookie":
        return re.sub(r"=[^;]*", f"={MASK}", value, count=1)
    if lower in _SECRET_HEADERS or is_secret(lower):
        return MASK
    return masked_url(value) if lower in _URL_HEADERS else value


def is_secret_header(name: str) -> bool:
    """Whether the value of a header of this name is masked."""
    lower = name.lower()
    return lower in _SECRET_HEADERS or is_secret(lower)


def masked_body(body: bytes) -> bytes:
    """The body of a request with the values of secret form fields and JSON members masked."""
    text = body.decode("latin-1")
    if text.lstrip()[:1] in ("{", "["):
        text = _JSON_MEMBER.sub(lambda at: f'"{at[1]}"{at[2]}"{MASK}"' if is_secret(at[1]) else at[0], text)
    elif "=" in text:
        text = _FORM_FIELD.sub(lambda at: f"{at[1]}{at[2]}={MASK}" if at[3] and is_secret(at[2]) else at[0], text)
    return text.encode("latin-1")


def masked_arguments(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """A command line, fit to be stored: URLs, headers, data and what follows an option that takes a secret."""
    shown = []
    hide = False
    for argument in arguments:
        option = _OPTIONS_WITH_SECRETS.fullmatch(argument)
        if hide:
            shown.append(MASK)
        elif option is not None and option[2]:
            shown.append(f"{option[1]}={MASK}")
        elif option is None and (short := re.match(r"(-[kLn46]*[ub]).", argument)):
            shown.append(short[1] + MASK)
        else:
            shown.append(_masked_argument(argument))
        hide = not hide and option is not None and not option[2]
    return tuple(shown)


def _masked_argument(argument: str) -> str:
    name, colon, value = argument.partition(":")
    name_only = re.sub(r"^(-H|--header=)", "", name)
    if colon and value and not value.startswith("//") and re.fullmatch(r"[A-Za-z0-9-]+", name_only):
        return f"{name}: {masked_value(name_only, value.strip())}" if is_secret(name_only) else argument
    masked = masked_body(argument.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    return masked_url(masked) if "://" in masked or "@" in masked else masked
