"""What the READMEs say is true: their hosts and commands run, their messages are valid, their links lead somewhere.

(The Node and Rust hosts of README.md are run by check_clients.py.)
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recipes.commands import COMMANDS

from sidecar.cli.arguments import parse
from sidecar.contract import METHODS, Event
from sidecar.contract.errors import from_wire
from tests.library.gguf_files import write_model

ROOT = Path(__file__).parents[1]
GUIDES = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "ipc_schema/README.md",
        "sidecar/README.md",
        "sidecar/GLOSSARY.md",
        "shell/README.md",
        "build/README.md",
        "shell/src-tauri/host/README.md",
        "ipc_schema/rust/README.md",
        "ipc_schema/typescript/README.md",
    )
]
PROTOCOL = ROOT / "ipc_schema" / "README.md"
COMMAND_SECONDS = 60.0
MOST_README_LINES = 200
"""A newcomer reads one page, and finds the rest from there."""


def blocks(guide: Path, language: str) -> list[str]:
    """The code of a language in a guide."""
    return re.findall(rf"^```{language}\n(.*?)^```", guide.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands_to_run() -> Iterator[str]:
    for guide in GUIDES:
        for block in blocks(guide, "sh"):
            yield from (line for line in block.splitlines() if line.startswith("llama-sidecar"))


def words(pattern: str) -> list[tuple[str, str]]:
    """What a pattern finds in the code spans of the guides, with where it stands."""
    return [
        (guide.name, found)
        for guide in GUIDES
        for span in re.findall(r"`([^`\n]+)`", guide.read_text(encoding="utf-8"))
        for found in re.findall(pattern, span)
    ]


@pytest.fixture
def environment(data_dir: Path, fake_llama_cpp: Path) -> dict[str, str]:
    """Of a person who has one small model and an engine."""
    write_model(data_dir / "models" / "tiny.gguf")
    config = {"engines": {"llama_cpp_path": str(fake_llama_cpp)}}
    (data_dir / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return {**os.environ, "LLAMA_SIDECAR_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)}


def run(argv: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def test_the_python_host_of_the_readme_prints_an_answer(environment: dict[str, str]) -> None:
    (program,) = blocks(ROOT / "README.md", "python")
    done = run([sys.executable, "-c", program], environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("w1 w2 w3")


def test_each_command_of_a_guide_runs(environment: dict[str, str]) -> None:
    lines = list(commands_to_run())
    assert lines, "no guide has a command any more"
    for line in lines:
        done = run([sys.executable, "-m", "sidecar", *shlex.split(line)[1:]], environment)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_each_command_that_a_sentence_names_is_accepted() -> None:
    for guide, line in words(r"^llama-sidecar(?= |$)[^…]*$"):
        try:
            parse(shlex.split(line)[1:])
        except SystemExit:
            pytest.fail(f"{guide} names a command that is not accepted: {line}")


def test_each_recipe_that_a_guide_names_exists_and_each_recipe_is_described() -> None:
    named = {name for _, name in words(r"^make ([a-z][\w-]*)")}
    assert named == set(COMMANDS)


def test_each_script_of_the_page_that_a_guide_names_exists() -> None:
    scripts = json.loads((ROOT / "shell" / "package.json").read_text(encoding="utf-8"))["scripts"]
    named = {name for _, name in words(r"^npm run (\w+)")}
    assert named
    assert named <= scripts.keys()


def test_each_link_leads_to_a_file() -> None:
    for guide in GUIDES:
        for target in re.findall(r"\]\(([^)#\s]+)", guide.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (guide.parent / target).exists(), f"{guide.name}: {target}"


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MOST_README_LINES


def test_each_message_of_the_protocol_guide_is_valid() -> None:
    messages = [json.loads(line) for block in blocks(PROTOCOL, "json") for line in block.splitlines()]
    assert messages
    for message in messages:
        _check(message)


def _check(message: dict[str, Any]) -> None:
    assert message["jsonrpc"] == "2.0"
    if "error" in message:
        error = from_wire(message["error"])
        assert (error.code, error.name) == (message["error"]["code"], message["error"]["data"]["name"])
    elif message["method"] == "channel":
        assert any(
            _is_valid(message["params"]["event"], event) for method in METHODS.values() for event in method.events
        )
    elif message["method"] != "$/cancel":
        msgspec.convert(message["params"], METHODS[message["method"]].params)


def _is_valid(event: dict[str, Any], kind: type[Event]) -> bool:
    try:
        msgspec.convert(event, kind)
    except msgspec.ValidationError:
        return False
    return True
