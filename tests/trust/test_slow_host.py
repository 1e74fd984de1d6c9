"""A host that does not read for some seconds: the short form of `slow_host`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.busy import BUSY_SECONDS
from tests.trust.slow_host import EXIT_SECONDS, GROWTH_MIB, WAYS_TO_GO, SlowHost, go_away, stay_silent

SILENT_SECONDS = 1.0


@pytest.mark.case(17, 18)
def test_a_host_that_reads_late_gets_everything_and_costs_little_memory(tmp_path: Path) -> None:
    silence = stay_silent(tmp_path, SILENT_SECONDS)
    assert silence.faults == []
    assert silence.asked_meanwhile > 1000
    assert sum(silence.outcomes.values()) == silence.asked
    assert set(silence.outcomes) <= {"ok", "INVALID_PARAMS", "METHOD_NOT_FOUND", "OVERLOADED"}
    assert (silence.log_lines > 0, silence.shown + silence.dropped) == (True, silence.log_lines)
    assert silence.growth_mib <= GROWTH_MIB


@pytest.mark.case(17)
@pytest.mark.parametrize("how", list(WAYS_TO_GO.values())[:2], ids=list(WAYS_TO_GO)[:2])
def test_a_host_that_never_reads_again_takes_the_sidecar_and_its_engines_with_it(
    tmp_path: Path, how: Callable[[SlowHost], object]
) -> None:
    took, faults = go_away(tmp_path, how, 0.2)
    assert faults == []
    assert took <= EXIT_SECONDS + BUSY_SECONDS
