"""A download that is ended a few times on its way; `make killed-downloads` does it fifty times."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.trust.killed_downloads import MOST_TWICE, Outcome, play


@pytest.mark.case(36)
def test_a_download_that_loses_its_sidecar_its_host_and_its_network_comes_whole_and_hardly_anything_twice(
    tmp_path: Path,
) -> None:
    outcome = play(tmp_path, size=12_000_000, kills=3, rate=4_000_000, seed=random.randrange(1000))  # noqa: S311
    assert outcome.wrong == []
    assert sorted(outcome.ends) == ["kill -9 of the host", "kill -9 of the sidecar", "the network"]
    assert outcome.twice <= MOST_TWICE


def test_what_was_sent_twice_is_counted() -> None:
    assert Outcome(size=100, sent=105).twice == 0.05
