"""The short form of `make fuzz`, and that the fuzzer would notice."""

from __future__ import annotations

import random

import pytest

from tests.trust import fuzz
from tests.trust.debts import Debts, NotOwed
from tests.trust.frames import SLOW, Frames
from tests.trust.oracle import PARSE_ERROR, answers_to, answers_to_stream

FRAMES, SECONDS = 3000, 60.0


@pytest.mark.case(1, 6, 7, 10, 11, 12, 13, 14)
def test_spoiled_frames_are_answered_exactly_once_in_bounded_memory() -> None:
    outcome = fuzz.run(frames=FRAMES, seed=random.SystemRandom().randrange(10**6), seconds=SECONDS)
    assert outcome.failure is None, outcome.failure
    assert outcome.frames == FRAMES
    assert outcome.growth_bytes <= fuzz.MAX_GROWTH_BYTES


def test_the_same_numbers_give_the_same_frames_and_others_others() -> None:
    frames = Frames()
    assert fuzz.make_round(frames, 1, 2, 50) == fuzz.make_round(frames, 1, 2, 50)
    assert fuzz.make_round(frames, 1, 2, 50) != fuzz.make_round(frames, 1, 3, 50)


def test_frames_are_spoiled_enough_and_not_too_much() -> None:
    frames = [frame for number in range(10) for frame in fuzz.make_round(Frames(), 7, number, 300)]
    answers = [answers_to_stream(frame + b"\n") for frame in frames]
    flat = [
        answer for all_ in answers for one in all_ for answer in (one if isinstance(one, list) else [one]) if answer
    ]
    assert 0.2 < sum(answer.code is None for answer in flat) / len(flat) < 0.8
    assert {answer.code for answer in flat} >= {None, -32700, -32600, -32602}
    usual = {seed["method"] for seed in Frames().seeds} - SLOW - {"$/cancel"}  # which is a notification mostly
    assert {answer.method for answer in flat} >= usual


def test_a_ledger_takes_what_is_owed_and_nothing_else() -> None:
    def debts() -> Debts:
        owed = Debts()
        for line in (
            b'{"jsonrpc":"2.0","id":1,"method":"ping"}',
            b"x",
            b'[{"jsonrpc":"2.0","id":2,"method":"ping"},1]',
        ):
            owed.owe(answers_to(line))
        return owed

    def error(id_: object, code: int) -> dict[str, object]:
        return {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": ""}}

    pong = {"jsonrpc": "2.0", "id": 1, "result": "pong"}
    all_ = [error(None, -32600), {**pong, "id": 2}]
    paid = debts()
    for message in (all_, error(1, -32010), error(None, PARSE_ERROR)):
        paid.settle(message)
    assert paid.count == 0
    for wrong in (
        {**pong, "id": "1"},
        {**pong, "id": 2},
        {**pong, "more": 1},
        {**pong, "jsonrpc": "1.0"},
        error(1, -32603),
        error(1, PARSE_ERROR),
        error(None, -32600),
        [{**pong, "id": 2}],
        [error(None, -32602), {**pong, "id": 2}],
    ):
        with pytest.raises(NotOwed):
            debts().settle(wrong)
    twice = debts()
    twice.settle(pong)
    with pytest.raises(NotOwed):
        twice.settle(pong)
