"""Virtual environments filled from hashed lock files, each step done once.

Owns the stamps: a step's stamp holds a hash of everything that the step depends on, and a step whose
stamp fits is not done again. Knows nothing of what the packages are for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recipes import places, processes
from recipes.console import Problem, on_terminal, step
from recipes.files import replacing
from recipes.processes import exclusive

# Wheels only, since a newcomer has no compiler. This one has none on the index, and is pure Python.
WITHOUT_WHEEL = "jsonrpcserver"
OLDEST_PYTHON = (3, 11)


def stamp_key(*, files: Iterable[Path] = (), facts: Iterable[str] = ()) -> str:
    """A hash of the files' names and content and of the facts, in their order."""
    digest = hashlib.sha256()
    parts = [fact.encode() for fact in facts]
    for path in files:
        parts += [path.name.encode(), path.read_bytes() if path.exists() else b"absent"]
    for part in parts:
        # Each with its length, so that moving a byte from one part to the next makes another key.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def version_in(pyvenv_cfg: str) -> tuple[int, ...] | None:
    """The Python version that a pyvenv.cfg names; the standard library and uv spell the key differently."""
    for line in pyvenv_cfg.splitlines():
        key, _, value = line.partition("=")
        if key.strip() in ("version", "version_info"):
            numbers = value.strip().split(".")[:3]
            return tuple(int(number) for number in numbers) if all(map(str.isdigit, numbers)) else None
    return None


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a folder of its own."""

    folder: Path

    def script(self, name: str) -> Path:
        windows = os.name == "nt"
        return self.folder / ("Scripts" if windows else "bin") / (f"{name}.exe" if windows else name)

    @property
    def python(self) -> Path:
        return self.script("python")

    @property
    def version(self) -> tuple[int, ...] | None:
        try:
            return version_in((self.folder / "pyvenv.cfg").read_text(encoding="utf-8"))
        except OSError:
            return None

    def _stamp(self, name: str) -> Path:
        return self.folder / "stamps" / name

    def has(self, name: str, key: str) -> bool:
        try:
            return self._stamp(name).read_text(encoding="utf-8") == key and self.python.exists()
        except OSError:
            return False

    def record(self, name: str, key: str) -> None:
        with replacing(self._stamp(name)) as file:
            file.write(key.encode())

    def key(self, *, files: Iterable[Path] = (), facts: Iterable[str] = ()) -> str:
        """A stamp key that also changes with the Python version and with the folder: scripts hold its path."""
        return stamp_key(files=files, facts=[str(self.version), str(self.folder), *facts])

    def lock_file(self) -> Path:
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return places.cache() / "locks" / f"environment-{name}"

    # -- the steps --------------------------------------------------------------------------------

    def ensure_made(self) -> None:
        """Makes the environment unless there is a good one. One made by hand in the same place is taken over."""
        if self.has("made", self.key()):
            return
        with exclusive(self.lock_file(), waiting_for=f"setting up {places.shown(self.folder)}"):
            if not self.has("made", self.key()):
                if not self._is_good():
                    self._make()
                self.record("made", self.key())

    def _make(self) -> None:
        if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
            name = f"python{sys.version_info.major}.{sys.version_info.minor}"
            raise Problem(
                f"This Python ({sys.executable}) comes without the venv and ensurepip modules.",
                next_step=f"On Debian and Ubuntu: sudo apt install {name}-venv. Then run the same command again.",
            )
        with step(f"Making a virtual environment in {places.shown(self.folder)}"):
            if self.folder.exists():
                shutil.rmtree(self.folder)
            # The base interpreter: ours may itself live in the environment that was just removed.
            base = getattr(sys, "_base_executable", None) or sys.executable
            self._must([base, "-I", "-m", "venv", "--without-pip", self.folder])
            # pip comes second, so that an environment that was cut short is known by this mark.
            self.record("unfinished", "")
            self._must([self.python, "-I", "-m", "ensurepip", "--upgrade", "--default-pip"])
            self._stamp("unfinished").unlink()

    def _is_good(self) -> bool:
        if not self.python.exists() or (self.version or ()) < OLDEST_PYTHON:
            return False
        if self._stamp("unfinished").exists() or self._stamp("made").exists():
            return False  # cut short, or moved here from another folder or Python
        return processes.output([self.python, "-I", "-m", "pip", "--version"]) is not None

    def _must(self, argv: list[str | Path]) -> None:
        if processes.output(argv) is None:
            # Once more for its own words: a failure here is rare, and they say most.
            processes.call(argv)
            raise Problem(
                f"The virtual environment {places.shown(self.folder)} could not be made.",
                next_step="The message above says why. Mend it, and run the same command again.",
            )

    def ensure_requirements(self, lock: str) -> None:
        """Installs a lock file of build/locks, every file checked against its hash."""
        path = places.LOCKS / f"{lock}.txt"
        with self.once(lock, self.key(files=[path])) as missing:
            if missing:
                options = ["--require-hashes", "--no-build-isolation", "--only-binary=:all:"]
                if f"{WITHOUT_WHEEL}==" in path.read_text(encoding="utf-8"):
                    options.append(f"--no-binary={WITHOUT_WHEEL}")
                with step(f"Installing the packages of {places.shown(path)}"):
                    self.pip("install", *options, "-r", path)

    def ensure_package(self) -> None:
        """Installs this tree itself, editable, with the pinned build tools and without the network."""
        root = places.ROOT
        key = self.key(files=[root / "pyproject.toml", root / "sidecar" / "__init__.py"], facts=[str(root)])
        with self.once("package", key) as missing:
            if missing:
                with step("Installing llama-sidecar itself"):
                    self.pip("install", "--no-index", "--no-build-isolation", "--no-deps", "--editable", root)

    @contextmanager
    def once(self, name: str, key: str) -> Iterator[bool]:
        """Yields whether the step has still to be done, with the lock held; a block that succeeds leaves the stamp."""
        if self.has(name, key):
            yield False
            return
        with exclusive(self.lock_file(), waiting_for=f"setting up {places.shown(self.folder)}"):
            missing = not self.has(name, key)
            yield missing
            if missing:
                self.record(name, key)

    def pip(self, *arguments: str | Path, environ: dict[str, str] | None = None) -> None:
        """Runs pip with the user's own pip configuration; it shows its progress only on a terminal.

        Tried again where it fails, unless it is to work without the network.
        """
        argv = self.pip_argv(*arguments, quiet=not on_terminal())
        tries = 1 if "--no-index" in arguments else processes.TRIES
        code = processes.persist(lambda: processes.call(argv, environ=environ), tries=tries)
        if code != 0:
            raise pip_problem(arguments, code)

    def pip_argv(self, *arguments: str | Path, quiet: bool) -> list[str | Path]:
        # -I: a stray PYTHONPATH or user site must not decide which pip runs.
        argv: list[str | Path] = [self.python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        return [*argv, *(["--quiet"] if quiet else []), *arguments]


def pip_problem(arguments: Iterable[str | Path], code: int) -> Problem:
    names = [places.shown(Path(part)) if isinstance(part, Path) else part for part in arguments]
    return Problem(
        f"pip ended with exit code {code}. Its command was: pip {' '.join(names)}",
        next_step=(
            "Its own message is above. Where it is about the network, check that pip reaches its package index "
            "(pip config list shows which one), then run the same command again."
        ),
        exit_code=code,
    )
