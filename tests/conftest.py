"""What all tests share: one event loop kind, the real small model, and that nothing is left running."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from tests import fake_engine

pytest_plugins = ["tests.engine_fixtures"]

PR_SET_CHILD_SUBREAPER = 36

FOREIGN_VARIABLES = (
    *("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "OLLAMA_MODELS", "LLAMA_CACHE"),
    *("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"),
)
"""What says where other programs keep models."""

MODEL_VARIABLE = "LLAMA_SIDECAR_TEST_MODEL"
SCREENSHOTS_VARIABLE = "LLAMA_SIDECAR_SCREENSHOTS"

END_SECONDS = 30.0
"""Longest wait for processes that are ending, whose watchdogs may be slow on a busy machine."""

# The same examples each time, however long they take on a busy machine: what passes today passes tomorrow. To search
# on: make test ARGS="--hypothesis-profile=searching"
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=Path, help="write which tests tried which cases, and what came out, to this file")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Carry the `case` marks into the reports, also from another process."""
    for item in items:
        item.user_properties += [("case", n) for mark in item.iter_markers("case") for n in mark.args]


def pytest_configure(config: pytest.Config) -> None:
    # Of a run in the background, or under nohup. The programs in the tests' terminals would ignore them, too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    _live_elsewhere(config)
    if config.getoption("--cases") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Cases(config.getoption("--cases")))


def _live_elsewhere(config: pytest.Config) -> None:
    """Have an empty home folder: what other programs keep in this machine's is found by every sidecar."""
    home = tempfile.TemporaryDirectory(prefix="home-")
    config.add_cleanup(home.cleanup)
    os.environ["HOME"] = home.name
    for variable in FOREIGN_VARIABLES:
        os.environ.pop(variable, None)


class _Cases:
    """Collects the outcomes of tests that try a case of tests/trust/cases.py."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[int, list[tuple[str, str]]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            for name, value in report.user_properties:
                if name == "case":
                    self._found[int(str(value))].append((report.nodeid, report.outcome))

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(self._found, indent=1, sort_keys=True))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def model() -> Path:
    """The starter model. `make test` fetches it; without it the tests fail, since they would prove nothing."""
    path = os.environ.get(MODEL_VARIABLE)
    assert path, f"{MODEL_VARIABLE} is not set: run the tests with make test"
    return Path(path)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder of the test's own, with blanks and other letters in its name."""
    return tmp_path / "dätä dir"


@pytest.fixture
def fake_llama_cpp(tmp_path: Path) -> Path:
    """A llama.cpp folder with the fake engine in it."""
    return fake_engine.install(tmp_path / "llama.cpp")


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of pages and windows are kept, for whoever wants to see what was tested."""
    folder = Path(os.environ[SCREENSHOTS_VARIABLE])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _adopt_orphans() -> None:
    """Make processes whose parent dies children of ours, so that they can be found (Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.fixture(scope="session")
def shared_programs() -> list[psutil.Process]:
    """Programs that outlive a test since many share them, a browser for one; so may whatever they start."""
    return []


@pytest.fixture(autouse=True)
def _nothing_left_running(shared_programs: list[psutil.Process]) -> Iterator[None]:
    """Fail a test after which a process is left that was not there before, orphans included."""
    before = {child.pid for child in _children()}
    yield
    before |= {child.pid for program in shared_programs for child in program.children(recursive=True)}
    left = [child for child in _children() if child.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=END_SECONDS)
    described = [" ".join(child.cmdline())[:200] for child in alive if child.is_running()]
    for child in alive:
        child.kill()
    assert not described, f"left running: {described}"


def _children() -> list[psutil.Process]:
    """This process's children, theirs, and so on."""
    if sys.platform == "linux":
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return []  # as in most tests; to go through all there are takes longer than such a test
    return psutil.Process().children(recursive=True)
