"""How a fetch fails whose worker was lost, and which is not run again."""

from __future__ import annotations

from fetch_engine.executors.assignments import LossReason
from fetch_engine.fetch.retry import unknown_outcome
from fetch_engine.model.results import ErrorKind


def reason(verdict: LossReason, worker: str, method: str) -> tuple[ErrorKind, str]:
    """Kind and message. worker: that was lost last. method: of the request."""
    match verdict:
        case LossReason.STOPPED:
            return ErrorKind.CANCELLED, "cancelled"
        case LossReason.UNKNOWN:
            return ErrorKind.RESET, unknown_outcome(f"worker {worker} was lost", method)
        case LossReason.POISON:
            return ErrorKind.RESET, "each worker that was given this fetch alone, or with others, died"
        case LossReason.WORN_OUT:
            return ErrorKind.RESET, "the workers that it ran on were lost too often"
