"""Which engines are found, where, and which one is taken."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.builds.discovery import Engines
from sidecar.contract.config import EnginesConfig
from sidecar.contract.engines import EngineDevice, EngineInfo, ProbeEngineResult
from sidecar.contract.errors import SidecarError
from sidecar.engines.kinds import embedded, llama_cpp_python
from sidecar.engines.kinds.llama_server import LlamaServers
from tests import fake_engine
from tests.config_files import config_file
from tests.servers.running import error_of

pytestmark = pytest.mark.anyio

REAL_FIND_SPEC = importlib.util.find_spec
ALL_FLAGS = sorted(
    {
        *fake_engine.FAULTS,
        *("--help", "--usage", "--version", "--model", "--alias", "--ctx-size", "--parallel", "--threads"),
        *("--gpu-layers", "--n-gpu-layers", "--list-devices", "--host", "--port"),
        *("--prefill-assistant", "--no-prefill-assistant"),
    }
)


def engines(**config: Any) -> Engines:
    return Engines(config_file(engines=EnginesConfig(**config)))


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any engine."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    hidden = {embedded.MODULE, llama_cpp_python.MODULE}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in hidden else REAL_FIND_SPEC(name))


@pytest.fixture
def with_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """…but with the embedded one."""
    versions = {embedded.MODULE: "7"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name == embedded.MODULE else None)
    monkeypatch.setattr(importlib.metadata, "version", versions.__getitem__)


def script(folder: Path, text: str) -> Path:
    """A program named llama-server; returns its folder."""
    folder.mkdir(parents=True)
    (folder / "llama-server").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "llama-server").chmod(0o755)
    return folder


# --- folders ---


@pytest.mark.parametrize("below", ["", "bin", "build/bin", "build/bin/Release"])
async def test_a_program_is_found_from_the_root_of_a_build(below: str, tmp_path: Path) -> None:
    fake_engine.install(tmp_path / "root" / below)
    found = await LlamaServers().in_folder(str(tmp_path / "root"))
    assert (found.path, found.version) == (str(tmp_path / "root" / below / "llama-server"), "fake (build 1)")


async def test_the_program_itself_may_be_named(fake_llama_cpp: Path) -> None:
    found = await LlamaServers().in_folder(str(fake_llama_cpp / "llama-server"))
    assert found.path == str(fake_llama_cpp / "llama-server")


async def test_a_folder_in_the_home_folder_may_be_named(fake_llama_cpp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(fake_llama_cpp.parent))
    assert (await LlamaServers().in_folder(f"~/{fake_llama_cpp.name}")).program.parent == fake_llama_cpp


def _closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    return str(folder)


def _without_x(folder: Path, _: object) -> str:
    (script(folder / "x", "") / "llama-server").chmod(0o644)
    return str(folder / "x")


@pytest.mark.parametrize(
    ("path", "name", "cause"),
    [
        (lambda folder, _: "relative/folder", "PATH_NOT_ALLOWED", None),
        (lambda folder, _: "", "PATH_NOT_ALLOWED", None),
        (lambda folder, _: "~nobody-of-this-name/x", "PATH_NOT_ALLOWED", None),
        (lambda folder, _: "/" + "x" * 5000, "PATH_NOT_ALLOWED", None),
        (_closed, "PATH_NOT_ALLOWED", None),
        (lambda folder, _: str(folder / "nothing"), "ENGINE_NOT_FOUND", None),
        (lambda folder, _: str(folder), "ENGINE_NOT_FOUND", None),
        (_without_x, "ENGINE_START_FAILED", "PERMISSION_DENIED"),
        (lambda folder, _: str(script(folder / "x", "exit 3")), "ENGINE_START_FAILED", "UNKNOWN"),
        (lambda folder, _: str(script(folder / "x", "echo hello")), "ENGINE_START_FAILED", "UNKNOWN"),
        (
            lambda folder, _: str(script(folder / "x", "echo 'error while loading shared libraries: l.so'; exit 127")),
            "ENGINE_START_FAILED",
            "MISSING_LIBRARY",
        ),
    ],
)
async def test_a_folder_without_a_usable_program_is_refused_with_a_hint(
    path: Callable[..., str], name: str, cause: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SidecarError) as caught:
        await LlamaServers().in_folder(path(tmp_path, monkeypatch))
    assert (caught.value.name, caught.value.data.get("cause"), bool(caught.value.hint)) == (name, cause, True)


async def test_a_build_is_asked_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    folder = script(tmp_path / "build", f'echo "$1" >> "{asked}"; echo "--model M  a model"; echo "version: 1"')
    servers = LlamaServers()
    first = await servers.in_folder(str(folder))
    assert await servers.in_folder(str(folder)) is first
    (folder / "libllama.so").write_text("built again")
    assert await servers.in_folder(str(folder)) is not first
    assert sorted(asked.read_text().split()) == ["--help", "--help", "--version", "--version"]


async def test_a_probe_tells_what_a_build_can_do(fake_llama_cpp: Path) -> None:
    assert await engines().probe(str(fake_llama_cpp)) == ProbeEngineResult(
        path=str(fake_llama_cpp / "llama-server"),
        version="fake (build 1)",
        backends=["CPU", "FAKE"],
        devices=[EngineDevice(name="FAKE0", description="Fake GPU", total_bytes=8192 << 20, free_bytes=4096 << 20)],
        flags=ALL_FLAGS,
        unix_socket=True,
    )


async def test_a_build_without_devices_or_versions_is_probed_all_the_same(tmp_path: Path) -> None:
    folder = script(
        tmp_path / "b",
        'case "$1" in --help) echo "--model M  m"; echo "--list-devices  d";; '
        "--list-devices) printf 'Available devices:\\n  (none)\\n';; esac",
    )
    probe = await engines().probe(str(folder))
    assert (probe.version, probe.backends, probe.devices, probe.unix_socket) == ("unknown", ["CPU"], [], False)


# --- which one ---


async def test_without_any_engine_there_is_none_and_a_hint(tmp_path: Path) -> None:
    error = await error_of(engines().pick(None, None))
    assert (error.name, "embedded" in error.hint) == ("ENGINE_NOT_FOUND", True)


@pytest.mark.parametrize("name", ["llama-server", "embedded", "llama-cpp-python"])
async def test_a_named_engine_that_is_not_there_is_not_replaced(name: Any, tmp_path: Path) -> None:
    error = await error_of(engines().pick(name, None))
    assert (error.name, bool(error.hint)) == ("ENGINE_NOT_FOUND", True)


@pytest.mark.usefixtures("with_embedded")
async def test_the_best_engine_is_taken(fake_llama_cpp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = fake_engine.install(tmp_path / "configured")
    assert (await engines().pick(None, None)).name == "embedded"
    monkeypatch.setenv("PATH", str(fake_llama_cpp))
    assert (await engines().pick(None, None)).path == str(fake_llama_cpp / "llama-server")
    config = {"llama_cpp_path": str(configured)}
    assert (await engines(**config).pick(None, None)).path == str(configured / "llama-server")
    assert (await engines(**config, preferred="embedded").pick(None, None)).name == "embedded"
    assert (await engines(preferred="embedded").pick("llama-server", None)).name == "llama-server"
    assert (await engines(**config).pick(None, str(fake_llama_cpp))).path == str(fake_llama_cpp / "llama-server")
    assert (await engines(preferred="embedded").pick(None, str(configured))).name == "llama-server"
    assert (await engines().pick("embedded", str(configured))).name == "embedded"


@pytest.mark.usefixtures("with_embedded")
async def test_a_broken_program_on_path_is_left_out_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(script(tmp_path / "broken", "exit 1")))
    assert (await engines().pick(None, None)).name == "embedded"
    assert (await error_of(engines().pick("llama-server", None))).name == "ENGINE_START_FAILED"


@pytest.mark.usefixtures("with_embedded")
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda folder: str(folder / "gone"), "ENGINE_NOT_FOUND"),
        (lambda folder: str(script(folder / "broken", "exit 1")), "ENGINE_START_FAILED"),
        (lambda folder: "relative", "PATH_NOT_ALLOWED"),
    ],
)
async def test_a_configured_folder_is_never_passed_over(make: Callable[[Path], str], name: str, tmp_path: Path) -> None:
    assert (await error_of(engines(llama_cpp_path=make(tmp_path)).pick(None, None))).name == name


@pytest.mark.usefixtures("with_embedded")
async def test_the_list_says_what_is_there_and_what_is_missing_best_first(fake_llama_cpp: Path) -> None:
    infos = await engines().infos()
    assert [(info.engine, info.available, info.origin) for info in infos] == [
        ("embedded", True, "package"),
        ("llama-server", False, "path"),
        ("llama-cpp-python", False, "package"),
    ]
    assert all(info.message for info in infos)
    infos = await engines(llama_cpp_path=str(fake_llama_cpp)).infos()
    assert infos[0] == EngineInfo(
        engine="llama-server",
        available=True,
        path=str(fake_llama_cpp / "llama-server"),
        version="fake (build 1)",
        origin="config",
        message="Found.",
    )
    infos = await engines(llama_cpp_path=str(fake_llama_cpp), preferred="embedded").infos()
    assert [info.engine for info in infos] == ["embedded", "llama-server", "llama-cpp-python"]


async def test_a_broken_engine_is_listed_with_what_is_wrong(tmp_path: Path) -> None:
    infos = await engines(llama_cpp_path=str(script(tmp_path / "broken", "exit 7"))).infos()
    assert [(info.available, "exit code 7" in info.message) for info in infos if info.engine == "llama-server"] == [
        (False, True)
    ]


# --- a Python of one's own ---


def python_that(folder: Path, says: str) -> str:
    """A program that answers as a Python would."""
    folder.mkdir(exist_ok=True)
    (folder / "python").write_text(f"#!/bin/sh\n{says}\n")
    (folder / "python").chmod(0o755)
    return str(folder / "python")


async def test_a_named_python_is_asked_for_its_package(tmp_path: Path) -> None:
    python = python_that(tmp_path / "p", "echo 0.3.36")
    found = await engines(python=python).pick("llama-cpp-python", None)
    assert (found.path, found.version) == (python, "0.3.36")


async def test_a_python_in_the_home_folder_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    python = python_that(tmp_path / "p", "echo 0.3.36")
    assert (await engines(python="~/p/python").pick("llama-cpp-python", None)).path == python


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda folder: python_that(folder, "exit 1"), "ENGINE_NOT_FOUND"),
        (lambda folder: str(folder / "nothing"), "ENGINE_NOT_FOUND"),
        (lambda folder: sys.executable, "ENGINE_NOT_FOUND"),
        (lambda folder: str(folder), "ENGINE_START_FAILED"),
    ],
)
async def test_a_python_without_the_package_has_no_engine(
    make: Callable[[Path], str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp_python, "PACKAGE", "no-such-package")
    error = await error_of(engines(python=make(tmp_path)).pick("llama-cpp-python", None))
    assert (error.name, bool(error.hint)) == (name, True)


async def test_the_own_python_counts_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.2")
    found = await engines().pick("llama-cpp-python", None)
    assert (found.path, found.version) == (sys.executable, "1.2")
