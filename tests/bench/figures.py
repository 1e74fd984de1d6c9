"""Figures and the table they are shown in."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio.

    Attributes:
        name: what was measured.
        ours, reference: each pair's two values, in `unit`.
        target: the ratio to reach; `None` where none is set.
        at_most: whether the target is an upper bound, else a lower one.
    """

    name: str
    unit: str
    ours: Sequence[float]
    reference: Sequence[float]
    reference_name: str
    target: float | None = None
    at_most: bool = True

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(a / b for a, b in zip(self.ours, self.reference, strict=True))

    @property
    def is_met(self) -> bool:
        """Whether the target is reached, if there is one."""
        if self.target is None:
            return True
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def as_json(self) -> dict[str, object]:
        """All of it, for a file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": statistics.median(self.ours),
            "reference": self.reference_name,
            "reference_median": statistics.median(self.reference),
            "ratio": self.ratio,
            "target": self.target,
            "at_most": self.at_most,
            "met": self.is_met,
            "pairs": len(self.ours),
        }


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [("figure", "median", "reference", "ratio", "spread", "target", "")]
    for figure in figures:
        has_target = figure.target is not None
        ratios = sorted(a / b for a, b in zip(figure.ours, figure.reference, strict=True))
        rows.append(
            (
                figure.name,
                f"{statistics.median(figure.ours):.3g} {figure.unit}",
                f"{statistics.median(figure.reference):.3g} {figure.unit}, {figure.reference_name}",
                f"{figure.ratio:.3f}",
                f"{ratios[0]:.3f} to {ratios[-1]:.3f}",
                f"{'≤' if figure.at_most else '≥'} {figure.target:g}" if has_target else "",
                ("met" if figure.is_met else "missed") if has_target else "",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
