"""Types that the search for holders treats in their own way; each is made known by the module that defines it.

Lists and not attributes of the types: looking at an attribute of any type of a program could run that program's code.
"""

from __future__ import annotations

ROOTS: list[type] = []  # their instances live by themselves
PINS: list[tuple[type, str]] = []  # with the attribute by which an instance holds handles on request
NAMES: list[tuple[type, str]] = []  # with what an instance is called, whatever it consists of


def is_root_type(kind: type) -> bool:
    """Whether it is in ROOTS."""
    return any(kind is root for root in ROOTS)


def pins_by(kind: type, attribute: str | None) -> bool:
    """Whether an instance holds handles on request by this attribute."""
    return any(kind is holder and attribute == name for holder, name in PINS)


def name_of(kind: type) -> str | None:
    """What an instance is called, None for one that is described like any other."""
    return next((name for known, name in NAMES if known is kind), None)
