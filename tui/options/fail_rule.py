"""Which outcomes make a run fail, as the options have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fetch_engine.outputs.fail_on import FailOn

if TYPE_CHECKING:
    from tui.options.table import Options


def fail_on(options: Options) -> FailOn:
    """Which outcomes make the run fail. Raises ValueError."""
    try:
        return FailOn.parse(options.fail_on)
    except ValueError as error:
        raise ValueError(f"argument --fail-on: {error}") from None
