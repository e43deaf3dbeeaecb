"""What is kept or shown of requests and outcomes: all but their secrets. The one door into store, outputs and screen.

Secrets are found by where they stand (user and password of a URL, cookies, credentials) and by what they are called
(`token`, `sig`, `code` and their like in queries, fragments, headers and bodies; also in a URL that is within another).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from typing import Any
from urllib.parse import quote, unquote

from fetch_engine.model.requests import SECRET_HEADERS, Headers
from fetch_engine.model.results import FetchError, FetchResult, Hop
from fetch_engine.model.urls import safe_url

MASK = "***"

# A value goes on behind a semicolon, unless that begins another parameter.
_PARAMETER = re.compile(r"([?&;#])([^?&;#=]+)=((?:[^&;#]|;(?![^?&;#=]*=))*)")
# Also with a slash in it, where what stands before is no port: a password that is not encoded.
_USERINFO = re.compile(r"(?<=://)(?:[^/?#\s<>:]*:(?![0-9]*[/?#])[^\s<>]{0,1000}|[^/?#\s<>]*)@")
_WORD = re.compile(r'[^\s<>"]+')
_SUSPECT = re.compile(r"[=@]|%3[dD]|%40|eyJ|(?i:bearer|basic|digest|negotiate|token|cookie|key|secret|auth)")
_SCHEME = re.compile(r"\s*(bearer|basic|digest|negotiate|ntlm|token|apikey|aws4-hmac-sha256)\s+\S", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?i:\b(bearer|basic|digest|negotiate|token))\s+(?=\S*[0-9A-Z+/=_])[A-Za-z0-9+/=_.~:-]{6,}")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*")
_NAMED = re.compile(r"(?<![\w-])([A-Za-z][\w-]*)(:[ \t]+)(\S+)")
_ATTRIBUTES = frozenset({"path", "domain", "expires", "max-age", "samesite", "priority", "version"})  # of a cookie
_JSON_MEMBER = re.compile(r'"([^"\\]{1,100})"(\s*:\s*)("(?:[^"\\]|\\.)*"|[^\s,}\]{\["]+)')
_SEPARATORS = re.compile(r"[^a-z0-9]")
_SECRET_WORDS = re.compile(
    r"token|secret|passw|passphrase|passcode|apikey|accesskey|privatekey|signature|credential|authorization|sessionid"
    r"|sessid|jwt|bearer|csrf|xsrf|assertion|samlresponse|verifier|subscriptionkey|functionskey|customerkey|authkey"
    r"|authcode|masterkey|sharedkey|signingkey"
)
_SECRET_NAMES = re.compile(r"pwd|pass|pw|pin|t?otp|sig|hmac|key|auth|sid|session|cookie|code|ticket")  # no parts
_SECRET_HEADERS = SECRET_HEADERS | {"cookie2", "authentication-info", "proxy-authentication-info"}
_URL_HEADERS = frozenset({"location", "content-location", "referer"})
_CHALLENGES = frozenset({"www-authenticate", "proxy-authenticate"})
_OPTIONS_WITH_SECRETS = re.compile(r"(-[kLn46]*[ub]|--user|--cookie|--proxy-user|--oauth2-bearer|--pass)(=.*)?")
_DEEPEST = 3  # URLs within each other


@functools.lru_cache(4096)
def is_secret(name: str) -> bool:
    """Whether a parameter, field or header of this name is taken for a secret."""
    plain = _SEPARATORS.sub("", (unquote(name) if "%" in name else name).lower())
    return _SECRET_NAMES.fullmatch(plain) is not None or _SECRET_WORDS.search(plain) is not None


@functools.lru_cache(1024)  # a fetch's own URL comes three times
def masked_url(url: str) -> str:
    """The URL without user and password, and with the values of secret parameters masked."""
    if "@" in url:
        url = safe_url(url)
    return _masked_parameters(url, _DEEPEST) if "=" in url or "%3" in url or "%4" in url else url


def _masked_parameters(text: str, depth: int) -> str:
    def mask(found: re.Match[str]) -> str:
        value = found[3]
        if value and is_secret(found[2]):
            value = MASK
        elif depth and _SUSPECT.search(value):
            value = _masked_within(value, depth - 1)
        return f"{found[1]}{found[2]}={value}"

    return _PARAMETER.sub(mask, text)


def _masked_within(value: str, depth: int) -> str:
    """The value of a parameter, where it may be a URL or a query in its turn, percent-encoded or not."""
    plain = unquote(value) if "%" in value else value
    masked = _masked_parameters("?" + _USERINFO.sub(f"{MASK}@", plain), depth)[1:]
    if masked == plain and depth and plain != value:
        masked = _masked_within(plain, depth - 1)
    if masked == plain:
        return value
    return masked if plain == value else quote(masked, safe="*")


def masked_text(text: str) -> str:
    """Text for a person, as a message or a header, without the secrets of URLs, parameters and headers in it."""
    if _SUSPECT.search(text) is None:
        return text
    text = _WORD.sub(_masked_word, text)
    text = _NAMED.sub(lambda at: f"{at[1]}{at[2]}{MASK}" if _is_named(at[1]) else at[0], text)
    text = _CREDENTIALS.sub(lambda at: f"{at[1]} {MASK}", text)
    return _JWT.sub(MASK, text) if "eyJ" in text else text


def _is_named(name: str) -> bool:
    return name.lower() in _SECRET_HEADERS or ("-" in name and is_secret(name))


def _masked_word(word: re.Match[str]) -> str:
    text = word[0]
    if not ("=" in text or "@" in text or "%" in text):
        return text
    bare = text.rstrip("')],.:;!")
    tail = text[len(bare) :]
    start = "'" if bare.startswith("'") else ""
    core = _USERINFO.sub(f"{MASK}@", bare[len(start) :])
    return start + _masked_parameters(f"?{core}", _DEEPEST)[1:] + tail


def masked_headers(headers: Headers) -> Headers:
    """The headers of a request or response with secret values masked; of a cookie that is set, its value."""
    return tuple((name, masked_value(name, value)) for name, value in headers)


@functools.lru_cache(4096)  # most servers send the same ones all the time
def masked_value(name: str, value: str) -> str:
    """The value of a header with its secrets masked: of a cookie that is set the value, of credentials all."""
    lower = name.strip().lower()
    if lower in ("set-cookie", "set-cookie2"):
        return ";".join(_masked_attribute(part, first=not place) for place, part in enumerate(value.split(";")))
    if lower in _SECRET_HEADERS or is_secret(lower):
        return MASK
    if lower in _URL_HEADERS:
        return masked_url(value)
    if lower in _CHALLENGES:
        return _WORD.sub(_masked_word, value)
    if scheme := _SCHEME.match(value):
        return f"{scheme[1]} {MASK}"
    return masked_text(value)


def _masked_attribute(part: str, *, first: bool) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return MASK if first and part else part
    return f"{name}={MASK}" if first or name.strip().lower() not in _ATTRIBUTES or "=" in value else part


def is_secret_header(name: str) -> bool:
    """Whether the value of a header of this name is masked."""
    lower = name.lower()
    return lower in _SECRET_HEADERS or is_secret(lower)


def masked_body(body: bytes) -> bytes:
    """The body of a request with the values of secret form fields and JSON members masked."""
    if body.lstrip()[:1] in (b"{", b"["):
        try:
            plain = json.loads(body)
            masked = _masked_json(plain)
        except (ValueError, RecursionError):
            return _masked_json_text(body.decode("latin-1")).encode("latin-1")
        return body if masked == plain else json.dumps(masked).encode()
    text = _masked_parameters(f"&{body.decode('latin-1')}", _DEEPEST)[1:] if b"=" in body else body.decode("latin-1")
    return (_USERINFO.sub(f"{MASK}@", text) if "@" in text else text).encode("latin-1")


def _masked_json(value: Any, *, hide: bool = False) -> Any:
    match value:
        case dict():
            return {key: _masked_json(each, hide=hide or is_secret(key)) for key, each in value.items()}
        case list():
            return [_masked_json(each, hide=hide) for each in value]
        case str() if not hide:
            return masked_text(value)
    return MASK if hide and value not in (None, "") else value


def _masked_json_text(text: str) -> str:
    text = _JSON_MEMBER.sub(lambda at: f'"{at[1]}"{at[2]}"{MASK}"' if is_secret(at[1]) else at[0], text)
    return masked_text(text)


def masked_outcome(outcome: FetchResult | FetchError) -> FetchResult | FetchError:
    """The outcome, fit to be stored: every URL, header and text of every hop."""
    changes: dict[str, Any] = {"redirects": tuple(map(_masked_hop, outcome.redirects))} if outcome.redirects else {}
    if outcome.final_url:
        changes["final_url"] = masked_url(outcome.final_url)
    if isinstance(outcome, FetchError):
        return dataclasses.replace(outcome, message=masked_text(outcome.message), **changes)
    return dataclasses.replace(
        outcome,
        url=masked_url(outcome.url),
        reason=masked_text(outcome.reason),
        content_type=masked_text(outcome.content_type),
        headers=masked_headers(outcome.headers),
        warnings=tuple(map(masked_text, outcome.warnings)),
        **changes,
    )


def _masked_hop(hop: Hop) -> Hop:
    return dataclasses.replace(
        hop, url=masked_url(hop.url), reason=masked_text(hop.reason), headers=masked_headers(hop.headers)
    )


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
        masked = masked_value(name_only, value.strip())
        return argument if masked == value.strip() else f"{name}: {masked}"
    # Its characters one by one as bytes: it may hold any.
    masked = masked_body(argument.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    return masked_url(masked) if "://" in masked or "@" in masked else masked
