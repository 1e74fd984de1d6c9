"""Figures: what was measured, beside what, and what it has to reach.

Pure. A figure with a reference is a ratio, since a single time means nothing on a shared machine; one without is a
value of its own, such as a size.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ADDED_SHARE = 0.01
"""The part of the reference that an `added` target gives on top of its bound."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure has to reach; whether from below or from above is the figure's own affair.

    Attributes:
        bound: the limit.
        on: of what. `ratio`: of the pairs' ratios; `value`: of our own values, in the figure's unit; `added`: of what
            we take longer than the reference and 1 % of it, in the figure's unit.
    """

    bound: float
    on: Literal["ratio", "value", "added"] = "ratio"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured several times.

    Attributes:
        key: a name for the history, which stays.
        name: what was measured, for people.
        unit: of the values.
        ours: each measurement.
        reference: of each pair, the reference's measurement; empty where there is none.
        reference_name: what it was.
        more_is_better: as with tokens/s.

    Raises:
        ValueError: nothing was measured.
    """

    key: str
    name: str
    unit: str
    ours: Sequence[float]
    reference: Sequence[float] = ()
    reference_name: str = ""
    target: Target | None = None
    more_is_better: bool = False

    def __post_init__(self) -> None:
        measured = [*self.ours, *self.reference]
        if not self.ours or not all(math.isfinite(value) and value > 0 for value in measured):
            raise ValueError(f"{self.name}: nothing was measured, or nothing that can be: {measured}")
        if self.reference and len(self.reference) != len(self.ours):
            raise ValueError(f"{self.name}: {len(self.ours)} measurements against {len(self.reference)}")

    @property
    def value(self) -> float:
        """The median of our values."""
        return statistics.median(self.ours)

    @property
    def reference_median(self) -> float:
        """The median of the reference's values, where there is one."""
        return statistics.median(self.reference)

    @property
    def ratios(self) -> list[float]:
        """Each pair's ratio; none where there is no reference."""
        return [a / b for a, b in zip(self.ours, self.reference, strict=True)] if self.reference else []

    @property
    def trend(self) -> float:
        """What can be compared between runs: the median ratio, and the value where there is no reference."""
        return statistics.median(self.ratios or self.ours)

    @property
    def spread(self) -> tuple[float, float]:
        """The middle half of the ratios, or of the values where there is no reference."""
        return middle_half(self.ratios or self.ours)

    @property
    def judged(self) -> float | None:
        """What the target is about; `None` where there is none."""
        if self.target is None:
            return None
        if self.target.on == "added":
            pairs = zip(self.ours, self.reference, strict=True)
            return statistics.median(a - b * (1 + ADDED_SHARE) for a, b in pairs)
        return self.value if self.target.on == "value" else statistics.median(self.ratios)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; `None` where there is none."""
        if self.target is None or self.judged is None:
            return None
        return self.judged >= self.target.bound if self.more_is_better else self.judged <= self.target.bound


def middle_half(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third quartile."""
    if len(values) == 1:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values, 0 to 1, does not exceed.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("there is nothing to take a percentile of")
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
