"""`models fit` in the terminal."""

from __future__ import annotations

from pathlib import Path

from tests.cli.terminal import run
from tests.servers.memory.shapes import Shape, dense


def test_a_model_that_fits_is_told_with_its_parts_and_settings(
    data_dir: Path, fake_llama_cpp: Path, tmp_path: Path
) -> None:
    model = dense(tmp_path / "tiny.gguf", Shape())
    done = run(data_dir, "models", "fit", str(model), "--llama-cpp", str(fake_llama_cpp), env={"COLUMNS": "120"})
    shown = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "It fits" in shown
    assert "calculated from the file" in shown
    assert "Settings for this machine" in shown
    assert "threads" in shown


def test_one_that_does_not_fit_says_what_to_lower(data_dir: Path, fake_llama_cpp: Path, tmp_path: Path) -> None:
    model = dense(tmp_path / "tiny.gguf", Shape())
    words = ("models", "fit", str(model), "--quick", "--llama-cpp", str(fake_llama_cpp), "--ctx-size", str(2**31 - 1))
    done = run(data_dir, *words, env={"COLUMNS": "120"})
    assert done.returncode == 1
    assert "does not fit" in done.stdout.decode()
    assert "Lower" in done.stdout.decode()
