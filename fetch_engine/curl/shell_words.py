"""Words of a command as a POSIX shell reads them, with the quoting that browsers use (`$'...'`), and back."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_ESCAPES = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CODES = re.compile(r"x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})")
_SUBSTITUTION = re.compile(r"\$(?:[A-Za-z_]\w*|\{|\(|[0-9@*?$!#])|`")
_NAME = re.compile(r"\$\w+|\$.|`")
_PLAIN = re.compile(r"[^\\'\"$`;\s]+")
_PLAIN_IN_DOUBLE = re.compile(r"[^\\\"$`]+")
_PLAIN_IN_ANSI_C = re.compile(r"[^\\']+")
_OPERATOR = re.compile(r"[|;<>]|&(?=[&\s>]|\Z)|[0-9]>")
_LAST_SEMICOLON = re.compile(r";(?=\s|\Z)")


class ShellError(ValueError):
    """The text is no whole command."""


@dataclass(frozen=True, slots=True)
class Words:
    """A command's words. Bytes that are no UTF-8 are lone surrogates, as in os.fsdecode.

    rest: what follows the command, from the pipe, redirection or semicolon on. variables: what a shell would have
    replaced by something else; it stands in the words as it was written.
    """

    words: tuple[str, ...]
    rest: str = ""
    variables: tuple[str, ...] = ()


def split_words(text: str) -> Words:
    r"""Split the first command of `text`. A backslash at the end of a line continues it.

    A pipe, `;`, `&`, or redirection ends the command where it stands as a word of its own: within a word a forgotten
    quote is likelier, as in a URL with `&`. Raises ShellError.
    """
    return _Splitter(text).run()


def quote_word(word: str, *, ascii_only: bool = False) -> str:
    """The word so that a shell, and `split_words`, read it as it is: on one line, in printable characters."""
    if word.isprintable() and (not ascii_only or word.isascii()):
        return shlex.quote(word)
    parts = []
    for byte_or_char in word:
        code = ord(byte_or_char)
        if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
            parts.append(f"\\{code - 0xDC00:03o}")
        elif byte_or_char in "\\'":
            parts.append("\\" + byte_or_char)
        elif byte_or_char.isprintable() and (code < 0x80 or not ascii_only):
            parts.append(byte_or_char)
        elif code < 0x80:
            parts.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(byte_or_char, f"\\{code:03o}"))
        else:
            parts.extend(f"\\{byte:03o}" for byte in byte_or_char.encode("utf-8", "replace"))
    return f"$'{''.join(parts)}'"


class _Splitter:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n").replace("\r", "\n")
        self._at = 0
        self._words: list[str] = []
        self._word: list[str] | None = None
        self._variables: list[str] = []

    def run(self) -> Words:
        text, rest = self._text, ""
        while self._at < len(text):
            char = text[self._at]
            if char in " \t\n":
                self._end_word()
                if char == "\n" and self._words:
                    rest = text[self._at :].strip()
                    break
                self._at += 1
            elif self._word is None and _OPERATOR.match(text, self._at):
                rest = text[self._at :].strip()
                break
            elif _LAST_SEMICOLON.match(text, self._at):
                self._end_word()
            else:
                self._character(char)
        self._end_word()
        return Words(tuple(self._words), rest, tuple(self._variables))

    def _character(self, char: str) -> None:
        text, at = self._text, self._at
        if char == "\\":
            if text[at + 1 : at + 2] != "\n":
                self._extend(text[at + 1 : at + 2] or "\\")
            self._at += 2
        elif char == "'":
            end = self._close("'", at + 1)
            self._extend(text[at + 1 : end])
            self._at = end + 1
        elif char == '"' or text.startswith('$"', at):
            self._at += 1 if char == '"' else 2
            self._double()
        elif text.startswith("$'", at):
            self._at += 2
            self._ansi_c()
        elif plain := _PLAIN.match(text, at):
            self._extend(plain.group())
            self._at = plain.end()
        else:
            self._note_variable(at)
            self._extend(char)
            self._at += 1

    def _double(self) -> None:
        text = self._text
        self._extend("")
        while True:
            char = text[self._at : self._at + 1]
            if not char:
                raise ShellError('a " is never closed')
            if char == '"':
                self._at += 1
                return
            following = text[self._at + 1 : self._at + 2]
            if char == "\\" and following and following in '$`"\\\n':
                self._extend("" if following == "\n" else following)
                self._at += 2
            elif plain := _PLAIN_IN_DOUBLE.match(text, self._at):
                self._extend(plain.group())
                self._at = plain.end()
            else:
                self._note_variable(self._at)
                self._extend(char)
                self._at += 1

    def _ansi_c(self) -> None:
        """Up to the end of $'...' (bash manual, ANSI-C quoting)."""
        text, found = self._text, bytearray()
        while True:
            if plain := _PLAIN_IN_ANSI_C.match(text, self._at):
                found += plain.group().encode("utf-8", "surrogateescape")
                self._at = plain.end()
            char = text[self._at : self._at + 1]
            if not char:
                raise ShellError("a $' is never closed")
            self._at += 1
            if char == "'":
                break
            if code := _CODES.match(text, self._at):
                self._at = code.end()
                found += self._coded(code)
                continue
            escaped = text[self._at : self._at + 1]
            self._at += len(escaped)
            if escaped == "c" and self._at < len(text):
                found.append(ord(text[self._at]) & 0x1F)
                self._at += 1
            else:
                meant = _ESCAPES.get(escaped) or (escaped if escaped in ("\\", "'", '"', "?") else "\\" + escaped)
                found += meant.encode("utf-8", "surrogateescape")
        self._extend(found.decode("utf-8", "surrogateescape"))

    def _coded(self, code: re.Match[str]) -> bytes:
        if code[1] or code[4]:
            return bytes((int(code[1], 16) if code[1] else int(code[4], 8) & 0xFF,))
        number = int(code[2] or code[3], 16)
        if 0xD800 <= number < 0xDC00:  # browsers write what is beyond \uffff in two halves
            low = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})").match(self._text, self._at)
            if low is not None:
                self._at = low.end()
                number = 0x10000 + ((number - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            number = 0xFFFD
        return chr(number).encode()

    def _note_variable(self, at: int) -> None:
        if _SUBSTITUTION.match(self._text, at) and (name := _NAME.match(self._text, at)):
            self._variables.append(name.group())

    def _close(self, mark: str, at: int) -> int:
        end = self._text.find(mark, at)
        if end < 0:
            raise ShellError(f"a {mark} is never closed")
        return end

    def _extend(self, text: str) -> None:
        if self._word is None:
            self._word = []
        self._word.append(text)

    def _end_word(self) -> None:
        if self._word is not None:
            self._words.append("".join(self._word))
            self._word = None
