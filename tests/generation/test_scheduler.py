"""Queues of waiting requests."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.errors import QueueFull
from sidecar.generation.admission.scheduler import AdmissionQueue, Ticket

pytestmark = pytest.mark.anyio


def test_whoever_finds_the_queue_empty_is_admitted_immediately() -> None:
    queue = AdmissionQueue(1)
    assert (join(queue).position, queue.admitted) == (0, 1)


def test_each_knows_how_many_are_before_it() -> None:
    queue = AdmissionQueue(1)
    tickets = [join(queue) for _ in range(4)]
    found = [positions(tickets)]
    for ticket in tickets[:3]:
        ticket.leave()
        found.append(positions(tickets))
    assert found == [[0, 1, 2, 3], [0, 0, 1, 2], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_as_many_are_admitted_as_there_is_room_for() -> None:
    queue = AdmissionQueue(2)
    tickets = [join(queue) for _ in range(4)]
    assert positions(tickets) == [0, 0, 1, 2]
    tickets[1].leave()
    assert positions(tickets) == [0, 0, 0, 1]
    assert queue.admitted == 2


def test_leaving_while_waiting_lets_those_behind_move_up() -> None:
    queue = AdmissionQueue(1)
    tickets = [join(queue) for _ in range(4)]
    tickets[1].leave()
    assert positions(tickets) == [0, 1, 1, 2]


def test_a_full_queue_takes_no_more_and_says_how_many_wait() -> None:
    queue = AdmissionQueue(1)
    tickets = [join(queue, max_waiting=2) for _ in range(3)]
    with pytest.raises(QueueFull) as caught:
        join(queue, max_waiting=2)
    assert caught.value.data == {"queue_size": 2}
    tickets[2].leave()
    assert join(queue, max_waiting=2).position == 2


async def test_whoever_waits_gets_each_change_and_the_end() -> None:
    queue = AdmissionQueue(1)
    tickets = [join(queue) for _ in range(3)]
    found: list[int | None] = []

    async def wait() -> None:
        while (position := await tickets[2].next_position()) is not None:
            found.append(position)
        found.append(None)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        for ticket in tickets[:2]:
            await anyio.wait_all_tasks_blocked()
            ticket.leave()
    assert found == [1, 0, None]


async def test_a_wait_that_is_cancelled_gives_the_place_back() -> None:
    queue = AdmissionQueue(1)
    first, second, third = (join(queue) for _ in range(3))
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            with second:
                await second.next_position()
                raise AssertionError("it was never its turn")

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert third.position == 1
    first.leave()
    assert (third.position, queue.admitted) == (0, 1)


async def test_a_turn_that_comes_together_with_the_cancellation_is_given_back() -> None:
    queue = AdmissionQueue(1)
    first, second, third = (join(queue) for _ in range(3))
    with anyio.CancelScope() as scope:
        scope.cancel()
        first.leave()
        with second:
            await second.next_position()
            raise AssertionError("cancelled first")
    assert (third.position, queue.admitted) == (0, 1)


def test_a_context_leaves_also_when_what_is_inside_fails() -> None:
    queue = AdmissionQueue(1)
    first, second = join(queue), join(queue)
    with pytest.raises(ZeroDivisionError), first:
        raise ZeroDivisionError
    assert second.position == 0


@given(capacity=st.integers(1, 4), moves=st.lists(st.integers(0, 5), max_size=60))
def test_places_are_given_in_order_and_none_is_lost(capacity: int, moves: list[int]) -> None:
    queue = AdmissionQueue(capacity)
    present: list[Ticket] = []
    for move in moves:
        if move < 3:
            present.append(join(queue))
        elif present:
            present.pop(move % len(present)).leave()
        assert queue.admitted == min(capacity, len(present))
        assert positions(present) == [max(0, i - queue.admitted + 1) for i in range(len(present))]


def join(queue: AdmissionQueue, *, max_waiting: int = 100) -> Ticket:
    return queue.join(max_waiting=max_waiting)


def positions(tickets: list[Ticket]) -> list[int]:
    return [ticket.position for ticket in tickets]
