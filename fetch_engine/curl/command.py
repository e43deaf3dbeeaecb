"""A curl command as the requests that it makes, and a request as a curl command."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fetch_engine.curl.shell_words import ShellError, quote_word, split_words
from fetch_engine.model.redaction import MASK, masked_body, masked_url, masked_value
from fetch_engine.model.requests import FetchRequest, has_header
from fetch_engine.model.urls import complete_scheme, safe_url


@dataclass(frozen=True, slots=True)
class CurlCommand:
    """What a command came to.

    requests: in the order of its URLs; empty where something essential is missing. globs: whether brackets and braces
    in the URLs are globs. missing: what would make them other requests and could not be taken. ignored: what else was
    not taken. Both are short texts that hold no secret.
    """

    requests: tuple[FetchRequest, ...]
    globs: bool = True
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def is_curl_command(text: str) -> bool:
    """Whether a person would call it a curl command."""
    return re.match(r"\s*(?:\$\s+)?curl(?:\.exe)?\s", text) is not None


def parse_curl(text: str) -> CurlCommand:
    """Read a curl command as a shell and curl read it. Never raises.

    As with curl redirects are followed with -L only, and a URL without a scheme is http.
    """
    text = re.sub(r"\A\s*\$\s+", "", text)
    if re.search(r"\^\r?\n", text):
        return CurlCommand((), missing=("this is a command for cmd.exe; copy it as cURL for bash",))
    try:
        split = split_words(text)
    except ShellError as error:
        return CurlCommand((), missing=(str(error),))
    from fetch_engine.curl.reader import CurlReader  # by far the most of all this, and seldom needed

    reader = CurlReader()
    reader.missing += [f"only a shell knows the value of {name}" for name in split.variables]
    if split.rest:
        reader.ignored.append("what follows the command")
    reader.read(list(split.words[1:]))
    requests = tuple(request for operation in reader.operations for request in operation.requests(reader.missing))
    if not requests:
        reader.missing.append("there is no URL")
    missing, ignored = _unique(reader.missing), _unique(reader.ignored)
    return CurlCommand(() if missing else requests, not reader.globoff, missing, ignored)


def curl_command(request: FetchRequest, *, secrets: bool = False, globs: bool = False) -> str:
    """The request as a curl command on one line, in printable characters.

    Without `secrets` credentials and cookies are replaced by MASK. With `globs` brackets and braces in the URL are
    globs. Of the timeouts connect and total are there. A body that holds a zero byte, which no command can, is named
    as the file `body`.
    """
    words = ["curl"] if globs else ["curl", "--globoff"]
    if request.follow_redirects:
        words.append("--location-trusted" if request.trust_redirects else "-L")
    has_data = bool(request.body)
    if request.method == "HEAD" and not has_data:
        words.append("-I")
    elif request.method != ("POST" if has_data else "GET"):
        words += ["-X", request.method]
    for name, value in request.headers:
        hidden = masked_value(name, value) if value and not secrets else value
        words += ["-H", f"{name}: {hidden}" if hidden else f"{name};"]
    if has_data:
        if not has_header(request.headers, "content-type"):
            words += ["-H", "Content-Type:"]
        if b"\0" in request.body:
            words += ["--data-binary", "@body"]
        else:
            body = request.body if secrets else masked_body(request.body)
            words += ["--data-raw", body.decode("utf-8", "surrogateescape")]
    if request.insecure:
        words.append("-k")
    if request.proxy is not None:
        words += ["-x", request.proxy if secrets else _without_password(request.proxy)]
    if request.timeouts is not None:
        words += ["--connect-timeout", _seconds(request.timeouts.connect), "-m", _seconds(request.timeouts.total)]
    url = complete_scheme(request.url)
    words += ["--url", url if secrets else _without_password(url)]
    return " ".join(map(quote_word, words))


def _unique(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _seconds(value: float | None) -> str:
    return "0" if value is None else f"{value:.9f}".rstrip("0").rstrip(".")


def _without_password(url: str) -> str:
    shown = safe_url(url) if "@" in url else url
    if shown == url:
        return masked_url(url)
    shown = masked_url(shown)
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", shown)
    start = scheme.end() if scheme is not None else 0
    return f"{shown[:start]}{MASK}@{shown[start:].removeprefix(f'{MASK}@')}"
