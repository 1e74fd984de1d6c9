"""The short form of `make headers`."""

from __future__ import annotations

import random

import pytest

from tests.trust import headers

FILES = 300


@pytest.mark.case(37)
def test_mutated_headers_give_a_header_or_a_refusal_in_bounded_time_and_memory() -> None:
    outcome = headers.run(files=FILES, seed=random.SystemRandom().randrange(10**6))
    assert outcome.failure is None, outcome.failure
    assert (outcome.files, outcome.slowest_seconds < headers.SLOWEST_SECONDS) == (FILES, True)
    assert outcome.growth_bytes <= headers.MAX_GROWTH_BYTES
    assert 0.2 < outcome.refused / FILES < 0.95  # they are spoiled, and not all beyond recognition
