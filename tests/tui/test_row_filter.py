"""What a filter lets through, and what it says of a word that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.model.results import ErrorKind, FetchState
from tests.tui.fake_link import HTML, JSON, PNG, active, failure, result
from tui.bridge.snapshot import HeldRow
from tui.rows.row_facts import Row, facts_of, host
from tui.rows.row_filter import parse

ROWS: dict[str, Row] = {
    "recv": active(1, "https://Api.example.org:8443/items?page=3", body_size=2_000_000, age=3.0, warnings=("stalled",)),
    "wait": active(2, "http://user:hunter2@cdn.example.org/big.iso", FetchState.WAITING, age=0.2),
    "json": result(3, "https://api.example.org/items", body=JSON, elapsed=0.1),
    "html": result(4, "https://api.example.org/slow", status=503, body=HTML, content_type="text/html", elapsed=1.9),
    "png": result(5, "https://cdn.example.org/a b.png", status=404, body=PNG, content_type="image/png", size=90_000),
    "dead": failure(6, "http://198.51.100.7/", ErrorKind.TIMEOUT_CONNECT, "no connection within 15 s"),
    "gone": failure(7, "http://h/", ErrorKind.CANCELLED, "cancelled by you"),
    "held": HeldRow(8, "http://h/held", "200", 41.0, False, ("frame local 'handle'",)),
}


def passing(text: str) -> set[str]:
    wanted = parse(text)
    return {name for name, row in ROWS.items() if wanted.accepts(facts_of(row))}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set(ROWS)),
        ("  ", set(ROWS)),
        ("EXAMPLE.org", {"recv", "wait", "json", "html", "png"}),
        ("example.org !api", {"wait", "png"}),
        ("!!api !items", {"html"}),
        ("hunter2", set()),
        ("alpha", {"json"}),
        ("service unavailable", {"html"}),
        ('"service unavailable"', {"html"}),
        ('"unavailable service"', set()),
        ('"a b.png"', {"png"}),
        ('"unclosed', set()),
        ('"png ', {"png"}),
        ("localhost:8080", set()),
        ("org:8443", {"recv"}),
        ("local", {"held"}),
        ("code:200", {"json", "held"}),
        ("code:5xx", {"html"}),
        ("code:40x", {"png"}),
        ("code:4", {"png"}),
        ("code:>=400", {"html", "png"}),
        ("code:err", {"dead"}),
        ("CODE:CXL", {"gone"}),
        ("!code:200", set(ROWS) - {"json", "held"}),
        ("state:RECV", {"recv"}),
        ("state:wait", {"wait"}),
        ("state:c", {"gone"}),
        ("state:err", {"dead"}),
        ("state:done", {"json", "html", "png", "held"}),
        ("host:cdn", {"wait", "png"}),
        ("host:user", set()),
        ("host:8443", {"recv"}),
        ("type:json", {"json"}),
        ("type:image", {"png"}),
        ("size:>1M", {"recv"}),
        ("size:>=87k size:<1m", {"png"}),
        ("size:=0", {"wait", "dead", "gone", "held"}),
        ("time:>2s", {"recv", "dead", "gone", "held"}),
        ("time:<0.15s", {"json", "png"}),
        ("time:<150ms", {"json", "png"}),
        ("error:timeout", {"dead"}),
        ("error:", {"dead", "gone"}),
        ('error:"within 15"', {"dead"}),
        ("warn:", {"recv"}),
        ("warn:stall", {"recv"}),
        ("!warn: host:api", {"json", "html"}),
    ],
)
def test_rows_that_pass(text: str, names: set[str]) -> None:
    assert passing(text) == names


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("api code:9xx", "code:9xx"),
        ("code:", "code:"),
        ("code:5xxx", "code:5xxx"),
        ("!state:nope api", "!state:nope"),
        ("state:", "state:"),
        ("size:1M", "size:1M"),
        ("size:>1q", "size:>1q"),
        ("time:>x", "time:>x"),
        ("time:>", "time:>"),
        ("code:\x1b[2J", "code:"),
    ],
)
def test_a_word_that_is_no_filter_is_named(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    assert str(caught.value).startswith(word)
    assert str(caught.value).isprintable()


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_filter_or_is_named(text: str) -> None:
    named = ""
    try:
        passing(text)
    except ValueError as error:
        named = str(error)
    assert named.isprintable()
    assert not named or ":" in text


@given(st.lists(st.sampled_from(["api", "code:5xx", "time:>2s", "error:", "warn:", "type:json"]), max_size=4))
def test_every_word_must_be_satisfied_and_negation_turns_one_round(words: list[str]) -> None:
    both = set(ROWS)
    for word in words:
        both &= passing(word)
        assert passing(f"!{word}") == set(ROWS) - passing(word)
    assert passing(" ".join(words)) == both


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://a:b@H.example:80/x@y?z", "h.example:80"),
        ("example.org", "example.org"),
        ("http://[::1]:8/", "[::1]:8"),
        ("?", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_url_as_given(url: str, wanted: str) -> None:
    assert host(url) == wanted
