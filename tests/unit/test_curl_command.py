"""curl commands: read as a shell and curl read them, what cannot be taken is named; a request becomes one and back."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetch_engine import FetchRequest, Timeouts
from fetch_engine.curl.command import CurlCommand, curl_command, is_curl_command, parse_curl
from fetch_engine.curl.shell_words import ShellError, quote_word, split_words

FORM = ("Content-Type", "application/x-www-form-urlencoded")


def one(text: str) -> FetchRequest:
    command = parse_curl(text)
    assert command.missing == ()
    (request,) = command.requests
    return request


def plain(url: str, **changes: object) -> FetchRequest:
    values: dict[str, object] = {"follow_redirects": False, **changes}
    return FetchRequest(url, **values)  # type: ignore[arg-type]


CHROME = r"""curl 'https://api.example.org/graphql?x=1&y=%7B' \
  -X 'PUT' \
  -H 'accept: */*' \
  -H 'content-type: application/json' \
  -b 'sid=a; theme=dark' \
  -H $'x-name: J\u00f6rg\'s \ud83d\ude00 \u0021' \
  --data-raw $'{"query":"a\nb","n":\'1\'}' \
  --compressed \
  --insecure"""


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("curl https://h/", plain("https://h/")),
        ("$ curl -sSL example.org/x", FetchRequest("http://example.org/x")),
        ("curl.exe --url https://h/ -I", plain("https://h/", method="HEAD")),
        ("curl -XDELETE 'https://h/a b'", plain("https://h/a b", method="DELETE")),
        ("curl https://h/?a=1&b=2", plain("https://h/?a=1&b=2")),
        ("curl -d a=1 -d 'b= 2' h/", plain("http://h/", method="POST", body=b"a=1&b= 2", headers=(FORM,))),
        ("curl -d '' h/", plain("http://h/", method="POST", headers=(FORM,))),
        ("curl -H 'Content-Type:' -d x h/", plain("http://h/", method="POST", body=b"x")),
        ("curl --data-raw @x h/", plain("http://h/", method="POST", body=b"@x", headers=(FORM,))),
        ("curl --data-binary $'a\\nb\\xff' h/", plain("http://h/", method="POST", body=b"a\nb\xff", headers=(FORM,))),
        ("curl -G -d a=1 --data-urlencode 'q=ü &' 'h/?z#f'", plain("http://h/?z&a=1&q=%C3%BC+%26#f")),
        ("curl --data-urlencode =a=b --data-urlencode 'c d' h/",
         plain("http://h/", method="POST", body=b"a%3Db&c+d", headers=(FORM,))),
        ("curl --json '{}' h/", plain("http://h/", method="POST", body=b"{}", headers=(
            ("Content-Type", "application/json"), ("Accept", "application/json")))),
        ("curl --url-query 'a=ä b' h/", plain("http://h/?a=%C3%A4+b")),
        ("curl -u 'user:p w' h/", plain("http://h/", headers=(("Authorization", "Basic dXNlcjpwIHc="),))),
        ("curl -u a:b -H 'authorization: X' h/", plain("http://h/", headers=(("authorization", "X"),))),
        ("curl --oauth2-bearer tok h/", plain("http://h/", headers=(("Authorization", "Bearer tok"),))),
        ("curl -b a=1 -b 'b=2; c=3' h/", plain("http://h/", headers=(("Cookie", "a=1; b=2; c=3"),))),
        ("curl -A me -e http://from/ -r 0-9 -H 'X;' -H 'Y : 1' h/", plain("http://h/", headers=(
            ("X", ""), ("Y", "1"), ("User-Agent", "me"), ("Referer", "http://from/"), ("Range", "bytes=0-9")))),
        ("curl -kx proxy:81 -U 'u:p@' h/", plain("http://h/", insecure=True, proxy="u:p%40@proxy:81")),
        ("curl -x proxy:81 -U $'\\xff:p' h/", plain("http://h/", proxy="%FF:p@proxy:81")),
        ("curl -x '' h/", plain("http://h/", proxy="")),
        ("curl -x socks5h://h:1 h/", plain("http://h/", proxy="socks5h://h:1")),
        ("curl --socks5 h:1 h/", plain("http://h/", proxy="socks5://h:1")),
        ("curl --socks5-hostname h:1 -U u:p h/", plain("http://h/", proxy="socks5h://u:p@h:1")),
        ("curl -m 2.5 --connect-timeout 0 h/", plain("http://h/", timeouts=Timeouts(connect=None, total=2.5))),
        ("curl -L --no-location -- -h/", plain("http://-h/")),
        ("curl \"https://h/\" \\\r\n  -H \"A: \\\"b\\\\\\$c\"", plain("https://h/", headers=(("A", '"b\\$c'),))),
        ("curl https://h/ -H 'Expect:' -H 'Content-Length: 3'", plain("https://h/")),
        (CHROME, plain(
            "https://api.example.org/graphql?x=1&y=%7B", method="PUT", insecure=True,
            body=b'{"query":"a\nb","n":\'1\'}', headers=(
                ("accept", "*/*"), ("content-type", "application/json"), ("x-name", "Jörg's \U0001f600 !"),
                ("Cookie", "sid=a; theme=dark")))),
    ],
)  # fmt: skip
def test_a_command_becomes_its_request(text: str, request_: FetchRequest) -> None:
    assert is_curl_command(text)
    assert one(text) == request_


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("curl -F a=b https://h/", ["-F is not supported"]),
        ("curl -T file h/ --digest", ["-T is not supported", "--digest is not supported"]),
        ("curl -d @secret.txt h/", ["-d from a file is not supported"]),
        ("curl -b jar.txt h/", ["-b from a file is not supported"]),
        ("curl -H @h h/", ["-H from a file is not supported"]),
        ("curl -u me h/", ["-u has no password"]),
        ("curl -x socks4://h:1 h/", ["-x names a proxy that is neither http, https nor socks5"]),
        ("curl --socks4 h:1 h/", ["--socks4 is not supported"]),
        ("curl --frobnicate h/", ["unknown option --frobnicate"]),
        ("curl -sy", ["-y has no value", "there is no URL"]),
        ("curl -s§ h/", ["unknown option -§"]),
        ("curl -H \"Authorization: Bearer $TOKEN\" `cat url`", ["only a shell knows the value of $TOKEN",
                                                                "only a shell knows the value of `"]),
        ("curl 'h/", ["a ' is never closed"]),
        ("curl \"h/", ['a " is never closed']),
        ("curl $'h/\\", ["a $' is never closed"]),
        ("curl ^\r\n h/", ["this is a command for cmd.exe; copy it as cURL for bash"]),
        ("curl -m soon h/", ["--max-time: invalid number of seconds"]),
        ("curl -X 'A B' h/", ["the method is not valid"]),
        ("curl -H 'Cookie: ***' https://***@h/", ["the value of Cookie was left out where it was copied",
                                                   "user and password of the URL were left out where it was copied"]),
        ("curl -I", ["there is no URL"]),
    ],
)  # fmt: skip
def test_what_is_essential_and_cannot_be_taken_is_named(text: str, missing: list[str]) -> None:
    command = parse_curl(text)
    assert list(command.missing) == missing
    assert command.requests == ()


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("curl -sSvi#f --compressed -N h/", []),
        ("curl -o x -O --http2 --tlsv1.2 h/", ["-o", "-O", "--http2", "--tlsv1.2"]),
        ("curl h/ | jq .", ["what follows the command"]),
        ("curl h/ 2>&1", ["what follows the command"]),
        ("curl h/; rm -r x", ["what follows the command"]),
        ("curl h/ && curl i/", ["what follows the command"]),
        ("curl h/\ncurl i/", ["what follows the command"]),
        ("curl h/ -H 'Connection: close' -H ':authority: h' -A ''",
         ["Connection (the connection sets it)", "a malformed header", "sending no User-Agent"]),
    ],
)  # fmt: skip
def test_the_rest_that_is_not_taken_is_named(text: str, ignored: list[str]) -> None:
    command = parse_curl(text)
    assert list(command.ignored) == ignored
    assert command.requests == (plain("http://h/"),)


def test_several_urls_and_operations() -> None:
    command = parse_curl("curl -k a/ b/ -d x --next c/ -g")
    assert [(r.url, r.method, r.insecure) for r in command.requests] == [
        ("http://a/", "POST", True),
        ("http://b/", "POST", True),
        ("http://c/", "GET", False),
    ]
    assert not command.globs
    assert parse_curl("curl a/").globs


def test_a_command_shows_no_secret_unless_asked() -> None:
    request = FetchRequest(
        "https://user:s3cret@h/",
        headers=(("Authorization", "Bearer s3cret"), ("cookie", "s3cret"), ("X", "1")),
        proxy="http://me:s3cret@proxy:1",
    )
    assert "s3cret" not in curl_command(request)
    hidden = parse_curl(curl_command(request))
    assert hidden.requests == ()
    assert len(hidden.missing) == 4
    assert one(curl_command(request, secrets=True)) == request


def test_a_body_that_no_command_can_hold_is_named() -> None:
    command = curl_command(FetchRequest("https://h/", method="POST", body=b"a\0b"))
    assert parse_curl(command).missing == ("--data-binary from a file is not supported",)


_TOKENS = st.text(st.sampled_from("aZ09-_!#$%&'*+.^`|~"), min_size=1, max_size=8)
_VALUES = st.text(
    st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs", "Cc"]), max_size=20
).map(lambda text: text.strip())
_NAMES = _TOKENS.filter(lambda name: name.lower() not in ("te", "trailer", "upgrade"))
_SECONDS = st.none() | st.integers(1, 10**6).map(lambda n: n / 1000)
_REQUESTS = st.builds(
    FetchRequest,
    url=st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(lambda text: f"https://h/{text}"),
    method=_TOKENS | st.sampled_from(["GET", "POST", "HEAD"]),
    headers=st.lists(st.tuples(_NAMES, _VALUES), max_size=4).map(tuple),
    body=st.binary(max_size=30).map(lambda body: body.replace(b"\0", b"")),
    timeouts=st.none() | st.builds(Timeouts, connect=_SECONDS, total=_SECONDS),
    follow_redirects=st.just(True),
    trust_redirects=st.booleans(),
    insecure=st.booleans(),
    proxy=st.sampled_from([None, "", "http://p:1", "https://u:a%40b@p", "p"]),
)


@given(_REQUESTS | _REQUESTS.map(lambda request: replace(request, follow_redirects=False, trust_redirects=False)))
def test_a_request_survives_the_way_to_a_command_and_back(request: FetchRequest) -> None:
    command = curl_command(request, secrets=True)
    assert command.isprintable()
    assert parse_curl(command) == CurlCommand((request,), globs=False)


@given(st.text(max_size=40))
def test_any_text_is_read_without_an_error(text: str) -> None:
    command = parse_curl(f"curl {text}")
    assert bool(command.requests) != bool(command.missing)


_WORDS = st.lists(st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12), min_size=1)


@given(_WORDS)
def test_quoted_words_are_read_as_they_were(words: list[str]) -> None:
    line = " ".join(map(quote_word, words))
    assert line.isprintable()
    assert split_words(line).words == tuple(words)
    assert split_words(line).variables == ()


@pytest.mark.once
def test_words_are_those_of_a_real_shell() -> None:
    line = r"""a\ b 'c\d' "e\"\$\`\\\f" $'\x41\101\u00e4\t\'\\\q\cA\e' --x='y z'"" x\
y # "\n" $'\U0001F600\1' a&b=c"""
    line = line.split(" # ")[0] + " " + line.split(" # ")[1].replace("a&b=c", "'a&b=c'")
    told = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, env={"LANG": "C.UTF-8"}
    )
    said = tuple(word.decode("utf-8", "surrogateescape") for word in told.stdout.split(b"\0")[:-1])
    assert split_words(line).words == said


@given(st.text(st.sampled_from("a '\"\\$\n\r|;&>`#(x1u{"), max_size=20))
def test_any_text_is_split_or_refused(text: str) -> None:
    with contextlib.suppress(ShellError):
        assert all(isinstance(word, str) for word in split_words(text).words)
