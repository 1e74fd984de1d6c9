"""Whether a text is what a pattern describes.

Owns an automaton whose time grows with the text only: Python's `re` can take years for a pattern that a host or a page
chose (`(a+)+$`). Its states are sets of positions in the pattern, built when they are first reached (Thompson 1968).
"""

from __future__ import annotations

import msgspec

from sidecar.generation.schema.patterns import Chars, Choice, Node, Range, Repeat, Sequence, UnsupportedPattern

MAX_POSITIONS = 5000
"""Characters of a pattern with its repetitions written out; nested counts multiply. An engine's grammar grows with
them, too."""

MAX_WIDTH = 1000
"""Positions that can follow a character at the same time. An engine follows each of them for every token of its
vocabulary: 3000 (`(((a?){10}){10}){10}`) took llama-server 9 s of processor time for one token."""

MAX_TRANSITIONS = 200_000
"""Of one pattern, as pairs of positions: building them takes a tenth of a second."""


class NotJudged(Exception):
    """The judgement would take too long."""


class Budget:
    """The work that a judgement may take.

    Args:
        steps: about a million a second.
    """

    def __init__(self, steps: int) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Count work that is about to be done.

        Raises:
            NotJudged: too much has been done.
        """
        self._left -= steps
        if self._left < 0:
            raise NotJudged


class Position(msgspec.Struct):
    """A place in the pattern: with characters it consumes one of them, and without it only leads on."""

    ranges: tuple[Range, ...] | None = None
    next: list[int] = msgspec.field(default_factory=list)


class Automaton:
    """Matches whole texts.

    Attributes:
        transitions: how many there are, which is the work that it took to find them.

    Raises:
        UnsupportedPattern: the pattern is too large with its repetitions written out.
    """

    def __init__(self, pattern: Node) -> None:
        self._positions: list[Position] = []
        self.transitions = 0
        self._start = self._new()
        self._end = self._new()
        self._positions[self._add(pattern, self._start)].next.append(self._end)
        self._check_width()

    def matches(self, text: str, budget: Budget) -> bool:
        """Whether the whole text is what the pattern describes.

        Raises:
            NotJudged: the budget is spent.
        """
        state = self._closed({self._start})
        known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        budget.spend(len(text))
        for char in text:
            following = known.get((state, char))
            if following is None:
                budget.spend(len(state))
                following = known[state, char] = self._after(state, ord(char))
            if not following:
                return False
            state = following
        return self._end in state

    def _after(self, state: frozenset[int], char: int) -> frozenset[int]:
        reached: set[int] = set()
        for index in state:
            position = self._positions[index]
            if position.ranges is not None and any(low <= char <= high for low, high in position.ranges):
                reached.update(position.next)
        return self._closed(reached)

    def _closed(self, indices: set[int], *, most: int = MAX_POSITIONS) -> frozenset[int]:
        """These positions and all that they lead on to without a character; more than `most` are not searched."""
        waiting, found = list(indices), set(indices)
        while waiting and len(found) <= most:
            position = self._positions[waiting.pop()]
            if position.ranges is None:
                new = [index for index in position.next if index not in found]
                found.update(new)
                waiting += new
        return frozenset(found)

    def _check_width(self) -> None:
        consuming = (position.next for position in self._positions if position.ranges is not None)
        for following in ([self._start], *consuming):
            width = len(self._closed(set(following), most=MAX_WIDTH))
            self.transitions += width
            if width > MAX_WIDTH or self.transitions > MAX_TRANSITIONS:
                raise UnsupportedPattern("too many of its parts can follow at the same time")

    def _new(self, ranges: tuple[Range, ...] | None = None) -> int:
        if len(self._positions) >= MAX_POSITIONS:
            raise UnsupportedPattern(f"with its repetitions it has more than {MAX_POSITIONS} characters")
        self._positions.append(Position(ranges))
        return len(self._positions) - 1

    def _add(self, node: Node, start: int) -> int:
        """Add a part that follows a position; returns the position after it."""
        if isinstance(node, Chars):
            consuming, end = self._new(node.ranges), self._new()
            self._positions[start].next.append(consuming)
            self._positions[consuming].next.append(end)
            return end
        if isinstance(node, Sequence):
            for part in node.parts:
                start = self._add(part, start)
            return start
        if isinstance(node, Choice):
            end = self._new()
            for alternative in node.alternatives:
                first = self._new()
                self._positions[start].next.append(first)
                self._positions[self._add(alternative, first)].next.append(end)
            return end
        return self._add_repeat(node, start)

    def _add_repeat(self, node: Repeat, start: int) -> int:
        for _ in range(node.least):
            start = self._add(node.part, start)
        if node.most is None:
            again, end = self._new(), self._new()
            self._positions[start].next.append(again)
            self._positions[self._add(node.part, again)].next.append(again)
            self._positions[again].next.append(end)
            return end
        end = self._new()
        self._positions[start].next.append(end)
        for _ in range(node.most - node.least):
            first = self._new()
            self._positions[start].next.append(first)
            start = self._add(node.part, first)
            self._positions[start].next.append(end)
        return end
