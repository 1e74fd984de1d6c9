"""Sidecars that serve pages: shared where a test leaves nothing behind, else the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from tests import fake_engine
from tests.app.talking import prepare
from tests.web.browser import Served

StartServed = Callable[..., Served]


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A sidecar whose server is ready, for all tests here."""
    folder = tmp_path_factory.mktemp("served")
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"))
    with Served(folder / "data") as one:
        anyio.run(_start_server, one)
        yield one


async def _start_server(served: Served) -> None:
    async with served.page() as page:
        await page.call("start_llama_server")


@pytest.fixture
def start_served(data_dir: Path, fake_llama_cpp: Path) -> Iterator[StartServed]:
    """Starts a sidecar of the test's own."""
    prepare(data_dir, fake_llama_cpp)
    started: list[Served] = []

    def start(*options: str) -> Served:
        started.append(Served(data_dir, *options))
        return started[-1]

    yield start
    for one in started:
        one.close()
