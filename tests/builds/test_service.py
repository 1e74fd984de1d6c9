"""Which build starts take, and what becomes of a default that fails."""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import anyio
import anyio.lowlevel
import pytest

from sidecar.builds import registry as registries
from sidecar.builds.discovery import Engines
from sidecar.builds.proof import Prover
from sidecar.builds.registry import FILES, Registry
from sidecar.builds.service import Builds
from sidecar.contract.builds import InstallEngineParams
from sidecar.contract.config import DownloadsConfig, EnginesConfig
from sidecar.contract.engines import EngineProof
from sidecar.contract.errors import (
    Cause,
    DiskFull,
    EngineInUse,
    EngineNotFound,
    EngineStartFailed,
    InvalidParams,
    ModelNotFound,
    SidecarError,
)
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.kinds.llama_server import PROGRAM, LlamaServer
from sidecar.engines.kinds.llama_server_help import FlagSet
from sidecar.engines.launch import Launch
from sidecar.events.event_log import EventLog
from sidecar.library.downloads.service import Downloads
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from sidecar.storage.config import ConfigFile
from tests import fake_engine
from tests.builds.archives import Item, digest, make, pack
from tests.builds.test_registry import add, proof
from tests.config_files import config_file

pytestmark = pytest.mark.anyio


class Stage(Prover):
    """Builds whose proofs the test decides.

    Attributes:
        broken: names of those that generate no token any more.
        proved: what was proved, in its order.
        why: they do not.
    """

    def __init__(self, folder: Path) -> None:
        self.broken: set[str] = set()
        self.proved: list[str] = []
        self.why: Cause = "MISSING_LIBRARY"
        self.folder = folder
        self.file = ConfigFile(folder / "config.json")
        tokens = TokenSource()
        config = config_file(downloads=DownloadsConfig(hub_endpoint="https://localhost"))
        self.builds = Builds(
            folder / "engines",
            downloads=Downloads(
                models=folder / "models",
                records=folder / "downloads",
                config=config,
                hub=Hub(config, tokens),
                tokens=tokens,
            ),
            prover=self,
            config=self.file,
        )
        self.changes = self.builds.changes.subscribe()

    async def prove(self, folder: Path) -> EngineProof:
        parts = folder.parts
        name = parts[parts.index("engines") + 1]
        if name == ".work":  # it has no place yet
            name = (folder / "name").read_text()
        self.proved.append(name)
        await anyio.lowlevel.checkpoint()
        if name in self.broken:
            raise failure(self.why)
        return proof(len(self.proved))

    async def install(self, name: str) -> Path:
        archive = make(
            self.folder / f"{name}.zip", [Item(f"top/{PROGRAM}", b"#!", mode=0o755), Item("top/name", name.encode())]
        )
        await self.builds.install(InstallEngineParams(path=str(archive), name=name), EventLog())
        return archive

    def launch(self, name: str, **settings: str) -> Launch:
        """A start with a build as it is."""
        program = self.folder / "engines" / name / FILES / "top" / PROGRAM
        return Launch(
            engine=LlamaServer(program, "1", FlagSet([])),
            model_name="m",
            model_path=Path("/m.gguf"),
            ctx_size=1,
            parallel=1,
            n_gpu_layers=0,
            settings=ServerSettings(**settings),  # type: ignore[arg-type]
        )

    async def default(self) -> str | None:
        return (await self.builds.managed()).default


def failure(cause: Cause) -> EngineStartFailed:
    return EngineStartFailed("It did not start.", cause=cause, exit_code=1, log_tail=[])


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Three builds; "new" is the default, "old" was it before, "spare" never."""
    stage = Stage(tmp_path)
    registry = Registry(tmp_path / "engines")
    add(registry, "old")
    add(registry, "spare", make_default=False)
    add(registry, "new")
    async with stage.builds.run():
        yield stage


async def test_a_default_that_fails_gives_its_place_to_the_last_good_one(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.broken = {"new"}
    with caplog.at_level(logging.WARNING):
        assert await stage.builds.replaced(stage.launch("new"), failure("UNKNOWN"))
    assert await stage.default() == "old"
    assert "the llama.cpp build new no longer works" in caplog.text
    assert "The default is now the build old." in caplog.text
    assert [(told.default, told.engines[-1].problem) for told in stage.changes.take()] == [("old", "It did not start.")]
    assert [(notice.name, "build new" in notice.message) for notice in await stage.builds.notices()] == [
        ("ENGINE_BUILD_BROKEN", True)
    ]
    stage.broken = {"new", "old", "spare"}
    assert await stage.builds.replaced(stage.launch("old"), failure("UNKNOWN"))
    assert await stage.default() == "spare"
    assert await stage.builds.replaced(stage.launch("spare"), failure("UNKNOWN"))
    assert await stage.default() is None


async def test_a_default_that_can_still_generate_a_token_keeps_its_place(stage: Stage) -> None:
    assert not await stage.builds.replaced(stage.launch("new"), failure("UNKNOWN"))
    assert (await stage.default(), stage.proved, stage.changes.take()) == ("new", ["new"], [])


async def test_only_what_may_be_the_builds_own_fault_puts_it_to_the_proof(stage: Stage) -> None:
    asked: set[Cause] = set()
    for cause in get_args(Cause):
        assert not await stage.builds.replaced(stage.launch("new"), failure(cause))  # it proves itself
        if stage.proved:
            asked.add(cause)
            stage.proved.clear()
    assert asked == {
        *("MISSING_LIBRARY", "LIBRARY_MISMATCH", "WRONG_PROCESSOR", "PERMISSION_DENIED"),
        *("TIMEOUT", "KILLED", "FILE_FAULT", "UNKNOWN"),
    }


async def test_a_proof_that_fails_for_want_of_memory_says_nothing_of_the_build(stage: Stage) -> None:
    stage.broken, stage.why = {"new"}, "OUT_OF_MEMORY"
    assert not await stage.builds.replaced(stage.launch("new"), failure("UNKNOWN"))
    assert (await stage.default(), stage.proved) == ("new", ["new"])


async def test_where_nothing_can_be_kept_the_start_fails_as_it_would(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(registries, "write_atomically", full)
    stage.broken = {"new"}
    assert not await stage.builds.replaced(stage.launch("new"), failure("UNKNOWN"))
    with pytest.raises(DiskFull):
        await stage.builds.set_default("old")
    assert await stage.default() == "new"


async def test_a_missing_model_is_nothing_to_a_build_but_a_missing_program_is(stage: Stage) -> None:
    stage.broken = {"new"}
    assert not await stage.builds.replaced(stage.launch("new"), ModelNotFound("There is none."))
    assert await stage.builds.replaced(stage.launch("new"), EngineNotFound("It is gone."))


@pytest.mark.parametrize("how", ["by path", "by name", "by the config", "elsewhere"])
async def test_what_somebody_has_named_is_never_replaced(stage: Stage, how: str) -> None:
    stage.broken = {"new"}
    launch = stage.launch("new")
    if how == "by path":
        launch = stage.launch("new", llama_cpp_path=str(stage.folder))
    elif how == "by name":
        launch = stage.launch("new", engine_build="new")
    elif how == "by the config":
        stage.file.config.engines = EnginesConfig(llama_cpp_path=str(stage.folder))
    else:
        launch = stage.launch("../../elsewhere")
    assert not await stage.builds.replaced(launch, failure("UNKNOWN"))
    assert stage.proved == []


async def test_of_two_starts_that_fail_one_replaces_it_and_both_go_on(stage: Stage) -> None:
    stage.broken = {"new"}
    answers: list[bool] = []

    async def fail() -> None:
        answers.append(await stage.builds.replaced(stage.launch("new"), failure("UNKNOWN")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        tasks.start_soon(fail)
    assert (answers, stage.proved, await stage.default()) == ([True, True], ["new"], "old")


async def test_a_build_becomes_the_default_only_when_it_generates_a_token(stage: Stage) -> None:
    stage.broken = {"spare"}
    with pytest.raises(EngineStartFailed):
        await stage.builds.set_default("spare")
    assert await stage.default() == "new"
    stage.broken.clear()
    assert (await stage.builds.set_default("spare")).default == "spare"
    assert (await stage.builds.set_default(None)).default is None
    with pytest.raises(EngineNotFound):
        await stage.builds.set_default("nothing")


async def test_one_that_was_given_up_is_good_again_once_it_generates_a_token(stage: Stage) -> None:
    stage.broken = {"new"}
    await stage.builds.replaced(stage.launch("new"), failure("UNKNOWN"))
    stage.broken.clear()
    managed = await stage.builds.set_default("new")
    assert (managed.default, managed.engines[0].problem, await stage.builds.notices()) == ("new", None, [])


async def test_one_that_is_still_in_use_is_not_removed(stage: Stage) -> None:
    async def remove(*, used: bool) -> Path:
        async with stage.builds.removing("new") as folder:
            if used:
                raise EngineInUse("It is used.", server_id="default")
        return folder

    with pytest.raises(EngineInUse):
        await remove(used=True)
    assert (await stage.default(), stage.changes.take()) == ("new", [])
    folder = await remove(used=False)
    assert (folder, folder.exists()) == (stage.folder / "engines" / "new", False)
    assert await stage.default() == "old"
    assert [told.default for told in stage.changes.take()] == ["old"]


async def test_a_build_that_generates_no_token_is_not_installed(stage: Stage) -> None:
    stage.broken = {"bad"}
    before = sorted(path.name for path in (stage.folder / "engines").rglob("*"))
    with pytest.raises(EngineStartFailed):
        await stage.install("bad")
    assert sorted(path.name for path in (stage.folder / "engines").rglob("*")) == before
    assert await stage.default() == "new"


async def test_a_name_that_is_taken_is_refused_before_anything_is_done(stage: Stage) -> None:
    with pytest.raises(InvalidParams):
        await stage.install("NEW")
    assert stage.proved == []


async def test_the_same_archive_again_is_only_proved_again(stage: Stage) -> None:
    archive = await stage.install("b")
    stage.proved.clear()
    params = InstallEngineParams(path=str(archive), sha256=f"sha256:{digest(archive).upper()}")
    info = await stage.builds.install(params, EventLog())
    assert (info.name, info.default, stage.proved) == ("b", True, ["b"])


async def test_what_can_not_be_installed_is_refused(stage: Stage) -> None:
    for params in (
        InstallEngineParams(),
        InstallEngineParams(url="https://example.com/a.zip", path="/a.zip", sha256="0" * 64),
        InstallEngineParams(url="https://example.com/a.zip"),
        InstallEngineParams(path="/a.zip", name="nul"),
        InstallEngineParams(path="a.zip"),
        InstallEngineParams(path="/nowhere/a.zip"),
        InstallEngineParams(path="/dev/zero"),
        InstallEngineParams(path="/dev"),
    ):
        with pytest.raises(SidecarError) as refused:
            await stage.builds.install(params, EventLog())
        assert refused.value.name in ("INVALID_PARAMS", "PATH_NOT_ALLOWED")
        assert refused.value.hint


async def test_an_installation_ends_with_the_sidecar(tmp_path: Path, fake_llama_cpp: Path) -> None:
    stage = Stage(tmp_path)
    (fake_llama_cpp / "name").write_text("slow")
    archive = pack(fake_llama_cpp, tmp_path / "slow.zip")
    begun = anyio.Event()
    errors: list[str] = []

    async def prove(folder: Path) -> EngineProof:
        begun.set()
        await anyio.sleep_forever()
        return proof()

    async def install() -> None:
        try:
            await stage.builds.install(InstallEngineParams(path=str(archive)), EventLog())
        except SidecarError as problem:
            errors.append(problem.name)

    stage.prove = prove  # type: ignore[method-assign]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks, stage.builds.run():
            tasks.start_soon(install)
            await begun.wait()
    assert errors == ["CANCELLED"]
    assert not list((tmp_path / "engines" / ".work").iterdir())


async def test_a_start_takes_the_default_and_what_comes_next_where_it_can_not_even_be_asked(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    engines = Engines(stage.file, stage.builds)
    registry = Registry(tmp_path / "engines")
    fake_engine.install(registry.folder_of("old"))
    stage.broken = {"new"}  # "#!" is no program
    assert (await engines.pick(None, None)).path == str(registry.folder_of("old") / PROGRAM)
    assert await stage.default() == "old"
    origins = [(info.origin, info.name, info.default) for info in await engines.infos() if info.available]
    assert origins[0] == ("managed", "old", True)
    assert origins[-1] == ("managed", "spare", False)
    picked = await engines.pick(None, None, "old")
    assert picked.path == str(registry.folder_of("old") / PROGRAM)
    stage.file.config.engines = EnginesConfig(llama_cpp_path=str(fake_engine.install(tmp_path / "configured")))
    assert (await engines.pick(None, None)).path == str(tmp_path / "configured" / PROGRAM)
    with pytest.raises(EngineNotFound):
        await engines.pick(None, None, "nothing")
