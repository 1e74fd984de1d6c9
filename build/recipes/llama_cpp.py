"""llama.cpp's server and tools, built once a version from the pinned llama-cpp-python sdist.

Owns how a build is made and what counts as a whole one; llama_cpp_recipe decides what is built. A build happens
in a work folder (kept when it is cut short, so that the next run continues) and appears under its final name in
one rename. Knows nothing of Python bindings or tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from recipes import places, processes
from recipes.console import Problem, Progress, say, step
from recipes.downloads import Pin, fetch
from recipes.environment import Environment
from recipes.files import BadArchive, extract_folder, replacing
from recipes.llama_cpp_recipe import VERSION, Recipe, recipe_here

SDIST = Pin(
    lock="llama-cpp-python",
    file=f"llama_cpp_python-{VERSION}.tar.gz",
    megabytes=77,
    pip_options=("--no-binary=llama-cpp-python",),
)
PROGRAMS = ("llama-server", "llama-fit-params", "llama-bench", "llama-quantize", "ggml-rpc-server")
TARGETS = (*PROGRAMS, "mtmd")  # mtmd is a library that only llama-cpp-python loads
MANIFEST = "build.json"
LOG_LINES_SHOWN = 40


def belongs(name: str) -> bool:
    """Whether a file of the build's bin folder is part of the result: our programs and the shared libraries."""
    stem = name.removesuffix(".exe")
    return stem in PROGRAMS or bool(re.search(r"\.(dll|dylib|so)(\.[0-9.]+)?$", name))


def ninja_progress(line: str) -> tuple[int, int] | None:
    """(done, all) of a line such as `[12/230] Building ...`."""
    found = re.match(r"\[(\d+)/(\d+)\]", line)
    return (int(found[1]), int(found[2])) if found else None


def is_whole(folder: Path) -> bool:
    """Whether the folder holds a finished build: its manifest, and each file that it names with its size."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def ensure_built() -> Path:
    """The folder with the programs and libraries, built first when this version is not there yet."""
    recipe = recipe_here()
    home = places.cache() / "llama.cpp"
    folder = home / recipe.key
    if is_whole(folder):
        return folder
    with processes.exclusive(places.cache() / "locks" / recipe.key, waiting_for="building llama.cpp") as lock:
        if not is_whole(folder):
            work = home / f".work-{recipe.key}"
            _build(recipe, work=work, folder=folder, lock=lock)
            shutil.rmtree(work)
    return folder


def tools() -> Environment:
    """An environment with CMake, Ninja and the sdist's build backend, all pinned."""
    environment = Environment(places.cache() / "environments" / f"llama-cpp-{python_tag()}")
    environment.ensure_made()
    environment.ensure_requirements("llama-cpp")
    return environment


def python_tag() -> str:
    return f"py{sys.version_info.major}{sys.version_info.minor}"


def fetch_sdist(by: Environment) -> Path:
    with processes.exclusive(places.cache() / "locks" / "llama-cpp-sdist", waiting_for="fetching llama.cpp's source"):
        return fetch(SDIST, by=by, title=f"Fetching llama.cpp's source, in llama-cpp-python {VERSION}")


def _build(recipe: Recipe, *, work: Path, folder: Path, lock: int) -> None:
    environment = tools()
    work.mkdir(parents=True, exist_ok=True)
    source, build, log = work / "source", work / "build", work / "build.log"
    if not source.exists():
        sdist = fetch_sdist(environment)
        with step("Unpacking the source"):
            try:
                extract_folder(sdist, inside="vendor/llama.cpp", target=source)
            except BadArchive as error:
                raise Problem(
                    f"The llama.cpp source is not as expected: {error}.",
                    next_step=f"Delete {sdist} and run the same command again.",
                ) from error
    log.unlink(missing_ok=True)
    ninja = environment.script("ninja")
    with step("Configuring llama.cpp"):
        configure: processes.Argv = [environment.script("cmake"), "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
        _logged([*configure, "-S", source, "-B", build, *recipe.flags], log=log, lock=lock)
    jobs = processes.cpus()
    with step(
        f"Building llama.cpp with {jobs} jobs (some 20 minutes of CPU time; stop it, and it continues next time)"
    ):
        # Ninja itself and not `cmake --build`: asked to stop, Ninja stops its compilers as well.
        _logged([ninja, "-C", build, f"-j{jobs}", *TARGETS], log=log, lock=lock)
    with step("Putting the result together"):
        part = folder.with_name(f".part-{folder.name}")
        _collect(build / "bin", source, part, recipe)
        # What is under the final name is damaged, or it would have been used.
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)


def _logged(argv: processes.Argv, *, log: Path, lock: int) -> None:
    """Runs a build program with its output in the log, showing only how far it is, or the end of it if it fails."""
    progress = Progress("steps")
    try:
        # The lock is handed on: should we be killed, no other run builds in the same folder beside what still runs.
        with (
            log.open("a", encoding="utf-8") as file,
            processes.child(argv, piped=True, keep_open=[lock]) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                if counted := ninja_progress(line):
                    progress.show(*counted)
            process.wait()
    finally:
        progress.close()
    if process.returncode != 0:
        for line in log.read_text(encoding="utf-8").splitlines()[-LOG_LINES_SHOWN:]:
            say(f"  | {line}")
        code = processes.exit_code(process.returncode)
        raise Problem(
            f"Building llama.cpp failed: {Path(argv[0]).stem} ended with exit code {code}.",
            next_step=f"The last lines are above; all are in {log}. The next run continues where this one stopped.",
            exit_code=code,
        )


def _collect(built: Path, source: Path, part: Path, recipe: Recipe) -> None:
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for path in sorted(built.iterdir()):
        if belongs(path.name):
            shutil.copy2(path, part / path.name, follow_symlinks=False)
    shutil.copy2(source / "LICENSE", part / "LICENSE")
    _strip(path for path in part.iterdir() if not path.is_symlink() and belongs(path.name))
    server = part / ("llama-server.exe" if os.name == "nt" else "llama-server")
    if processes.output([server, "--version"]) is None:
        raise Problem(
            "The llama-server that was built does not start.",
            next_step=f"Run it to see why: {built / server.name} --version",
        )
    files = {path.name: path.stat().st_size for path in sorted(part.iterdir())}
    with replacing(part / MANIFEST) as file:
        file.write(json.dumps(asdict(recipe) | {"files": files}, indent=1).encode())


def _strip(paths: Iterable[Path]) -> None:
    # Only where it is known to be harmless: on macOS it would break the code signature that arm64 demands.
    strip = shutil.which("strip")
    if sys.platform == "linux" and strip:
        for path in paths:
            processes.output([strip, "--strip-unneeded", path])
