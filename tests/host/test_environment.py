"""The environment of child processes."""

from __future__ import annotations

import os
import sys

import pytest

from sidecar.host.environment import before_loading, child_environment, leave_bundle


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


# --- the frozen program's loader -----------------------------------------------------------------------------------

BUNDLE = "/opt/llama sidecar/_internal"

LOADED = {
    "HOME": "/home/me",
    "PATH": "/usr/bin",
    "_PYI_ARCHIVE_FILE": "/opt/llama sidecar/llama-sidecar",
    "_PYI_APPLICATION_HOME_DIR": BUNDLE,
    "_PYI_PARENT_PROCESS_LEVEL": "0",
    "_MEIPASS2": BUNDLE,
}
BEFORE = {"HOME": "/home/me", "PATH": "/usr/bin"}


@pytest.mark.parametrize(
    ("changed", "was"),
    [
        ({}, {}),
        ({"LD_LIBRARY_PATH": BUNDLE}, {}),
        ({"LD_LIBRARY_PATH": f"{BUNDLE}:/theirs", "LD_LIBRARY_PATH_ORIG": "/theirs"}, {"LD_LIBRARY_PATH": "/theirs"}),
        ({"DYLD_LIBRARY_PATH": f"/theirs:{BUNDLE}/lib:/more"}, {"DYLD_LIBRARY_PATH": "/theirs:/more"}),
        ({"LD_LIBRARY_PATH": "/theirs"}, {"LD_LIBRARY_PATH": "/theirs"}),
        ({"LD_LIBRARY_PATH": f"{BUNDLE}-of-another"}, {"LD_LIBRARY_PATH": f"{BUNDLE}-of-another"}),
        ({"PATH": f"{BUNDLE}:/usr/bin"}, {}),
        ({"FOO_ORIG": "theirs"}, {"FOO_ORIG": "theirs"}),
    ],
)
def test_what_the_loader_of_the_frozen_program_changed_is_as_before(
    changed: dict[str, str], was: dict[str, str]
) -> None:
    assert before_loading({**LOADED, **changed}, BUNDLE) == {**BEFORE, **was}


def test_the_environment_of_this_process_is_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", BUNDLE, raising=False)
    monkeypatch.setattr(os, "environ", dict(LOADED, LD_LIBRARY_PATH=BUNDLE))
    leave_bundle()
    assert os.environ == BEFORE


def test_from_source_nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(LOADED))
    leave_bundle()
    assert os.environ == LOADED
