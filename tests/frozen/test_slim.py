"""The slim folder: the same program, for hosts that bring their own llama.cpp."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.app.talking import Talk, prepare

VARIABLE = "LLAMA_SIDECAR_TEST_SLIM"


@pytest.fixture
def slim() -> list[str]:
    """The program in the slim folder."""
    return [os.environ[VARIABLE]]


def test_it_talks_to_an_engine_of_the_hosts(data_dir: Path, fake_llama_cpp: Path, slim: list[str]) -> None:
    prepare(data_dir, fake_llama_cpp)
    with Talk(data_dir, command=slim) as talk:
        talk.call("start_llama_server")
        assert talk.say("tokens=3")["content"] == "w1 w2 w3 "


def test_it_says_what_it_lacks_and_how_to_get_it(data_dir: Path, slim: list[str]) -> None:
    with Talk(data_dir, command=slim) as talk:
        (embedded,) = [engine for engine in talk.call("list_engines") if engine["engine"] == "embedded"]
        assert not embedded["available"]
        error = talk.fail("set_config", patch={"storage": {"encrypt": True}})
        assert error["data"]["name"] == "NOT_SUPPORTED"
        for told in (embedded["message"], error["data"]["hint"]):
            assert "pip" not in told
            assert "whole llama-sidecar" in told


def test_it_has_no_page_to_serve_and_says_so(data_dir: Path, slim: list[str]) -> None:
    done = subprocess.run(
        [*slim, "serve", "--web", "--data-dir", str(data_dir)], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "whole llama-sidecar" in done.stderr
