"""Files pinned by version and hash, fetched by pip, so that the user's mirrors, proxies and certificates count.

Owns the `downloads` folder of the cache. Knows nothing of what is inside the files.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from recipes import places, processes
from recipes.console import Problem, Progress, step
from recipes.environment import Environment, pip_problem
from recipes.files import sha256_of

POLL_S = 0.2
MB = 1_000_000


@dataclass(frozen=True)
class Pin:
    """One artefact: the lock file with its one requirement, its file name, and about how many MB it has."""

    lock: str
    file: str
    megabytes: int
    pip_options: tuple[str, ...]

    @property
    def lock_path(self) -> Path:
        return places.LOCKS / f"{self.lock}.txt"


def pinned_hash(lock_text: str) -> str:
    """The sha256 in a lock file that pins exactly one artefact."""
    hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", lock_text)
    if len(hashes) != 1:
        raise ValueError(f"a lock file for one artefact holds one hash, and this one holds {len(hashes)}")
    return str(hashes[0])


def fetch(pin: Pin, *, by: Environment, title: str) -> Path:
    """The pinned file, from the cache or the index. Call it with a lock held: it clears what others left half done."""
    folder = places.cache() / "downloads"
    target = folder / pin.file
    expected = pinned_hash(pin.lock_path.read_text(encoding="utf-8"))
    if target.exists() and sha256_of(target) == expected:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with (
        step(f"{title} ({pin.megabytes} MB)"),
        tempfile.TemporaryDirectory(dir=folder, prefix=".part-", ignore_cleanup_errors=True) as part,
    ):
        _download(pin, by, Path(part))
        got = Path(part, pin.file)
        if not got.exists() or sha256_of(got) != expected:
            raise Problem(
                f"pip fetched something else than {pin.file}.",
                next_step=f"Compare the name with {places.shown(pin.lock_path)}.",
            )
        got.replace(target)
    return target


def _download(pin: Pin, by: Environment, folder: Path) -> None:
    arguments: list[str | Path] = ["download", "--no-deps", "--require-hashes", "--no-build-isolation"]
    arguments += [*pin.pip_options, "--dest", folder, "-r", pin.lock_path]
    argv = by.pip_argv(*arguments, quiet=True)
    code = processes.persist(lambda: _show_progress(argv, folder, pin.megabytes))
    if code != 0:
        raise pip_problem(arguments, code)


def _show_progress(argv: processes.Argv, folder: Path, megabytes: int) -> int:
    """Runs pip, with its progress; its exit code."""
    # pip's temporary files go beside the target: /tmp may be small, and their size is the progress.
    environ = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    progress = Progress("MB")
    try:
        with processes.child(argv, environ=environ) as process:
            while True:
                try:
                    process.wait(POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    progress.show(_largest(folder) / MB, megabytes)
    finally:
        progress.close()
    return processes.exit_code(process.returncode)


def _largest(folder: Path) -> int:
    sizes = [0]
    for parent, _, names in os.walk(folder):  # not glob, which raises where pip has just removed a folder
        for name in names:
            try:
                sizes.append(Path(parent, name).stat().st_size)
            except OSError:
                continue  # pip has just moved it
    return max(sizes)
