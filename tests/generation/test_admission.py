"""The rule by which requests are admitted: by slots, and by the tokens that the slots share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.generation.admission.rule import Place, decide, who_ends
from sidecar.generation.admission.scheduler import AdmissionQueue, Ticket


def waiting() -> Place:
    return Place()


def at_work(claim: int | None = None) -> Place:
    return Place(has_slot=True, claim=claim)


def running(held: int, claim: int | None = None, *, elastic: bool = False, ending: bool = False) -> Place:
    return Place(has_slot=True, claim=claim or held, held=held, elastic=elastic, ending=ending)


@pytest.mark.parametrize(
    ("places", "slots", "tokens", "new_slots", "grants"),
    [
        ([], 2, 100, [], []),
        # slots, in order
        ([waiting(), waiting(), waiting()], 2, 100, [0, 1], []),
        ([running(10), waiting(), waiting()], 2, 100, [1], []),
        # tokens, in order; to the last one
        ([running(60), at_work(40)], 2, 100, [], [1]),
        ([running(60), at_work(41)], 2, 100, [], []),
        ([at_work(60), at_work(40)], 2, 100, [], [0, 1]),
        # a small one does not overtake a large one, nor one that is still counting
        ([running(60), at_work(50), at_work(10)], 3, 100, [], []),
        ([running(60), at_work(None), at_work(10)], 3, 100, [], []),
        # one that grows is served before those that wait, and what becomes free is kept for it
        ([running(60, 80), at_work(20)], 2, 100, [], [0, 1]),
        ([running(60, 90), at_work(20)], 2, 100, [], [0]),
        ([running(60, 90), running(30), at_work(5)], 3, 100, [], []),
        # without a shared cache every claim is granted
        ([running(60), at_work(4000)], 2, None, [], [1]),
    ],
)
def test_who_is_admitted(
    places: list[Place], slots: int, tokens: int | None, new_slots: list[int], grants: list[int]
) -> None:
    decision = decide(places, slots=slots, tokens=tokens)
    assert (decision.slots, decision.grants) == (new_slots, grants)


@pytest.mark.parametrize(
    ("places", "growing", "ends"),
    [
        # the youngest of those that can end, and no more of them than needed
        ([running(40, 60, elastic=True), running(30, elastic=True), running(30, elastic=True)], 0, [2]),
        ([running(40, 90, elastic=True), running(30, elastic=True), running(30, elastic=True)], 0, [2, 1]),
        # not one with max_tokens, and none that is older
        ([running(40, 60, elastic=True), running(30, elastic=True), running(30)], 0, [1]),
        ([running(40, elastic=True), running(60, 80, elastic=True)], 1, [1]),
        # none is ended in vain
        ([running(40, 90, elastic=True), running(10, elastic=True), running(50)], 0, [0]),
        # enough becomes free already
        ([running(40, 60, elastic=True), running(60, elastic=True, ending=True)], 0, []),
    ],
)
def test_who_ends_so_that_another_can_grow(places: list[Place], growing: int, ends: list[int]) -> None:
    assert who_ends(places, growing, tokens=100) == ends


def test_each_that_waits_knows_how_many_wait_before_it() -> None:
    places = [running(10), at_work(95), at_work(None), at_work(5), waiting()]
    assert decide(places, slots=4, tokens=100).positions == [0, 1, 0, 2, 3]


class Model:
    """Requests that come, claim, grow and leave in any order; what was granted to whom, in order."""

    def __init__(self, slots: int, tokens: int) -> None:
        self.queue = AdmissionQueue(slots, tokens)
        self.tokens = tokens
        self.present: list[Ticket] = []
        self.wants: dict[Ticket, tuple[int, bool]] = {}
        self.arrived: list[Ticket] = []
        self.granted: list[Ticket] = []

    def come(self, size: int, elastic: bool) -> None:
        ticket = self.queue.join(max_waiting=1000)
        self.present.append(ticket)
        self.arrived.append(ticket)
        self.wants[ticket] = (1 + size % self.tokens, elastic)

    def claim(self, number: int) -> None:
        ready = [t for t in self.present if t.place.has_slot and t.place.claim is None]
        if ready:
            ticket = ready[number % len(ready)]
            size, elastic = self.wants[ticket]
            ticket.claim(size, elastic=elastic)

    def grow(self, number: int, size: int) -> None:
        running = [t for t in self.present if t.place.held and t.place.elastic]
        if running:
            ticket = running[number % len(running)]
            ticket.ask(min(ticket.place.held + size, self.tokens))

    def leave(self, number: int) -> None:
        if self.present:
            self.present.pop(number % len(self.present)).leave()

    def check(self) -> None:
        assert self.queue.held <= self.tokens
        assert self.queue.admitted <= self.queue.slots
        fresh = [t for t in self.arrived if t.place.held and t not in self.granted]
        self.granted += fresh
        left = [t for t in self.granted if t in self.present]
        assert left == [t for t in self.present if t in left]  # in the order of arrival

    def drain(self) -> None:
        """Let each that runs end, and each that has a slot claim, until none is left."""
        for _ in range(3 * len(self.arrived) + 1):
            if not self.present:
                return
            while any(t.place.has_slot and t.place.claim is None for t in self.present):
                self.claim(0)
            first = self.present[0]
            assert first.place.held, "the first in order is admitted as soon as nothing runs before it"
            self.present.remove(first)
            first.leave()
            self.check()
        assert not self.present


MOVES: Any = st.lists(st.tuples(st.sampled_from(["come", "claim", "claim", "grow", "leave"]), st.integers(0, 400)))


@settings(max_examples=60)
@given(slots=st.integers(1, 5), tokens=st.integers(1, 200), moves=MOVES, elastic=st.booleans())
def test_reservations_never_exceed_the_cache_and_each_request_is_admitted_in_its_turn(
    slots: int, tokens: int, moves: list[tuple[str, int]], elastic: bool
) -> None:
    model = Model(slots, tokens)
    for move, number in moves:
        if move == "come":
            model.come(number, elastic or number % 2 == 0)
        elif move == "claim":
            model.claim(number)
        elif move == "grow":
            model.grow(number, 1 + number % 50)
        else:
            model.leave(number)
        model.check()
    model.drain()
