"""Measuring in turn, so that what slows the machine down for a while slows all ways down alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def in_turn(ways: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: bool = True) -> dict[str, list[T]]:
    """Measure each way once a round, every second round in the opposite order: none always has the machine's warmth.

    Args:
        warm_up: go through all of them once before, unmeasured.
    """
    measured: dict[str, list[T]] = {name: [] for name in ways}
    order = list(ways)
    if warm_up:
        for name in order:
            ways[name]()
    for _ in range(rounds):
        for name in order:
            measured[name].append(ways[name]())
        order.reverse()
    return measured
