"""How long each phase of an exchange took, as libcurl saw it (curl_easy_getinfo(3), TIMES)."""

from __future__ import annotations

from collections.abc import Set

import pycurl  # type: ignore[import-untyped]

from fetch_engine.libcurl.places import is_known, place_of


def phases(
    curl: pycurl.Curl, seen: dict[str, float], url: str, known: Set[tuple[str, int]], *, answered: bool
) -> dict[str, float]:
    """Seconds. seen: what we saw ourselves. known: places whose addresses need no look-up. answered: there is a
    response.

    When a request without a body has left is not seen: `wait` begins before it.
    """
    info, found = curl.getinfo, {}
    if info(pycurl.NUM_CONNECTS):
        looked_up, connected, secured = (
            info(pycurl.NAMELOOKUP_TIME_T),
            info(pycurl.CONNECT_TIME_T),
            info(pycurl.APPCONNECT_TIME_T),
        )
        if not is_known(place_of(url), known):
            found["dns"] = looked_up / 1e6
        found["connect"] = (connected - looked_up) / 1e6
        if secured:
            found["tls"] = (secured - connected) / 1e6
    if "send" in seen and answered:
        sent = max(0.0, (info(pycurl.POSTTRANSFER_TIME_T) - info(pycurl.PRETRANSFER_TIME_T)) / 1e6)
        found["send"] = min(sent, seen["send"])
        found["wait"] = seen["send"] - found["send"]
    return found | {name: seen[name] for name in ("wait", "receive") if name in seen}
