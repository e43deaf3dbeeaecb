"""Textual runs on asyncio only; and what its screens show does not depend on Python's version."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The seam between screen and engine, and the whole program on a terminal: with every Python.
EVERYWHERE = {"test_whole_dashboard", "test_inspection"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and item.path.stem not in EVERYWHERE:
            item.add_marker(pytest.mark.once)
