"""A concurrent HTTP fetch engine in which a fetch lives exactly as long as somebody holds its handle."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fetch_engine.core.census import Census, HeldHandle
    from fetch_engine.core.engine import FetchEngine
    from fetch_engine.core.task import CompletionQueue, FetchTask
    from fetch_engine.fetch.retry import RetryPolicy
    from fetch_engine.model.errors import EngineClosed, FetchCancelled, FetchFailed
    from fetch_engine.model.limits import Limits, Timeouts
    from fetch_engine.model.requests import FetchRequest
    from fetch_engine.model.results import ErrorKind, FetchError, FetchResult, FetchState, Hop, Timings

__all__ = [
    "Census",
    "CompletionQueue",
    "EngineClosed",
    "ErrorKind",
    "FetchCancelled",
    "FetchEngine",
    "FetchError",
    "FetchFailed",
    "FetchRequest",
    "FetchResult",
    "FetchState",
    "FetchTask",
    "HeldHandle",
    "Hop",
    "Limits",
    "RetryPolicy",
    "Timeouts",
    "Timings",
]

# Imported when first asked for: whoever takes a result apart need not wait for the engine and its protocols.
_MODULES = {
    "core.census": ("Census", "HeldHandle"),
    "core.engine": ("FetchEngine",),
    "model.errors": ("EngineClosed", "FetchCancelled", "FetchFailed"),
    "model.limits": ("Limits", "Timeouts"),
    "model.requests": ("FetchRequest",),
    "model.results": ("ErrorKind", "FetchError", "FetchResult", "FetchState", "Hop", "Timings"),
    "fetch.retry": ("RetryPolicy",),
    "core.task": ("FetchTask", "CompletionQueue"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *(name for name in __all__ if name not in globals())]
