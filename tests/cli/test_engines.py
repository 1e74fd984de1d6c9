"""`llama-sidecar engines …`: builds as a person installs, chooses and removes them."""

from __future__ import annotations

from pathlib import Path

from tests import fake_engine
from tests.builds.archives import pack
from tests.cli.terminal import Terminal, run


def test_a_build_is_installed_listed_and_removed(tmp_path: Path, data_dir: Path) -> None:
    archive = pack(fake_engine.install(tmp_path / "b"), tmp_path / "llama-b1.zip")
    with Terminal(data_dir, ["engines", "install", str(archive)]) as terminal:
        terminal.until("Installed llama-b1.")
        terminal.until("with CPU, FAKE.")
        assert terminal.wait() == 0
    listed = run(data_dir, "engines", "list").stdout.decode()
    assert listed.startswith("● llama-b1  fake (build 1)  installed\n")
    assert str(data_dir / "engines" / "llama-b1") in listed
    removed = run(data_dir, "engines", "remove", "llama-b1").stdout.decode()
    assert removed == "Removed llama-b1.\nNo installed build is the default.\n"


def test_a_folder_is_asked_and_proved(data_dir: Path, fake_llama_cpp: Path) -> None:
    report = run(data_dir, "engines", "probe", str(fake_llama_cpp), "--prove").stdout.decode()
    assert "Version       fake (build 1)\n" in report
    assert "Device        FAKE0: Fake GPU, 8.6 GB\n" in report
    assert "It generated a token in " in report
