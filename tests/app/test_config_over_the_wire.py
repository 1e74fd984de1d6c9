"""The config over the wire: read, changed, refused, broken, and what a change does."""

from __future__ import annotations

import itertools
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests import fake_engine
from tests.app.talking import StartTalk
from tests.direct_host import DirectHost
from tests.library.gguf_files import write_model
from tests.raw_host import RawHost


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectHost]:
    """A sidecar whose config tests may change."""
    with DirectHost(tmp_path_factory.mktemp("config") / "data") as host:
        host.call("ping")
        yield host


@pytest.fixture
def file(host: DirectHost) -> Iterator[Path]:
    """The config file; all is as at the start afterwards."""
    data_dir = Path(host.call("initialize")["data_dir"])
    yield data_dir / "config.json"
    host.call("reset_config")


def content(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


# --- reading and changing ----------------------------------------------------------------------------------


def test_without_a_file_every_default_is_told_and_fits_the_schema(host: DirectHost) -> None:
    config, schema = host.call("get_config"), host.call("get_config_schema")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(config, schema)
    assert config["server_defaults"] == {
        "ctx_size": 4096,
        "parallel": 4,
        "n_gpu_layers": -1,
        "threads": None,
        "cache_ram_mib": None,
    }
    assert (config["engines"]["preferred"], config["models"], config["server_presets"]) == (
        *(None, {"folders": [], "default": None, "sources": None, "deleted_retention_days": 7.0}, {}),
    )
    described = schema["$defs"]["EnginesConfig"]["properties"]["start_timeout_seconds"]
    assert (described["default"], bool(described["description"])) == (180.0, True)


def test_a_change_is_the_answer_and_in_the_file_at_once(host: DirectHost, file: Path) -> None:
    before = host.call("get_config")
    changed = host.call("set_config", patch={"chat": {"temperature": 0.5}, "models": {"folders": ["/ä"]}})
    assert changed == host.call("get_config")
    assert changed["chat"] == before["chat"] | {"temperature": 0.5}
    assert changed["models"] == before["models"] | {"folders": ["/ä"]}
    assert content(file) == {"chat": {"temperature": 0.5}, "models": {"folders": ["/ä"]}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir() if "config" in path.name] == ["config.json"]


def test_null_and_reset_go_back_to_the_defaults(host: DirectHost, file: Path) -> None:
    before = host.call("get_config")
    host.call("set_config", patch={"chat": {"temperature": 0.5, "top_k": 1, "system": "Hi"}, "logs": {"kept_files": 9}})
    assert host.call("set_config", patch={"chat": {"top_k": None}})["chat"]["top_k"] == before["chat"]["top_k"]
    reset = host.call("reset_config", keys=["chat.temperature", "logs"])
    assert (reset["chat"], reset["logs"]) == (before["chat"] | {"system": "Hi"}, before["logs"])
    assert host.call("set_config", patch={"chat": None}) == before
    host.call("set_config", patch={"storage": {"deleted_retention_days": 1}})
    assert host.call("reset_config") == before
    assert host.call("reset_config", keys=None) == before
    assert content(file) == {}


def test_changes_sent_at_once_are_all_made_in_their_order(host: DirectHost, file: Path) -> None:
    presets = {f"p{i}": {"ctx_size": i} for i in range(12)}
    asked = [host.begin("set_config", patch={"server_presets": {name: p}}) for name, p in presets.items()]
    asked += [host.begin("set_config", patch={"chat": {"top_k": i}}) for i in range(8)]
    answers = [host.answer(request)["result"] for request in asked]
    assert [len(answer["server_presets"]) for answer in answers[:12]] == list(range(1, 13))
    assert [answer["chat"]["top_k"] for answer in answers[12:]] == list(range(8))
    assert {n: p["ctx_size"] for n, p in host.call("get_config")["server_presets"].items()} == {
        name: preset["ctx_size"] for name, preset in presets.items()
    }
    assert content(file) == {"server_presets": presets, "chat": {"top_k": 7}}


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"chatt": {}}, "$.patch.chatt"),
        ({"chat": {"temperatur": 1}}, "$.patch.chat.temperatur"),
        ({"chat": {"temperature": "hot"}}, "$.patch.chat.temperature"),
        ({"chat": {"temperature": -1}}, "$.patch.chat.temperature"),
        ({"chat": []}, "$.patch.chat"),
        ({"engines": {"preferred": "ollama"}}, "$.patch.engines.preferred"),
        ({"engines": {"start_timeout_seconds": 0}}, "$.patch.engines.start_timeout_seconds"),
        ({"engines": {"stop_grace_seconds": 4.1}}, "$.patch.engines.stop_grace_seconds"),
        ({"server_defaults": {"ctx_size": 4096.5}}, "$.patch.server_defaults.ctx_size"),
        ({"models": {"folders": "/models"}}, "$.patch.models.folders"),
        ({"logs": {"level": "verbose"}}, "$.patch.logs.level"),
        ([], "$.patch"),
        ("chat", "$.patch"),
        (None, "$.patch"),
    ],
)
def test_what_can_not_be_is_refused_with_its_path_and_changes_nothing(
    host: DirectHost, file: Path, patch: Any, path: str
) -> None:
    before = host.call("set_config", patch={"chat": {"top_k": 7}})
    mixed = {"logs": {"kept_files": 5}, **patch} if isinstance(patch, dict) else patch
    error = host.fail("set_config", patch=mixed)
    assert (error["code"], error["data"]["name"], error["data"]["path"]) == (-32602, "INVALID_PARAMS", path)
    assert host.call("get_config") == before
    assert content(file) == {"chat": {"top_k": 7}}


@pytest.mark.parametrize("key", ["chatt", "chat.temperatur", "chat.top_k.x", "", ".", "chat."])
def test_a_key_that_there_is_not_can_not_be_reset(host: DirectHost, file: Path, key: str) -> None:
    before = host.call("set_config", patch={"chat": {"top_k": 7}})
    error = host.fail("reset_config", keys=["chat.top_k", key])
    assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", "$.keys")
    assert host.call("get_config") == before


# --- what a change does ------------------------------------------------------------------------------------


def test_a_change_counts_for_the_next_start_and_running_servers_keep_theirs(
    start_talk: StartTalk, tmp_path: Path
) -> None:
    talk = start_talk()
    folder, other = tmp_path / "more models", fake_engine.install(tmp_path / "other build")
    write_model(folder / "second.gguf")
    patch = {
        "engines": {"llama_cpp_path": str(other)},
        "models": {"folders": [str(folder)], "default": "second"},
        "server_defaults": {"ctx_size": 321, "parallel": 2},
    }
    talk.call("set_config", patch=patch)
    assert [model["name"] for model in talk.call("list_models")] == ["second", "tiny"]
    first, second = talk.call("get_server"), talk.call("start_llama_server", server_id="second")
    assert (first["model"], first["ctx_size"], first["parallel"]) == ("tiny", 4096, 4)
    assert (second["model"], second["ctx_size"], second["parallel"]) == ("second", 321, 2)
    assert second["plan"]["argv"][0] == str(other / "llama-server")
    again = talk.call("restart_server")  # the same settings, as it says
    assert (again["model"], again["ctx_size"], again["plan"]["argv"][0]) == (*("tiny", 4096, first["plan"]["argv"][0]),)
    talk.call("set_config", patch={"models": {"default": "none"}})
    error = talk.fail("start_llama_server", server_id="third")
    assert (error["data"]["name"], "models.default" in error["message"]) == ("MODEL_NOT_FOUND", True)
    talk.call("set_config", patch={"engines": {"llama_cpp_path": str(tmp_path / "gone")}})
    assert talk.fail("start_llama_server", server_id="third")["data"]["name"] == "ENGINE_NOT_FOUND"


def test_folders_may_be_named_from_the_home_folder_on_and_what_is_none_does_no_harm(
    data_dir: Path, tmp_path: Path
) -> None:
    write_model(tmp_path / "home" / "models" / "mine.gguf")
    with RawHost(data_dir, env={"HOME": str(tmp_path / "home")}) as host:
        no_folders = ["~nobody-of-this-name/models", "a\0b", "/dev/null", "x" * 5000]
        host.call("set_config", patch={"models": {"folders": [*no_folders, "~/models"]}})
        [model] = host.call("list_models")
        assert (model["name"], model["path"]) == ("mine", str(tmp_path / "home" / "models" / "mine.gguf"))


def test_the_level_of_the_log_changes_at_once(host: DirectHost, file: Path) -> None:
    def debug_lines() -> int:
        folder = f"/no/such/folder/{next(numbers)}"
        host.call("set_config", patch={"models": {"folders": [folder]}})
        host.call("list_models")  # says so of a folder that it can not list
        return sum(entry["level"] == "debug" for entry in host.call("get_logs", limit=10_000)["entries"])

    numbers = itertools.count()
    assert host.call("get_config")["logs"]["level"] == "info"
    assert debug_lines() == 0
    host.call("set_config", patch={"logs": {"level": "debug"}})
    seen = debug_lines()
    assert seen > 0
    host.call("reset_config", keys=["logs.level"])
    assert debug_lines() == seen


# --- the file ----------------------------------------------------------------------------------------------


@pytest.mark.case(32)
@pytest.mark.parametrize("data", [b'{"chat": {"temp', b"[1, 2]"])
def test_a_broken_file_is_kept_aside_and_told_and_the_defaults_are_used(data_dir: Path, data: bytes) -> None:
    file = data_dir / "config.json"
    data_dir.mkdir()
    file.write_bytes(data)
    with DirectHost(data_dir) as host:
        [notice] = host.call("initialize")["notices"]
        assert notice["name"] == "CONFIG_BROKEN"
        [aside] = data_dir.glob("config.broken-*")
        assert (aside.name in notice["message"], str(aside) in notice["hint"]) == (True, True)
        assert aside.read_bytes() == data
        assert host.call("get_config") == host.call("reset_config")
        host.call("set_config", patch={"chat": {"top_k": 3}})
        assert aside.read_bytes() == data
    with DirectHost(data_dir) as host:
        assert host.call("initialize")["notices"] == []
        assert host.call("get_config")["chat"]["top_k"] == 3


def test_another_file_can_be_named_and_what_it_does_not_say_is_the_default(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.json"
    file.write_text('{"server_defaults": {"ctx_size": 99}}')
    with DirectHost(data_dir, config_file=file) as host:
        defaults = host.call("get_config")["server_defaults"]
        assert defaults == {
            "ctx_size": 99,
            "parallel": 4,
            "n_gpu_layers": -1,
            "threads": None,
            "cache_ram_mib": None,
        }
        host.call("set_config", patch={"server_defaults": {"parallel": 2}})
        assert content(file) == {"server_defaults": {"ctx_size": 99, "parallel": 2}}
    assert not (data_dir / "config.json").exists()


@pytest.mark.case(29, 30)
@pytest.mark.parametrize(
    ("number", "code", "name"), [("ENOSPC", -32023, "DISK_FULL"), ("EROFS", -32024, "PERMISSION_DENIED")]
)
def test_a_change_that_can_not_be_written_is_no_change(
    data_dir: Path, tmp_path: Path, number: str, code: int, name: str
) -> None:
    fault = (
        "import errno, sidecar.storage.config as config\n"
        f"def fail(*_): raise OSError(errno.{number}, 'refused')\n"
        "config.write_atomically = fail\n"
    )
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "sitecustomize.py").write_text(fault)
    with RawHost(data_dir, env={"PYTHONPATH": f"{tmp_path / 'fault'}{os.pathsep}{Path.cwd()}"}) as host:
        before = host.call("get_config")
        for method, params in (("set_config", {"patch": {"chat": {"top_k": 1}}}), ("reset_config", {})):
            error = host.fail(method, **params)
            assert (error["code"], error["data"]["name"], bool(error["data"]["hint"])) == (code, name, True)
        assert host.call("get_config") == before
        assert not (data_dir / "config.json").exists()
