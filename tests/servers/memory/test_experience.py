"""What earlier starts teach, and what they cannot."""

from __future__ import annotations

import pytest

from sidecar.servers.memory.experience import (
    MAX_MARGIN,
    MAX_STARTS,
    RECENT_STARTS,
    REQUESTS_BYTES,
    Correction,
    ObservedStart,
    correction,
    remembered,
    usual_program_bytes,
)

MIB = 2**20


def seen(
    *, build: str = "b1", family: str = "llama", planned: int = 100, taken: int = 100, rest: int = 30
) -> ObservedStart:
    """A start whose compute was off, and nothing else."""
    return ObservedStart(
        build=build,
        family=family,
        planned_weights=1000 * MIB,
        planned_kv_cache=200 * MIB,
        planned_compute=planned * MIB,
        taken_weights=1000 * MIB,
        taken_kv_cache=200 * MIB,
        taken_compute=taken * MIB,
        allocator_total=(1200 + taken) * MIB,
        process_bytes=(1200 + rest) * MIB,
        host_buffers=1200 * MIB,
    )


def test_before_any_start_there_are_only_defaults() -> None:
    assert correction([], "b1", "llama") == Correction()
    assert usual_program_bytes("embedded", 0) > usual_program_bytes("llama-server", 0) > 0


def test_a_part_that_was_off_is_corrected_and_the_others_stay() -> None:
    found = correction([seen(planned=100, taken=150)] * 3, "b1", "llama")
    assert (found.weights, found.kv_cache, found.compute, found.count) == (1.0, 1.0, 1.5, 3)
    assert found.program_bytes == 30 * MIB + REQUESTS_BYTES
    assert found.formula_margin == found.allocator_margin == 0.03, "it has come out as corrected"


def test_one_odd_start_among_many_changes_nothing_but_the_margin() -> None:
    found = correction([seen()] * 8 + [seen(taken=900)], "b1", "llama")
    assert found.compute == 1.0
    assert found.formula_margin == pytest.approx(800 / 2100 * 1.25, abs=0.001)


def test_another_build_or_family_teaches_nothing_of_parts() -> None:
    others = [seen(build="b2", taken=150), seen(family="qwen3", taken=150, rest=50)]
    found = correction(others, "b1", "llama")
    assert (found.compute, found.count, found.formula_margin) == (1.0, 0, 0.10)
    assert found.program_bytes == 50 * MIB + REQUESTS_BYTES, (
        "but the program itself is the build's, whatever it has loaded"
    )


def test_logs_that_lie_turn_no_plan_round() -> None:
    found = correction([seen(taken=1_000_000), seen(taken=1_000_000)], "b1", "llama")
    assert found.compute == 2.0
    assert found.formula_margin <= MAX_MARGIN


def test_few_starts_do_not_narrow_the_margin() -> None:
    assert correction([seen()], "b1", "llama").formula_margin == 0.10
    assert correction([seen()] * 3, "b1", "llama").formula_margin == 0.03


def test_the_last_starts_count_and_the_record_is_bounded() -> None:
    record: list[ObservedStart] = []
    for _ in range(MAX_STARTS + 10):
        record = remembered(record, seen(taken=200))
    for _ in range(RECENT_STARTS):
        record = remembered(record, seen(taken=100))
    assert len(record) == MAX_STARTS
    assert correction(record, "b1", "llama").compute == 1.0
