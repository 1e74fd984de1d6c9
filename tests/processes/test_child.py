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

FOR_EVER = "time.sleep(3600)"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n" + FOR_EVER
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


class Heard:
    """The output of a child, and a way to wait for it."""

    def __init__(self) -> None:
        self.data = b""
        self._more = anyio.Event()

    def take_in(self, data: bytes) -> None:
        self.data += data
        self._more.set()

    async def line(self) -> str:
        """Wait for the first line."""
        with anyio.fail_after(WAIT_SECONDS):
            while b"\n" not in self.data:
                await self._more.wait()
                self._more = anyio.Event()
        return self.data.split(b"\n")[0].decode()


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def start(command: Command, heard: Heard) -> ChildProcess:
    return await ChildProcess.start(command, on_output=heard.take_in)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def ended(child: ChildProcess) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        await child.ended.wait()


# --- the start ---


async def test_all_output_is_there_when_it_ended(heard: Heard) -> None:
    child = await start(python("os.write(1, b'a' * 500_000); os.write(2, b'end'); os._exit(7)"), heard)
    await ended(child)
    assert (child.exit_code, heard.data) == (7, b"a" * 500_000 + b"end")


async def test_it_gets_the_allowed_environment_and_its_own_variables(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("LLAMA_ARG_PORT", "1")
    monkeypatch.setenv("GGML_X", "1")
    program = "import json; print(json.dumps({k: v for k, v in os.environ.items() if k[:3] in ('HF_', 'LLA', 'GGM')}))"
    child = await start(python(program, env={"LLAMA_API_KEY": "k", tags.VARIABLE: "theirs"}), heard)
    await ended(child)
    found = json.loads(heard.data)
    assert found.pop(tags.VARIABLE).startswith(f"{os.getpid()}-")
    assert found == {"GGML_X": "1", "LLAMA_API_KEY": "k"}


async def test_it_starts_in_the_folder_that_the_command_names(heard: Heard, tmp_path: Path) -> None:
    command = python("print(os.getcwd())")
    child = await start(Command(command.argv, cwd=tmp_path), heard)
    await ended(child)
    assert heard.data.decode().strip() == str(tmp_path)


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
        (_no_format, "other", "ENGINE_START_FAILED", "UNKNOWN"),
        (_no_interpreter, "missing_loader", "ENGINE_START_FAILED", "MISSING_LIBRARY"),
        (lambda folder: [str(folder)], "permission_denied", "ENGINE_START_FAILED", "PERMISSION_DENIED"),
        (_nul, "bad_arguments", "ENGINE_START_FAILED", "BAD_FLAG"),
        (_too_long, "arguments_too_long", "ENGINE_START_FAILED", "BAD_FLAG"),
    ],
)
async def test_what_the_system_does_not_run_is_reported_with_its_reason(
    make: Any, reason: str | None, name: str, cause: str | None, tmp_path: Path, heard: Heard
) -> None:
    with pytest.raises(ProcessError) as caught:
        await start(Command(make(tmp_path)), heard)
    assert getattr(caught.value, "reason", None) == reason
    error = engine_error(caught.value)
    assert (error.name, error.data.get("cause"), bool(error.hint)) == (name, cause, True)


async def test_a_variable_that_cannot_be_one_is_a_bad_argument(heard: Heard) -> None:
    with pytest.raises(SpawnRefused) as caught:
        await start(Command(["/bin/sh"], {"A=B": "x"}), heard)
    assert caught.value.reason == "bad_arguments"


async def test_a_start_that_is_cancelled_before_it_begins_starts_nothing(tmp_path: Path, heard: Heard) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await start(python(f"open({str(tmp_path / 'trace')!r}, 'w')"), heard)
    assert (scope.cancelled_caught, names_in(tmp_path)) == (True, [])


async def test_a_start_that_is_cancelled_half_way_gives_the_process_all_the_same(heard: Heard) -> None:
    async def cancel(scope: anyio.CancelScope) -> None:
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel, scope)
            child = await start(python(FOR_EVER), heard)
        assert scope.cancel_called
        await child.stop(grace_seconds=0)
    assert not is_alive(child.pid)


# --- the end ---


async def test_stopping_ends_its_stdin_first(heard: Heard) -> None:
    program = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('on', flush=True)\nsys.stdin.read()\nos._exit(3)"
    child = await start(python(program), heard)
    await heard.line()
    await child.stop(grace_seconds=WAIT_SECONDS)
    assert child.exit_code == 3


async def test_stopping_asks_with_sigterm(heard: Heard) -> None:
    program = f"signal.signal(signal.SIGTERM, lambda *_: os._exit(4))\nprint('on', flush=True)\n{FOR_EVER}"
    child = await start(python(program), heard)
    await heard.line()
    await child.stop(grace_seconds=WAIT_SECONDS)
    assert child.exit_code == 4


async def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(heard: Heard) -> None:
    child = await start(python(STUBBORN), heard)
    await heard.line()
    begun = time.monotonic()
    await child.stop(grace_seconds=0.3)
    assert child.exit_code == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - begun < WAIT_SECONDS


async def test_a_process_that_stands_still_is_killed(heard: Heard) -> None:
    child = await start(python("print('on', flush=True)\n" + FOR_EVER), heard)
    await heard.line()
    halt(child.pid)
    await child.stop(grace_seconds=0.05)
    assert child.exit_code == -signal.SIGKILL


@pytest.mark.parametrize("own_session", [False, True])
async def test_what_it_started_is_gone_with_it(own_session: bool, heard: Heard) -> None:
    child = await start(python(GRANDCHILD % own_session + STUBBORN), heard)
    grandchild = int(await heard.line())
    await child.stop(grace_seconds=0.05)
    wait_until_gone(grandchild)
    assert not is_alive(child.pid)


async def test_what_it_leaves_behind_in_its_group_is_ended_when_it_ends_by_itself(heard: Heard) -> None:
    child = await start(python(GRANDCHILD % False + "os._exit(5)"), heard)
    grandchild = int(await heard.line())
    await ended(child)
    wait_until_gone(grandchild)
    assert child.exit_code == 5


@pytest.mark.case(24)
async def test_what_it_leaves_behind_in_another_session_is_ended_too(heard: Heard) -> None:
    child = await start(python(ORPHAN % "" + "os._exit(5)"), heard)
    orphan = int(await heard.line())
    await ended(child)
    wait_until_gone(orphan)
    await child.stop(grace_seconds=0)
    assert child.exit_code == 5


@pytest.mark.case(24)
async def test_nothing_of_it_is_left_once_it_is_stopped(heard: Heard) -> None:
    child = await start(python(ORPHAN % "" + STUBBORN), heard)
    orphan = int(await heard.line())
    await child.stop(grace_seconds=0.05)
    wait_until_gone(orphan)
    assert not is_alive(child.pid)


async def test_what_another_process_of_ours_started_lives_on(heard: Heard) -> None:
    others = Heard()
    other = await start(python(ORPHAN % "" + FOR_EVER), others)
    orphan = int(await others.line())
    for _ in range(11):  # the other's tag ends with a 1 as well
        child = await start(python("os._exit(5)"), heard)
        await child.stop(grace_seconds=0)
    assert (is_alive(other.pid), is_alive(orphan)) == (True, True)
    await other.stop(grace_seconds=0)
    wait_until_gone(orphan)
    assert not is_alive(other.pid)


async def test_an_open_pipe_that_we_can_not_follow_does_not_delay_the_end(heard: Heard) -> None:
    child = await start(python(ORPHAN % "env={}, " + "os._exit(5)"), heard)
    orphan = int(await heard.line())
    await ended(child)
    assert (child.exit_code, is_alive(orphan)) == (5, True)
    psutil.Process(orphan).kill()
    wait_until_gone(orphan)


async def test_stopping_twice_and_after_the_end_does_nothing_more(heard: Heard) -> None:
    child = await start(python("os._exit(0)"), heard)
    await ended(child)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: child.stop(grace_seconds=0))
        await child.stop(grace_seconds=0)
    assert child.exit_code == 0


async def test_stopping_at_the_same_time_waits_for_the_same_end(heard: Heard) -> None:
    child = await start(python(STUBBORN), heard)
    await heard.line()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(lambda: child.stop(grace_seconds=0.05))
    assert child.exit_code == -signal.SIGKILL


async def test_stopping_is_not_cut_short(heard: Heard) -> None:
    child = await start(python(STUBBORN), heard)
    await heard.line()
    with anyio.move_on_after(0.05):
        await child.stop(grace_seconds=0.3)
    assert child.exit_code == -signal.SIGKILL


async def test_a_process_that_can_not_be_killed_is_not_waited_for_for_ever(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = await start(python(STUBBORN), heard)
    await heard.line()
    with monkeypatch.context() as patch:
        patch.setattr(child_module, "KILLED_SECONDS", 0.05)
        patch.setattr("sidecar.host.process_tree.kill_tree", lambda pid: None)
        await child.stop(grace_seconds=0.05)
    assert child.exit_code is None
    await child.stop(grace_seconds=0)
    assert child.exit_code == -signal.SIGKILL


async def test_the_end_is_told_once_and_after_all_output() -> None:
    told: list[object] = []
    command = python("os.write(1, b'x' * 100_000)")
    child = await ChildProcess.start(
        command, on_output=lambda data: told.extend(data), on_end=lambda: told.append("end")
    )
    await ended(child)
    assert told == [*b"x" * 100_000, "end"]
