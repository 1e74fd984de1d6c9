"""Queues of waiting requests."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.chat import TurnQueued
from sidecar.contract.errors import QueueFull
from sidecar.events.event_log import EventLog
from sidecar.generation.scheduler import AdmissionQueue, Ticket

pytestmark = pytest.mark.anyio


class Person:
    """Somebody in a queue, who notes every position that is published."""

    def __init__(self, queue: AdmissionQueue, *, max_waiting: int = 100) -> None:
        self.positions: list[int] = []
        self._events = EventLog()
        self._events.follow(self._note)
        self.ticket: Ticket = queue.join(self._events, max_waiting=max_waiting)

    def _note(self) -> None:
        for _, event in self._events.read(self._events.read_seq):
            assert isinstance(event, TurnQueued)
            self.positions.append(event.position)


def test_whoever_finds_the_queue_empty_is_admitted_immediately() -> None:
    queue = AdmissionQueue(1)
    person = Person(queue)
    assert (person.ticket.admitted, person.positions, queue.admitted) == (True, [], 1)


def test_each_change_of_how_many_are_before_is_published() -> None:
    queue = AdmissionQueue(1)
    people = [Person(queue) for _ in range(4)]
    for person in people[:3]:
        person.ticket.leave()
    assert [person.positions for person in people] == [[], [1, 0], [2, 1, 0], [3, 2, 1, 0]]


def test_as_many_are_in_as_there_is_room_for() -> None:
    queue = AdmissionQueue(2)
    people = [Person(queue) for _ in range(4)]
    assert [person.ticket.admitted for person in people] == [True, True, False, False]
    assert [person.positions for person in people] == [[], [], [1], [2]]
    people[1].ticket.leave()
    assert [person.ticket.admitted for person in people] == [True, True, True, False]
    assert queue.admitted == 2


def test_leaving_while_waiting_lets_those_behind_move_up() -> None:
    queue = AdmissionQueue(1)
    people = [Person(queue) for _ in range(4)]
    people[1].ticket.leave()
    assert [person.positions for person in people] == [[], [1], [2, 1], [3, 2]]
    assert not people[1].ticket.admitted


def test_a_full_queue_takes_nobody_and_says_how_many_wait() -> None:
    queue = AdmissionQueue(1)
    people = [Person(queue, max_waiting=2) for _ in range(3)]
    with pytest.raises(QueueFull) as caught:
        Person(queue, max_waiting=2)
    assert caught.value.data == {"queue_size": 2}
    people[2].ticket.leave()
    assert Person(queue, max_waiting=2).positions == [2]


async def test_a_wait_that_is_cancelled_gives_the_place_back() -> None:
    queue = AdmissionQueue(1)
    first, second, third = (Person(queue) for _ in range(3))
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            async with second.ticket:
                raise AssertionError("it was never its turn")

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert third.positions == [2, 1]
    first.ticket.leave()
    assert (third.ticket.admitted, queue.admitted) == (True, 1)


async def test_a_turn_that_comes_together_with_the_cancellation_is_given_back() -> None:
    queue = AdmissionQueue(1)
    first, second, third = (Person(queue) for _ in range(3))
    with anyio.CancelScope() as scope:
        scope.cancel()
        first.ticket.leave()
        async with second.ticket:
            raise AssertionError("cancelled first")
    assert (third.ticket.admitted, queue.admitted) == (True, 1)


async def test_a_context_leaves_also_when_what_is_inside_fails() -> None:
    queue = AdmissionQueue(1)
    first, second = Person(queue), Person(queue)
    with pytest.raises(ZeroDivisionError):
        async with first.ticket:
            raise ZeroDivisionError
    assert second.ticket.admitted


@given(capacity=st.integers(1, 4), moves=st.lists(st.integers(0, 5), max_size=60))
def test_places_are_given_in_order_and_none_is_lost(capacity: int, moves: list[int]) -> None:
    queue = AdmissionQueue(capacity)
    present: list[Person] = []
    for move in moves:
        if move < 3:
            present.append(Person(queue))
        elif present:
            present.pop(move % len(present)).ticket.leave()
        admitted = [person.ticket.admitted for person in present]
        assert admitted == sorted(admitted, reverse=True)
        assert queue.admitted == sum(admitted) == min(capacity, len(present))
        assert [person.positions[-1] if person.positions else 0 for person in present] == [
            max(0, i - queue.admitted + 1) if i >= queue.admitted else 0 for i in range(len(present))
        ]
