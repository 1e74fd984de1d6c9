"""Paths and names that come from somebody else."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.errors import EngineNotFound, ModelNotFound, PathNotAllowed, PermissionDenied
from sidecar.host import path_policy
from tests.library.gguf_files import write_model
from tests.trust.hostile_names import NAMES, SAFE_NAMES, UNSAFE_OF_THE_HUB

# --- what a host names ---


def test_an_ordinary_file_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path / "a b" / "ž.gguf")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_policy.file(str(path)) == path
    assert path_policy.file("~/a b/ž.gguf") == path


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("{dir}/gone.gguf", ModelNotFound),
        ("{dir}/file.gguf/below", ModelNotFound),
        ("file.gguf", PathNotAllowed),
        ("./file.gguf", PathNotAllowed),
        ("", PathNotAllowed),
        ("~nobody-of-this-name/a.gguf", PathNotAllowed),
        ("~\0/a.gguf", PathNotAllowed),
        ("~\ud800/a.gguf", PathNotAllowed),
        ("$HOME/file.gguf", PathNotAllowed),
        ("file://{dir}/file.gguf", PathNotAllowed),
        ("{dir}", PathNotAllowed),
        ("{dir}/pipe.gguf", PathNotAllowed),
        ("{dir}/circle.gguf", PathNotAllowed),
        ("/dev/zero", PathNotAllowed),
        ("{dir}/a\0b.gguf", PathNotAllowed),
        ("{dir}/\ud800.gguf", PathNotAllowed),
        ("{dir}/" + "x" * 5000, PathNotAllowed),
    ],
)
def test_what_is_no_file_is_refused_with_the_reason(tmp_path: Path, path: str, error: type[Exception]) -> None:
    write_model(tmp_path / "file.gguf")
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "circle.gguf").symlink_to(tmp_path / "circle.gguf")
    with pytest.raises(error) as raised:
        path_policy.file(path.replace("{dir}", str(tmp_path)))
    str(raised.value).encode()  # it can be sent


@pytest.mark.parametrize("closed", ["file", "folder"])
def test_a_file_without_permission_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    path = write_model(tmp_path / "a.gguf")
    if closed == "file":  # tests may run as root, whom no mode stops
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    else:

        def refuse(path: Path) -> os.stat_result:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(PermissionDenied):
        path_policy.file(str(path))


def test_every_hostile_path_is_absolute_or_refused() -> None:
    for path in NAMES:
        try:
            assert path_policy.absolute(path).is_absolute()
        except PathNotAllowed as problem:
            problem.message.encode()  # it can be sent


def test_a_program_is_looked_for_on_path_and_never_where_the_host_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text("#!/bin/sh\n")
        (tmp_path / folder / "tool").chmod(0o755)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "../here", str(tmp_path / "none")]))
    assert path_policy.on_path("tool") is None
    with pytest.raises(EngineNotFound):
        path_policy.program("tool")
    monkeypatch.setenv("PATH", os.pathsep.join([".", str(tmp_path / "there")]))
    assert path_policy.program("tool") == str(tmp_path / "there" / "tool")
    assert path_policy.program(sys.executable) == sys.executable


@pytest.mark.parametrize("name", ["./tool", "bin/tool", "..", "", "~nobody-of-this-name/tool"])
def test_a_program_by_a_path_that_depends_on_the_hosts_folder_is_refused(name: str) -> None:
    with pytest.raises(PathNotAllowed):
        path_policy.program(name)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "C:\\models\\NUL",
            "C:\\con.gguf",
            "C:\\a\\COM1 .txt",
            "\\\\.\\PhysicalDrive0",
            "\\\\.\\pipe\\x",
            "C:\\a\\lpt9",
        ),
        *("C:\\m.gguf:stream", "\\\\?\\GLOBALROOT\\Device", "C:\\aux.\\x", "C:\\CONIN$", "\\\\server\\share\\nul"),
    ],
)
def test_devices_of_windows_are_known(path: str) -> None:
    assert path_policy.is_windows_device(path)


@pytest.mark.parametrize(
    "path",
    [
        "C:\\models\\console.gguf",
        "\\\\?\\C:\\models\\m.gguf",
        "\\\\?\\UNC\\server\\share\\m.gguf",
        "\\\\nas\\m\\a.gguf",
    ],
)
def test_ordinary_paths_of_windows_are_no_devices(path: str) -> None:
    assert not path_policy.is_windows_device(path)


# --- names in a folder of ours ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ours with links in it that lead out of it."""
    root = tmp_path_factory.mktemp("sandbox")
    (root / "outside").mkdir()
    folder = root / "ours"
    for place in ("", "models", "logs"):
        (folder / place).mkdir()
        (folder / place / "link").symlink_to(root / "outside", target_is_directory=True)
    (folder / "evil.txt").symlink_to(root / "outside" / "evil.txt")
    (folder / "config.json").touch()
    return folder


@pytest.mark.case(35)
def test_a_hostile_name_stays_in_the_folder_or_is_refused(folder: Path) -> None:
    assert len(NAMES) >= 500
    refused = 0
    for name in NAMES:
        try:
            place = path_policy.place_in(folder, name)
        except PathNotAllowed as problem:
            problem.message.encode()  # it can be sent
            refused += 1
            continue
        assert place.resolve() == place
        assert place.is_relative_to(folder)
        on_windows = PureWindowsPath("C:\\ours") / name
        assert on_windows.is_relative_to("C:\\ours")
        assert ".." not in on_windows.parts
        assert not path_policy.is_windows_device(str(on_windows))
    assert refused >= 500  # the others are odd, and lead nowhere


@pytest.mark.case(35)
@pytest.mark.parametrize(
    "name", [*UNSAFE_OF_THE_HUB, "link", "link/evil.txt", "models/link/x", "evil.txt", "Config.json"]
)
def test_names_that_lead_elsewhere_or_are_taken_are_refused(name: str, folder: Path) -> None:
    with pytest.raises(PathNotAllowed):
        path_policy.place_in(folder, name)


@pytest.mark.parametrize("name", SAFE_NAMES)
def test_ordinary_names_are_taken_as_they_are(name: str, folder: Path) -> None:
    assert path_policy.place_in(folder, name) == folder / name


@given(st.one_of(st.sampled_from(NAMES), st.text(st.characters(exclude_categories=()), max_size=300)))
def test_any_text_has_a_file_name_that_every_system_takes(text: str) -> None:
    name = path_policy.file_name(text)
    assert path_policy.place_in(Path("/nowhere"), name) == Path("/nowhere") / name
    assert name == name.lower()
    assert path_policy.file_name(text) == name


def test_different_texts_have_different_file_names() -> None:
    assert len({path_policy.file_name(name) for name in NAMES}) == len(NAMES)
    assert path_policy.file_name("sidecar") == "sidecar"
