"""By which name one object refers to another: attribute, key or index, told without values.

Nothing here runs code of the classes looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

_SEARCHED = 100_000  # entries of a container that are looked through for the place of one


def plain(name: object, longest: int = 40) -> str:
    """The name without control, format or line-breaking characters, at most `longest` characters."""
    text = "".join(c if c.isprintable() else "?" for c in name) if type(name) is str else "?"
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def index_in(container: Any, held: object) -> str:
    """`[3]` for a list or tuple that holds the object there, or nothing."""
    for kind in (list, tuple):
        if issubclass(type(container), kind):
            for at, value in enumerate(islice(kind.__iter__(container), _SEARCHED)):
                if value is held:
                    return f"[{at}]"
    return ""


def key_in(mapping: Any, held: object) -> str:
    """`dict key 'name'` for a dictionary that holds the object there; of a key that may be secret only the type."""
    for key, value in list(dict.items(mapping)) if dict.__len__(mapping) <= _SEARCHED else ():
        if value is held:
            if type(key) is str and len(key) <= 24 and key.replace("-", "_").replace(".", "_").isidentifier():
                return f"dict key '{plain(key)}'"
            if type(key) is int and abs(key) < 10**9:
                return f"dict key {key}"
            return f"dict key of type {plain(type(key).__name__)}"
    return "dict"


def attribute_of(owner: object, held: object) -> str | None:
    """The name of the attribute or slot by which the object is held, or None."""
    return next((plain(name) for name, value in _attributes(owner) if value is held), None)


def is_namespace(mapping: object, owner: object, held: object) -> bool:
    """Whether the dictionary is that of the owner's attributes, by which it holds the object."""
    if issubclass(type(owner), type):
        return attribute_of(owner, held) is not None
    return namespace_of(owner) is mapping


def namespace_of(owner: object) -> Any:
    """The dictionary of the attributes of an object, no class, or None."""
    for kind in type(owner).__mro__:
        descriptor = vars(kind).get("__dict__")
        if descriptor is not None:
            is_plain = type(descriptor) is GetSetDescriptorType or type(descriptor) is MemberDescriptorType
            return descriptor.__get__(owner) if is_plain else None
    return None


def _attributes(owner: Any) -> Iterator[tuple[object, object]]:
    if issubclass(type(owner), type):
        yield from list(vars(owner).items())
        return
    namespace = namespace_of(owner)
    if type(namespace) is dict:
        yield from list(namespace.items())
    for kind in type(owner).__mro__:
        for name, descriptor in list(vars(kind).items()):
            if type(descriptor) is MemberDescriptorType:
                try:
                    yield name, descriptor.__get__(owner)
                except AttributeError:
                    continue  # a slot that is not set
