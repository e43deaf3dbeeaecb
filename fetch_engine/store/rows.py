"""Values of rows that may be damaged, as what they were."""

from __future__ import annotations

from typing import Any

from fetch_engine.store.delivery import OutputFile, Sitting
from fetch_engine.store.values import read_json


def to_sitting(row: tuple[Any, ...]) -> Sitting:
    """One time that a run was worked at. Raises one of UNREADABLE."""
    number, first_place, again, on_screen, file, written, end = row
    ranges = tuple((int(first), int(last)) for first, last in read_json(again, list))
    kept = None
    if file is not None:
        read = read_json(file, dict)
        kept = OutputFile(str(read["path"]), int(read["device"]), int(read["inode"]), int(read["start"]))
    return Sitting(number, int(first_place), ranges, bool(on_screen), kept, int(written), int(end))


def to_time(value: Any) -> float:
    """Seconds since the epoch. Raises one of UNREADABLE for what no clock of ours has said."""
    seconds = float(value)
    if not 0 <= seconds < 1e11:
        raise ValueError(f"{value!r:.40} is not a time")
    return seconds


def to_options(text: Any) -> tuple[tuple[str, tuple[str | None, ...]], ...] | None:
    """The options of a run, None where they were not kept. Raises one of UNREADABLE."""
    if text == "null":
        return None
    return tuple((str(dest), tuple(value and str(value) for value in option)) for dest, option in read_json(text, list))


def to_input(source: Any) -> dict[str, Any]:
    """A list of URLs as it was described. Raises one of UNREADABLE."""
    if "glob" in source:
        return {**source, "glob": str(source["glob"]), "masked": bool(source["masked"]), "form": int(source["form"])}
    path = source["path"]
    return {**source, "path": None if path is None else str(path), "form": int(source["form"])}
