"""Plans: what is chosen where nothing is named, and what is refused before anything is started."""

from __future__ import annotations

import shlex
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.builds.discovery import Engines
from sidecar.contract.config import EnginesConfig, ModelsConfig, ServerDefaults
from sidecar.contract.errors import SidecarError, StorageError
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import LlamaConfig, PreviewCommandParams, StartLlamaServerParams
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.kinds.llama_server_help import FlagSet
from sidecar.engines.launch import Launch
from sidecar.library.library import Library
from sidecar.library.scan.sources import Sources
from sidecar.logs.store import LogStore
from sidecar.servers.server import Server
from sidecar.servers.start_planner import LAST_MODEL, StartPlanner
from sidecar.servers.start_settings import with_model
from sidecar.storage.database import Database, KeyValueStore
from tests.config_files import config_file, models_config
from tests.library.gguf_files import write_model
from tests.servers.running import Stage

pytestmark = pytest.mark.anyio


class Desk:
    """A planner on a machine with the fake engine and some models."""

    def __init__(self, folder: Path, llama_cpp: Path) -> None:
        self.llama_cpp = llama_cpp
        self.models = folder / "models"
        self.models.mkdir()
        self.file = config_file(engines=EnginesConfig(llama_cpp_path=str(llama_cpp)))
        self.config = self.file.config
        self.database = Database(folder / "history.db")
        self.store = KeyValueStore(self.database)
        self.planner = StartPlanner(
            config=self.file,
            engines=Engines(self.file),
            library=Library(Sources(self.models, models_config())),
            store=self.store,
        )

    def model(self, name: str, **changes: Any) -> Path:
        return write_model(self.models / f"{name}.gguf", **changes)

    async def plan(self, **settings: Any) -> Launch:
        return await self.planner.plan(ServerSettings(**settings))

    async def refusal(self, **settings: Any) -> SidecarError:
        with pytest.raises(SidecarError) as caught:
            await self.plan(**settings)
        assert caught.value.hint
        return caught.value


@pytest.fixture
async def desk(tmp_path: Path, fake_llama_cpp: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path, fake_llama_cpp)
    yield desk
    await desk.database.close()


@pytest.fixture
async def server(logs: LogStore, tmp_path: Path) -> Server:
    """A server that has not run."""
    engine = LlamaServer(tmp_path / "llama-server", None, FlagSet([]))
    server = Stage(engine, logs, tmp_path).server(port=8080, env={"TOKEN": "s"})
    server.settings.extra_args = None
    return server


# --- what is chosen ---


async def test_where_nothing_is_named_the_configs_defaults_count(desk: Desk) -> None:
    path = desk.model("only")
    desk.config.server_defaults = ServerDefaults(ctx_size=2048, parallel=3, n_gpu_layers=7, threads=1)
    launch = await desk.plan()
    assert (launch.engine.name, launch.engine.path) == ("llama-server", str(desk.llama_cpp / "llama-server"))
    assert launch == Launch(
        engine=launch.engine,
        model_name="only",
        model_path=path,
        ctx_size=2048,
        parallel=3,
        n_gpu_layers=7,
        settings=ServerSettings(threads=1),
        capabilities=("chat",),
    )


async def test_the_contracts_defaults_are_those_of_an_empty_config(desk: Desk) -> None:
    desk.model("only")
    launch = await desk.plan()
    assert (launch.ctx_size, launch.parallel, launch.n_gpu_layers) == (4096, 4, -1)
    assert launch.settings.threads is None  # the engine's own


async def test_what_is_named_wins_over_the_defaults_zero_included(desk: Desk) -> None:
    desk.model("only")
    desk.config.server_defaults = ServerDefaults(threads=1)
    launch = await desk.plan(ctx_size=0, parallel=1, n_gpu_layers=0, threads=2)
    assert (launch.ctx_size, launch.parallel, launch.n_gpu_layers, launch.settings.threads) == (0, 1, 0, 2)


async def test_a_model_is_found_by_name_and_by_path(desk: Desk, tmp_path: Path) -> None:
    desk.model("a")
    outside = write_model(tmp_path / "else" / "b.gguf")
    assert (await desk.plan(model="a")).model_name == "a"
    assert (await desk.plan(model_path=str(outside))).model_path == outside
    assert (await desk.plan(model="a", model_path=str(outside))).model_path == outside


async def test_of_several_models_the_default_else_the_last_used_is_taken(desk: Desk) -> None:
    for name in ("a", "b", "c"):
        desk.model(name)
    assert (await desk.refusal()).name == "MODEL_NOT_FOUND"
    await desk.planner.remember(await desk.plan(model="b"))
    assert (await desk.plan()).model_name == "b"
    desk.config.models = ModelsConfig(default="c")
    assert (await desk.plan()).model_name == "c"


async def test_a_models_projector_goes_with_it_unless_another_one_is_named(desk: Desk, tmp_path: Path) -> None:
    desk.model("vision")
    projector = desk.model("mmproj-vision", general__architecture="clip")
    other = write_model(tmp_path / "other.gguf")
    assert (await desk.plan(model="vision")).settings == ServerSettings(model="vision", mmproj_path=str(projector))
    assert (await desk.plan(model="vision", mmproj_path=str(other))).settings.mmproj_path == str(other)


async def test_files_are_named_from_the_home_folder_on_and_handed_over_in_full(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    desk.model("only")
    for name in ("p", "a", "b"):
        write_model(tmp_path / f"{name}.gguf")
    (tmp_path / "t.jinja").write_text("{{ x }}")
    launch = await desk.plan(mmproj_path="~/p.gguf", chat_template_file="~/t.jinja", lora=["~/a.gguf", "~/b.gguf"])
    assert launch.settings == ServerSettings(
        mmproj_path=str(tmp_path / "p.gguf"),
        chat_template_file=str(tmp_path / "t.jinja"),
        lora=[str(tmp_path / "a.gguf"), str(tmp_path / "b.gguf")],
    )


# --- what is refused ---


async def test_a_library_without_models_has_none_to_start(desk: Desk) -> None:
    assert (await desk.refusal()).name == "MODEL_NOT_FOUND"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"model": "nothing"}, "MODEL_NOT_FOUND"),
        ({"model_path": "/no/such/model.gguf"}, "MODEL_NOT_FOUND"),
        ({"model_path": "relative.gguf"}, "PATH_NOT_ALLOWED"),
        ({"model_path": "/"}, "PATH_NOT_ALLOWED"),
        ({"model_path": ""}, "PATH_NOT_ALLOWED"),
        ({"model": "empty"}, "MODEL_INVALID"),
        ({"model": "noise"}, "MODEL_INVALID"),
        ({"model": "cut"}, "MODEL_INVALID"),
        ({"mmproj_path": "relative.gguf"}, "PATH_NOT_ALLOWED"),
        ({"mmproj_path": "/no/such.gguf"}, "MODEL_NOT_FOUND"),
        ({"chat_template_file": "relative.jinja"}, "PATH_NOT_ALLOWED"),
        ({"lora": ["relative.gguf"]}, "PATH_NOT_ALLOWED"),
        ({"lora": ["/"]}, "PATH_NOT_ALLOWED"),
        ({"llama_cpp_path": "relative"}, "PATH_NOT_ALLOWED"),
        ({"llama_cpp_path": "/no/such/folder"}, "ENGINE_NOT_FOUND"),
        ({"engine": "llama-cpp-python"}, "ENGINE_NOT_FOUND"),
        ({"host": "203.0.113.1"}, "INVALID_PARAMS"),
    ],
)
async def test_what_can_not_be_is_refused_before_anything_starts(
    settings: dict[str, Any], name: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.engines.kinds.llama_cpp_python.MODULE", "no_such_module")
    whole = desk.model("good").read_bytes()
    for other, data in (("empty", b""), ("noise", b"\x93noise" * 100), ("cut", whole[:-10])):
        (desk.models / f"{other}.gguf").write_bytes(data)
    assert (await desk.refusal(**({"model": "good"} | settings))).name == name


async def test_a_folder_without_executables_is_no_engine(desk: Desk, tmp_path: Path) -> None:
    desk.model("only")
    error = await desk.refusal(llama_cpp_path=str(tmp_path))
    assert (error.name, "folder" in error.hint) == ("ENGINE_NOT_FOUND", True)


async def test_a_port_in_use_is_refused(desk: Desk) -> None:
    desk.model("only")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        error = await desk.refusal(port=port)
        await desk.planner.choose(ServerSettings(port=port))  # which a running server of ours may hold itself
    assert (error.name, error.data) == ("PORT_IN_USE", {"port": port})


# --- parameters ---


async def test_parameters_win_over_their_preset(desk: Desk) -> None:
    desk.config.server_presets = {"small": ServerSettings(ctx_size=256, parallel=1, threads=2)}
    settings = desk.planner.settings(StartLlamaServerParams(preset="small", parallel=8, server_id="x", channel="c"))
    assert settings == ServerSettings(ctx_size=256, parallel=8, threads=2)


async def test_a_preset_that_there_is_not_is_refused_with_those_there_are(desk: Desk) -> None:
    desk.config.server_presets = {"small": ServerSettings(), "large": ServerSettings()}
    with pytest.raises(SidecarError) as caught:
        desk.planner.settings(StartLlamaServerParams(preset="medium"))
    error = caught.value
    assert (error.name, error.data, "small, large" in error.hint) == ("INVALID_PARAMS", {"path": "$.preset"}, True)


@pytest.mark.parametrize("where", ["parameters", "preset"])
async def test_a_flag_of_ours_in_extra_args_is_refused(where: str, desk: Desk) -> None:
    taken = ServerSettings(extra_args=["--api-key", "s"])
    desk.config.server_presets = {"p": taken}
    params = (
        StartLlamaServerParams(preset="p") if where == "preset" else StartLlamaServerParams(extra_args=taken.extra_args)
    )
    with pytest.raises(SidecarError) as caught:
        desk.planner.settings(params)
    assert (caught.value.name, caught.value.data) == ("INVALID_PARAMS", {"path": "$.extra_args"})


# --- previews and descriptions ---


async def test_a_preview_is_the_command_and_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    path = desk.model("my model")
    before = sorted(tmp_path.rglob("*"))
    preview = await desk.planner.preview(
        desk.planner.settings(PreviewCommandParams(ctx_size=64, n_cpu_moe=1, threads=2))
    )
    argv = [str(desk.llama_cpp / "llama-server"), "--model", str(path), "--alias", "my model"]
    argv += ["--host", "127.0.0.1", "--port", "0", "--ctx-size", "64", "--parallel", "4", "--n-gpu-layers", "auto"]
    argv += ["--threads", "2"]
    assert (preview.argv, preview.ignored) == (argv, ["n_cpu_moe"])
    assert preview.one_liner == shlex.join(argv)
    history = {tmp_path / f"history.db{suffix}" for suffix in ("", "-wal", "-shm", "-journal")}
    assert set(tmp_path.rglob("*")) - set(before) <= history


async def test_settings_are_described_before_during_and_after_a_plan(desk: Desk, server: Server) -> None:
    path = desk.model("only")
    desk.config.server_defaults = ServerDefaults(ctx_size=99)
    folder = str(desk.llama_cpp)
    expected = LlamaConfig(
        server_id="a",
        llama_cpp_path=folder,
        model_path=None,
        port=None,
        ctx_size=99,
        parallel=4,
        n_gpu_layers=-1,
        engine=None,
        settings={},
    )
    assert desk.planner.describe("a", ServerSettings()) == expected
    expected = msgspec.structs.replace(expected, port=8080, settings={"port": 8080})
    assert desk.planner.describe("a", server.settings_again) == expected
    server.launch = await desk.plan(port=8080, threads=2, env={"TOKEN": "s"})
    chosen = {"engine": "llama-server", "llama_cpp_path": folder, "model_path": str(path), "n_gpu_layers": -1}
    assert desk.planner.describe("a", server.settings_again) == msgspec.structs.replace(
        expected,
        model_path=str(path),
        engine="llama-server",
        settings=chosen | {"port": 8080, "threads": 2, "ctx_size": 99, "parallel": 4},
    )
    assert desk.planner.describe("a", server.settings_again, port=1234).port == 1234


# --- once more ---


async def test_starting_again_names_everything_that_was_chosen(desk: Desk, server: Server) -> None:
    path = desk.model("a")
    server.launch = await desk.plan(threads=2)
    desk.model("b")
    desk.config.engines = EnginesConfig(preferred="embedded")
    desk.config.server_defaults = ServerDefaults(ctx_size=1)
    launch = await desk.planner.plan(server.settings_again)
    assert (launch.engine.path, launch.model_path, launch.ctx_size, launch.settings.threads) == (
        server.launch.engine.path,
        path,
        4096,
        2,
    )


async def test_a_start_that_came_to_no_plan_is_begun_again_as_it_was_asked_for(server: Server) -> None:
    assert server.settings_again == server.settings


def test_another_model_keeps_the_settings_but_not_what_belongs_to_the_old_one() -> None:
    settings = ServerSettings(model_path="/a", mmproj_path="/p", lora=["/l"], threads=2, port=80)
    settings = msgspec.structs.replace(settings, chat_template="x", chat_template_file="/t")
    assert with_model(settings, "b") == ServerSettings(model="b", threads=2, port=80)


# --- the history ---


async def test_a_broken_history_keeps_nothing_from_starting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise StorageError("The history is broken.")

    monkeypatch.setattr(KeyValueStore, "get", broken)
    monkeypatch.setattr(KeyValueStore, "set", broken)
    desk.model("only")
    launch = await desk.plan()
    await desk.planner.remember(launch)
    assert launch.model_name == "only"


async def test_a_remembered_model_that_makes_no_sense_is_forgotten(desk: Desk) -> None:
    await desk.store.set(LAST_MODEL, {"not": "a name"})
    desk.model("a")
    desk.model("b")
    assert (await desk.refusal()).name == "MODEL_NOT_FOUND"
