"""Exceptions. Each carries frozen values only, so that keeping one keeps no fetch alive."""

from __future__ import annotations

from fetch_engine.model.results import ErrorKind, FetchError


class FetchFailed(Exception):
    """Awaiting a fetch that got no HTTP response. `error` says why."""

    def __init__(self, error: FetchError) -> None:
        super().__init__(f"{error.kind}: {error.message}")
        self.error = error

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are copied and pickled by their message unless they say otherwise.
        return type(self), (self.error,), _notes(self)


class FetchCancelled(Exception):
    """Awaiting a fetch that was cancelled: by its owner, by dropping it, or by the engine's end.

    Not the cancellation of asyncio or trio: it can be caught without swallowing the awaiter's own.
    """

    def __init__(self, error: FetchError) -> None:
        super().__init__(error.message)
        self.error = error

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.error,), _notes(self)


class EngineClosed(RuntimeError):
    """The engine was not open: before `async with`, or after it was left."""


class AttemptFailed(Exception):
    """One attempt at one hop failed; raised by transports and by the fetch loop, never to users.

    `unsent` is true where the peer cannot have seen the request, or closed a kept connection before the first
    byte of an answer, so that it may be repeated on a fresh connection (RFC 9112 section 9.3.1).
    """

    def __init__(self, kind: ErrorKind, message: str, *, unsent: bool = False) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.unsent = unsent

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, self.message), {**_notes(self), "unsent": self.unsent}


def _notes(exception: Exception) -> dict[str, object]:
    """What was added to it, such as by `add_note`, and what __init__ sets."""
    return dict(vars(exception))
