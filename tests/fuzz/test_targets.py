"""The search itself is run by hand; here each parser keeps its promises for what the search begins with."""

from __future__ import annotations

import pytest

from .targets import TARGETS

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        for end in {0, 1, len(seed) // 2, len(seed)}:
            target.check(seed[:end])
