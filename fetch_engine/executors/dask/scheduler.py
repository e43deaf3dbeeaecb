"""What runs in the process of a Dask scheduler."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Any

TOPICS = "weakfetch-"  # what the names of our topics begin with


def keep_nothing(topic: str, client: str, dask_scheduler: Any = None) -> None:
    """Have events of this topic, and what else is sent to this client, passed on and not kept; forget the topics of
    clients that are gone.

    A scheduler keeps the last thousand messages to each client, and the last thousand events of every topic for as long
    as it runs: up to 64 MB of ours for each connection that there ever was.
    """
    with contextlib.suppress(AttributeError, KeyError):  # private; tests/cluster/test_memory.py notices when it goes
        dask_scheduler.client_comms[client].recent_message_log = deque(maxlen=0)
        topics = dask_scheduler._broker._topics
        for name, other in list(topics.items()):
            if name.startswith(TOPICS) and other.subscribers and other.subscribers.isdisjoint(dask_scheduler.clients):
                del topics[name]
        topics[topic].events = deque(maxlen=0)
