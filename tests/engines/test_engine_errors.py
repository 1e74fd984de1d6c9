"""What a host gets of engines' programs that do not behave, and which failures are worth another start."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import anyio
import pytest

from sidecar.contract.errors import (
    Cause,
    EngineCrashed,
    EngineNotFound,
    EngineStartFailed,
    EngineUnresponsive,
    InternalError,
    ModelNotFound,
    PortInUse,
    SidecarError,
)
from sidecar.engines.kinds.llama_server import output_of
from sidecar.engines.lifecycle.engine_errors import is_retryable
from sidecar.engines.lifecycle.exit_diagnosis import PERMANENT
from sidecar.processes import capture
from tests.processes.programs import WAIT_SECONDS

pytestmark = pytest.mark.anyio


def question(program: str) -> tuple[str, ...]:
    return sys.executable, "-S", "-c", program


async def refused(program: str) -> EngineStartFailed:
    with pytest.raises(EngineStartFailed) as caught:
        await output_of(*question(program))
    return caught.value


async def test_both_outputs_are_the_answer() -> None:
    answer = await output_of(*question("import os; os.write(1, b'one '); os.write(2, 'zwö'.encode())"))
    assert answer == "one zwö"


async def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    error = await refused("import sys; print('error while loading shared libraries: libx.so'); sys.exit(127)")
    assert error.data == {
        "cause": "MISSING_LIBRARY",
        "exit_code": 127,
        "log_tail": ["error while loading shared libraries: libx.so"],
    }


async def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "CAPTURE_SECONDS", 0.5)
    error = await refused("import time; time.sleep(3600)")
    assert (error.data["cause"], error.data["exit_code"]) == ("TIMEOUT", None)


async def test_a_program_that_asks_back_finds_nobody() -> None:
    assert await output_of(*question("import sys; print(repr(sys.stdin.read()))")) == "''\n"


async def test_a_flood_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MAX_OUTPUT_BYTES", 10_000)
    error = await refused("while True: print('x' * 1000)")
    assert error.data["cause"] == "UNKNOWN"
    assert sum(map(len, error.data["log_tail"])) <= 10_000


async def test_a_program_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(EngineNotFound):
        await output_of(str(tmp_path / "nothing"), "--help")


async def test_a_question_that_nobody_waits_for_leaves_no_process() -> None:
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(output_of, *question("import time; time.sleep(3600)"))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("cause", get_args(Cause))
def test_a_permanent_cause_is_not_worth_another_start(cause: Cause) -> None:
    may_pass = {"KILLED", "UNKNOWN", "TIMEOUT", "PORT_IN_USE", "FILE_FAULT", "MEMORY_LIMIT"}
    assert (cause in may_pass) != (cause in PERMANENT)
    for error in (EngineCrashed, EngineStartFailed):
        assert is_retryable(error("gone", cause=cause, exit_code=1, log_tail=[])) == (cause in may_pass)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (EngineUnresponsive("silent"), True),
        (PortInUse("taken", port=1), True),
        (ModelNotFound("gone"), False),
        (EngineNotFound("gone"), False),
        (InternalError("a defect", error_id="1"), False),
    ],
)
def test_a_standstill_and_a_taken_port_may_pass_what_is_missing_does_not(error: SidecarError, retryable: bool) -> None:
    assert is_retryable(error) == retryable
