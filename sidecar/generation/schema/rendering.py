"""A parsed pattern as the grammars of engines understand it.

Owns the common part of what llama.cpp's converters of all ages take: `^(…)$` around everything, plain groups, sets of
characters in hexadecimal. A grammar describes the JSON text and not the string in it, so a set leaves out what JSON
writes with a backslash, and has these characters as they are written there.
"""

from __future__ import annotations

from sidecar.generation.schema.patterns import Chars, Choice, Node, Range, Repeat, Sequence, UnsupportedPattern

_ESCAPED = {0x22: r"\\\"", 0x5C: r"\\\\", 0x08: r"\\b", 0x0C: r"\\f", 0x0A: r"\\n", 0x0D: r"\\r", 0x09: r"\\t"}
"""Characters that JSON writes with a backslash and another character (RFC 8259, section 7)."""

_CONTROL_END = 0x1F
_SURROGATES = (0xD800, 0xDFFF)
"""Neither of them can stand in a JSON text in UTF-8 as they are."""


def render(pattern: Node) -> str:
    """The pattern for an engine.

    Raises:
        UnsupportedPattern: no text of JSON can match a part of it.
    """
    return f"^({_render(pattern)})$"


def _render(node: Node) -> str:
    if isinstance(node, Chars):
        return _set(node.ranges)
    if isinstance(node, Sequence):
        return "".join(f"({_render(part)})" if isinstance(part, Choice) else _render(part) for part in node.parts)
    if isinstance(node, Choice):
        return "|".join(_render(alternative) for alternative in node.alternatives)
    inner = _render(node.part)
    return f"({inner}){_counts(node)}" if inner else ""


def _counts(node: Repeat) -> str:
    if node.most is None:
        return {0: "*", 1: "+"}.get(node.least, f"{{{node.least},}}")
    if (node.least, node.most) == (0, 1):
        return "?"
    return f"{{{node.least}}}" if node.least == node.most else f"{{{node.least},{node.most}}}"


def _set(ranges: tuple[Range, ...]) -> str:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1] and len(letter := _char(ranges[0][0])) == 1:
        return letter
    alternatives = [text for code, text in _ESCAPED.items() if any(low <= code <= high for low, high in ranges)]
    plain = [part for one in ranges for part in _without_special(one)]
    if plain:
        alternatives.insert(0, "[" + "".join(_range(*one) for one in plain) + "]")
    if not alternatives:
        raise UnsupportedPattern("a part of it is a character that JSON cannot contain, or none at all")
    return alternatives[0] if len(alternatives) == 1 and plain else f"({'|'.join(alternatives)})"


def _without_special(one: Range) -> list[Range]:
    """The range without what JSON escapes, and without surrogates."""
    parts = [one]
    for low, high in ((0, _CONTROL_END), (0x22, 0x22), (0x5C, 0x5C), _SURROGATES):
        parts = [
            piece
            for first, last in parts
            for piece in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if piece[0] <= piece[1]
        ]
    return parts


def _range(low: int, high: int) -> str:
    return _char(low) if low == high else f"{_char(low)}-{_char(high)}"


def _char(code: int) -> str:
    if chr(code).isascii() and chr(code).isalnum():
        return chr(code)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
