"""The folder for sockets: where it is, and that it comes and goes with the processes."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.contract.errors import PermissionDenied
from sidecar.processes import tags
from sidecar.processes.owner import ProcessOwner

TOKEN = "17-123.5-0123456789abcdef"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """XDG_RUNTIME_DIR, short enough for sockets; nothing may be left in it."""
    short = Path(tempfile.mkdtemp(prefix="rt", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    yield short
    short.rmdir()


def test_a_run_finds_its_folder_again_and_no_other_run_has_it(place: Path) -> None:
    assert tags.sockets_folder(TOKEN) == place / f"llama-sidecar-{os.getuid()}-0123456789abcdef"
    assert tags.sockets_folder(tags.new_token()) != tags.sockets_folder(tags.new_token())


@pytest.mark.parametrize("token", ["", "1-2-", "1-2-../../x", "1-2-a/b"])
def test_what_is_no_token_names_no_folder(token: str) -> None:
    with pytest.raises(ValueError):
        tags.sockets_folder(token)


def test_the_folder_is_private_and_goes_with_what_is_in_it(place: Path) -> None:
    folder = tags.sockets_folder(TOKEN)
    tags.make_sockets_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (folder / "left behind.sock").write_text("")
    tags.remove_sockets_folder(folder)
    tags.remove_sockets_folder(folder)
    assert not folder.exists()


@pytest.mark.parametrize("value", ["", "/nowhere/at/all"])
def test_a_runtime_folder_that_there_is_not_is_not_used(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    assert tags.sockets_folder(TOKEN).parent == Path(tempfile.gettempdir())


def test_a_socket_that_its_engine_removes_meanwhile_keeps_no_folder_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tags.sockets_folder(TOKEN)
    tags.make_sockets_folder(folder)
    (folder / "one.sock").touch()
    seen = [folder / "gone.sock", folder / "one.sock"]
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(seen))
    tags.remove_sockets_folder(folder)
    assert not folder.exists()


def test_a_folder_whose_name_is_too_long_for_sockets_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = tmp_path / ("x" * tags.MAX_FOLDER_BYTES)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert len(os.fsencode(tags.sockets_folder(TOKEN))) <= tags.MAX_FOLDER_BYTES


def test_what_somebody_else_has_put_there_is_not_used(place: Path, tmp_path: Path) -> None:
    folder = tags.sockets_folder(TOKEN)
    victim = tmp_path / "victim"
    victim.mkdir()
    for put in (folder.mkdir, lambda: folder.symlink_to(victim), lambda: folder.write_text("a file")):
        put()
        with pytest.raises(PermissionDenied):
            tags.make_sockets_folder(folder)
        folder.unlink() if folder.is_symlink() or folder.is_file() else folder.rmdir()


# --- with the processes ---


@pytest.fixture
def owner(place: Path, tmp_path: Path) -> ProcessOwner:
    one = ProcessOwner()
    one.register_in(tmp_path / "processes.json")
    return one


def test_the_folder_is_there_from_the_first_process_to_the_last(owner: ProcessOwner) -> None:
    assert not owner.sockets.exists()
    first, second = owner.prepare(), owner.prepare()
    assert owner.sockets.is_dir()
    owner.ended(first)
    assert owner.sockets.is_dir()
    (owner.sockets / "one.sock").write_text("")
    owner.ended(second)
    assert not owner.sockets.exists()


def test_where_it_cannot_be_made_no_process_is_started(owner: ProcessOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(PermissionDenied):
            owner.prepare()
    owner.ended(owner.prepare())
    assert not owner.sockets.exists()


def test_the_watchdog_removes_what_a_killed_run_has_left(place: Path) -> None:
    folder = tags.sockets_folder(TOKEN)
    tags.make_sockets_folder(folder)
    (folder / "one.sock").write_text("")
    assert tags.main(TOKEN) == 0
    assert not folder.exists()
