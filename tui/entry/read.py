"""What a line entered in the URL field comes to: a URL, many by a glob, or the requests of a curl command."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from fetch_engine import FetchRequest
from fetch_engine.curl.command import CurlCommand, curl_command, is_curl_command, parse_curl
from fetch_engine.curl.globbing import GlobError, escape_glob, parse_glob
from fetch_engine.curl.shell_words import ShellError, quote_word, split_words
from fetch_engine.model.urls import complete_scheme
from tui.entry.commands import AddGlob, AddRequests, AddUrls
from tui.entry.history import without_secrets
from tui.text.plain_text import safe, size

MOST_UNASKED = 100  # fetches that one entry may start without a question

_MORE_THAN_A_URL = re.compile(r"[\[\]{}\s]")  # globs, and blanks as in a command

Add = AddUrls | AddRequests | AddGlob


@dataclass(frozen=True, slots=True)
class ParsedInput:
    """commands: what to send; none if nothing can be added. count: of the fetches they start.

    complaint: why nothing is added, or what was not taken. summary: what the line stands for, where it does not show.
    kept: what history keeps, without secrets. request: the one request, to edit; its URL may hold globs.
    """

    commands: tuple[Add, ...] = ()
    count: int = 0
    complaint: str = ""
    summary: str = ""
    kept: str = ""
    request: FetchRequest | None = None


def read_entry(line: str, edited: FetchRequest | None = None) -> ParsedInput:
    """Read an entered line. `edited`: the request that is made of its URL, if it is no curl command."""
    line = line.strip()
    if not line:
        return ParsedInput()
    if is_curl_command(line):
        return _of_curl(parse_curl(line))
    try:
        if edited is not None:
            return of_request(replace(edited, url=line))
        glob = parse_glob(line)
    except GlobError as error:
        return ParsedInput(complaint=_refusal(str(error)))
    if glob.count > 1:
        summary = f"{glob.count:,} URLs"
        return ParsedInput((AddGlob(glob),), glob.count, summary=summary, kept=without_secrets(line))
    url = complete_scheme(glob[0])
    return ParsedInput((AddUrls((url,)),), 1, kept=without_secrets(line))


def read_entries(lines: Iterable[str]) -> ParsedInput:
    """Read each of several lines; those that come to nothing are counted in the complaint."""
    commands: list[Add] = []
    urls: list[str] = []
    count = refused = 0
    first_complaint = ""
    for line in lines:
        if not _MORE_THAN_A_URL.search(line):
            urls.append(complete_scheme(line))
            count += 1
            continue
        entry = read_entry(line)
        if entry.complaint and not entry.commands:
            refused += 1
            first_complaint = first_complaint or entry.complaint
        count += entry.count
        match entry.commands:
            case ():
                pass
            case (AddUrls((url,)),):
                urls.append(url)
            case more:
                commands += [AddUrls(tuple(urls)), *more] if urls else more
                urls = []
    if urls:
        commands.append(AddUrls(tuple(urls)))
    complaint = f"{refused:,} of the lines left out; the first: {first_complaint}" if refused else ""
    return ParsedInput(tuple(commands), count, complaint, f"{count:,} URLs")


def of_request(request: FetchRequest) -> ParsedInput:
    """The entry for a request made in the editor; its URL may hold globs. Raises GlobError."""
    add, count = _add(request)
    kept = curl_command(request, globs=True)
    return ParsedInput((add,), count, summary=_summary(request, count), kept=kept, request=request)


def to_edit(line: str, make_request: Callable[[str], FetchRequest]) -> ParsedInput:
    """An entry with the one request that a line stands for, or with a complaint."""
    if not is_curl_command(line):
        return ParsedInput(request=make_request(line.strip()))
    entry = read_entry(line)
    if entry.request is not None or not entry.commands:
        return entry
    return ParsedInput(complaint="a command with several URLs cannot be edited as one request")


def one_line(text: str) -> str:
    """A curl command on one line in characters that show as themselves, with the same meaning where it is whole."""
    try:
        split = split_words(text)
    except ShellError:
        return _collapsed(text)
    if split.variables:
        return _collapsed(text)
    line = " ".join(map(quote_word, split.words))
    if safe(line, len(line) + 1) != line:
        line = " ".join(quote_word(word, ascii_only=True) for word in split.words)
    return f"{line} {_collapsed(split.rest)}".rstrip()


def _of_curl(command: CurlCommand) -> ParsedInput:
    if command.missing:
        return ParsedInput(complaint=_refusal("; ".join(command.missing)))
    if not command.globs:
        command = replace(command, requests=tuple(replace(r, url=escape_glob(r.url)) for r in command.requests))
    commands: list[Add] = []
    count = 0
    try:
        for request in command.requests:
            add, number = _add(request)
            commands.append(add)
            count += number
    except GlobError as error:
        return ParsedInput(complaint=_refusal(str(error)))
    first = command.requests[0]
    return ParsedInput(
        tuple(commands),
        count,
        complaint=f"not taken: {', '.join(command.ignored)}" if command.ignored else "",
        summary=_summary(first, count),
        kept="curl " + " --next ".join(curl_command(r, globs=True).removeprefix("curl ") for r in command.requests),
        request=first if len(command.requests) == 1 else None,
    )


def _add(request: FetchRequest) -> tuple[AddRequests | AddGlob, int]:
    glob = parse_glob(request.url)
    if glob.count == 1:
        return AddRequests((replace(request, url=complete_scheme(glob[0])),)), 1
    return AddGlob(glob, request), glob.count


def _summary(request: FetchRequest, count: int) -> str:
    parts = [f"{count:,} requests" if count > 1 else "", request.method]
    if request.headers:
        parts.append(f"{len(request.headers)} header{'s' if len(request.headers) > 1 else ''}")
    if request.body:
        parts.append(f"body {size(len(request.body))}")
    if request.insecure:
        parts.append("any certificate")
    if request.proxy is not None:
        parts.append("by a proxy" if request.proxy else "no proxy")
    return ", ".join(part for part in parts if part)


def _refusal(why: str) -> str:
    return f"nothing added: {why}"


def _collapsed(text: str) -> str:
    return safe(re.sub(r"\\?(?:\r\n|\r|\n)\s*", " ", text).strip(), len(text) + 1)
