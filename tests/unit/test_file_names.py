"""Names for saved bodies: none leaves its folder, hides, commands a terminal or is too long."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fetch_engine.files.file_names import FALLBACK, MAX_BYTES, disposition_name, file_name, numbered, safe_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://a.test/x/report.pdf", "report.pdf"),
        ("http://a.test/report.pdf?version=2#page", "report.pdf"),
        ("http://a.test/na%C3%AFve%20file.txt", "naïve file.txt"),
        ("http://a.test/", FALLBACK),
        ("http://a.test", FALLBACK),
        ("http://a.test/..", FALLBACK),
        ("http://a.test/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("http://a.test/..%5c..%5cautoexec.bat", "autoexec.bat"),
        ("http://a.test/.bashrc", "bashrc"),
        ("http://a.test/-rf", "rf"),
        ("http://a.test/~root", "root"),
        ("http://a.test/a%0d%0ab%1b%5b31m.txt", "ab[31m.txt"),
        ("http://a.test/a%E2%80%AEtxt.exe", "atxt.exe"),
        ("http://a.test/CON", "CON_"),
        ("http://a.test/nul.txt", "nul_.txt"),
        ("http://a.test/a:b*c?d", "abc"),
        ("http://a.test/a%20:%20b", "a b"),
        ("http://a.test/%ff%fe", "\ufffd\ufffd"),
        ("http://[broken/x", FALLBACK),
    ],
)
def test_the_name_of_a_url(url: str, name: str) -> None:
    assert file_name(url) == name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("attachment; filename=plain.txt", "plain.txt"),
        ("attachment;filename=plain.txt ; size=3", "plain.txt"),
        ("attachment; FileName=plain.txt", "plain.txt"),
        (r'attachment; filename="a\"b.txt"', 'a"b.txt'),
        ("attachment; filename=\"x.txt\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("attachment; filename*=utf-8'en'%e2%82%ac.txt; filename=x.txt", "€.txt"),
        ("attachment; filename*=ISO-8859-1''%e4.txt", "ä.txt"),
        ("attachment; filename=x.txt; filename*=bogus''%e4", "x.txt"),
        ('attachment; filename="na\u00c3\u00afve.txt"', "naïve.txt"),
        ('attachment; filename="na\u00efve.txt"', "naïve.txt"),
        ("inline", None),
        ("attachment; size=3", None),
        ("", None),
    ],
)
def test_the_name_in_a_header(value: str, name: str | None) -> None:
    assert disposition_name(value) == name


def test_a_header_goes_before_the_url_where_it_is_asked_for() -> None:
    headers = [("Content-Type", "text/plain"), ("content-disposition", 'attachment; filename="../../evil.sh"')]
    assert file_name("http://a.test/x.txt", headers) == "x.txt"
    assert file_name("http://a.test/x.txt", headers, by_header=True) == "evil.sh"
    assert file_name("http://a.test/x.txt", [], by_header=True) == "x.txt"
    assert file_name("http://a.test/x.txt", [("Content-Disposition", "inline")], by_header=True) == "x.txt"


def test_a_long_name_keeps_its_suffix() -> None:
    assert safe_name("x" * 500 + ".tar.gz") == "x" * (MAX_BYTES - len(".tar.gz")) + ".tar.gz"
    assert safe_name("\u00e4" * 500 + ".txt").endswith("\u00e4.txt")
    assert len(safe_name("\u00e4" * 500 + ".txt").encode()) <= MAX_BYTES


def test_numbers_stand_before_the_suffix() -> None:
    assert numbered("a.txt", 0) == "a.txt"
    assert numbered("a.txt", 1) == "a-1.txt"
    assert numbered("a.tar.gz", 12) == "a-12.tar.gz"
    assert numbered("README", 2) == "README-2"
    assert numbered("v1.2.3 of it", 2) == "v1.2.3 of it-2"


@given(st.one_of(st.text(), st.text(alphabet="./\\-~:\u202e\x00\x1b \n\r\u0301ä😀CONnul"), st.binary().map(repr)))
@example("\u0300" * 300)
@example("A:\u0300")
@example("-CON")
@example("😀" * 300)
def test_any_text_gives_a_name_that_is_safe(text: str) -> None:
    name = safe_name(text)
    assert name not in ("", ".", "..")
    assert name[0] not in ".-~ "
    assert name[-1] not in ". "
    assert not set(name) & set('/\\:*?"<>|')
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in name)
    assert len(name.encode()) <= MAX_BYTES + 1  # "CON" becomes "CON_"
    assert Path("folder", name).resolve().parent == Path("folder").resolve()
    assert safe_name(name) == name
