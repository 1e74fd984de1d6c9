"""Measuring in turn, so that what slows the machine down for a while slows all ways down alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def in_turn(ways: Mapping[str, Callable[[], T]], rounds: int, *, within: float = math.inf) -> dict[str, list[T]]:
    """Measure each way once a round, every second round in the opposite order: none always has the machine's warmth.

    All of them are gone through once before, unmeasured.

    Args:
        within: seconds after which no further round is begun, if one was measured.
    """
    measured: dict[str, list[T]] = {name: [] for name in ways}
    order = list(ways)
    for name in order:
        ways[name]()
    began = time.monotonic()
    for number in range(rounds):
        if number and time.monotonic() - began > within:
            break
        for name in order:
            measured[name].append(ways[name]())
        order.reverse()
    return measured
