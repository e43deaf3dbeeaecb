"""Figures of several contenders that took turns, and the table that sets them side by side."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

Run = Callable[[], Mapping[str, float]]
"""One run of one contender: its measures, each named with its unit."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to be, and what it is, in words. holds: None where it could not be measured."""

    work: str
    wanted: str
    measured: str
    holds: bool | None


@dataclass
class Group:
    """One piece of work. `values[contender][measure]` has a value for each round; ratios are to `reference`.

    absent: contenders that are not on this machine.
    """

    title: str
    reference: str | None = None
    absent: Sequence[str] = ()
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)

    def add(self, contender: str, measures: Mapping[str, float]) -> None:
        """Note what one run gave."""
        row = self.values.setdefault(contender, {})
        for measure, value in measures.items():
            row.setdefault(measure, []).append(value)

    def median(self, contender: str, measure: str) -> float | None:
        """The median of the rounds, None where this contender has no such measure."""
        values = self.values.get(contender, {}).get(measure)
        return statistics.median(values) if values else None

    def ratio(self, contender: str, measure: str, reference: str | None = None) -> float | None:
        """The median as a multiple of the reference's (default: the group's), None where there is none."""
        reference = reference or self.reference
        if reference is None:
            return None
        own, other = self.median(contender, measure), self.median(reference, measure)
        return own / other if own is not None and other else None

    def lines(self) -> list[str]:
        """The group as rows of a Markdown table."""
        measures = list(dict.fromkeys(name for row in self.values.values() for name in row))
        rows = [[self.title, "n", *measures]]
        for contender, row in self.values.items():
            name = f"{contender} (= x1)" if contender == self.reference else contender
            cells = [self._cell(contender, measure) for measure in measures]
            rows.append([name, str(max(map(len, row.values()))), *cells])
        rows += [[name, "", "not present", *[""] * (len(measures) - 1)] for name in self.absent]
        return table_lines(rows)

    def _cell(self, contender: str, measure: str) -> str:
        ratio = self.ratio(contender, measure) if contender != self.reference else None
        spread = _spread(self.values[contender].get(measure, []))
        return spread if ratio is None else f"{spread} x{number(ratio)}"

    def as_json(self) -> dict[str, object]:
        """Every value and the medians."""
        return {
            "title": self.title,
            "reference": self.reference,
            "absent": list(self.absent),
            "values": self.values,
            "targets": [asdict(target) for target in self.targets],
            "medians": {
                contender: {measure: self.median(contender, measure) for measure in row}
                for contender, row in self.values.items()
            },
        }


def take_turns(title: str, rounds: int, contenders: Mapping[str, Run | None], reference: str | None = None) -> Group:
    """Run A B C A B C ..., so that a noisy minute of the machine falls on all of them. None: is not on this machine."""
    present = {name: run for name, run in contenders.items() if run is not None}
    absent = [name for name in contenders if name not in present]
    group = Group(title, reference if reference in present else None, absent)
    for turn in range(1, rounds + 1):
        for name, run in present.items():
            say(f"{title}: {name} ({turn}/{rounds})")
            group.add(name, run())
    return group


def table_lines(rows: list[list[str]], *, right: bool = True) -> list[str]:
    """A Markdown table, the first row its head; right: the columns after the first are set to the right."""
    widths = [max(2, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    dashes = ["-" * width if place == 0 or not right else f"{'-' * (width - 1)}:" for place, width in enumerate(widths)]
    justify = str.rjust if right else str.ljust
    return [
        f"| {' | '.join([row[0].ljust(widths[0]), *map(justify, row[1:], widths[1:])])} |"
        for row in [rows[0], dashes, *rows[1:]]
    ]


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that `part` of them (0 to 1) do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def number(value: float) -> str:
    """Three digits that count, or all of a whole number."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    middle = number(statistics.median(values))
    low, high = number(min(values)), number(max(values))
    return middle if low == high else f"{middle} ({low}-{high})"
