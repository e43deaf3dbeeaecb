"""Where each option acts, so that none is ignored without a word: one that would be is a usage error.

That holds for the command line alone. Settings of the file and the environment are for runs of both kinds, and where
no screen opens only because standard output is no terminal, the same command line is meant for both, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

SCREEN = frozenset({"fps", "ascii", "theme", "mouse", "max_rows"})
"""Those of the dashboard, by their places in the namespace."""

RESULTS = frozenset({"format", "reports", "show_secrets", "silent"})
"""Those of runs without a screen, which write results."""

BOTH = frozenset(
    {
        # what is done at all
        *("help", "version", "headless", "demo", "exit_report", "config", "resume", "history"),
        # what is asked for, and what counts as failed
        *("inputs", "input_format", "globoff", "fail_on", "request", "headers", "data", "user_agent", "compressed"),
        *("location", "max_redirs", "max_filesize"),
        # what is kept of the run
        *("store", "store_secrets", "store_days", "store_size"),
        # how it is fetched
        *("concurrency", "per_host", "processes", "cluster", "connect_timeout", "max_time", "retry", "retry_delay"),
        *("retry_max_time", "retry_all_methods", "retry_on", "on_429", "max_host_wait", "read_timeout"),
        *("speed_limit", "speed_time", "rate", "host_rate", "limit_rate", "host_limit_rate"),
        *("proxy", "insecure", "cacert", "cert", "key", "transport", "http2"),
        *("user", "oauth2_bearer", "netrc", "netrc_file", "cookies", "cookie_jar"),
        *("ca_native", "min_tls", "tls_max", "noproxy", "resolve", "connect_to", "interface", "deny_private"),
        *("same_host", "location_trusted", "ip_version"),
        # where bodies go
        *(
            "output",
            "remote_name",
            "output_dir",
            "remote_header_name",
            "continue_at",
            "fsync",
            "sink",
            "checksum",
            "raw",
        ),
    }
)
"""Those of both."""

_WITH_HISTORY = frozenset({"history", "headless", "config"})


def idle_option(typed: Iterable[argparse.Action], *, no_screen: bool, opens_screen: bool) -> str | None:
    """What is to be said of the first option that has no effect, None where each has one.

    typed: on the command line. no_screen: none is asked for. opens_screen: there is going to be one.
    """
    actions = list(typed)
    lists_runs = any(action.dest == "history" for action in actions)
    for action in actions:
        name = "/".join(action.option_strings)
        if lists_runs and action.dest not in _WITH_HISTORY:
            return f"argument {name}: --history only lists the runs that were saved"
        if opens_screen and not lists_runs and action.dest in RESULTS:
            return f"argument {name}: the dashboard writes no results; it goes with --headless"
        if no_screen and action.dest in SCREEN:
            return f"argument {name}: it is for the dashboard, and does not go with --headless"
    return None
