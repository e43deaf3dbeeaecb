"""Every exception of the libraries below has a kind."""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import socket
import ssl
from collections.abc import Iterator

import anyio
import h2.exceptions
import httpcore
import httpx
import pytest

from fetch_engine.model.errors import AttemptFailed
from fetch_engine.model.results import ErrorKind
from fetch_engine.net.failures import describe

# What only a mistake in our own code can raise.
OURS = {
    "httpx": {"StreamError", "StreamConsumed", "StreamClosed", "ResponseNotRead", "RequestNotRead"},
    "httpcore": set(),
    "anyio": {
        "BrokenWorkerIntepreter",
        "BrokenWorkerInterpreter",
        "BrokenWorkerProcess",
        "BusyResourceError",
        "NoEventLoopError",
        "RunFinishedError",
        "TaskCancelled",
        "TaskFailed",
        "TaskNotFinished",
        "TypedAttributeLookupError",
        "WouldBlock",
    },
    "h2.exceptions": set(),
}


def exceptions(module: str) -> Iterator[type[Exception]]:
    for name, found in vars(importlib.import_module(module)).items():
        if not name.startswith("_") and inspect.isclass(found) and issubclass(found, Exception):
            yield found


ALL = [(module, found) for module in OURS for found in exceptions(module)]


def instance(found: type[Exception]) -> Exception:
    error = found.__new__(found)
    Exception.__init__(error, "some text")
    if isinstance(error, h2.exceptions.InvalidBodyLengthError):
        error.expected_length, error.actual_length = 5, 3
    if isinstance(error, h2.exceptions.StreamIDTooLowError):
        error.stream_id, error.max_stream_id = 1, 3
    return error


@pytest.mark.parametrize(("module", "found"), ALL, ids=lambda value: getattr(value, "__name__", value))
def test_every_exception_has_a_kind(module: str, found: type[Exception]) -> None:
    kind, message = describe(instance(found))
    assert (kind is ErrorKind.INTERNAL) == (found.__name__ in OURS[module])
    assert message


def test_the_lists_are_not_empty() -> None:
    assert {module for module, _ in ALL} == set(OURS)
    assert len(ALL) > 60


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectTimeout("x"), ErrorKind.TIMEOUT_CONNECT),
        (httpx.PoolTimeout("x"), ErrorKind.TIMEOUT_POOL),
        (httpx.InvalidURL("x"), ErrorKind.INVALID_URL),
        (httpx.ProxyError("x"), ErrorKind.PROXY),
        (httpcore.ReadTimeout("x"), ErrorKind.TIMEOUT_READ),
        (httpcore.WriteTimeout("x"), ErrorKind.TIMEOUT_WRITE),
        (httpcore.RemoteProtocolError("x"), ErrorKind.PROTOCOL),
        (anyio.BrokenResourceError(), ErrorKind.RESET),
        (anyio.ConnectionFailed("x"), ErrorKind.CONNECT),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), ErrorKind.DNS),
        (ssl.SSLError(1, "x"), ErrorKind.TLS),
        (ssl.SSLEOFError(8, "x"), ErrorKind.TLS),
        (TimeoutError(), ErrorKind.TIMEOUT_READ),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), ErrorKind.CONNECT),
        (ConnectionResetError(errno.ECONNRESET, "x"), ErrorKind.RESET),
        (BrokenPipeError(errno.EPIPE, "x"), ErrorKind.RESET),
        (OSError(errno.ETIMEDOUT, "x"), ErrorKind.RESET),
        (OSError(errno.ENETUNREACH, "x"), ErrorKind.CONNECT),
        (UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"), ErrorKind.INVALID_URL),
        (AttemptFailed(ErrorKind.DECODE, "x"), ErrorKind.DECODE),
        (ExceptionGroup("x", [ValueError("y"), httpx.ReadError("z")]), ErrorKind.RESET),
        (KeyError("x"), ErrorKind.INTERNAL),
        (RuntimeError("x"), ErrorKind.INTERNAL),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_kinds(error: Exception, kind: ErrorKind) -> None:
    assert describe(error)[0] is kind


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_number_has_a_kind(number: int) -> None:
    kind, message = describe(OSError(number, os.strerror(number)))
    assert kind is not ErrorKind.INTERNAL
    assert message


def test_the_cause_says_more_than_the_wrapper() -> None:
    wrapper = httpx.ConnectError("y")
    wrapper.__cause__ = ssl.SSLError(1, "x")
    assert describe(wrapper)[0] is ErrorKind.TLS
    unknown = KeyError("y")
    unknown.__context__ = httpx.ReadError("x")
    assert describe(unknown)[0] is ErrorKind.RESET
    unknown.__suppress_context__ = True
    assert describe(unknown)[0] is ErrorKind.INTERNAL


def test_a_chain_that_bites_its_tail_ends() -> None:
    one, two = KeyError("x"), KeyError("y")
    one.__cause__, two.__cause__ = two, one
    assert describe(one)[0] is ErrorKind.INTERNAL


def test_messages_are_short() -> None:
    assert len(describe(httpx.ReadError("x" * 10_000))[1]) <= 200
    assert len(describe(KeyError("x" * 10_000))[1]) <= 200
