"""Lines of waiting turns."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.chat.admission import AdmissionQueue, Ticket
from sidecar.contract.errors import QueueFull

pytestmark = pytest.mark.anyio


class Person:
    """Somebody in a line, who remembers every position they were told."""

    def __init__(self, line: AdmissionQueue, *, max_waiting: int = 100) -> None:
        self.positions: list[int] = []
        self.ticket: Ticket = line.join(self.positions.append, max_waiting=max_waiting)


def test_whoever_finds_the_line_empty_is_in_at_once() -> None:
    line = AdmissionQueue(1)
    person = Person(line)
    assert (person.ticket.admitted, person.positions, line.inside) == (True, [0], 1)


def test_everybody_is_told_how_many_are_before_them_whenever_that_changes() -> None:
    line = AdmissionQueue(1)
    people = [Person(line) for _ in range(4)]
    for person in people[:3]:
        person.ticket.leave()
    assert [person.positions for person in people] == [[0], [1, 0], [2, 1, 0], [3, 2, 1, 0]]


def test_as_many_are_in_as_there_is_room_for() -> None:
    line = AdmissionQueue(2)
    people = [Person(line) for _ in range(4)]
    assert [person.ticket.admitted for person in people] == [True, True, False, False]
    assert [person.positions for person in people] == [[0], [0], [1], [2]]
    people[1].ticket.leave()
    assert [person.ticket.admitted for person in people] == [True, True, True, False]
    assert line.inside == 2


def test_leaving_while_waiting_lets_those_behind_move_up() -> None:
    line = AdmissionQueue(1)
    people = [Person(line) for _ in range(4)]
    people[1].ticket.leave()
    assert [person.positions for person in people] == [[0], [1], [2, 1], [3, 2]]
    assert not people[1].ticket.admitted


def test_a_full_line_takes_nobody_and_says_how_many_wait() -> None:
    line = AdmissionQueue(1)
    people = [Person(line, max_waiting=2) for _ in range(3)]
    with pytest.raises(QueueFull) as caught:
        Person(line, max_waiting=2)
    assert caught.value.data == {"queue_size": 2}
    people[2].ticket.leave()
    assert Person(line, max_waiting=2).positions == [2]


async def test_a_wait_that_is_cancelled_gives_the_place_back() -> None:
    line = AdmissionQueue(1)
    first, second, third = (Person(line) for _ in range(3))
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            async with second.ticket:
                raise AssertionError("it was never its turn")

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert third.positions == [2, 1]
    first.ticket.leave()
    assert (third.ticket.admitted, line.inside) == (True, 1)


async def test_a_turn_that_comes_together_with_the_cancellation_is_given_back() -> None:
    line = AdmissionQueue(1)
    first, second, third = (Person(line) for _ in range(3))
    with anyio.CancelScope() as scope:
        scope.cancel()
        first.ticket.leave()
        async with second.ticket:
            raise AssertionError("cancelled first")
    assert (third.ticket.admitted, line.inside) == (True, 1)


async def test_a_context_leaves_also_when_what_is_inside_fails() -> None:
    line = AdmissionQueue(1)
    first, second = Person(line), Person(line)
    with pytest.raises(ZeroDivisionError):
        async with first.ticket:
            raise ZeroDivisionError
    assert second.ticket.admitted


@given(capacity=st.integers(1, 4), moves=st.lists(st.integers(0, 5), max_size=60))
def test_nobody_is_overtaken_and_no_place_is_lost(capacity: int, moves: list[int]) -> None:
    line = AdmissionQueue(capacity)
    present: list[Person] = []
    for move in moves:
        if move < 3:
            present.append(Person(line))
        elif present:
            present.pop(move % len(present)).ticket.leave()
        admitted = [person.ticket.admitted for person in present]
        assert admitted == sorted(admitted, reverse=True)
        assert line.inside == sum(admitted) == min(capacity, len(present))
        assert [person.positions[-1] for person in present] == [
            max(0, i - line.inside + 1) if i >= line.inside else 0 for i in range(len(present))
        ]
