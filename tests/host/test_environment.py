"""The environment of child processes."""

from __future__ import annotations

import pytest

from sidecar.host.environment import child_environment


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "CUDA_VISIBLE_DEVICES",
        "GGML_VK_VISIBLE_DEVICES",
        "HIP_VISIBLE_DEVICES",
        "OMP_NUM_THREADS",
        "SystemRoot",
        "TMPDIR",
    ],
)
def test_what_engines_need_is_passed_on(name: str) -> None:
    assert child_environment(of={name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    "name",
    [
        "LLAMA_API_KEY",
        "LLAMA_ARG_PORT",
        "LLAMA_SIDECAR_DATA_DIR",
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "SSH_AUTH_SOCK",
        "HTTPS_PROXY",
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "MY_PATH",
        "PATH_SECRET",
        "",
    ],
)
def test_nothing_else_is(name: str) -> None:
    assert child_environment(of={name: "secret"}) == {}


def test_what_is_given_wins_and_needs_no_permission() -> None:
    given = {"LLAMA_API_KEY": "ours", "PATH": "/ours"}
    assert child_environment(given, of={"PATH": "/theirs", "HOME": "/home/me"}) == {"HOME": "/home/me", **given}


def test_ours_is_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("LLAMA_ARG_PORT", "1")
    passed_on = child_environment()
    assert passed_on["HOME"] == "/home/me"
    assert not [name for name in passed_on if name.startswith("LLAMA_")]
