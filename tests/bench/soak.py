"""Many fetches of every kind in one process: is memory flat, is everything given back."""

from __future__ import annotations

from .child import run_probe
from .figures import Group, take_turns
from .server import mixed_server
from .settings import Settings


def run(settings: Settings) -> list[Group]:
    fetches = settings.pick(200_000, 4_000)

    def soak() -> dict[str, float]:
        with mixed_server() as url:
            return run_probe("soak_probe", url, str(fetches), limit=3600.0)

    return [take_turns(f"soak, {fetches:,} fetches against a mixed server", 1, {"engine": soak})]
