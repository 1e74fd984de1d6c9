"""The contract's names in Rust."""

from __future__ import annotations

import re

# Those that a JSON member can be expected to have.
_KEYWORDS = frozenset({"enum", "for", "if", "in", "match", "mod", "move", "ref", "type", "use", "where"})


def variant(value: str) -> str:
    """`llama-server` is `LlamaServer`, `q8_0` is `Q8_0`, `OUT_OF_MEMORY` is `OutOfMemory`."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", value) if word]
    out = ""
    for word in words:
        if out and out[-1].isdigit() and word[0].isdigit():
            out += "_"
        out += word[0].upper() + (word[1:].lower() if word.isupper() else word[1:])
    return out


def member(name: str) -> str:
    """A struct member; serde takes the `r#` off again."""
    return f"r#{name}" if name in _KEYWORDS else name


def doc(text: str, *, indent: str = "", mark: str = "///") -> list[str]:
    """A doc comment; what rustdoc would take for a link or a tag is escaped, and addresses are links."""
    if not text:
        return []
    parts = re.split(r"(`[^`]*`)", text)
    escaped = "".join(part if part.startswith("`") else _escaped(part) for part in parts)
    return [f"{indent}{mark} {line}".rstrip() for line in escaped.split("\n")]


def _escaped(text: str) -> str:
    return re.sub(r"https?://\S*[^\s.,;:)]", r"<\g<0>>", re.sub(r"([<>\[\]])", r"\\\1", text))
