"""A concurrent HTTP fetch engine in which a fetch lives exactly as long as somebody holds its handle."""

from fetch_engine.census import Census, HeldHandle
from fetch_engine.engine import FetchEngine
from fetch_engine.errors import EngineClosed, FetchCancelled, FetchFailed
from fetch_engine.limits import Limits, Timeouts
from fetch_engine.requests import FetchRequest
from fetch_engine.results import ErrorKind, FetchError, FetchResult, FetchState, Hop, Timings
from fetch_engine.retry import RetryPolicy
from fetch_engine.task import FetchTask, Finished

__all__ = [
    "Census",
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
    "Finished",
    "HeldHandle",
    "Hop",
    "Limits",
    "RetryPolicy",
    "Timeouts",
    "Timings",
]
