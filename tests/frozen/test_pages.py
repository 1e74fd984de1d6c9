"""The frozen program has the page in it, and serves it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.web.browser import Served


def test_the_page_is_in_it_with_everything_it_loads_first(data_dir: Path) -> None:
    with Served(data_dir) as served:
        status, _, page = served.get("/")
        assert status == 200
        assets = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page)
        assert {Path(asset).suffix for asset in assets} == {".js", ".css"}
        for asset in assets:
            status, _, text = served.get(f"/{asset}")
            assert status == 200
            assert text
