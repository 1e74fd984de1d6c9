"""Programs that are no sidecar, or a very bad one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from sidecar.client import ConnectionClosed, connect
from sidecar.contract.errors import EngineCrashed, InternalError, all_errors, from_wire

pytestmark = pytest.mark.anyio

ANSWER = """\
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], %s}), flush=True)
"""


async def ping(program: str) -> str:
    async with asyncio.timeout(60), connect(command=[sys.executable, "-c", program]) as client:
        return await client.ping()


async def test_the_stand_in_is_a_sidecar_when_it_answers_rightly() -> None:
    assert await ping(ANSWER % '"result": "pong"') == "pong"


@pytest.mark.parametrize(
    "program",
    [
        "",
        "import sys; sys.exit(3)",
        "print('Hello!', flush=True); input()",
        "print('[1, 2]', flush=True); input()",
        'print(\'{"method": "channel"}\', flush=True); input()',
        "import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.flush(); input()",
        ANSWER % '"neither": 1',
        ANSWER % '"error": 5',
    ],
)
async def test_a_program_that_does_not_answer_as_a_sidecar_closes_the_connection(program: str) -> None:
    with pytest.raises(ConnectionClosed):
        await ping(program)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for the end of a program for a moment only."""
    monkeypatch.setattr("sidecar.client.connection.CLOSE_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_a_program_that_goes_on_without_its_stdout_is_not_waited_for_for_ever() -> None:
    program = "import os, time; os.close(1); os.read(0, 100); time.sleep(600)"
    with pytest.raises(ConnectionClosed):
        await ping(program)


@pytest.mark.usefixtures("impatient")
async def test_a_program_that_does_not_end_is_killed() -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    program = "\n".join([stubborn, ANSWER % '"result": "pong"', "time.sleep(600)"])
    assert await ping(program) == "pong"


async def test_a_program_that_there_is_not_is_told_by_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with connect(command=[str(tmp_path / "no-such-program")]):
            pass


async def test_a_line_that_is_too_long_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.client.connection.MAX_LINE_BYTES", 1000)
    with pytest.raises(ConnectionClosed):
        await ping(ANSWER % '"result": "p" * 2000')


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_of_the_wire_is_its_exception(kind: type) -> None:
    error = kind("what happened", hint="what to do")
    back = from_wire(error.to_wire())
    assert (type(back), back.message, back.hint, back.data) == (kind, "what happened", "what to do", {})


def test_the_members_of_an_error_are_kept_whatever_their_names() -> None:
    data = {"name": "ENGINE_CRASHED", "retryable": True, "hint": "", "message": "m", "self": 1, "cause": "KILLED"}
    error = from_wire({"code": -32014, "message": "gone", "data": data})
    assert isinstance(error, EngineCrashed)
    assert (error.message, error.data) == ("gone", {"message": "m", "self": 1, "cause": "KILLED"})


@pytest.mark.parametrize("data", [{"name": "FROM_THE_FUTURE"}, {}, None])
def test_an_error_of_an_unknown_name_is_an_internal_one(data: dict[str, str] | None) -> None:
    error = from_wire({"code": -1, "message": "what happened", "data": data})
    assert (type(error), error.message) == (InternalError, "what happened")
