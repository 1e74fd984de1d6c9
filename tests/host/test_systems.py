"""Operating systems: what differs between them stands in `sidecar/host`, where a type checker sees it."""

from __future__ import annotations

import re
from pathlib import Path

SIDECAR = Path(__file__).parents[2] / "sidecar"

UNSEEN = re.compile(r"\bos\.name\b|\b(?:has|get)attr\((?:os|select|signal|socket|subprocess)\b")
"""Guards that a type checker does not understand: it then checks none of what they guard for another system."""

GUARD = re.compile(r"\bsys\.platform\b")

OUTSIDE_OF_HOST = {
    "builds/archive.py": "links in archives",
    "cli/prompt.py": "how a terminal edits a line",
    "engines/kinds/llama_cpp_python_child.py": "runs in another Python, which has none of our modules",
    "library/network/trust.py": "where each system keeps the certificates that it trusts",
    "library/scan/stores/ollama.py": "names that Ollama gives its files on each system",
    "library/scan/sources.py": "folders that other programs use on each system",
}
"""Guards that belong to what they guard."""


def files_with(pattern: re.Pattern[str]) -> set[str]:
    return {
        path.relative_to(SIDECAR).as_posix()
        for path in SIDECAR.rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    }


def test_every_guard_is_one_that_a_type_checker_understands() -> None:
    assert files_with(UNSEEN) == set()


def test_guards_stand_in_host_or_are_listed_here() -> None:
    assert {name for name in files_with(GUARD) if not name.startswith("host/")} == OUTSIDE_OF_HOST.keys()
