"""A chain of references in words: names, types and places, never values."""

from __future__ import annotations

import sys
from collections import deque
from contextvars import Context, ContextVar
from types import (
    AsyncGeneratorType,
    BuiltinMethodType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any

from fetch_engine.inspect.frame_locals import local_name, place_of
from fetch_engine.inspect.known_types import is_root_type, name_of, pins_by
from fetch_engine.inspect.reference_names import attribute_of, index_in, is_namespace, key_in, namespace_of, plain

LONGEST = 120  # characters of a line

# What lies between two places and means nothing to people. These types have no public name.
_BETWEEN = frozenset(
    {"coroutine_wrapper", "async_generator_asend", "hamt", "hamt_bitmap_node", "hamt_array_node", "hamt_collision_node"}
)
_GENERATORS: dict[type, tuple[str, str]] = {
    CoroutineType: ("coroutine", "cr"),
    GeneratorType: ("generator", "gi"),
    AsyncGeneratorType: ("async generator", "ag"),
}


class _Absent:
    """Stands for a class of asyncio while asyncio is not in use."""


def asyncio_class(name: str) -> Any:
    """A class of asyncio, which the engine does not import."""
    return getattr(sys.modules.get("asyncio"), name, _Absent)


def is_running(thing: object) -> bool:
    """Whether it is a generator or coroutine that runs now."""
    known = _GENERATORS.get(type(thing))
    return known is not None and bool(getattr(thing, f"{known[1]}_running"))


def is_root(thing: Any) -> bool:
    """Whether it lives by itself: the names of a module, a module, class, context or engine, a task that runs."""
    kind = type(thing)
    if issubclass(kind, dict):
        return dict.__contains__(thing, "__builtins__")
    if issubclass(kind, asyncio_class("Task")):
        return not thing.done()
    return (
        issubclass(kind, (type, ModuleType, Context)) or is_root_type(kind) or _is_trio_task(kind) or is_running(thing)
    )


class Chain:
    """Says who holds a handle, one object after the other, from its direct referrer outwards."""

    def __init__(self, handle: object) -> None:
        # Whoever awaits the handle is in its own frame of this code.
        self._awaiting = getattr(getattr(type(handle), "result", None), "__code__", None)
        self._places: list[str] = []  # nearest first
        self._inside: list[str] = []  # containers since the last place
        self._held: object = handle  # what the next object holds, leaving out those in between
        self._last: object = handle  # the object before the next one
        self.is_pin = False  # whether the handle is held by the engine on request

    def __len__(self) -> int:
        return len(self._places) + bool(self._inside)

    def line(self, depth: int, prefix: str = "") -> str:
        """The chain from its outer end to the handle; of a long one the outer end and the nearest places."""
        places = self._places[::-1]
        if self._inside or not places:
            unowned = " in ".join(self._inside) or "closure"
            places.insert(0, f"{unowned}, whose holder was not found")
        for shown in range(min(depth, len(places)), 1, -1):
            gap = ["..."] if shown < len(places) else []
            line = prefix + " > ".join([places[0], *gap, *places[1 - shown :]])
            if len(line) <= LONGEST:
                break
        else:
            line = f"{prefix}{places[-1]}"
        return plain(line, LONGEST)

    def end(self, place: str) -> None:
        """The last object is held by this."""
        self._places.append(f"{place} ({' in '.join(self._inside)})" if self._inside else place)
        self._inside = []

    def add(self, node: Any, outer: object) -> None:
        """The next object; `outer` is the one after it, or None."""
        kind = type(node)
        last, self._last = self._last, node
        if kind is CellType or kind is TracebackType or kind.__name__ in _BETWEEN:
            return
        if issubclass(kind, dict):
            if is_root(node):
                module = plain(dict.get(node, "__name__"), 60)
                name = next((plain(name) for name, value in list(dict.items(node)) if value is self._held), "?")
                self.end(f"global {module}.{name}")
            elif outer is not None and is_namespace(node, outer, self._held):
                return
            else:
                self._inside.append(key_in(node, self._held))
        elif issubclass(kind, (list, tuple, deque, set, frozenset)):
            self._inside.append(f"{plain(kind.__name__)}{index_in(node, self._held)}")
        elif not self._add_code(node, outer) and not self._add_asynchronous(node, last):
            self._add_object(node, last)
        self._held = node

    def _put(self, place: str) -> None:
        """A place that owns the containers before it."""
        if self._inside:
            preposition = "of" if self._inside[-1].startswith("dict key") else "in"
            place = f"{' in '.join(self._inside)} {preposition} {place}"
            self._inside = []
        self._places.append(place)

    def _add_code(self, node: Any, outer: object) -> bool:
        kind = type(node)
        if kind in _GENERATORS:
            word, prefix = _GENERATORS[kind]
            self._add_frame(word, getattr(node, f"{prefix}_frame"), None)
        elif kind is FrameType:
            line = outer.tb_lineno if type(outer) is TracebackType and outer.tb_frame is node else None
            self._add_frame("frame", node, line)
        elif kind is FunctionType:
            self._add_function(node)
        elif kind is MethodType or kind is BuiltinMethodType:
            self._put(f"bound method {plain(node.__name__)}")
        else:
            return False
        return True

    def _add_frame(self, word: str, frame: FrameType | None, line: int | None) -> None:
        if frame is None:
            self._put(word)
        elif frame.f_code is self._awaiting:
            self.end("awaited")
        else:
            name = local_name(frame, self._held)
            local = f" local '{plain(name)}'" if name else ""
            self.end(f"{word} {place_of(frame, line)}{local}")

    def _add_function(self, node: FunctionType) -> None:
        part = attribute_of(node, self._held)
        if node.__closure__ is self._held:
            part = "closure"
        elif node.__defaults__ is self._held or node.__kwdefaults__ is self._held:
            part = "default argument"
        if part in ("closure", "default argument"):
            self._inside.pop()  # the tuple
        self._put(f"{part} of function {plain(node.__name__)}" if part else f"function {plain(node.__name__)}")

    def _add_asynchronous(self, node: Any, last: object) -> bool:
        kind = type(node)
        if issubclass(kind, asyncio_class("Future")):
            is_task = issubclass(kind, asyncio_class("Task"))
            name = f"asyncio task '{plain(node.get_name())}'" if is_task else plain(kind.__name__)
            # Attributes, since the calls `result()` and `exception()` silence "exception was never retrieved".
            if node._result is self._held:
                self.end(f"result of {name}")
            elif node._exception is self._held or type(last) is TracebackType:
                self.end(f"exception of {name}")
            else:
                self._put(name)
        elif _is_trio_task(kind):
            self._put(f"trio task '{plain(node.name)}'")
        elif kind is Context:
            names = [variable.name for variable, value in node.items() if value is self._held]
            self.end(f"contextvar '{plain(names[0])}'" if names else "contextvar")
        elif kind is ContextVar:
            self.end(f"default of contextvar '{plain(node.name)}'")
        elif (called := name_of(kind)) is not None:
            self._inside = []
            self._put(called)
        else:
            return False
        return True

    def _add_object(self, node: Any, last: object) -> None:
        kind = type(node)
        name = plain(kind.__name__)
        attribute = attribute_of(node, self._held)
        if pins_by(kind, attribute):
            self.is_pin = True
        elif issubclass(kind, BaseException) and type(last) is TracebackType:
            self._put(f"{name}.__traceback__")
        elif issubclass(kind, BaseException) and node.__cause__ is self._held:
            self._put(f"{name}.__cause__")
        elif issubclass(kind, BaseException) and node.__context__ is self._held:
            self._put(f"{name}.__context__")
        elif issubclass(kind, ModuleType):
            self.end(f"global {plain(namespace_of(node).get('__name__'), 60)}.{attribute or '?'}")
        elif issubclass(kind, type):
            member = f".{attribute}" if attribute else ""
            self._put(f"{plain(node.__name__)}{member} of {plain(node.__module__)} module")
        else:
            self._put(f"attribute {attribute} of {name}" if attribute else name)


def _is_trio_task(kind: type) -> bool:
    return kind.__name__ == "Task" and str(kind.__module__).startswith("trio.")
