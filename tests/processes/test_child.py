"""Child processes: how they start, what they say, and that they end."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from sidecar.engines.lifecycle.engine_errors import engine_error
from sidecar.processes import child as child_module
from sidecar.processes import tags
from sidecar.processes.child import ChildProcess
from sidecar.processes.command import Command
from sidecar.processes.errors import ProcessError, SpawnRefused
from tests.processes.programs import WAIT_SECONDS, halt, is_alive, python, wait_until_gone

pytestmark = pytest.mark.anyio

ENDLESS = "time.sleep(3600)"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n" + ENDLESS
GRANDCHILD = (
    "p = subprocess.Popen([sys.executable, '-S', '-c', 'import signal, time; "
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(3600)'], start_new_session=%s,"
    " stdout=subprocess.PIPE)\np.stdout.read(1)\nprint(p.pid, flush=True)\n"
)

ORPHAN = (
    "pid = os.fork()\n"
    "if pid == 0:\n"
    "    p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'], %sstart_new_session=True)\n"
    "    os.write(1, b'%%d\\n' %% p.pid); os._exit(0)\n"
    "os.waitpid(pid, 0)\n"
)
"""Starts a process in a session of its own that is nobody's child, and tells its pid."""


async def start(command: Command) -> ChildProcess:
    return await ChildProcess.start(command)


async def first_line(child: ChildProcess) -> str:
    """Wait for the first line; it must come by itself."""
    with anyio.fail_after(WAIT_SECONDS):
        line = await child.output.read_lines(longest=1000)
    assert line is not None
    return line.split(b"\n")[0].decode()


async def whole(child: ChildProcess) -> bytes:
    """All of its output, once it has ended."""
    await ended(child)
    return await child.output.read()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def ended(child: ChildProcess) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        await child.ended.wait()


# --- the start ---


async def test_all_output_is_there_when_it_has_ended() -> None:
    child = await start(python("os.write(1, b'a' * 500_000); os.write(2, b'end'); os._exit(7)"))
    assert await whole(child) == b"a" * 500_000 + b"end"
    assert child.exit_code == 7


async def test_it_gets_the_allowed_environment_and_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("LLAMA_ARG_PORT", "1")
    monkeypatch.setenv("GGML_X", "1")
    program = "import json; print(json.dumps({k: v for k, v in os.environ.items() if k[:3] in ('HF_', 'LLA', 'GGM')}))"
    child = await start(python(program, env={"LLAMA_API_KEY": "k", tags.VARIABLE: "theirs"}))
    found = json.loads(await whole(child))
    assert found.pop(tags.VARIABLE).startswith(f"{os.getpid()}-")
    assert found == {"GGML_X": "1", "LLAMA_API_KEY": "k"}


async def test_it_starts_in_the_folder_that_the_command_names(tmp_path: Path) -> None:
    command = python("print(os.getcwd())")
    child = await start(Command(command.argv, cwd=tmp_path))
    assert (await whole(child)).decode().strip() == str(tmp_path)


def _no_program(folder: Path) -> list[str]:
    return [str(folder / "nothing")]


def _not_executable(folder: Path) -> list[str]:
    (folder / "program").write_text("#!/bin/sh\n")
    return [str(folder / "program")]


def _no_format(folder: Path) -> list[str]:
    (folder / "program").write_bytes(b"\x7fELFish")
    (folder / "program").chmod(0o755)
    return [str(folder / "program")]


def _no_interpreter(folder: Path) -> list[str]:
    (folder / "program").write_text("#!/no/such/shell\n")
    (folder / "program").chmod(0o755)
    return [str(folder / "program")]


def _nul(folder: Path) -> list[str]:
    return ["/bin/sh", "a\0b"]


def _too_long(folder: Path) -> list[str]:
    return ["/bin/sh", "x" * 500_000]


@pytest.mark.parametrize(
    ("make", "reason", "name", "cause"),
    [
        (_no_program, None, "ENGINE_NOT_FOUND", None),
        (_not_executable, "permission_denied", "ENGINE_START_FAILED", "PERMISSION_DENIED"),
        (_no_format, "wrong_format", "ENGINE_START_FAILED", "WRONG_PROCESSOR"),
        (_no_interpreter, "missing_loader", "ENGINE_START_FAILED", "MISSING_LIBRARY"),
        (lambda folder: [str(folder)], "permission_denied", "ENGINE_START_FAILED", "PERMISSION_DENIED"),
        (_nul, "bad_arguments", "ENGINE_START_FAILED", "BAD_FLAG"),
        (_too_long, "arguments_too_long", "ENGINE_START_FAILED", "BAD_FLAG"),
    ],
)
async def test_what_the_system_does_not_run_is_reported_with_its_reason(
    make: Any, reason: str | None, name: str, cause: str | None, tmp_path: Path
) -> None:
    with pytest.raises(ProcessError) as caught:
        await start(Command(make(tmp_path)))
    assert getattr(caught.value, "reason", None) == reason
    error = engine_error(caught.value)
    assert (error.name, error.data.get("cause"), bool(error.hint)) == (name, cause, True)


async def test_a_variable_that_cannot_be_one_is_a_bad_argument() -> None:
    with pytest.raises(SpawnRefused) as caught:
        await start(Command(["/bin/sh"], {"A=B": "x"}))
    assert caught.value.reason == "bad_arguments"


async def test_a_start_that_is_cancelled_before_it_begins_starts_nothing(tmp_path: Path) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await start(python(f"open({str(tmp_path / 'trace')!r}, 'w')"))
    assert (scope.cancelled_caught, names_in(tmp_path)) == (True, [])


async def test_a_start_that_is_cancelled_half_way_gives_the_process_all_the_same() -> None:
    async def cancel(scope: anyio.CancelScope) -> None:
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel, scope)
            child = await start(python(ENDLESS))
        assert scope.cancel_called
        await child.stop(grace_seconds=0)
    assert not is_alive(child.pid)


# --- the end ---


async def test_stopping_ends_its_stdin_first() -> None:
    program = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('on', flush=True)\nsys.stdin.read()\nos._exit(3)"
    child = await start(python(program))
    await first_line(child)
    await child.stop(grace_seconds=WAIT_SECONDS)
    assert child.exit_code == 3


async def test_stopping_asks_with_sigterm() -> None:
    program = f"signal.signal(signal.SIGTERM, lambda *_: os._exit(4))\nprint('on', flush=True)\n{ENDLESS}"
    child = await start(python(program))
    await first_line(child)
    await child.stop(grace_seconds=WAIT_SECONDS)
    assert child.exit_code == 4


async def test_a_process_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    child = await start(python(STUBBORN))
    await first_line(child)
    begun = time.monotonic()
    await child.stop(grace_seconds=0.3)
    assert child.exit_code == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - begun < WAIT_SECONDS


async def test_a_process_that_stands_still_is_killed() -> None:
    child = await start(python("print('on', flush=True)\n" + ENDLESS))
    await first_line(child)
    halt(child.pid)
    await child.stop(grace_seconds=0.05)
    assert child.exit_code == -signal.SIGKILL


@pytest.mark.parametrize("own_session", [False, True])
async def test_what_it_has_started_is_gone_with_it(own_session: bool) -> None:
    child = await start(python(GRANDCHILD % own_session + STUBBORN))
    grandchild = int(await first_line(child))
    await child.stop(grace_seconds=0.05)
    wait_until_gone(grandchild)
    assert not is_alive(child.pid)


async def test_what_it_leaves_behind_in_its_group_is_ended_when_it_ends_by_itself() -> None:
    child = await start(python(GRANDCHILD % False + "os._exit(5)"))
    grandchild = int(await first_line(child))
    await ended(child)
    wait_until_gone(grandchild)
    assert child.exit_code == 5


@pytest.mark.case(24)
async def test_what_it_leaves_behind_in_another_session_is_ended_too() -> None:
    child = await start(python(ORPHAN % "" + "os._exit(5)"))
    orphan = int(await first_line(child))
    await ended(child)
    wait_until_gone(orphan)
    await child.stop(grace_seconds=0)
    assert child.exit_code == 5


@pytest.mark.case(24)
async def test_nothing_of_it_is_left_once_it_is_stopped() -> None:
    child = await start(python(ORPHAN % "" + STUBBORN))
    orphan = int(await first_line(child))
    await child.stop(grace_seconds=0.05)
    wait_until_gone(orphan)
    assert not is_alive(child.pid)


async def test_what_another_process_of_ours_has_started_lives_on() -> None:
    other = await start(python(ORPHAN % "" + ENDLESS))
    orphan = int(await first_line(other))
    for _ in range(11):  # the other's tag ends with a 1 as well
        child = await start(python("os._exit(5)"))
        await child.stop(grace_seconds=0)
    assert (is_alive(other.pid), is_alive(orphan)) == (True, True)
    await other.stop(grace_seconds=0)
    wait_until_gone(orphan)
    assert not is_alive(other.pid)


async def test_an_open_pipe_that_we_cannot_follow_does_not_delay_the_end() -> None:
    child = await start(python(ORPHAN % "env={}, " + "os._exit(5)"))
    orphan = int(await first_line(child))
    await ended(child)
    assert (child.exit_code, is_alive(orphan)) == (5, True)
    psutil.Process(orphan).kill()
    wait_until_gone(orphan)


async def test_stopping_twice_and_after_the_end_does_nothing_more() -> None:
    child = await start(python("os._exit(0)"))
    await ended(child)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: child.stop(grace_seconds=0))
        await child.stop(grace_seconds=0)
    assert child.exit_code == 0


async def test_stopping_at_the_same_time_waits_for_the_same_end() -> None:
    child = await start(python(STUBBORN))
    await first_line(child)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(lambda: child.stop(grace_seconds=0.05))
    assert child.exit_code == -signal.SIGKILL


async def test_stopping_is_not_cut_short() -> None:
    child = await start(python(STUBBORN))
    await first_line(child)
    with anyio.move_on_after(0.05):
        await child.stop(grace_seconds=0.3)
    assert child.exit_code == -signal.SIGKILL


async def test_a_process_that_cannot_be_killed_is_given_up_after_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    child = await start(python(STUBBORN))
    await first_line(child)
    with monkeypatch.context() as patch:
        patch.setattr(child_module, "KILLED_SECONDS", 0.05)
        patch.setattr("sidecar.host.process_tree.kill_tree", lambda pid: None)
        await child.stop(grace_seconds=0.05)
    assert child.exit_code is None
    await child.stop(grace_seconds=0)
    assert child.exit_code == -signal.SIGKILL
