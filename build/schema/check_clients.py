"""Builds and tests the generated TypeScript and Rust clients with their own tools.

    python build/schema/check_clients.py

Needs npm (with Node 20 or later) and cargo (with rustfmt and clippy), and a registry or a filled cache for what they
install. Knows nothing of what the clients say; `generate.py` makes them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_IPC_SCHEMA = Path(__file__).resolve().parents[2] / "ipc_schema"
_TYPESCRIPT = _IPC_SCHEMA / "typescript"
_RUST = _IPC_SCHEMA / "rust"
_STEP_TIMEOUT_SECONDS = 900
"""Compiling serde on a slow machine takes minutes; a tool that hangs does so for ever."""

_STEPS = (
    (_TYPESCRIPT, ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")),
    (_TYPESCRIPT, ("npm", "run", "check")),
    (_TYPESCRIPT, ("npm", "run", "build")),
    (_TYPESCRIPT, ("npm", "test")),
    (_RUST, ("cargo", "fmt", "--check")),
    (_RUST, ("cargo", "clippy", "--all-targets", "--", "-D", "warnings")),
    (_RUST, ("cargo", "test")),
    (_RUST, ("cargo", "doc", "--no-deps")),
)


def main() -> int:
    """Run every step until one fails; the exit status."""
    programs = {program: shutil.which(program) for program in ("npm", "cargo")}
    missing = [program for program, path in programs.items() if path is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        print(f"The clients were not checked: {' and '.join(missing)} {verb} not on PATH.", file=sys.stderr)
        return 1
    for folder, (program, *arguments) in _STEPS:
        if not _succeeds([programs[program] or program, *arguments], folder):
            step = " ".join([program, *arguments])
            print(f"`{step}` failed in ipc_schema/{folder.name}.", file=sys.stderr)
            return 1
    print("The TypeScript and Rust clients build and pass their tests.")
    return 0


def _succeeds(command: list[str], folder: Path) -> bool:
    """Run quietly; what it said is shown where it fails."""
    # The TypeScript tests start a fake sidecar, which is written in Python.
    environment = {**os.environ, "PYTHON": sys.executable, "RUSTDOCFLAGS": "-D warnings"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_STEP_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        sys.stderr.buffer.write(late.stdout or b"")
        print(f"It had not ended after {_STEP_TIMEOUT_SECONDS} s.", file=sys.stderr)
        return False
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stdout)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
