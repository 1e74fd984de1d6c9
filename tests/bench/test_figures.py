"""What is made of measurements: medians, targets, the table. And that a benchmark which measures nothing fails."""

from __future__ import annotations

import itertools
import math

import pytest

from tests.bench import report
from tests.bench.figures import Figure, Target, middle_half, percentile
from tests.bench.pairs import in_turn
from tests.bench.run import VARIABLES, main


def figure(ours: list[float], reference: list[float] | None = None, **rest: object) -> Figure:
    name = "the other" if reference else ""
    return Figure("key", "what", "ms", ours, reference or (), name, **rest)  # type: ignore[arg-type]


def test_a_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() -> None:
    one = figure([1, 30, 4], [2, 10, 1])
    assert (one.trend, one.value, one.reference_median) == (3, 4, 2)


@pytest.mark.parametrize(
    ("ours", "reference"),
    [([], []), ([0.0], []), ([math.nan], []), ([1.0], [0.0]), ([1.0, 2.0], [1.0]), ([-1.0], []), ([math.inf], [])],
)
def test_a_figure_of_which_nothing_was_measured_is_refused(ours: list[float], reference: list[float]) -> None:
    with pytest.raises(ValueError):
        figure(ours, reference)


@pytest.mark.parametrize(
    ("ours", "reference", "target", "more_is_better", "judged", "met"),
    [
        ([3.0], [10.0], Target(0.3), False, 0.3, True),
        ([3.1], [10.0], Target(0.3), False, 0.31, False),
        ([98.0], [100.0], Target(0.97), True, 0.98, True),
        ([96.0], [100.0], Target(0.97), True, 0.96, False),
        ([45.0], [], Target(45, on="value"), False, 45, True),
        ([45.0], [100.0], Target(44, on="value"), False, 45, False),
        ([104.0], [100.0], Target(3, on="added"), False, 3, True),
        ([104.5], [100.0], Target(3, on="added"), False, 3.5, False),
        ([90.0], [100.0], Target(3, on="added"), False, -11, True),
        ([90.0], [100.0], None, False, None, None),
    ],
)
def test_a_target_is_about_the_ratio_the_value_or_what_is_added(
    ours: list[float],
    reference: list[float],
    target: Target | None,
    more_is_better: bool,
    judged: float | None,
    met: bool | None,
) -> None:
    one = figure(ours, reference, target=target, more_is_better=more_is_better)
    assert one.judged == (None if judged is None else pytest.approx(judged))
    assert one.is_met is met


def test_the_middle_half_lies_between_the_quartiles() -> None:
    assert middle_half([5.0]) == (5, 5)
    assert middle_half([1.0, 2.0, 3.0, 4.0, 100.0]) == (2, 4)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([7.0], 0.99)) == (51, 100, 7)
    with pytest.raises(ValueError):
        percentile([], 0.5)


def test_ways_take_turns_and_every_second_round_goes_backwards() -> None:
    moments = itertools.count(1)
    assert in_turn(dict.fromkeys("ab", lambda: next(moments)), 2) == {"a": [3, 6], "b": [4, 5]}
    assert in_turn(dict.fromkeys("ab", lambda: next(moments)), 9, within=0) == {"a": [9], "b": [10]}


def test_the_table_shows_what_was_measured_beside_what_and_whether_it_is_enough() -> None:
    figures = [
        figure([3.0, 3.0, 3.0], [10.0, 10.0, 10.0], target=Target(0.25)),
        Figure("rate", "tokens", "/s", [123_456.0], target=Target(60_000, on="value"), more_is_better=True),
    ]
    assert report.table(figures).replace(report.TIMES, "x").splitlines() == [
        "| figure | measured   | reference        | ratio | middle half        | target      |        |",
        "|--------|------------|------------------|-------|--------------------|-------------|--------|",
        "| what   | 3 ms       | 10 ms, the other | 0.3 x | 0.3 to 0.3         | ≤ 0.25 x    | missed |",
        "| tokens | 123,000 /s |                  |       | 123,000 to 123,000 | ≥ 60,000 /s | met    |",
    ]


def test_a_page_counts_the_targets_and_says_what_it_was_measured_on() -> None:
    page = report.page([figure([1.0], target=Target(2, on="value")), figure([1.0])], {"cpus": 2}, ["Something."])
    assert "1 of 1 targets met" in page
    assert "- Something." in page
    assert "| cpus | 2 |" in page


def test_a_figure_in_json_has_every_measurement() -> None:
    told = report.as_json(figure([1.0, 3.0], [2.0, 2.0], target=Target(1)))
    assert (told["ours"], told["references"], told["ratio"], told["met"]) == ([1, 3], [2, 2], 1, True)


def test_a_run_without_what_it_is_compared_with_ends_with_the_exit_code_of_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, "/somewhere")
    monkeypatch.delenv("LLAMA_SIDECAR_BENCH_PYTHON")
    with pytest.raises(SystemExit) as caught:
        main(["ping"])
    assert caught.value.code == 2
    assert "LLAMA_SIDECAR_BENCH_PYTHON is not set" in capsys.readouterr().err
