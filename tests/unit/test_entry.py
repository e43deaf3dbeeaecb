"""What a line comes to, what of it is hidden, and a request as text that can be edited."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine import FetchRequest
from fetch_engine.curl.command import parse_curl
from fetch_engine.model.requests import SECRET_HEADERS
from tui.entry.commands import AddUrls
from tui.entry.read import of_request, one_line, read_entries, read_entry
from tui.entry.request_draft import Draft, body_text
from tui.entry.secret_mask import masked


@given(st.text(max_size=60))
def test_any_line_comes_to_something_or_says_why(line: str) -> None:
    entry = read_entry(line)
    assert bool(entry.commands) == bool(entry.count)
    assert entry.commands or entry.complaint or not line.strip()
    assert not entry.commands or entry.kept


def test_several_lines_keep_their_order_in_few_commands() -> None:
    entry = read_entries(["a", "b", "c/[1-3]", "d", "x/[3-1]", "e", "f[]"])
    assert [type(command).__name__ for command in entry.commands] == ["AddUrls", "AddGlob", "AddUrls"]
    assert entry.commands[0] == AddUrls(("https://a", "https://b"))
    assert entry.commands[2] == AddUrls(("https://d", "https://e", "https://f[]"))
    assert entry.count == 8
    assert entry.complaint.startswith("1 of the lines left out")


def test_an_edited_request_is_made_of_the_line() -> None:
    edited = FetchRequest("", method="PUT", body=b"x")
    entry = read_entry("h/{a,b}", edited)
    assert entry.request == replace(edited, url="h/{a,b}")
    assert entry.count == 2
    assert read_entry(entry.kept).request == replace(edited, url="https://h/{a,b}")


_COMMANDS = st.lists(
    st.sampled_from(["-k", "-d", "x=1", "'a\nb'", '"c\\\nd"', "$'\\u202e'", "\u202e", "é\u0301", "\ufe0f", "-H",
                     "'A: b'", "\\\n", "https://h/", "| jq", "\x1b[2J", "'\x07'"]), max_size=8
)  # fmt: skip


@given(_COMMANDS)
def test_a_command_means_the_same_on_one_line(words: list[str]) -> None:
    text = " ".join(["curl", *words])
    line = one_line(text)
    assert line.isprintable()
    before, after = parse_curl(text), parse_curl(line)
    if not before.missing:
        assert after.requests == before.requests


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("https://u:pw@h/?a:b@c", "https://****@h/?a:b@c"),
        ("https://u:pw", "https://u:pw"),
        ("https://u@h/", "https://u@h/"),
        ("u:p@h", "***@h"),
        ("curl -H 'X: u:p@h'", "curl -H 'X: u:p@h'"),
        ("curl -H 'Authorization: Basic abc' x", "curl -H 'Authorization: Basic ***' x"),
        ("curl -H Cookie:ab x", "curl -H Cookie:** x"),
        ("curl -H $'x-api-key: ab' x", "curl -H $'x-api-key: **' x"),
        ("curl -u u:p -b a=b x", "curl -u *** -b *** x"),
        ("curl -ub:c --cookie 'a b' x", "curl -u*** --cookie ****' x"),
        ("curl -x https://u:p@h 'https://v:q@i/'", "curl -x https://***@h 'https://***@i/'"),
    ],
)
def test_secrets_are_hidden_as_they_are_typed(line: str, shown: str) -> None:
    assert masked(line, "*") == shown


@given(st.text(max_size=60))
def test_hiding_keeps_the_length(line: str) -> None:
    assert len(masked(line, "*")) == len(line)


_NAMES = st.sampled_from(["Authorization", "Cookie", "X-A", "Accept", "x-api-key"])
_VALUES = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=12).map(str.strip)
_REQUESTS = st.builds(
    FetchRequest,
    url=st.just("https://h/"),
    method=st.sampled_from(["GET", "POST"]),
    headers=st.lists(st.tuples(_NAMES, _VALUES), max_size=5).map(tuple),
    body=st.binary(max_size=20) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")),
    insecure=st.booleans(),
    proxy=st.sampled_from([None, "", "http://u:p@h"]),
)


@given(_REQUESTS)
def test_a_draft_that_nobody_changed_makes_the_same_request(request: FetchRequest) -> None:
    draft = Draft.of(request)
    assert draft.request() == request
    for line in draft.headers.split("\n"):
        name, _, value = line.partition(": ")
        assert name.lower() not in SECRET_HEADERS or value in ("", "***")
    assert all(char.isprintable() or char == "\n" for char in draft.headers)
    assert draft.body is None or all(char.isprintable() or char in "\n\t" for char in draft.body)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"method": "A B"}, "the method is not valid"),
        ({"url": " "}, "there is no URL"),
        ({"headers": "A: b\n\nc"}, "malformed header in line 3: expected 'Name: value'"),
        ({"headers": "Content-Length: 3"}, "Content-Length cannot be given, the connection sets it"),
        ({"headers": "Cookie: ***"}, "Cookie has no value that *** could stand for"),
    ],
)
def test_a_draft_that_makes_no_request_says_why(changes: dict[str, str], why: str) -> None:
    draft = Draft.of(FetchRequest("https://h/"))
    with pytest.raises(ValueError, match=why.replace("*", r"\*")):
        replace(draft, **changes).request()  # type: ignore[arg-type]


def test_a_draft_changes_what_was_changed_only() -> None:
    request = FetchRequest("h", headers=(("Cookie", "a=1"), ("Cookie", "b=2"), ("A", "1")), body=b"\0", insecure=True)
    draft = replace(Draft.of(request), headers="B: 2\nCookie: ***\ncookie: new", method="")
    assert draft.request() == replace(request, headers=(("B", "2"), ("Cookie", "a=1"), ("cookie", "new")))
    assert replace(draft, body="ö").request().body == "ö".encode()


@pytest.mark.parametrize("body", [b"\xff", b"a\x1b", b"a\rb", "\u202e".encode(), "e\u0301".encode(), b"x" * 300_000])
def test_a_body_that_shows_as_something_else_is_not_edited(body: bytes) -> None:
    assert body_text(body) is None


def test_the_entry_of_an_edited_request_holds_no_secret() -> None:
    entry = of_request(FetchRequest("https://u:s3cret@h/", headers=(("Cookie", "s3cret"),), proxy="http://a:s3cret@p"))
    assert "s3cret" not in entry.kept + entry.summary
