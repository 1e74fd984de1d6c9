"""`llama-sidecar models …`: what is listed, brought in, deleted and brought back, as a person sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.talking import prepare
from tests.cli.terminal import Terminal, run
from tests.library.gguf_files import model_bytes, write_model
from tests.library.stores import VISION, furnish, write


@pytest.fixture
def home(tmp_path: Path, data_dir: Path, fake_llama_cpp: Path) -> Path:
    """A home with other programs' models, and a data folder whose config leaves none out."""
    folder = tmp_path / "home"
    folder.mkdir()
    furnish(folder)
    prepare(data_dir, fake_llama_cpp, models={"sources": None})
    return folder


def told(data_dir: Path, *arguments: str, home: Path | None = None, code: int = 0) -> str:
    """What a command says on stdout."""
    done = run(data_dir, "models", *arguments, env={"HOME": str(home)} if home else {})
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def test_models_of_other_programs_are_listed_with_who_keeps_them(data_dir: Path, home: Path) -> None:
    report = told(data_dir, "list", home=home)
    assert "  tiny\n" in report
    assert f"    Ollama: {home}/.ollama/models/blobs/sha256-" in report
    assert f"    LM Studio: {home}/.lmstudio/models/pub/Tiny-GGUF/Tiny-Q4_0.gguf\n" in report
    report = told(data_dir, "scan", home=home)
    assert "Hugging Face  2 models" in report
    assert report.endswith("8 models, 0 damaged.\n")


def test_a_model_is_inspected_by_name_and_by_path(ready: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "see" / "seeing.gguf")
    projector = write(tmp_path / "see" / "mmproj-seeing.gguf", model_bytes(general__type="mmproj"))
    by_path = told(ready, "inspect", str(tmp_path / "see" / "seeing.gguf"))
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in by_path.splitlines()}
    assert (lines["Layers"], lines["Can"], lines["Licence"]) == ("2", "chat, vision", "apache-2.0")
    assert lines["Projector"] == str(projector)
    assert "the models folder" in told(ready, "inspect", "tiny")


def test_a_model_is_brought_in_deleted_and_brought_back(ready: Path, tmp_path: Path) -> None:
    source = write_model(tmp_path / "Mine.gguf", general__name="mine")
    target = ready / "models" / "New one.gguf"
    assert told(ready, "import", str(source), "--move", "--name", "New one") == f"Imported as New one.\n  {target}\n"
    assert (source.exists(), target.exists()) == (False, True)
    assert told(ready, "delete", "New one").startswith(f"New one goes:\n  {target}  frees 2 KB\n")
    assert not target.exists()
    assert "New one  2 KB · until " in told(ready, "trash")
    assert told(ready, "restore", "New one") == "New one is back.\n"
    assert target.exists()


def test_what_goes_for_ever_is_asked_first(ready: Path) -> None:
    path = ready / "models" / "tiny.gguf"
    told(ready, "delete", "tiny", "--permanently", code=2)  # nobody is there to be asked
    with Terminal(ready, ["models", "delete", "tiny", "--permanently"]) as terminal:
        terminal.until("Delete it permanently? [y/N] ")
        assert path.exists()
        terminal.press("y\n")
        assert terminal.wait() == 0
    assert not path.exists()


def test_what_may_not_be_deleted_is_refused_with_what_to_do(data_dir: Path, home: Path) -> None:
    done = run(data_dir, "models", "delete", "llama3.2:3b", env={"HOME": str(home)})
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"not in the sidecar's own folder" in done.stderr
    assert b"ollama rm" in done.stderr


def test_a_projector_that_stays_is_told(ready: Path) -> None:
    for kind in ("Q4_0", "Q8_0"):
        write_model(ready / "models" / f"seeing-{kind}.gguf", general__name=kind)
    projector = write(ready / "models" / "mmproj-seeing.gguf", model_bytes(**VISION))
    assert f"{projector}  stays for seeing-Q8_0" in told(ready, "delete", "seeing-Q4_0", "--dry-run")
