"""One way for each dangerous thing: a second one, in any module, fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SIDECAR = Path(__file__).parents[2] / "sidecar"

ONE_WAY = {
    # what: (what it looks like, where it may be)
    "paths of somebody's words": (
        r"\bexpand(?:user|vars)\(|\bPath\((?:params|settings|config|patch|options)\b",
        "host/path_policy",
    ),
    "programs looked for": (r"\bwhich\(|\bfind_executable\(|\bget_exec_path\(", "host/path_policy"),
    "the environment of a child": (r"\bchild_environment\(", "processes/child|host/environment|processes/owner"),
    "the engine's key": (r"\bAPI_KEY_VARIABLE\b", "engines/(?:reserved_options|launch|kinds/embedded_child)"),
}

NO_WAY = {
    "templates rendered by us": r"\bjinja2\b|\bminijinja\b|Environment\(|(?<!super\(\))\.render\(",
    "a shell": r"shell\s*=\s*True|\bos\.system\(|\bos\.popen\(|subprocess_shell\(",
    "code out of data": r"(?<![\w.])(?:eval|exec)\(|\bimport (?:pickle|marshal)\b|\b(?:pickle|marshal)\.|yaml\.load",
}


def lines(pattern: str) -> Iterator[tuple[str, str]]:
    for file in SIDECAR.rglob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if re.search(pattern, line) and not line.lstrip().startswith("#"):
                yield file.relative_to(SIDECAR).with_suffix("").as_posix(), line.strip()


@pytest.mark.parametrize("what", ONE_WAY)
def test_there_is_one_way_only(what: str) -> None:
    pattern, place = ONE_WAY[what]
    found = list(lines(pattern))
    assert found, "the pattern finds nothing any more"
    assert [one for one in found if not re.fullmatch(place, one[0])] == []


@pytest.mark.case(37)
@pytest.mark.parametrize("what", NO_WAY)
def test_there_is_no_way_at_all(what: str) -> None:
    assert list(lines(NO_WAY[what])) == []
