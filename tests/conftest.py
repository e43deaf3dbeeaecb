"""Every test marked `anyio` runs on asyncio, uvloop and trio."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The program takes them from the environment; the servers of the tests are on this machine.
for _name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
    os.environ.pop(_name, None)

# A shell without job control has SIGINT ignored in what it runs in the background, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# HYPOTHESIS_PROFILE=fuzz: search for long, with a limit of time from outside (--timeout).
settings.register_profile("fuzz", max_examples=1_000_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

BACKENDS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    pytest.param(("trio", {}), id="trio"),
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what asserts seconds, which other work on the machine would make red, unless it is asked for."""
    if "timing" not in config.option.markexpr:
        timed = [item for item in items if item.get_closest_marker("timing")]
        if timed:
            config.hook.pytest_deselected(items=timed)
            items[:] = [item for item in items if not item.get_closest_marker("timing")]


@pytest.fixture(scope="session", autouse=True)
def user_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Programs under test keep what they keep in folders of their own, not in those of whoever runs the tests."""
    home = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATA", "CONFIG", "CACHE", "STATE"):
            patch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        yield


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def collector_off() -> Iterator[None]:
    """While the test runs, reference counts alone free objects."""
    gc.collect(1)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect(1)  # all that the test made is young; everything else takes ten times as long
