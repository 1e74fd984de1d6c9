"""What is imported before the first reply, and for modes that need next to nothing: the budget of a start.

Counted, not timed: each of these modules is read, unmarshalled and run at every start. How long that takes is what
`make bench` tells.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.raw_host import RawHost

SIDECAR_MODULES = 72
"""Of ours: a tenth more than are needed."""

SIDECAR_SOURCE_BYTES = 390_000
"""In them; half of it is the contract, which grows with its families."""

PACKAGES = {"anyio", "jsonrpcserver", "msgspec", "orjson", "oslash", "sidecar", "sniffio", "typing_extensions"}
"""That are no part of Python. Another one has to be worth its time to every host at every start."""

NOT_BEFORE_THE_FIRST_REPLY = {
    "ctypes",
    "email",
    "html",
    "http",
    "importlib.metadata",
    "multiprocessing",
    "secrets",
    "sidecar.chat",
    "sidecar.engines",
    "sidecar.library",
    "sidecar.composition",
    "sidecar.processes",
    "sidecar.servers",
    "sqlite3",
    "unittest",
    "xml",
}

TELL = """
import json, sys
def tell():
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    print(json.dumps(files), file=sys.stderr, flush=True)
"""

SERVE = f"""{TELL}
import os
from sidecar import app
app.HEAD_START_SECONDS = 3600.0
end = os._exit
def tell_and_end(code):
    tell()
    end(code)
os._exit = tell_and_end
from sidecar.__main__ import main
main()
"""


def modules(code: str) -> Mapping[str, str | None]:
    """The modules that there are when a program ends, and their files."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    files: dict[str, str | None] = json.loads(done.stderr.splitlines()[-1])
    return files


@pytest.fixture(scope="module")
def at_the_start() -> set[str]:
    """What Python itself has, and whatever this environment gives to every program."""
    return set(modules(f"{TELL}\ntell()"))


def test_the_first_reply_needs_no_more_than_this(data_dir: Path, at_the_start: set[str]) -> None:
    with RawHost(data_dir, command=[sys.executable, "-c", SERVE]) as host:
        assert host.call("initialize")["notices"] == []
        assert host.close() == 0
    files: dict[str, str | None] = json.loads(host.stderr.splitlines()[-1])
    new = files.keys() - at_the_start
    packages = {name.partition(".")[0] for name in new} - sys.stdlib_module_names
    ours = {name: file for name, file in files.items() if name.partition(".")[0] == "sidecar"}
    assert packages <= PACKAGES
    assert not NOT_BEFORE_THE_FIRST_REPLY & new
    assert len(ours) <= SIDECAR_MODULES
    assert sum(Path(file).stat().st_size for file in ours.values() if file) <= SIDECAR_SOURCE_BYTES


def test_a_request_that_needs_more_does_not_wait_for_the_head_start(data_dir: Path) -> None:
    with RawHost(data_dir, command=[sys.executable, "-c", SERVE]) as host:
        assert host.call("list_sessions")["sessions"] == []
        assert host.close() == 0


def test_a_request_that_needs_more_is_answered_although_the_end_of_stdin_follows(data_dir: Path) -> None:
    with RawHost(data_dir, command=[sys.executable, "-c", SERVE]) as host:
        asked = host.begin("get_config")
        host.close_stdin()
        assert "result" in host.answer(asked)
        assert host.close() == 0


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_needs_neither_the_contract_nor_an_event_loop(option: str) -> None:
    code = f"from sidecar.cli.arguments import parse\ntry:\n    parse([{option!r}])\nexcept SystemExit:\n    tell()"
    assert not {"asyncio", "msgspec", "sidecar.contract"} & modules(f"{TELL}\n{code}").keys()


@pytest.mark.parametrize(
    ("module", "others"),
    [
        (
            "sidecar.engines.kinds.embedded_child",
            {"sidecar.engines", "sidecar.engines.kinds", "sidecar.engines.reserved_options"},
        ),
        ("sidecar.processes.tags", {"sidecar.host", "sidecar.host.process_facts", "sidecar.processes"}),
    ],
)
def test_the_programs_that_children_run_import_nothing_else_of_ours(module: str, others: set[str]) -> None:
    ours = {name for name in modules(f"{TELL}\nimport {module}\ntell()") if name.startswith("sidecar")}
    assert ours == {"sidecar", module, *others}
