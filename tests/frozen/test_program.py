"""A frozen program is the program: all of it is there, in one process, and nothing of the freezing shows."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import sidecar
from tests.app.talking import prepare
from tests.cli.terminal import Terminal, run
from tests.conversation.conftest import StartHost
from tests.raw_host import RawHost

OF_THE_LOADER = ("_PYI", "_MEIPASS", "LD_LIBRARY_PATH_", "DYLD_")


def environment_of(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return {name: value for name, _, value in (entry.partition("=") for entry in entries if entry)}


def test_the_room_is_empty(program: Path) -> None:
    assert list(Path(os.environ["PATH"]).iterdir()) == []
    assert not {"PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "XDG_CACHE_HOME"} & os.environ.keys()
    with pytest.raises(OSError, match="Read-only"):
        (program.parent / "file").write_text("")


def test_it_says_its_version(program: Path) -> None:
    assert subprocess.check_output([program, "--version"], text=True) == f"llama-sidecar {sidecar.__version__}\n"


def test_it_is_one_process_from_the_start(data_dir: Path) -> None:
    with RawHost(data_dir) as host:
        assert host.call("initialize")["pid"] == host.process.pid
        assert psutil.Process(host.process.pid).children() == []


def test_there_are_no_symlinks(data_dir: Path) -> None:
    with RawHost(data_dir) as host:
        host.call("ping")
        folder = Path(psutil.Process(host.process.pid).exe()).parent
    files = list(folder.rglob("*"))
    assert len(files) > 50
    assert [path for path in files if path.is_symlink()] == []


@pytest.mark.parametrize("given", [None, "/theirs:/and more"])
def test_no_child_gets_anything_of_the_loader(data_dir: Path, fake_llama_cpp: Path, given: str | None) -> None:
    prepare(data_dir, fake_llama_cpp)
    with RawHost(data_dir, env={} if given is None else {"LD_LIBRARY_PATH": given}) as host:
        engine = host.call("start_llama_server")["pid"]
        children = [child.pid for child in psutil.Process(host.process.pid).children()]
        assert engine in children
        assert len(children) == 2  # and the watchdog
        for pid in children:
            assert environment_of(pid).get("LD_LIBRARY_PATH") == given
            assert [name for name in environment_of(pid) if name.startswith(OF_THE_LOADER)] == []


def test_no_child_holds_a_file_of_the_program(start_host: StartHost) -> None:
    with start_host() as host:
        host.call("start_llama_server")
        for child in psutil.Process(host.process.pid).children():
            held = []
            for path in Path(f"/proc/{child.pid}/fd").iterdir():
                with suppress(FileNotFoundError):  # closed meanwhile
                    held.append(path.readlink().name)
            assert "lock" not in held


def test_the_embedded_engine_is_in_it_and_says_its_version(data_dir: Path) -> None:
    with RawHost(data_dir) as host:
        (embedded,) = [engine for engine in host.call("list_engines") if engine["engine"] == "embedded"]
        assert embedded["available"]
        assert embedded["version"]


def test_another_python_can_be_asked_for_its_engine(data_dir: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\n[ -f "$1" ] && echo 1.2.3\n')
    python.chmod(0o755)
    with RawHost(data_dir) as host:
        host.call("set_config", patch={"engines": {"python": str(python)}})
        (found,) = [engine for engine in host.call("list_engines") if engine["engine"] == "llama-cpp-python"]
        assert found["version"] == "1.2.3"


def test_encryption_is_in_it_and_lacks_only_a_keyring(data_dir: Path) -> None:
    with RawHost(data_dir) as host:
        error = host.fail("set_config", patch={"storage": {"encrypt": True}})
        assert error["data"]["name"] == "NOT_SUPPORTED"
        assert "This system has no keyring" in error["message"]


def test_a_model_in_a_folder_of_any_name_answers_in_any_locale(
    start_host: StartHost, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "módèls 模型"
    folder.mkdir()
    (folder / "ü ß.gguf").symlink_to(model)
    with start_host() as host:
        host.call("start_llama_server", model_path=str(folder / "ü ß.gguf"))
        session = host.call("create_session", title="Grüße, 世界")["session_id"]
        assert host.call("send_message", session_id=session, message="Grüße!", max_tokens=4)["content"]
        assert host.call("get_session", session_id=session)["title"] == "Grüße, 世界"


def test_a_person_gets_an_answer_on_pipes_and_a_conversation_on_a_terminal(
    start_host: StartHost, data_dir: Path
) -> None:
    done = run(data_dir, "chat", "Say hello.")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    with Terminal(data_dir, ["chat"]) as terminal:
        terminal.asked()
        terminal.ask("/help")


def test_wrong_usage_is_told(program: Path) -> None:
    done = subprocess.run([program, "--no-such-option"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--no-such-option" in done.stderr
