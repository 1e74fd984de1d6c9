"""A session as Markdown, for people.

Owns that no text of a message looks like, or swallows, what is around it. Headings of messages are those of level 3 and
below: levels 1 and 2 are the document's. Code fences that are left open are closed, and no line begins an HTML block.
Everything else of a message is as it was written. The rules are those of CommonMark 0.31.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sidecar.chat.messages import StoredMessage, tool_calls_of
from sidecar.contract.sessions import Session

_SPEAKERS = {"user": "You", "assistant": "Assistant", "tool": "Tool"}

_LINE_END = re.compile(r"(\r\n|\n|\r)")
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*$)|~{3,})")
_TITLE = re.compile(r"(?P<indent> {0,3})(?P<marks>#{1,2})(?=[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_BLOCK = re.compile(r"(?P<indent>[ \t>]*)<(?=[A-Za-z/!?])(?![A-Za-z][A-Za-z0-9+.-]+:)")
"""The beginning of an HTML block, also in a quotation; addresses such as `<https://…>` begin none."""

_SWALLOWS = re.compile(
    r"(?<!\\)<(?=[!?]|/?(?:details|summary|script|style|pre|textarea|title|iframe|xmp|template|svg|math)\b)",
    re.IGNORECASE,
)
"""The beginning of what a browser shows nothing of, folds, or reads in another way, until it is closed."""

_CODE_SPAN = re.compile(r"(`+[^`]*`+)")
_UNSAFE_IN_ADDRESS = re.compile(r"[\s<>()\\]")

_LEVELS_BELOW = "##"
"""Added to a message's headings of the document's levels."""


def rendered(session: Session, branch: list[StoredMessage]) -> str:
    """The branch in use of a session as Markdown."""
    blocks = [f"# {_in_line(session.title)}"]
    if session.system:
        blocks.append("\n".join(f"> {line}" for line in contained(session.system).splitlines()))
    for message in branch:
        blocks += _blocks(message)
    return "\n\n".join(blocks) + "\n"


def _blocks(message: StoredMessage) -> Iterator[str]:
    heading = _SPEAKERS[message.role]
    if message.role == "assistant" and message.model:
        heading += f" ({_in_line(message.model)})"
    yield f"## {heading}"
    if isinstance(message.reasoning, str):
        yield f"<details><summary>Reasoning</summary>\n\n{contained(message.reasoning)}\n\n</details>"
    if message.content:
        yield contained(message.content)
    parts = message.parts if isinstance(message.parts, list) else []
    yield from (shown for number, part in enumerate(parts, start=1) if (shown := _attached(part, number)))
    for call in tool_calls_of(message):
        yield fenced(f"{call.function.name}({call.function.arguments})", "json")
    if message.state != "complete":
        yield f"*({message.state})*"


def fenced(text: str, language: str = "") -> str:
    """A text as a block of code, in a fence that is longer than any in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def contained(text: str) -> str:
    """A message's text, changed only where it would act on what is around it."""
    lines = _LINE_END.split(text)[::2]
    ends = [*_LINE_END.findall(text), ""]
    at, before = 0, ""
    added = ""
    while at < len(lines):
        if opened := _FENCE.match(lines[at]):
            last = _end_of_block(lines, at, opened["fence"])
            until = len(lines) if last is None else last + 1
            if last is None or not _is_aligned(lines[at:until]):  # else a list that ends within it would end it
                lines[at] = lines[at].lstrip(" ")
                added = f"\n{opened['fence']}" if last is None else ""
            at, before = until, ""
        else:
            lines[at] = _contained_line(lines[at], after=before)
            at, before = at + 1, lines[at].strip()
    return "".join(line + end for line, end in zip(lines, ends, strict=True)) + added


def _end_of_block(lines: Sequence[str], start: int, fence: str) -> int | None:
    """The line that closes a block of code; `None` if it is left open."""
    closing = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*")
    return next((at for at in range(start + 1, len(lines)) if closing.fullmatch(lines[at])), None)


def _is_aligned(block: Sequence[str]) -> bool:
    """Whether no line of a block of code stands left of its fence."""
    indent = len(block[0]) - len(block[0].lstrip(" "))
    return all(not line.strip() or line.startswith(" " * indent) for line in block)


def _contained_line(line: str, *, after: str) -> str:
    if after and _UNDERLINE.match(line):  # else the line before is a heading of the document's levels
        return re.sub(r"(?=[=-])", r"\\", line, count=1)
    line = _BLOCK.sub(r"\g<indent>\\<", line, count=1) if _BLOCK.match(line) else line
    line = _TITLE.sub(rf"\g<indent>{_LEVELS_BELOW}\g<marks>", line, count=1) if _TITLE.match(line) else line
    if not _SWALLOWS.search(line):
        return line
    spans = _CODE_SPAN.split(line)  # with the code spans, which need nothing, at odd places
    return "".join(span if at % 2 else _SWALLOWS.sub(r"\\<", span) for at, span in enumerate(spans))


def _attached(part: dict[str, Any], number: int) -> str:
    """An image or audio of a message, whole; empty for text, which is in the message's content."""
    if part.get("type") == "image_url":
        url = str(part["image_url"]["url"])
        kind = url[: url.find(";")].removeprefix("data:") if ";" in url[:60] else "image"
        return f"![Image {number} ({kind}, {_size(url)})]({_address(url)})"
    if part.get("type") == "input_audio":
        audio = part["input_audio"]
        url = f"data:audio/{audio['format']};base64,{audio['data']}"
        return f"[Audio {number} ({audio['format']}, {_size(url)})]({_address(url)})"
    return ""


def _size(url: str) -> str:
    size_bytes = len(url.partition(",")[2]) * 3 // 4  # of base64
    return f"{size_bytes} bytes" if size_bytes < 1000 else f"{size_bytes / 1000:.0f} KB"


def _address(url: str) -> str:
    return _UNSAFE_IN_ADDRESS.sub(lambda found: f"%{ord(found[0]):02X}", url)


def _in_line(text: str) -> str:
    """A name or title on one line."""
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", " ".join(text.split()))
