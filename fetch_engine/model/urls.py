"""URL rules: what may be fetched, in one normal form, with user and password split off.

Stricter than a browser where readings differ between parsers (RFC 3986 and the WHATWG URL standard), for a URL that
two programs read differently is how requests reach hosts nobody meant.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes, urljoin

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind

MAX_URL_LENGTH = 65_536  # characters; httpx refuses longer ones as well

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST_AND_PORT = re.compile(r"[^:/?#@\[\]\\]+:[0-9]+(?:[/?#]|\Z)")
_AUTHORITY = re.compile(r"[^/?#]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLANK = re.compile(r"\s")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}

# URLs that are in normal form already, as most are: nothing in them to be encoded, decoded, removed or refused.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_NORMAL = re.compile(
    rf"(https?)://((?:{_OCTET}\.){{3}}{_OCTET}(?=[:/])|(?:[a-z0-9_-]{{1,63}}\.)*[a-z_-][a-z0-9_-]{{0,62}})"
    r"(?::([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?/[!$-;=@-_a-z|~]*(?:\?[!$-;=?-~]*)?"
)
_LONGEST_NORMAL = 4096  # characters
_LONGEST_HOST = 254


@dataclass(slots=True)
class Target:
    """A URL in normal form. Nobody changes it.

    url: absolute, ASCII, without userinfo and fragment. host: lower case, IDNA encoded, IPv6 without brackets.
    port: never 0. fragment: without "#", or None. authorization: the value of a Basic Authorization header
    (RFC 7617) if the URL named a user, else None.
    """

    scheme: str
    host: str
    port: int
    url: str
    fragment: str | None = None
    authorization: str | None = field(default=None, repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454): what credentials belong to."""
        return self.scheme, self.host, self.port

    @property
    def shown(self) -> str:
        """The URL with its fragment, without user and password."""
        return self.url if self.fragment is None else f"{self.url}#{self.fragment}"

    def with_authorization(self, authorization: str | None) -> Target:
        """The same target with these credentials."""
        return replace(self, authorization=authorization)


def parse_url(text: str) -> Target:
    """Read a URL as a person gives it; a missing scheme is filled in by `complete_scheme`.

    Raises AttemptFailed of kind invalid-url or unsupported-scheme, and nothing else, whatever the text.
    """
    return _read_normal(text) or read_any(text)


def host_of(text: str) -> str:
    """The host of the URL that `parse_url` reads; empty where it reads none."""
    normal = _normal(text)
    if normal is not None:
        return normal[2]
    try:
        return read_any(text).host
    except AttemptFailed:
        return ""


def _normal(text: str) -> re.Match[str] | None:
    normal = _NORMAL.fullmatch(text) if len(text) <= _LONGEST_NORMAL else None
    return normal if normal is not None and len(normal[2]) <= _LONGEST_HOST else None


def _read_normal(text: str) -> Target | None:
    """The target of a URL that is in normal form, None for any other."""
    normal = _normal(text)
    if normal is None or "/." in text:  # it may have dot segments
        return None
    scheme, host, port_text = normal.groups()
    default = _DEFAULT_PORTS[scheme]
    port = default if port_text is None else int(port_text)
    return None if port_text is not None and port == default else Target(scheme, host, port, str(text))


def read_any(text: str) -> Target:
    """As `parse_url`, by all its rules, one after the other."""
    _check_characters(text)
    if _BLANK.search(text):
        raise _invalid("blank in the URL")
    return _parse_absolute(complete_scheme(text))


def complete_scheme(text: str) -> str:
    """The text with a scheme. A missing one is https, but http for localhost and for IP addresses: there few servers
    have a certificate that can be checked."""
    scheme = _SCHEME.match(text)
    if scheme is not None and not (_HOST_AND_PORT.match(text) and not text.startswith("//", scheme.end())):
        return text
    host = _authority(text, 0).rpartition("@")[2]
    name = host.partition(":")[0].lower().removesuffix(".")
    is_local = name == "localhost" or name.endswith(".localhost")
    is_address = host.startswith("[") or _IPV4.fullmatch(name) is not None
    return f"{'http' if is_local or is_address else 'https'}://{text}"


def resolve(base: Target, location: str) -> Target:
    """The target of a reference found at `base` (RFC 3986 section 5.2); the fragment is inherited (RFC 9110, 10.2.2).

    Blanks are encoded, as browsers and curl do it in Location. Raises AttemptFailed as `parse_url` does.
    """
    location = location.strip(" \t")
    _check_characters(location)
    if not _SCHEME.match(location):
        try:
            location = urljoin(base.url, location)
        except ValueError:
            raise _invalid("invalid reference") from None
    target = _parse_absolute(location)
    if target.fragment is None and base.fragment is not None:
        return replace(target, fragment=base.fragment)
    return target


def safe_url(text: str) -> str:
    """The text without user and password, fit to be shown or stored; never raises.

    Where the URL is not valid nobody knows where a password ends: all before the last "@" is masked.
    """
    try:
        parse_url(text)
    except AttemptFailed:
        before, at, after = text.rpartition("@")
        if not at:
            return text
        scheme = re.match(r"https?://", before, re.IGNORECASE)
        return f"{scheme.group() if scheme else ''}***@{after}"
    start = text.find("://") + 3 if _has_slashes(text) else 0
    authority = _authority(text, start)
    shown = text[:start] + authority.rpartition("@")[2] + text[start + len(authority) :]
    # Without the user, what looks like a scheme behind it would pass for one.
    return safe_url(complete_scheme(text)) if not start and complete_scheme(shown) == shown else shown


def _has_slashes(text: str) -> bool:
    scheme = _SCHEME.match(text)
    return scheme is not None and text.startswith("//", scheme.end())


def _authority(text: str, start: int) -> str:
    match = _AUTHORITY.match(text, start)
    return match.group() if match else ""


def _parse_absolute(text: str) -> Target:
    match = _SCHEME.match(text)
    if match is None:
        raise _invalid("no scheme")
    scheme = match.group(1).lower()
    if scheme not in _DEFAULT_PORTS:
        # What looks like a scheme may be a user name.
        name = f"scheme {scheme[:40]!r}" if "@" not in text else "the scheme"
        raise AttemptFailed(ErrorKind.UNSUPPORTED_SCHEME, f"{name} is not supported, only http and https are")
    if not text.startswith("//", match.end()):
        raise _invalid(f"'//' missing after '{scheme}:'")
    return _parse(scheme, text[match.end() + 2 :])


def _parse(scheme: str, text: str) -> Target:
    """`text` is what follows `scheme://`."""
    import httpx  # here, as it takes long to load, and who asks for help only does not need it

    authority = _authority(text, 0)
    if "\\" in authority:
        # WHATWG ends the authority there, RFC 3986 does not: `http://a\@b/` goes to a in browsers, to b in others.
        raise _invalid("backslash before or in the host; in a password it is written %5C")
    userinfo, at, host_and_port = authority.rpartition("@")
    if "@" in userinfo:
        raise _invalid("more than one '@' before the host; in a password it is written %40")
    host, port_text = _split_port(host_and_port)
    host, netloc = _host(host)
    port = _port(port_text, scheme)
    if port != _DEFAULT_PORTS[scheme]:
        netloc += f":{port}"
    authorization = _basic(userinfo) if at and userinfo else None
    rest = text[len(authority) :]
    slash = "" if rest.startswith("/") else "/"
    try:
        # Dot segments and percent encoding are all that is left to do.
        url, hash_sign, fragment = str(httpx.URL(f"{scheme}://{netloc}{slash}{rest}")).partition("#")
    except (httpx.InvalidURL, ValueError):
        raise _invalid("invalid URL") from None
    end = len(f"{scheme}://{netloc}")
    if not url.startswith("/", end):  # httpx leaves none of a path such as `/..`
        url = f"{url[:end]}/{url[end:]}"
    return Target(scheme, host, port, url, fragment if hash_sign else None, authorization)


def _check_characters(text: str) -> None:
    if len(text) > MAX_URL_LENGTH:
        raise _invalid(f"longer than {MAX_URL_LENGTH} characters")
    if _CONTROL.search(text):
        raise _invalid("control character in the URL")
    if _SURROGATE.search(text):
        raise _invalid("invalid Unicode")


def _split_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, port = text.rpartition("]")
        if not bracket or (port and not port.startswith(":")):
            raise _invalid("invalid IPv6 address")
        return host + bracket, port[1:]
    host, _, port = text.partition(":")
    return host, port


def _port(text: str, scheme: str) -> int:
    if not text:
        return _DEFAULT_PORTS[scheme]
    if not _PORT.fullmatch(text) or not 0 < int(text) < 65_536:
        raise _invalid("the port must be a number from 1 to 65535")
    return int(text)


def _host(text: str) -> tuple[str, str]:
    """The host to connect to, and the same as it stands in a URL."""
    if not text:
        raise _invalid("no host")
    if text.startswith("["):
        # A zone id (RFC 6874) means something on one machine only; ipaddress would accept it.
        if "%" in text:
            raise _invalid("zone ids are not supported in IPv6 addresses")
        try:
            address = ipaddress.IPv6Address(text[1:-1]).compressed
        except ValueError:
            raise _invalid("invalid IPv6 address") from None
        return address, f"[{address}]"
    host = text.lower() if text.isascii() else _idna(text)
    labels = host.removesuffix(".").split(".")
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid("invalid host name")
    if _NUMBER.fullmatch(labels[-1]):
        # The system's resolver reads 127.1, 0x7f.1 and 2130706433 as addresses; a filter of addresses would not.
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise _invalid("invalid IPv4 address (expected four decimal numbers)") from None
    return host, host


def _idna(host: str) -> str:
    from fetch_engine.model.idn import IdnError, to_ascii  # here, as its tables take long to load

    if len(host) > _LONGEST_HOST:
        raise _invalid("invalid host name")
    try:
        return to_ascii(host)
    except IdnError:
        raise _invalid("invalid internationalized host name") from None


def _basic(userinfo: str) -> str:
    user, _, password = userinfo.partition(":")
    plain = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    if any(byte < 32 or byte == 127 for byte in plain):
        raise _invalid("control character in user or password")
    return "Basic " + base64.b64encode(plain).decode("ascii")


def _invalid(why: str) -> AttemptFailed:
    return AttemptFailed(ErrorKind.INVALID_URL, why)
