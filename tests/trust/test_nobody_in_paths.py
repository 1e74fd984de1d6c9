"""Hostile names in every place of the contract that takes a text: the short form of `nobody_in`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trust.hostile_names import NAMES
from tests.trust.hostile_names_trial import AFTERWARDS, PATH_SINKS, run
from tests.trust.sinks import sinks


def test_every_place_for_a_text_is_found() -> None:
    found = {str(sink) for sink in sinks()}
    assert found >= PATH_SINKS
    assert {sink.path for sink in sinks()} >= AFTERWARDS.keys()
    assert len(found) >= 190


@pytest.mark.case(35)
def test_hostile_names_read_and_write_nothing_outside_whatever_they_are_given_for(tmp_path: Path) -> None:
    outcome, found = run(tmp_path / "sandbox", into_paths=45, elsewhere=3)
    assert outcome.faults == []
    assert outcome.requests >= 45 * len(PATH_SINKS) + 3 * (len(found) - len(PATH_SINKS))
    assert len(NAMES) >= 500
    assert {"PATH_NOT_ALLOWED", "MODEL_NOT_FOUND", "PORT_IN_USE", ""} <= outcome.names.keys()
