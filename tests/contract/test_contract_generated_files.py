"""What is generated from the contract is up to date, and the check notices where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "build" / "schema" / "generate.py"
TIMEOUT_SECONDS = 120


def run_generator(*arguments: str, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(GENERATOR), *arguments],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    assert run_generator("--root", str(folder), hash_seed="1").returncode == 0
    return folder


@pytest.fixture
def generated(tmp_path: Path, made_once: Path) -> Path:
    """What was just generated, for a test to spoil."""
    return shutil.copytree(made_once, tmp_path / "generated")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_generated_files_are_up_to_date() -> None:
    done = run_generator("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_files_that_were_just_written_are_up_to_date(generated: Path) -> None:
    # By another seed, since a set that is written in its own order would differ between them.
    assert run_generator("--check", "--root", str(generated), hash_seed="2").stderr == ""


def test_each_stale_missing_and_extra_file_is_named_with_the_repair_command(generated: Path) -> None:
    with (generated / "ipc_schema/typescript/src/types.ts").open("a") as types:
        types.write("// by hand\n")
    (generated / "sidecar/client/methods.py").unlink()
    (generated / "ipc_schema/rust/src/more.rs").touch()
    done = run_generator("--check", "--root", str(generated))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "stale: ipc_schema/typescript/src/types.ts",
        "missing: sidecar/client/methods.py",
        "extra: ipc_schema/rust/src/more.rs",
        "Run python build/schema/generate.py and look at what changes.",
    ]


def test_generating_again_repairs_everything(generated: Path, made_once: Path) -> None:
    (generated / "ipc_schema/openrpc.json").write_text("{}")
    (generated / "ipc_schema/notes.txt").touch()
    assert run_generator("--root", str(generated)).returncode == 0
    assert contents(generated) == contents(made_once)


def test_what_building_the_clients_leaves_behind_is_not_looked_at(generated: Path) -> None:
    for left in ("typescript/node_modules/x/index.js", "typescript/dist/index.js", "rust/target/x", "rust/Cargo.lock"):
        file = generated / "ipc_schema" / left
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert run_generator("--check", "--root", str(generated)).returncode == 0
