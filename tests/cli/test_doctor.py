"""`llama-sidecar doctor`: what it finds, what it says to do, and its exit code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.app.talking import prepare
from tests.cli.terminal import Terminal, run
from tests.library.gguf_files import write_model


def examine(data_dir: Path, **env: str) -> tuple[int, str]:
    """The exit code and the report; a report goes to stdout, whole lines, without escape codes."""
    done = run(data_dir, "doctor", env=env)
    assert (done.stderr, b"\x1b" in done.stdout) == (b"", False)
    return done.returncode, "\n".join(line.rstrip() for line in done.stdout.decode().splitlines())


@pytest.fixture
def nothing_installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which there is no engine: none on PATH, and the modules can not be imported."""
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "found = PathFinder.find_spec\n"
        "def find_spec(cls, name, path=None, target=None):\n"
        "    return None if name in ('xllamacpp', 'llama_cpp') else found(name, path, target)\n"
        "PathFinder.find_spec = classmethod(find_spec)\n"
    )
    return {"PYTHONPATH": os.pathsep.join([str(blocker), str(Path.cwd())]), "PATH": str(tmp_path)}


def test_what_is_there_and_what_will_be_used_is_told(ready: Path, fake_llama_cpp: Path) -> None:
    code, report = examine(ready)
    assert code == 0
    assert f"✓ Data folder: {ready}" in report
    assert re.search(rf"✓ llama-server .*{re.escape(str(fake_llama_cpp))}", report)
    assert "✓ tiny\n" in report
    assert str(ready / "models" / "tiny.gguf") in report
    used = report.partition("What a start would use\n")[2].splitlines()
    assert used[:3] == ["  Engine      llama-server", "  Model       tiny", "  Context     4096 tokens"]
    assert used[-1] == "✓ Ready. llama-sidecar chat starts it."


def test_the_choice_of_the_config_is_what_is_told(data_dir: Path, fake_llama_cpp: Path) -> None:
    defaults = {"ctx_size": 0, "parallel": 2, "n_gpu_layers": 7}
    prepare(data_dir, fake_llama_cpp, models={"default": "zebra"}, server_defaults=defaults)
    write_model(data_dir / "models" / "zebra.gguf")
    code, report = examine(data_dir)
    assert code == 0
    for line in ("Model       zebra", "Context     all that", "Answers     up to 2 at", "On the GPU  7 layers"):
        assert f"  {line}" in report


def test_without_a_model_it_says_where_to_put_one(data_dir: Path, fake_llama_cpp: Path) -> None:
    prepare(data_dir, fake_llama_cpp)
    (data_dir / "models" / "tiny.gguf").unlink()
    code, report = examine(data_dir)
    assert code == 1
    assert "✗ Nothing: there is no model." in report
    assert "llama-sidecar models download" in report
    assert f"put a GGUF file into {data_dir}/models" in report


def test_without_an_engine_it_says_how_to_get_one(data_dir: Path, nothing_installed: dict[str, str]) -> None:
    code, report = examine(data_dir, **nothing_installed)
    assert code == 1
    assert "✓ Data folder" in report
    assert "· llama-server" in report
    assert "✗ Nothing: there is no engine." in report
    assert "-m pip install 'xllamacpp" in report
    assert "engines.llama_cpp_path" in report


def test_a_llama_cpp_folder_without_executables_is_a_mistake_that_is_told(data_dir: Path, tmp_path: Path) -> None:
    empty = tmp_path / "[empty]"
    empty.mkdir()
    prepare(data_dir, empty)
    code, report = examine(data_dir)
    assert code == 1
    assert "✗ llama-server" in report
    assert report.count(str(empty)) >= 2
    assert report.partition("What a start would use\n")[2].startswith("✗ ")


def test_a_misspelt_key_of_the_config_is_told_and_what_the_defaults_give(data_dir: Path, fake_llama_cpp: Path) -> None:
    prepare(data_dir, fake_llama_cpp)
    (data_dir / "config.json").write_text('{"engines": {"llama_cpp_pth": "/x"}}')
    code, report = examine(data_dir, PATH=f"{fake_llama_cpp}{os.pathsep}{os.environ['PATH']}")
    assert code == 0
    assert "! The config file has keys that this version does not know: engines.llama_cpp_pth." in report
    assert "llama_cpp_pth" in report
    assert "correct their spelling" in report
    assert "✓ Ready." in report


def test_a_damaged_model_is_told_and_is_not_the_one_that_is_used(ready: Path) -> None:
    (ready / "models" / "bad.gguf").write_bytes(b"no model")
    code, report = examine(ready)
    assert code == 0
    assert "✗ bad\n" in report
    assert "It cannot be used: " in report
    assert "  Model       tiny" in report


def test_a_data_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, report = examine(tmp_path / "file" / "data")
    assert code == 1
    assert report.startswith("✗ The data folder ")
    assert "--data-dir" in report


def test_in_a_narrow_terminal_nothing_is_cut(ready: Path) -> None:
    with Terminal(ready, ["doctor"], columns=40) as terminal:
        assert terminal.wait() == 0
        shown = terminal.text
    assert max(len(line) for line in shown.splitlines()) <= 40
    assert str(ready / "models" / "tiny.gguf") in shown.replace("\n", "").replace(" ", "").replace(
        str(ready).replace(" ", ""), str(ready)
    )
