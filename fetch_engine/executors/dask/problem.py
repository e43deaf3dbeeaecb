"""Why none of the workers of a cluster takes fetches."""

from __future__ import annotations

from collections.abc import Sequence

from fetch_engine.core.worker_facts import WorkerFacts

STARTING = 5.0  # seconds in which workers that are there begin to take fetches


def problem(workers: Sequence[WorkerFacts], gone: float, patience: float) -> tuple[str, bool]:
    """The reason, "" if they may be about to begin, and whether it is time to give up. Call where none takes any.

    gone: seconds since the last one did. patience: of those, how many are waited for; not where all are refused.
    """
    refused = next((one for one in workers if one.state == "refused"), None)
    if refused is not None and all(one.state == "refused" for one in workers):
        return f"no worker of the cluster can be used: {refused.name}: {refused.note}", True
    if gone <= min(STARTING, patience):
        return "", False
    return "the cluster has no worker that answers" if workers else "the cluster has no worker", gone > patience
