"""Code, contract, page and guides use the field's words (CONTRIBUTING.md): what a contributor greps for is there."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
READ = ("sidecar", "shell", "build", "ipc_schema", "README.md", "CONTRIBUTING.md")
SUFFIXES = {".py", ".ts", ".tsx", ".rs", ".md", ".toml"}

AVOIDED = {
    "can not": r"\bcan not\b",
    "at once": r"\bat once\b",
    "anew": r"\banew\b",
    "for ever": r"\bfor ever\b",
    "tell, told": r"(?<![.])(?<!def )\b(?:tell|tells|told|telling)\b",
    "nobody": r"\bnobody\b",
    "business": r"\bbusiness\b",
    "let go": r"\b(?:let|lets|letting) go\b",
    "lie down": r"\b(?:lie|lies|lain|lay) down\b",
    "make way": r"\b(?:make|makes|made|gives?|gave) way\b",
    "go on": r"\b(?:go|goes|going|went|gone) on\b",
    "look": r"\blook(?:s|ed|ing)?\b",
    "seen": r"\bseen\b",
    "wanted": r"\bwanted\b",
}
"""What plain text says otherwise: cannot, immediately, again, permanently, report, no client, owns, close, continue."""

AVOIDED_NAMES = (
    r"(?<![a-z0-9])_?(?:tell|tells|told|seen|wanted|nobody|anew|look|looks|looked)_\w"
    r"|\w_(?:told|seen|wanted|nobody|anew)\b"
)
"""The same as a part of an identifier."""

MOST_OF_A_WORD = 3
"""In all files together: a sentence may need one now and then."""


def files() -> list[Path]:
    git = ["git", "ls-files", *READ]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if Path(name).suffix in SUFFIXES]


def test_the_words_to_avoid_are_near_zero() -> None:
    found: dict[str, Counter[str]] = {word: Counter() for word in AVOIDED}
    for file in files():
        text = file.read_text(encoding="utf-8")
        for word, pattern in AVOIDED.items():
            if count := len(re.findall(pattern, text, re.IGNORECASE)):
                found[word][file.relative_to(ROOT).as_posix()] = count
    assert {word: places for word, places in found.items() if places.total() > MOST_OF_A_WORD} == {}


def test_no_name_has_a_word_to_avoid() -> None:
    found = [
        f"{file.relative_to(ROOT).as_posix()}: {name}"
        for file in files()
        if file.suffix != ".md"
        for name in re.findall(rf"\b\w*(?:{AVOIDED_NAMES})\w*", file.read_text(encoding="utf-8"))
    ]
    assert found == []
