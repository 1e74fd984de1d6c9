"""Cuts the record of a sidecar into its journeys, and counts modules and hand-overs.

Owns where a journey begins and ends, and what is counted in it. The journeys:

- start: from the line of `start_llama_server`, as it is read, to its response, as it is about to be written;
- first token: from the line of `send_message` to the first event with a token;
- each further token: from one event with a token to the next.

*Modules entered* are the different modules with at least one call. *Hand-overs* are the places in the sequence of the
calls where a call is in another module than the one before it. Calls of all threads are one sequence: work that is
given to a thread belongs to the journey, too. So where threads run beside each other hand-overs differ a little from
run to run, and `run` takes the median of several.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import Any

from tests.journeys.tracer import CALL, READ, Record

START, FIRST_TOKEN, NEXT_TOKEN = "start", "first token", "each further token"

JOURNEYS = (START, FIRST_TOKEN, NEXT_TOKEN)

_BEGINNINGS = {"start_llama_server": START, "send_message": FIRST_TOKEN}


@dataclass(frozen=True)
class Counted:
    """A journey's figures.

    Attributes:
        modules: how many calls each module had, in the order in which they were entered.
        hand_overs: changes of module between two calls.
    """

    modules: dict[str, int]
    hand_overs: int


def count(calls: Sequence[str]) -> Counted:
    """The figures of a sequence of calls, each given as its module."""
    return Counted(dict(Counter(calls)), sum(one != other for one, other in pairwise(calls)))


def median(several: Sequence[Counted]) -> Counted:
    """The one in the middle, by modules and then by hand-overs."""
    order = [(len(one.modules), one.hand_overs) for one in several]
    return several[order.index(median_low(order))]


def cut(record: Record) -> list[tuple[str, list[str]]]:
    """The journeys of a record in their order, each with its calls. Requests may not overlap."""
    found: list[tuple[str, list[str]]] = []
    journey: str | None = None
    calls: list[str] = []
    for kind, what in record:
        if kind == CALL:
            calls.append(what)
            continue
        for message in _messages(what):
            if kind == READ:
                journey, calls = _BEGINNINGS.get(message["method"]), []
            elif "id" in message:
                if journey == START:
                    found.append((START, calls))
                journey, calls = None, []
            elif journey is not None and message["params"]["event"]["status"] == "token":
                found.append((journey, calls))
                journey, calls = NEXT_TOKEN, []
    return found


def _messages(text: str) -> Iterator[dict[str, Any]]:
    """The messages of what was read or written at once. A piece of a line is left out."""
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
