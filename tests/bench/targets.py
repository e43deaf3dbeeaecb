"""Whether a figure is what it is to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .figures import Group, Target, number, table_lines


def at_least(
    factor: float, group: Group, contender: str, reference: str, measure: str, work: str, beside: str | None = None
) -> Target:
    """The contender's median is to be so many times the reference's. beside: a contender whose ratio is shown too."""
    work = f"{work}, {contender}"
    wanted = f"at least {factor:g} x {reference}"
    ratio = group.ratio(contender, measure, reference)
    if ratio is None:
        missing = contender if group.median(contender, measure) is None else reference
        return Target(work, wanted, f"{missing}: not present", None)
    measured = f"x {number(ratio)}"
    if beside is not None and (other := group.ratio(beside, measure, reference)) is not None:
        measured += f" ({beside}: x {number(other)})"
    return Target(work, wanted, measured, ratio >= factor)


def at_most(limit: float, unit: str, work: str, value: float | None) -> Target:
    """The value is to be no more than the limit; None: it could not be measured."""
    wanted = f"at most {number(limit)} {unit}"
    if value is None:
        return Target(work, wanted, "not present", None)
    return Target(work, wanted, f"{number(value)} {unit}", value <= limit)


def target_lines(targets: Iterable[Target]) -> Sequence[str]:
    """The targets as rows of a Markdown table."""
    words = {True: "holds", False: "does not hold", None: "not measured"}
    rows = [[target.work, target.wanted, target.measured, words[target.holds]] for target in targets]
    return table_lines([["work", "target", "measured", ""], *rows], right=False)
