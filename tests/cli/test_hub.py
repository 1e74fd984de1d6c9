"""`llama-sidecar models search` and `download`, against a hub of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, run
from tests.hub_server import HubServer, fill

SIZE = 400_000


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as hub:
        fill(hub, SIZE)
        yield hub


def told(data_dir: Path, hub: HubServer, *arguments: str) -> str:
    done = run(data_dir, "models", *arguments, env={"HF_ENDPOINT": hub.url})
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_search_lists_repositories_and_a_repository_its_models(data_dir: Path, hub: HubServer) -> None:
    found = told(data_dir, hub, "search", "gguf").splitlines()
    assert {line.split()[0] for line in found} == set(hub.repos)
    assert [line for line in found if "access must be requested" in line] == [
        "tests/gated-GGUF  100 downloads  access must be requested"
    ]
    inside = told(data_dir, hub, "search", "tests/tiny-GGUF").splitlines()
    assert inside[0] == "tests/tiny-GGUF  apache-2.0"
    assert [line.split()[0] for line in inside[1:]] == ["Q2_K", "●", "Q8_0"]


def test_ctrl_c_lets_a_download_rest_and_the_same_command_goes_on(data_dir: Path, hub: HubServer) -> None:
    hub.repos["tests/seeing-GGUF"].files["seeing-Q4_K_M.gguf"].faults.stalls.append(SIZE // 2)
    command = ["models", "download", "tests/seeing-GGUF"]
    with Terminal(data_dir, command, env={"HF_ENDPOINT": hub.url}) as terminal:
        terminal.until("200.0/401.1 kB")
        terminal.press("\x03")
        assert terminal.wait() == 130
        assert "the same command continues" in terminal.text
        assert "Traceback" not in terminal.text
    lines = told(data_dir, hub, *command[1:]).splitlines()
    assert lines[0] == "seeing-Q4_K_M is here, 401 KB."
    assert [Path(line.strip()).name for line in lines[1:]] == ["seeing-Q4_K_M.gguf", "mmproj-F16.gguf"]
    assert hub.sent["seeing-Q4_K_M.gguf"] < SIZE * 1.3
    assert "seeing-Q4_K_M" in told(data_dir, hub, "list")


def test_what_can_not_be_had_is_told_with_the_way_out(data_dir: Path, hub: HubServer) -> None:
    done = run(data_dir, "models", "download", "tests/gated-GGUF", env={"HF_ENDPOINT": hub.url})
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"HF_TOKEN" in done.stderr
