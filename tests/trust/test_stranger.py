"""Another user with a stolen key, and silent connections, for some seconds: the short form of `stranger`.

Where we are not root, the attacks come from our own user; `tests/web/test_accepting.py` has the refusal of others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trust.stranger import rows_of, run

pytestmark = pytest.mark.anyio


@pytest.mark.case(41)
async def test_a_stranger_gets_nowhere_and_the_owner_notices_nothing(tmp_path: Path) -> None:
    trial = await run(tmp_path, bursts=100, connections=200, seconds=1.0, with_half_headers=False)
    missed = [row for row in rows_of(trial, bursts=100, connections=200, seconds=1.0) if not row.met]
    assert missed == []
