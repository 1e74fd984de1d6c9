"""Asking an engine for its plan: what it is asked, how often, and that nothing is left of it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.kinds.llama_server_help import parse_help
from sidecar.engines.launch import Launch
from sidecar.servers.memory import allocator
from sidecar.servers.memory.allocator import GPU_PLAN_SECONDS, Allocators
from tests import fake_engine
from tests.library.gguf_files import write_model
from tests.servers.memory.test_memory_over_the_wire import GPU_PLAN, PLAN

pytestmark = pytest.mark.anyio


def launch(tmp_path: Path, *flags: str, ctx_size: int = 4096) -> Launch:
    """A start of a fake engine with these faults, which notes each start."""
    starts = str(tmp_path / "starts")
    folder = fake_engine.install(tmp_path / "llama.cpp", "--starts-file", starts, *flags)
    return Launch(
        engine=LlamaServer(folder / "llama-server", "fake", parse_help(fake_engine.HELP)),
        model_name="tiny",
        model_path=write_model(tmp_path / "tiny.gguf"),
        ctx_size=ctx_size,
        parallel=1,
        n_gpu_layers=0,
        settings=ServerSettings(),
    )


def starts(tmp_path: Path) -> list[int]:
    """The process of each start; none of one that was ended before it could write it down."""
    file = tmp_path / "starts"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


async def test_an_engine_is_ended_once_it_has_a_plan_and_asked_once_for_the_same(tmp_path: Path) -> None:
    asked = Allocators()
    once = launch(tmp_path, "--say-on-load", PLAN, "--never-ready")
    plans = [await asked.plan(once), await asked.plan(once)]
    assert plans[0] is not None
    assert plans[0] is plans[1]
    [pid] = starts(tmp_path)
    assert not psutil.pid_exists(pid)
    await asked.plan(launch(tmp_path, "--say-on-load", PLAN, ctx_size=8192))
    assert len(starts(tmp_path)) == 2


@pytest.mark.parametrize(("said", "asked_in_all"), [(PLAN, 1), (GPU_PLAN, 2)])
async def test_what_gpus_have_free_is_asked_anew_after_a_while(tmp_path: Path, said: str, asked_in_all: int) -> None:
    times = [0.0]
    asked, same = Allocators(clock=lambda: times[-1]), launch(tmp_path, "--say-on-load", said, "--never-ready")
    for time in (0.0, GPU_PLAN_SECONDS - 0.1, GPU_PLAN_SECONDS, 2 * GPU_PLAN_SECONDS - 0.1):
        times.append(time)
        assert await asked.plan(same) is not None
    assert len(starts(tmp_path)) == asked_in_all


async def test_an_engine_that_begins_to_load_without_a_plan_is_ended_at_once(tmp_path: Path) -> None:
    assert await Allocators().plan(launch(tmp_path)) is None
    [pid] = starts(tmp_path)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("flags", [("--exit-on-load", "1"), ("--abort-on-load",), ("--flood-endless", str(8 * 2**20))])
async def test_an_engine_that_fails_has_no_plan(flags: tuple[str, ...], tmp_path: Path) -> None:
    assert await Allocators().plan(launch(tmp_path, "--stdout-progress", "1", "--ready-after", "1", *flags)) is None


async def test_an_engine_that_hangs_is_ended_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "TRIAL_SECONDS", 2.0)
    assert await Allocators().plan(launch(tmp_path, "--stuck-at", "0", "--ignore-term")) is None
    assert not any(psutil.pid_exists(pid) for pid in starts(tmp_path))
