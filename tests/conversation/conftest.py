"""Which engines the conversations are held with.

LLAMA_SIDECAR_TEST_ENGINES names them, the embedded one by default; `make test-native` names the two others, and says
where they are. An engine that is named and missing fails its tests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.raw_host import RawHost

ENGINES = os.environ.get("LLAMA_SIDECAR_TEST_ENGINES", "embedded").split(",")

StartHost = Callable[[], AbstractContextManager[RawHost]]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The engine's name."""
    return str(request.param)


@pytest.fixture
def start_host(engine: str, data_dir: Path, model: Path) -> StartHost:
    """Starts a sidecar with the engine set up and the starter model in its library; as often as wanted."""
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
    return lambda: RawHost(data_dir)
