"""The parts of README.md that are generated: the table of methods, and the examples that are run as tests.

Owns what stands between the markers `<!-- generated: NAME -->` and `<!-- end -->`; the rest is written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

from sidecar.contract import FAMILIES

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_MARKED = re.compile(r"(<!-- generated: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def readme_md(text: str) -> str:
    """The README with its generated parts made anew.

    Raises:
        KeyError: a marker names a part that there is not.
    """
    parts = {
        "methods": _methods(),
        "node": _example("javascript", _TEMPLATES / "typescript" / "examples" / "chat.mjs"),
        "rust": _example("rust", _TEMPLATES / "rust" / "examples" / "chat.rs"),
    }
    return _MARKED.sub(lambda match: f"{match[1]}{parts[match['name']]}{match[3]}", text)


def _methods() -> str:
    lines = ["| | method | what it does |", "|---|---|---|"]
    for family, methods in FAMILIES.items():
        for number, method in enumerate(methods):
            summary = (method.params.__doc__ or "").split("\n")[0].replace("|", "\\|")
            streams = " ⇉" if method.streams else ""
            lines.append(f"| {f'**{family}**' if not number else ''} | `{method.name}`{streams} | {summary} |")
    return "\n".join(lines) + "\n"


def _example(language: str, file: Path) -> str:
    return f"```{language}\n{file.read_text(encoding='utf-8')}```\n"
