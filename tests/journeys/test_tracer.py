"""The counting of journeys, and that a traced sidecar tells what it has entered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.counting import FIRST_TOKEN, NEXT_TOKEN, START, Counted, count, cut, median
from tests.journeys.run import as_json, table, trace
from tests.journeys.tracer import CALL, READ, WRITTEN


@pytest.mark.parametrize(
    ("calls", "modules", "hand_overs"),
    [
        ("", {}, 0),
        ("a", {"a": 1}, 0),
        ("aaa", {"a": 3}, 0),
        ("ab", {"a": 1, "b": 1}, 1),
        ("baabbc", {"b": 3, "a": 2, "c": 1}, 3),
        ("abab", {"a": 2, "b": 2}, 3),
    ],
)
def test_modules_are_counted_once_and_hand_overs_each_time(
    calls: str, modules: dict[str, int], hand_overs: int
) -> None:
    counted = count(list(calls))
    assert (counted, list(counted.modules)) == (Counted(modules, hand_overs), list(modules))


def test_the_median_is_one_of_those_given() -> None:
    few, some, many = count("ab"), count("aba"), count("abc")
    assert median([many, few, some]) is some
    assert median([many, few]) is few


def test_a_record_is_cut_where_lines_are_read_and_written() -> None:
    record = [
        *_calls("x"),
        _read(1, "start_llama_server"),
        *_calls("ab"),
        _written(_event("loading")),
        *_calls("c"),
        _written({"id": 1, "result": {}}),
        *_calls("x"),
        _read(2, "send_message"),
        *_calls("d"),
        _written(_event("queued"), _event("prefill")),
        *_calls("e"),
        _written(_event("token")),
        *_calls("f"),
        _written(_event("token")),
        *_calls("x"),
        _written(_event("done"), {"id": 2, "result": {}}),
        *_calls("x"),
        _read(3, "stop_llama_server"),
        *_calls("x"),
        _written({"id": 3, "result": {}}),
    ]
    assert cut(record) == [(START, ["a", "b", "c"]), (FIRST_TOKEN, ["d", "e"]), (NEXT_TOKEN, ["f"])]


def test_figures_are_told_to_people_and_to_programs() -> None:
    figures = {START: count("aba")}
    assert [line.split() for line in table(figures, modules=True).splitlines()] == [
        ["journey", "modules", "hand-overs"],
        ["start", "2", "2"],
        [],
        ["start,", "calls", "in", "each", "module", "in", "the", "order", "of", "entry:"],
        ["2", "a"],
        ["1", "b"],
    ]
    assert json.loads(as_json(figures, 80)) == {
        "processes": 80,
        "journeys": {START: {"modules": 2, "hand_overs": 2, "calls": {"a": 2, "b": 1}}},
    }


def test_a_start_enters_transport_dispatch_and_handlers(tmp_path: Path) -> None:
    start = trace(tmp_path, with_message=False)[START]
    assert {"transport", "dispatch", "handlers"} <= {module.split("/")[0] for module in start.modules}
    assert len(start.modules) <= start.hand_overs + 1 <= sum(start.modules.values())


def _calls(modules: str) -> list[tuple[str, str]]:
    return [(CALL, module) for module in modules]


def _read(id_: int, method: str) -> tuple[str, str]:
    return READ, json.dumps({"id": id_, "method": method}) + "\n"


def _written(*messages: dict[str, Any]) -> tuple[str, str]:
    return WRITTEN, "".join(json.dumps(message) + "\n" for message in messages)


def _event(status: str) -> dict[str, Any]:
    return {"method": "channel", "params": {"channel": "c", "event": {"status": status}}}
