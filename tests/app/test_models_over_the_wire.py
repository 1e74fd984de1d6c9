"""Models over the wire: listed, inspected and chosen, sound ones and hostile ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import fake_engine
from tests.app.talking import StartTalk, prepare
from tests.direct_host import DirectHost
from tests.library.gguf_files import (
    ARRAY,
    FLOAT32,
    FLOAT64,
    LLAMA_PARAMETERS,
    LLAMA_TENSORS,
    UINT64,
    Raw,
    Value,
    gguf_bytes,
    llama_metadata,
    model_bytes,
    write_model,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DirectHost, Path]]:
    """A sidecar and its models folder, which tests leave empty."""
    folder = tmp_path_factory.mktemp("library")
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"))
    with DirectHost(folder / "data") as host:
        (folder / "data" / "models" / "tiny.gguf").unlink()
        yield host, folder / "data" / "models"


@pytest.fixture
def host(library: tuple[DirectHost, Path]) -> DirectHost:
    return library[0]


@pytest.fixture
def models(library: tuple[DirectHost, Path]) -> Iterator[Path]:
    yield library[1]
    for path in library[1].iterdir():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_models_are_listed_as_they_come_and_go(host: DirectHost, models: Path) -> None:
    assert host.call("list_models") == []
    path = write_model(models / "Tiny-Q4_K_M.gguf")
    [model] = host.call("list_models")
    assert model == {
        "name": "Tiny-Q4_K_M",
        "path": str(path),
        "size_bytes": path.stat().st_size,
        "files": 1,
        "modified_at": pytest.approx(path.stat().st_mtime),
        "origin": "own",
        "mmproj_path": None,
        "valid": True,
        "problem": None,
        "architecture": "llama",
        "quantization": "Q4_K_M",
        "parameters": LLAMA_PARAMETERS,
        "context_length": 2048,
        "display_name": "Tiny",
        "repo": None,
        "capabilities": ["chat"],
        "adapters": [],
        "other_paths": [],
        "aliases": [],
        "kind": "chat",
        "problem_reason": None,
        "hint": None,
        "no_projector": None,
    }
    path.write_bytes(b"GGUF")
    assert [model["valid"] for model in host.call("list_models")] == [False]
    path.unlink()
    assert host.call("list_models") == []


def test_a_model_is_inspected_with_all_it_says(host: DirectHost, tmp_path: Path) -> None:
    path = write_model(tmp_path / "mödel.gguf", my__list=list(range(5000)), my__flag=True)
    told = host.call("inspect_model", path=str(path))
    expected = {
        "path": str(path),
        "gguf_version": 3,
        "tensor_count": len(LLAMA_TENSORS),
        "name": "Tiny",
        "architecture": "llama",
        "parameters": LLAMA_PARAMETERS,
        "context_length": 2048,
        "layers": 2,
        "heads": 4,
        "kv_heads": 2,
        "vocabulary": 4,
        "chat_template": "{{ messages }}",
        "licence": "apache-2.0",
    }
    assert {name: told[name] for name in expected} == expected
    assert (told["metadata"]["my.flag"], told["metadata"]["my.list"]) == (True, {"array": "uint32", "length": 5000})


def test_values_that_json_has_no_words_for_are_null_and_others_are_whole(host: DirectHost, tmp_path: Path) -> None:
    odd: dict[str, Any] = {
        "a.nan": Value(FLOAT32, float("nan")),
        "a.inf": Value(FLOAT64, float("-inf")),
        "a.large": Value(UINT64, 2**64 - 1),
        "a.text": "x\0y\u2028z",
        "a.long": "y" * 3_000_000,
    }
    path = tmp_path / "odd.gguf"
    path.write_bytes(gguf_bytes(llama_metadata() | odd, LLAMA_TENSORS))
    metadata = host.call("inspect_model", path=str(path))["metadata"]
    assert {name: metadata[name] for name in odd} == {
        "a.nan": None,
        "a.inf": None,
        "a.large": 2**64 - 1,
        "a.text": "x\0y\u2028z",
        "a.long": {"text_bytes": 3_000_000},
    }


def hostile_files(folder: Path) -> dict[str, Path]:
    """Files that are named like models, and each is bad in its way."""
    nested = (ARRAY).to_bytes(4, "little") + b"".join(
        ARRAY.to_bytes(4, "little") + (1).to_bytes(8, "little") for _ in range(100_000)
    )
    contents = {
        "empty": b"",
        "short": b"GGUF\3\0\0",
        "text": b"<html>",
        "magic": b"GGML" + model_bytes()[4:],
        "version": gguf_bytes(llama_metadata(), version=2**31),
        "keys": gguf_bytes(llama_metadata(), key_count=2**63),
        "tensors": gguf_bytes(llama_metadata(), tensor_count=2**63),
        "string": gguf_bytes([("general.architecture", Raw(b"\x08\0\0\0" + b"\xff" * 8))]),
        "nested": gguf_bytes([("a", Raw(nested))]),
        "cut": model_bytes()[:-64],
        "bytes": gguf_bytes([("general.architecture", b"\xff\xed\xa0\x80")]),
    }
    for name, data in contents.items():
        (folder / f"{name}.gguf").write_bytes(data)
    with (folder / "sparse.gguf").open("wb") as file:
        file.truncate(2**40)
    return {path.stem: path for path in folder.iterdir()}


def test_damaged_models_are_listed_with_their_problem_and_refused_where_they_are_named(
    host: DirectHost, models: Path
) -> None:
    files = hostile_files(models)
    write_model(models / "sound.gguf")
    os.mkfifo(models / "pipe.gguf")
    (models / "folder.gguf").mkdir()
    (models / "circle.gguf").symlink_to(models / "circle.gguf")
    (models / "line\nbreak.gguf").write_bytes(model_bytes())
    Path(os.fsdecode(os.fsencode(models) + b"/\xff.gguf")).write_bytes(model_bytes())
    listed = {model["name"]: model for model in host.call("list_models")}
    assert listed.keys() == {*files, "sound", "line\nbreak"}
    for name, path in files.items():
        assert (listed[name]["valid"], bool(listed[name]["problem"])) == (False, True), name
        for method, params in (("inspect_model", {"path": str(path)}), ("start_llama_server", {"model": name})):
            error = host.fail(method, **params)
            assert (error["code"], error["data"]["name"]) == (-32018, "MODEL_INVALID"), (name, method)
        host.call("stop_llama_server")
    assert (listed["sound"]["valid"], host.call("ping")) == (True, "pong")
    for name in ("pipe", "folder", "circle"):
        assert host.fail("inspect_model", path=str(models / f"{name}.gguf"))["data"]["name"] == "PATH_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "INVALID_PARAMS"),
        ("relative.gguf", "PATH_NOT_ALLOWED"),
        ("/no/such/file", "MODEL_NOT_FOUND"),
        ("/dev/zero", "PATH_NOT_ALLOWED"),
        ("/proc/self/mem", "MODEL_INVALID"),
        ("/etc/passwd/x", "MODEL_NOT_FOUND"),
        ("/a\0b", "PATH_NOT_ALLOWED"),
        ("/" + "x" * 5000, "PATH_NOT_ALLOWED"),
        ("~nobody-of-this-name/x", "PATH_NOT_ALLOWED"),
    ],
)
def test_a_path_that_leads_to_no_model_is_refused(host: DirectHost, path: str, name: str) -> None:
    error = host.fail("inspect_model", path=path)
    assert (error["data"]["name"], bool(error["data"]["hint"])) == (name, True)


def test_the_model_that_is_meant_is_chosen(start_talk: StartTalk, data_dir: Path, tmp_path: Path) -> None:
    talk = start_talk(server=False)
    folder = data_dir / "models"

    def chosen(**params: Any) -> str:
        info = talk.answer(talk.begin("start_llama_server", **params))
        talk.answer(talk.begin("stop_llama_server"))
        return str(info["result"]["model"] if "result" in info else info["error"]["data"]["name"])

    (folder / "damaged.gguf").write_bytes(b"GGUF")
    assert chosen() == "tiny"  # the only sound one
    write_model(folder / "Other-Q8_0.gguf")
    assert chosen() == "tiny"  # the last used
    assert [chosen(model=name) for name in ("other-q8_0", "Other-Q8_0.gguf", "TINY", "damaged", "none")] == [
        *("Other-Q8_0", "Other-Q8_0", "tiny", "MODEL_INVALID", "MODEL_NOT_FOUND"),
    ]
    outside = write_model(tmp_path / "outside.gguf")
    assert chosen(model_path=str(outside), model="tiny") == "outside"
    assert chosen(model=str(outside)) == "outside"
    talk.call("set_config", patch={"models": {"default": "Other-Q8_0"}})
    assert chosen() == "Other-Q8_0"
    for path in folder.iterdir():
        path.unlink()
    talk.call("reset_config", keys=["models"])
    assert chosen() == "MODEL_NOT_FOUND"
