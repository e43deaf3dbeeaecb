"""Globs: the same URLs as curl makes, in its order, made one at a time; what is none is refused with its place."""

from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine.curl.globbing import GlobError, escape_glob, parse_glob


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("h/x", ["h/x"]),
        ("h/[1-3]", ["h/1", "h/2", "h/3"]),
        ("h/[008-010].png", ["h/008.png", "h/009.png", "h/010.png"]),
        ("h/[0-3]", ["h/0", "h/1", "h/2", "h/3"]),
        ("h/[0-100:50]", ["h/0", "h/50", "h/100"]),
        ("h/[1-10:4]", ["h/1", "h/5", "h/9"]),
        ("h/[a-c][X-Z:2]", ["h/aX", "h/aZ", "h/bX", "h/bZ", "h/cX", "h/cZ"]),
        ("{a,b}.example/{x,}/[1-2]", ["a.example/x/1", "a.example/x/2", "a.example//1", "a.example//2",
                                      "b.example/x/1", "b.example/x/2", "b.example//1", "b.example//2"]),
        ("http://[::1]:80/[5-5]", ["http://[::1]:80/5"]),
        ("http://[fe80::1]/{one}", ["http://[fe80::1]/one"]),
        (r"h/\[1-3\]\{a,b\}\x", [r"h/[1-3]{a,b}\x"]),
        (r"h/{a\,b,c\}}", ["h/a,b", "h/c}"]),
        ("h/[1- 2]", ["h/1", "h/2"]),
    ],
)  # fmt: skip
def test_what_a_glob_stands_for(text: str, urls: list[str]) -> None:
    glob = parse_glob(text)
    assert list(glob) == urls
    assert glob.count == len(urls)


@pytest.mark.parametrize(
    "text",
    [
        "h/[1-3", "h/]", "h/}", "h/{a,b", "h/{}", "h/{a,{b}}", "h/{a,[1-2]}", "h/{a]", "h/[]", "h/[1]", "h/[1-]",
        "h/[a-9]", "h/[1-3:]", "?a[]=1", "http://[::1]/[::1/", "?ids[]=1&ids[]=2", "?a[key]=1", "[", "{", "{{}", "}{",
        '?q={"a":{"b":[1,2]},"c":3}', "?f={a,{b,c}}", "h/[x-yz]",
    ],
)  # fmt: skip
def test_what_is_no_glob_stands_for_itself(text: str) -> None:
    assert list(parse_glob(text)) == [text]
    assert list(parse_glob(f"{text}/[1-2]")) == [f"{text}/1", f"{text}/2"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("h/[3-1]", 2), ("h/[c-a]", 2), ("h/[a-Z]", 2), ("h/[1-9:0]", 2), ("h/[1-3:9]", 2),
        ("h/[a-c:9]", 2), ("h/[1-1:2]", 2), ("h/[0-9999999999999999999]", 2), ("h/" + "[0-999999]" * 4, 32),
    ],
)  # fmt: skip
def test_a_glob_that_makes_nothing_is_refused_with_its_place(text: str, place: int) -> None:
    with pytest.raises(GlobError, match=f"at character {place + 1}$") as caught:
        parse_glob(text)
    assert caught.value.position == place


@pytest.mark.parametrize("text", ["[" * 60_000, "{" * 60_000, "{a," * 20_000, "[1-2" * 20_000, "{" * 9 + "}" * 60_000])
def test_no_text_takes_more_than_its_length(text: str) -> None:
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        assert list(parse_glob(text)) == [text]
    finally:
        sys.setprofile(None)
    assert steps < 40 * len(text)


def test_a_huge_glob_costs_nothing_until_it_is_read() -> None:
    glob = parse_glob("http://h/[1-1000000]/[001-1000000]/{a,b}")
    assert glob.count == 2 * 10**12
    assert list(itertools.islice(glob, 3)) == ["http://h/1/001/a", "http://h/1/001/b", "http://h/1/002/a"]
    assert glob[glob.count - 1] == "http://h/1000000/1000000/b"
    for place in (-1, glob.count):
        with pytest.raises(IndexError):
            glob[place]


_LITERAL = st.text(st.sampled_from("ab[]{},-:1/"), max_size=12)
_SET = st.lists(st.text("abc1-", max_size=3), min_size=1, max_size=4).filter(lambda choices: choices != [""])
_RANGE = st.tuples(st.integers(0, 120), st.integers(0, 30), st.integers(1, 5), st.integers(0, 4))


@given(st.lists(st.one_of(_LITERAL, _SET, _RANGE), max_size=4))
def test_count_and_order_are_those_of_nested_loops(
    pieces: list[str | list[str] | tuple[int, int, int, int]],
) -> None:
    text, pools = "", []
    for piece in pieces:
        if isinstance(piece, str):
            text += escape_glob(piece)
            pools.append([piece])
        elif isinstance(piece, list):
            text += "{" + ",".join(piece) + "}"
            pools.append(piece)
        else:
            first, more, step, width = piece
            step = min(step, more) or 1
            start = f"{first:0{width}d}"
            text += f"[{start}-{first + more}:{step}]"
            width = len(start) if start.startswith("0") else 1
            pools.append([f"{n:0{width}d}" for n in range(first, first + more + 1, step)])
    glob = parse_glob(text)
    assert glob.count == len(list(itertools.product(*pools)))
    if glob.count <= 2000:
        assert list(glob) == ["".join(parts) for parts in itertools.product(*pools)]


@given(st.text(st.sampled_from("ab[]{},-:19\\"), max_size=20))
def test_any_text_is_a_glob_or_refused(text: str) -> None:
    try:
        glob = parse_glob(text)
    except GlobError as error:
        place = error.position
    else:
        place = 0
        assert len(list(itertools.islice(glob, 100))) == min(glob.count, 100)
    assert 0 <= place <= max(0, len(text) - 1)


@given(st.text(max_size=30).filter(lambda text: "\\" not in text))
def test_an_escaped_text_is_itself(text: str) -> None:
    assert list(parse_glob(escape_glob(text))) == [text]
