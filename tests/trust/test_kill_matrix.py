"""The telling cells of the kill matrix, once each; `make kill-matrix` plays all of them a hundred times."""

from __future__ import annotations

import signal

import pytest

from tests.busy import BUSY_SECONDS
from tests.trust import kill_matrix
from tests.trust.kill_matrix import CELLS, GONE_SECONDS, Cell, Outcome, play, rows_of

KILL, TERM = signal.SIGKILL, signal.SIGTERM


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(Cell(KILL, "host", "loading", "two servers"), marks=pytest.mark.case(19)),
        pytest.param(Cell(KILL, "host", "generating", "deaf with family"), marks=pytest.mark.case(19, 24)),
        pytest.param(Cell(KILL, "sidecar", "generating", "deaf with family"), marks=pytest.mark.case(20, 24)),
        pytest.param(Cell(TERM, "sidecar", "loading", "deaf with family"), marks=pytest.mark.case(24)),
        pytest.param(Cell(KILL, "engine", "generating", "two servers"), marks=pytest.mark.case(21)),
        pytest.param(Cell(KILL, "engine", "idle", "deaf with family"), marks=pytest.mark.case(24)),
        pytest.param(Cell(TERM, "engine", "generating", "deaf with family"), marks=pytest.mark.case(24)),
    ],
    ids=str,
)
def test_nothing_is_left(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_matrix, "GONE_SECONDS", GONE_SECONDS + BUSY_SECONDS)
    outcome = play(cell, rounds=1)
    assert (outcome.left, outcome.wrong) == ([], [])
    assert outcome.good, outcome.milliseconds


def test_every_cell_is_played() -> None:
    assert len(CELLS) == len(set(CELLS)) == 54


def test_a_row_is_met_only_if_nothing_is_left_nothing_is_wrong_and_nothing_is_late() -> None:
    cell = CELLS[0]
    outcomes = [
        Outcome(cell, [1999.0]),
        Outcome(cell, [2001.0]),
        Outcome(cell, [1.0], left=["1 sleep"]),
        Outcome(cell, [1.0], wrong=["two ends"]),
    ]
    assert [rows_of([outcome])[0].met for outcome in outcomes] == [True, False, False, False]
    assert not rows_of(outcomes)[0].met
