"""Which engines the conversations are held with.

LLAMA_SIDECAR_TEST_ENGINES names them, the embedded one by default; `make test-native` names the two others, and says
where they are. An engine that is named and missing fails its tests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.raw_host import RawHost

ENGINES = os.environ.get("LLAMA_SIDECAR_TEST_ENGINES", "embedded").split(",")

StartHost = Callable[[], AbstractContextManager[RawHost]]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The engine's name."""
    return str(request.param)


@pytest.fixture
def start_host(engine: str, data_dir: Path, model: Path) -> StartHost:
    """Starts a sidecar with the engine set up and the starter model in its library; as often as wanted."""
    _prepare(data_dir, engine, model)
    return lambda: RawHost(data_dir)


@pytest.fixture(scope="module")
def shared_host(engine: str, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawHost]:
    """A sidecar whose server is ready, for all tests of a module: the real engine takes seconds to start."""
    data_dir = tmp_path_factory.mktemp("talk") / "data"
    _prepare(data_dir, engine, model)
    with RawHost(data_dir) as host:
        host.call("start_llama_server")
        yield host


@pytest.fixture
def talk(shared_host: RawHost) -> RawHost:
    """The shared sidecar, for a test that leaves nothing behind but sessions; it has told nothing yet."""
    shared_host.events.clear()
    return shared_host


def _prepare(data_dir: Path, engine: str, model: Path) -> None:
    engines = {"preferred": engine}
    if engine == "llama-server":
        engines["llama_cpp_path"] = os.environ["LLAMA_SIDECAR_TEST_LLAMA_CPP"]
    elif engine == "llama-cpp-python":
        engines["python"] = os.environ["LLAMA_SIDECAR_TEST_PYTHON"]
    models = data_dir / "models"
    models.mkdir(parents=True)
    (models / model.name).symlink_to(model)
    # Engines wait actively for their own threads: beside other tests two threads of one are slower than a single one.
    defaults = {"ctx_size": 1024, "threads": 1}
    (data_dir / "config.json").write_text(json.dumps({"engines": engines, "server_defaults": defaults}))
