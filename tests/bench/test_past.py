"""The history of figures: what is kept of a run, what counts as worse, and what a broken benchmark leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench import machine, past, results, run
from tests.bench.figures import Figure
from tests.bench.hosts import Broken
from tests.bench.plan import Plan, products_in

HERE, ELSEWHERE = "here", "elsewhere"


def figure(trend: float, *, more_is_better: bool = False) -> Figure:
    return Figure("key", "what", "ms", [trend], [1.0], "the other", more_is_better=more_is_better)


def line(trend: float, on: str = HERE) -> dict[str, Any]:
    return {"date": "2025-01-01", "commit": "abc", "machine": on, "figures": {"key": trend}}


@pytest.mark.parametrize(
    ("before", "now", "more_is_better", "worse"),
    [
        ([1.0, 1.0], 1.25, False, False),
        ([1.0, 1.0], 1.26, False, True),
        ([1.0, 1.0], 0.5, False, False),
        ([1.0, 1.0], 0.81, True, False),
        ([1.0, 1.0], 0.79, True, True),
        ([1.0, 1.0], 2.0, True, False),
        ([1.0], 9.0, False, False),  # one earlier run is no yardstick
        ([], 9.0, False, False),
        ([1.0, 1.0, 9.0], 2.0, False, True),  # a single odd run does not hide it
        ([1.0] * 3 + [2.0] * past.NEWEST_LINES, 2.1, False, False),  # long ago does not count
    ],
)
def test_a_figure_is_worse_when_it_is_far_from_the_median_of_the_earlier_runs(
    before: list[float], now: float, more_is_better: bool, worse: bool
) -> None:
    lines = [line(value) for value in before]
    found = past.regressions([figure(now, more_is_better=more_is_better)], lines, machine=HERE)
    assert [one.name for one in found] == (["what"] if worse else [])


def test_runs_of_another_machine_and_figures_that_are_new_are_not_compared() -> None:
    lines = [line(1.0, ELSEWHERE), line(1.0, ELSEWHERE), {**line(1.0), "figures": {}}, {**line(1.0), "figures": {}}]
    assert past.regressions([figure(9.0)], lines, machine=HERE) == []


def test_a_run_is_a_line_and_is_compared_with_those_before_it(tmp_path: Path) -> None:
    about = {"date": "2025-01-01", "commit": "abc"}
    told = [results.compare(tmp_path, [figure(trend)], about, machine=HERE) for trend in (1.0, 1.0, 2.0)]
    assert [[str(one) for one in found] for found in told] == [
        [], [], ["what: 2, and 1 in the median of 2 earlier runs"]
    ]  # fmt: skip
    assert past.read(tmp_path / results.HISTORY) == [line(1.0), line(1.0), line(2.0)]


def test_the_same_kind_of_machine_has_the_same_fingerprint_whatever_its_versions() -> None:
    described = {"cpu": "x", "cpus": 2, "memory_gb": 8, "system": "Linux x86_64", "python": "3.11.1"}
    assert machine.fingerprint(described) == machine.fingerprint({**described, "python": "3.13.0"})
    assert machine.fingerprint(described) != machine.fingerprint({**described, "cpus": 4})


def test_a_run_whose_plots_can_not_be_drawn_is_broken(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        results.keep(tmp_path, "latest", [figure(1.0)], {}, [], python=tmp_path / "no python")
    assert json.loads((tmp_path / "latest.json").read_text())["figures"][0]["ratio"] == 1


@pytest.mark.parametrize("trouble", [Broken("the engine is silent"), ValueError("nothing was measured")])
def test_a_benchmark_that_does_not_work_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, trouble: Exception
) -> None:
    def break_down(_plan: Plan) -> list[Figure]:
        raise trouble

    for variable in run.VARIABLES.values():
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setitem(run.BENCHMARKS, "ping", break_down)
    assert run.main(["ping"]) == 1
    assert str(trouble) in capsys.readouterr().err


def test_frozen_products_are_found_where_freezing_puts_them(tmp_path: Path) -> None:
    for name in ("onedir/llama-sidecar-triple", "onedir-slim/llama-sidecar-triple"):
        (tmp_path / name).mkdir(parents=True)
    assert set(products_in(tmp_path)) == {"onedir", "onedir-slim"}
    (tmp_path / "llama-sidecar-triple").touch()
    assert products_in(tmp_path)["single file"] == tmp_path / "llama-sidecar-triple"
