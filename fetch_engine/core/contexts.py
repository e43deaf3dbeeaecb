"""The context (contextvars) that a request runs in: that of its submit, whichever task carries it."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_MISSING = object()


def own_context(common: contextvars.Context, left_out: type) -> contextvars.Context | None:
    """A copy of the caller's context without the variables whose value is a `left_out`, which the copy would keep
    alive; None where every variable has the very value that it has in `common`."""
    context = contextvars.copy_context()
    differs = len(context) != len(common)
    for variable, value in context.items():
        if common.get(variable, _MISSING) is not value:  # not by ==: two equal lists are two lists
            differs = True
            if isinstance(value, left_out):
                return _without(context, left_out)
    return context if differs else None


def _without(context: contextvars.Context, left_out: type) -> contextvars.Context:
    rest = contextvars.Context()
    for variable, value in context.items():
        if not isinstance(value, left_out):
            rest.run(variable.set, value)
    return rest


class Within(Generic[T]):
    """Awaits a coroutine every step of which runs in `context`, in the task that awaits this."""

    __slots__ = ("_context", "_coroutine")

    def __init__(self, context: contextvars.Context, coroutine: Coroutine[Any, Any, T]) -> None:
        self._context = context
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        run, send, throw = self._context.run, self._coroutine.send, self._coroutine.throw
        step: Callable[[Any], Any] = send
        told: Any = None
        try:
            while True:
                try:
                    asked = run(step, told)
                except StopIteration as end:
                    result: T = end.value
                    return result
                try:
                    told = yield asked
                    step = send
                except GeneratorExit:
                    run(self._coroutine.close)
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is the coroutine's
                    told, step = error, throw
        finally:
            del told, step  # an exception that was thrown in refers to this frame
