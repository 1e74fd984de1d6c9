"""The `pattern` of a JSON schema: parsed, and written again as engines take it.

Owns which regular expressions are supported: those of a regular language (classes, groups, alternatives, repetitions),
with `^` and `$` at the ends only. Everything else cannot become a grammar, so engines accept it and enforce nothing
(llama.cpp's json-schema-to-grammar.cpp); here it is refused. `automaton` matches texts.
"""

from __future__ import annotations

import msgspec

MAX_PATTERN_CHARACTERS = 1000
"""The longest pattern. An engine compiles it on the thread that serves every request, which took 30 s for 4 KB."""

MAX_REPETITIONS = 1000
"""The largest count in `{…}`, and of minLength, minItems and the like: llama.cpp's grammars end at 2000
(MAX_REPETITION_THRESHOLD)."""

MAX_GROUP_DEPTH = 50
"""How deep groups may be nested; llama.cpp takes 100."""

MAX_CODE_POINT = 0x10FFFF

Range = tuple[int, int]
"""Characters from the first to the last code point, both included."""


class UnsupportedPattern(Exception):
    """The pattern cannot be enforced, or is no regular expression; the message says why, as the rest of a sentence."""


class Chars(msgspec.Struct, frozen=True):
    """One character of these ranges, which are sorted and do not touch."""

    ranges: tuple[Range, ...]


class Sequence(msgspec.Struct, frozen=True):
    """Its parts, one after the other."""

    parts: tuple[Node, ...]


class Choice(msgspec.Struct, frozen=True):
    """One of its alternatives."""

    alternatives: tuple[Node, ...]


class Repeat(msgspec.Struct, frozen=True):
    """Its part, from `least` to `most` times; `most` is `None` for no limit."""

    part: Node
    least: int
    most: int | None


Node = Chars | Sequence | Choice | Repeat

_DIGIT: tuple[Range, ...] = ((0x30, 0x39),)
_WORD: tuple[Range, ...] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: tuple[Range, ...] = (
    *((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
)
_LINE_END: tuple[Range, ...] = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
"""The sets of ECMA-262, whose regular expressions JSON Schema uses."""

_CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D, "0": 0x00}
_HEX_DIGITS = {"x": 2, "u": 4}
_UNSUPPORTED_ESCAPES = {
    "b": r"\b asserts what surrounds it",
    "B": r"\B asserts what surrounds it",
    "k": "it refers back to a group",
    "p": r"\p needs Unicode tables",
    "P": r"\P needs Unicode tables",
    "c": r"\c is not supported",
}

ANY_TEXT = Repeat(Chars(((0, MAX_CODE_POINT),)), 0, None)


def merged(ranges: list[Range]) -> tuple[Range, ...]:
    """The ranges sorted, and joined where they overlap or touch."""
    out: list[Range] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple(out)


def others(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """All characters that are not in these ranges."""
    out: list[Range] = []
    start = 0
    for low, high in ranges:
        if low > start:
            out.append((start, low - 1))
        start = high + 1
    if start <= MAX_CODE_POINT:
        out.append((start, MAX_CODE_POINT))
    return tuple(out)


def parse(pattern: str) -> Node:
    """What a whole text must be so that the pattern is found in it.

    Raises:
        UnsupportedPattern: it is too long, no regular expression, or cannot be enforced.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise UnsupportedPattern(f"it has {len(pattern)} characters, and {MAX_PATTERN_CHARACTERS} are accepted")
    return _Parser(pattern).whole()


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        branches = [self._branch()]
        while self._take("|"):
            branches.append(self._branch())
        if self._at < len(self._text):
            raise UnsupportedPattern("a parenthesis is closed that was not opened")
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _branch(self) -> Node:
        """An alternative of the whole pattern: without `^` and `$` anything may come before and after it."""
        anchored = self._take("^")
        parts = self._sequence(ends_with_anchor=True)
        closed = self._take("$")
        if self._at < len(self._text) and self._text[self._at] not in "|)":
            raise UnsupportedPattern("an anchor stands inside it")
        return Sequence((*(() if anchored else (ANY_TEXT,)), *parts, *(() if closed else (ANY_TEXT,))))

    def _choice(self) -> Node:
        alternatives = [Sequence(tuple(self._sequence()))]
        while self._take("|"):
            alternatives.append(Sequence(tuple(self._sequence())))
        return alternatives[0] if len(alternatives) == 1 else Choice(tuple(alternatives))

    def _sequence(self, *, ends_with_anchor: bool = False) -> list[Node]:
        parts: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            if self._text[self._at] in "^$":
                if ends_with_anchor and self._text[self._at] == "$":
                    break
                raise UnsupportedPattern("an anchor stands inside it")
            parts.append(self._repeated(self._atom()))
        return parts

    def _atom(self) -> Node:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return Chars(self._set())
        if char == ".":
            return Chars(others(_LINE_END))
        if char == "\\":
            return Chars(self._escape(in_set=False))
        if char in "*+?":
            raise UnsupportedPattern(f"nothing stands before {char}")
        return Chars(((ord(char), ord(char)),))

    def _group(self) -> Node:
        if self._take("?") and not self._take(":"):
            named = self._take("<") and self._at < len(self._text) and self._text[self._at] not in "=!"
            if not named:
                raise UnsupportedPattern("it asserts what surrounds a part, or sets flags")
            end = self._text.find(">", self._at)
            if end < 0:
                raise UnsupportedPattern("the name of a group does not end")
            self._at = end + 1
        self._depth += 1
        if self._depth > MAX_GROUP_DEPTH:
            raise UnsupportedPattern(f"its groups are nested more than {MAX_GROUP_DEPTH} deep")
        inner = self._choice()
        if not self._take(")"):
            raise UnsupportedPattern("a parenthesis is not closed")
        self._depth -= 1
        return inner

    def _repeated(self, part: Node) -> Node:
        char = self._text[self._at] if self._at < len(self._text) else ""
        if char in ("*", "+", "?"):
            self._at += 1
            bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        elif char == "{" and (counted := self._counts()) is not None:
            bounds = counted
        else:
            return part
        self._take("?")  # a lazy repetition matches the same texts
        if self._at < len(self._text) and self._text[self._at] in "*+?":
            raise UnsupportedPattern("a repetition is repeated")
        return Repeat(part, *bounds)

    def _counts(self) -> tuple[int, int | None] | None:
        """`{n}`, `{n,}` or `{n,m}`; `None` if the brace is an ordinary character."""
        end = self._text.find("}", self._at)
        low, comma, high = self._text[self._at + 1 : max(end, 0)].partition(",")
        if end < 0 or not _is_number(low) or (high and not _is_number(high)):
            return None
        self._at = end + 1
        if max(len(low), len(high)) > len(str(MAX_REPETITIONS)):
            raise UnsupportedPattern(f"it repeats a part more than {MAX_REPETITIONS} times")
        least = int(low)
        most = int(high) if high else None if comma else least
        if max(least, most or 0) > MAX_REPETITIONS:
            raise UnsupportedPattern(f"it repeats a part more than {MAX_REPETITIONS} times")
        if most is not None and most < least:
            raise UnsupportedPattern("the counts of a repetition are the wrong way round")
        return least, most

    def _set(self) -> tuple[Range, ...]:
        negated = self._take("^")
        ranges: list[Range] = []
        while not self._take("]"):
            low = self._member()
            has_range = self._text[self._at : self._at + 1] == "-" and self._text[self._at + 1 : self._at + 2] != "]"
            if has_range and len(low) == 1 and low[0][0] == low[0][1]:
                self._at += 1
                high = self._member()
                if len(high) != 1 or high[0][0] != high[0][1] or high[0][0] < low[0][0]:
                    raise UnsupportedPattern("a range of characters is the wrong way round")
                ranges.append((low[0][0], high[0][0]))
            else:
                ranges += low
        found = merged(ranges)
        return others(found) if negated else found

    def _member(self) -> tuple[Range, ...]:
        if self._at >= len(self._text):
            raise UnsupportedPattern("a set of characters is not closed")
        char = self._next()
        return self._escape(in_set=True) if char == "\\" else ((ord(char), ord(char)),)

    def _escape(self, *, in_set: bool) -> tuple[Range, ...]:
        if self._at >= len(self._text):
            raise UnsupportedPattern("it ends with a backslash")
        char = self._next()
        if char in "dws":
            return {"d": _DIGIT, "w": _WORD, "s": _SPACE}[char]
        if char in "DWS":
            return others({"D": _DIGIT, "W": _WORD, "S": _SPACE}[char])
        if char == "b" and in_set:
            return ((0x08, 0x08),)
        if char in _UNSUPPORTED_ESCAPES:
            raise UnsupportedPattern(_UNSUPPORTED_ESCAPES[char])
        if char in "123456789":
            raise UnsupportedPattern("it refers back to a group")
        if char in _CONTROLS:
            return ((_CONTROLS[char], _CONTROLS[char]),)
        if char in _HEX_DIGITS:
            digits = self._text[self._at : self._at + _HEX_DIGITS[char]]
            if len(digits) < _HEX_DIGITS[char] or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise UnsupportedPattern(f"\\{char} needs {_HEX_DIGITS[char]} digits")
            self._at += len(digits)
            return ((int(digits, 16), int(digits, 16)),)
        return ((ord(char), ord(char)),)

    def _next(self) -> str:
        char = self._text[self._at]
        self._at += 1
        return char

    def _take(self, char: str) -> bool:
        if self._text[self._at : self._at + 1] == char:
            self._at += 1
            return True
        return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
