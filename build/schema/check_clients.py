"""Builds and tests the generated TypeScript and Rust clients with their own tools.

    python build/schema/check_clients.py

Needs npm (with Node 20 or later) and cargo (with rustfmt and clippy), and a registry or a filled cache for what they
install. Knows nothing of what the clients say; `generate.py` makes them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import fake_engine
from tests.library.gguf_files import write_model

_ROOT = Path(__file__).resolve().parents[2]
_IPC_SCHEMA = _ROOT / "ipc_schema"
_TYPESCRIPT = _IPC_SCHEMA / "typescript"
_RUST = _IPC_SCHEMA / "rust"
_PYTHON = _IPC_SCHEMA / "python"
_EXAMPLES = (
    (_TYPESCRIPT, ("node", "examples/chat.mjs")),
    (_TYPESCRIPT, ("node", "examples/drive.mjs", "electron")),
    (_TYPESCRIPT, ("node", "examples/drive.mjs", "vscode")),
    (_PYTHON, ("python", "examples/app.py", "--ask", "What is a llama?")),
    (_RUST, ("cargo", "run", "--quiet", "--example", "chat")),
)
"""The hosts of the README, each started with a sidecar. The one of the crate for Tauri apps is a test of that crate."""

_SAID = "w1 w2 w3"
"""How the fake engine's answers begin."""

_STEP_TIMEOUT_SECONDS = 900
"""Compiling serde on a slow machine takes minutes; a tool that hangs never ends by itself."""

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
    programs |= {"node": shutil.which("node"), "python": sys.executable}
    with tempfile.TemporaryDirectory() as name:
        if not (_package_works(Path(name), programs) and _examples_run(Path(name), programs)):
            return 1
    print("The TypeScript and Rust clients build, pass their tests and talk to a sidecar.")
    return 0


def _package_works(folder: Path, programs: dict[str, str | None]) -> bool:
    """Pack the package, install it in an empty folder beside its examples, and load it as both kinds of modules."""
    npm, node = programs["npm"] or "npm", programs["node"] or "node"
    if not _succeeds([npm, "pack", "--pack-destination", str(folder)], _TYPESCRIPT):
        return False
    (archive,) = folder.glob("*.tgz")
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    if not _succeeds([npm, "install", "--no-audit", "--no-fund", f"./{archive.name}"], folder):
        return False
    shutil.copytree(_TYPESCRIPT / "examples", folder / "examples")
    core, stdio = "@llama-sidecar/client", "@llama-sidecar/client/stdio"
    (folder / "a.mjs").write_text(f'import "{core}"; import "{stdio}";', encoding="utf-8")
    (folder / "a.cjs").write_text(f'require("{core}"); require("{stdio}");', encoding="utf-8")
    # A CommonJS program cannot import the types of ES modules (TS1479).
    (folder / "a.cts").write_text(
        f'import {{ createClient, type Client }} from "{core}"; import {{ spawnSidecar }} from "{stdio}";\n'
        'export const client: Client = createClient(spawnSidecar({ command: "llama-sidecar" }));\n',
        encoding="utf-8",
    )
    compiler = str(_TYPESCRIPT / "node_modules" / "typescript" / "bin" / "tsc")
    options = ["--noEmit", "--strict", "--module", "nodenext", "--lib", "ES2022,DOM"]
    return all(_succeeds([node, *words], folder) for words in (["a.mjs"], ["a.cjs"], [compiler, *options, "a.cts"]))


def _examples_run(installed: Path, programs: dict[str, str | None]) -> bool:
    """Run the hosts of the README and the examples against a real sidecar with the fake engine of the tests.

    Args:
        installed: where the package of TypeScript is installed, beside its examples.
        programs: where the programs are.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data_dir = folder / "data"
        write_model(data_dir / "models" / "tiny.gguf")
        engines = {"llama_cpp_path": str(fake_engine.install(folder / "llama.cpp"))}
        (data_dir / "config.json").write_text(json.dumps({"engines": engines}), encoding="utf-8")
        program = folder / "bin" / "llama-sidecar"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sidecar "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        environment = {
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(_ROOT),
            "LLAMA_SIDECAR_DATA_DIR": str(data_dir),
        }
        for package, (command, *arguments) in _EXAMPLES:
            where = installed if package == _TYPESCRIPT else package
            said = _output([programs[command] or command, *arguments], where, environment)
            if said is None or _SAID not in said:
                shown = " ".join([command, *arguments])
                print(f"`{shown}` in ipc_schema/{package.name} did not print the answer.", file=sys.stderr)
                return False
    return True


def _output(command: list[str], folder: Path, environment: dict[str, str]) -> str | None:
    """What a program prints; `None` where it fails, and then what it said is shown."""
    environment = {**os.environ, **environment}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=_STEP_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        sys.stderr.buffer.write((late.stdout or b"") + (late.stderr or b""))
        return None
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stdout + done.stderr)
        return None
    return done.stdout.decode()


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
