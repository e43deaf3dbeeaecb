"""The parser of the command line: how it helps, complains and tells its version."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn

from tui.text.stderr import print_error

PROGRAM = "weakfetch-tui"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in the program's own way, and ends it.

    given: the options that were read so far, in their order, with their values as text.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.given: list[tuple[argparse.Action, list[str]]] = []

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        values = super()._get_values(action, arg_strings)
        if action.option_strings:
            self.given.append((action, [text for text in arg_strings if text != "--"]))
        return values

    def print_help(self, file: object = None) -> None:
        _show(self.format_help())

    def error(self, message: str) -> NoReturn:
        print_error(f"{without_values(message)}\nTry '{PROGRAM} --help'.")
        sys.exit(2)


def without_values(message: str) -> str:
    """argparse's message on options that do not exist, without their values: they may be credentials."""
    if not message.startswith(("unrecognized arguments", "ambiguous option")):
        return message
    return re.sub(r"(?<!\S)(-[^\s=]*)=\S*", r"\1=***", message)


class Checker(Parser):
    """Says it by a ValueError."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


class Version(argparse.Action):
    """Prints the installed version."""

    def __call__(self, *_: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version(PROGRAM)
        except PackageNotFoundError:  # run from its sources
            number = "(not installed)"
        _show(f"{PROGRAM} {number}\n")
        sys.exit(0)


def _show(text: str) -> None:
    """Print at once: argparse and the interpreter's exit would each deal with a failure in their own way."""
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()
