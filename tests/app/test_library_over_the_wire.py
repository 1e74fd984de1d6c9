"""The library as a host sees it: other programs' models, imports, the trash, and what a subscription tells."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import fake_engine
from tests.app.talking import StartTalk, Talk, Talking, prepare
from tests.library.gguf_files import LLAMA_TENSORS, Tensor, gguf_bytes, llama_metadata, write_model
from tests.library.stores import furnish, state, write
from tests.raw_host import ANSWER_SECONDS

GIBIBYTE = 2**30

SLOW_COPIES = """
import os, time
copy = os.copy_file_range
def slow(*arguments):
    count = copy(*arguments)
    time.sleep(0.05 if count >= 2**20 else 0)
    return count
os.copy_file_range = slow
"""
"""Put in by Python itself at its start: 20 pieces a second of a large file, some seconds for all of it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with other programs' models, a data folder, and files of the user's."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "home").mkdir()
    furnish(folder / "home")
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"), models={"sources": None})
    (folder / "data" / "models" / "tiny.gguf").unlink()
    return folder


@pytest.fixture(scope="module")
def host(place: Path) -> Iterator[Talk]:
    """A sidecar that lives in that home, where large files are copied slowly."""
    write(place / "slow" / "sitecustomize.py", SLOW_COPIES.encode())
    env = {"HOME": str(place / "home"), "PYTHONPATH": f"{place / 'slow'}{os.pathsep}{Path.cwd()}"}
    with Talk(place / "data", env=env) as talk:
        yield talk


def models(host: Talking) -> dict[str, dict[str, Any]]:
    return {model["name"]: model for model in host.call("list_models")}


def heard(host: Talking, channel: str) -> list[dict[str, Any]]:
    """The events of a channel so far."""
    return [params["event"] for params in host.events[channel]]


def test_other_programs_models_are_listed_and_their_files_left_alone(host: Talking, place: Path) -> None:
    before = state(place / "home")
    found = models(host)
    assert {model["origin"] for model in found.values()} == {"huggingface", "lm_studio", "ollama", "jan", "llama_cpp"}
    error = host.fail("delete_model", model="llama3.2:3b")
    assert (error["data"]["name"], "ollama rm" in error["data"]["hint"]) == ("DELETE_NOT_ALLOWED", True)
    error = host.fail("import_model", path=found["llama3.2:3b"]["path"], mode="move")
    assert error["data"]["name"] == "PATH_NOT_ALLOWED"
    host.call("set_config", patch={"models": {"sources": ["jan"]}})
    assert list(models(host)) == ["Jan-nano"]
    host.call("set_config", patch={"models": {"sources": None}})
    assert models(host) == found
    assert state(place / "home") == before


def test_a_model_is_told_in_detail_by_any_of_its_names(host: Talking) -> None:
    told = host.call("get_model", model="llava:latest")
    assert (told["name"], told["layers"], told["heads"], told["kv_heads"]) == ("llava", 2, 4, 2)
    assert (told["chat_template"], told["licence"]) == ("{{ messages }}", "apache-2.0")
    assert told["capabilities"] == ["chat", "vision"]
    assert [part["path"] for part in told["parts"]] == [told["path"]]
    assert told["projectors"] == [told["mmproj_path"]]
    assert host.fail("get_model", model="nothing")["data"]["name"] == "MODEL_NOT_FOUND"


def test_a_damaged_model_is_told_as_far_as_that_goes(host: Talking, place: Path) -> None:
    path = write(place / "data" / "models" / "bad.gguf", b"GGUF")
    told = host.call("get_model", model="bad")
    assert (told["valid"], told["layers"], bool(told["problem"])) == (False, None, True)
    path.unlink()


def test_a_scan_tells_of_every_place_and_verifying_finds_copies(host: Talking, place: Path) -> None:
    data = write_model(place / "data" / "models" / "one.gguf", general__name="one").read_bytes()
    write(place / "data" / "models" / "two.gguf", data)
    scan = host.call("scan_models")
    assert scan["possible_copies"] == [["one", "two"]]
    assert {s["origin"] for s in scan["sources"] if s["found"]} == {
        *("own", "huggingface", "lm_studio", "ollama", "jan", "llama_cpp"),
    }
    scan = host.call("scan_models", verify=True, channel="verify")
    assert (scan["possible_copies"], scan["unread"]) == ([], 0)
    events = heard(host, "verify")
    assert events[-1] == {"status": "done", "models": scan["models"]}
    assert events[-2] == {"status": "working", "done_bytes": 2 * len(data), "total_bytes": 2 * len(data)}
    assert models(host)["one"]["other_paths"] == [str(place / "data" / "models" / "two.gguf")]
    for name in ("one", "two"):
        host.call("delete_model", model=name, permanently=True)


def test_a_model_is_imported_deleted_and_brought_back(host: Talking, place: Path) -> None:
    source = write_model(place / "user" / "Mine-Q4_0.gguf", general__name="mine")
    size = source.stat().st_size
    model = host.call("import_model", path=str(source), mode="copy", channel="import")
    target = place / "data" / "models" / "Mine-Q4_0.gguf"
    assert (model["path"], model["origin"], target.read_bytes()) == (str(target), "own", source.read_bytes())
    assert heard(host, "import")[-1] == {"status": "done", "model": "Mine-Q4_0"}
    assert host.fail("import_model", path=str(source))["data"]["name"] == "PATH_NOT_ALLOWED"
    told = host.call("delete_model", model="Mine-Q4_0", dry_run=True)
    assert (told["deleted"], told["frees_bytes"], told["trash_id"], target.exists()) == (False, size, None, True)
    deleted = host.call("delete_model", model="Mine-Q4_0")
    assert (deleted["deleted"], target.exists(), "Mine-Q4_0" in models(host)) == (True, False, False)
    [kept] = host.call("list_deleted_models")
    assert (kept["trash_id"], kept["path"], kept["size_bytes"]) == (deleted["trash_id"], str(target), size)
    assert host.call("restore_model", model=kept["trash_id"])["path"] == str(target)
    host.call("delete_model", model="Mine-Q4_0")
    assert host.call("empty_trash") == {"models": 1, "freed_bytes": size}
    assert host.fail("restore_model", model="Mine-Q4_0")["data"]["name"] == "MODEL_NOT_FOUND"


def test_a_cancelled_import_leaves_nothing(host: Talking, place: Path) -> None:
    source = place / "user" / "large.gguf"
    large = Tensor("output.weight", (2**28,))
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(gguf_bytes(llama_metadata(), [*LLAMA_TENSORS, large], data=b""))
    with source.open("r+b") as file:
        file.truncate(GIBIBYTE + 2**20)  # takes no room, until it is copied
    before = state(place / "data" / "models")
    request = host.begin("import_model", path=str(source), mode="copy", channel="cancelled")
    host.event("cancelled", "working")
    host.notify("$/cancel", id=request)
    assert host.error_of(request)["data"]["name"] == "CANCELLED"
    assert heard(host, "cancelled")[-1]["status"] == "cancelled"
    assert state(place / "data" / "models") == before
    source.unlink()


def test_a_subscription_tells_what_comes_and_goes(host: Talking, place: Path) -> None:
    host.call("subscribe", topics=["models"], channel="models", options={"interval_ms": 100})
    path = place / "data" / "models" / "new.gguf"
    count = len(models(host))
    host.event("models", "model", at_least=count)
    write_model(path, general__name="new")
    host.until(lambda: any(e["status"] == "model" and e["model"]["valid"] for e in heard(host, "models")[count:]))
    assert heard(host, "models")[-1]["model"]["name"] == "new"
    path.unlink()
    assert host.event("models", "model_removed")["name"] == "new"
    host.call("unsubscribe", channel="models")
    assert heard(host, "models")[-1] == {"status": "done"}


def test_a_model_that_runs_is_not_deleted(start_talk: StartTalk, data_dir: Path) -> None:
    talk = start_talk()
    told = talk.call("delete_model", model="tiny", dry_run=True)
    assert told["used_by_servers"] == ["default"]
    error = talk.fail("delete_model", model="tiny")
    assert (error["data"]["name"], error["data"]["server_id"]) == ("MODEL_IN_USE", "default")
    talk.call("stop_llama_server")
    assert talk.call("delete_model", model="tiny")["deleted"]
    assert not (data_dir / "models" / "tiny.gguf").exists()


def test_the_next_sidecar_finishes_and_tidies_up(start_talk: StartTalk, data_dir: Path) -> None:
    talk = start_talk(server=False)
    deleted = talk.call("delete_model", model="tiny")
    talk.close()
    entry = data_dir / "models" / ".trash" / deleted["trash_id"] / "entry.json"
    told = json.loads(entry.read_bytes())
    entry.write_text(json.dumps(told | {"state": "restoring"}))
    write(data_dir / "models" / ".importing-1-2" / "half.gguf", b"GGUF")
    talk = start_talk(server=False)
    until = time.monotonic() + ANSWER_SECONDS
    while not talk.call("list_models") or (data_dir / "models" / ".importing-1-2").exists():
        assert time.monotonic() < until
    while talk.call("list_deleted_models"):
        assert time.monotonic() < until
    assert [model["name"] for model in talk.call("list_models")] == ["tiny"]
    assert (data_dir / "models" / "tiny.gguf").exists()
