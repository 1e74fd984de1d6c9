"""What a sidecar owes its host, kept like a book: each request one answer, each channel one end, in order.

Owns the promises of the contract about responses and channels, checked message by message; cheap, since a long trial
takes in millions. Knows nothing of transports, nor of what the methods do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.raw_host import TERMINAL

FAULTS_KEPT = 20
"""More of them say nothing new."""


@dataclass(slots=True)
class Told:
    """What a channel has told so far.

    Attributes:
        seq: number of its last event.
        text, reasoning: the pieces of the answer.
        end: its last event, once it has come.
        events: the other events, where they are kept.
        on_event: called after each event.
    """

    seq: int = 0
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    end: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    on_event: Callable[[], object] | None = None


class Ledger:
    """The book of one connection.

    Attributes:
        asked: how many requests there were.
        owed: those without an answer, with the channel that each has.
        channels: what has been told, by channel; whoever opens one closes it.
        faults: what the sidecar has done wrong.
        messages: how many have come.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.owed: dict[int, str | None] = {}
        self.channels: dict[str, Told] = {}
        self.faults: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.messages = 0

    def ask(self, channel: str | None = None) -> int:
        """The id for a new request, which is owed an answer from now on; its channel must end before."""
        self.asked += 1
        self.owed[self.asked] = channel
        if channel is not None:
            self.channels.setdefault(channel, Told())
        return self.asked

    def open(self, channel: str) -> Told:
        """Expect a channel that outlives its request."""
        return self.channels.setdefault(channel, Told())

    def close(self, channel: str) -> None:
        """A channel that is over, or must be: the end of one that has not come is a fault."""
        if self.channels.pop(channel).end is None:
            self.fault(f"the channel {channel} was never ended")

    def take_in(self, message: Any) -> list[tuple[int, dict[str, Any]]]:
        """Take in a message; the answers in it, by id."""
        self.messages += 1
        if isinstance(message, list):
            return [answer for one in message for answer in self.take_in(one)]
        if message.get("method") == "channel":
            self._take_in_event(message["params"])
            return []
        id_ = message["id"]
        if id_ not in self.owed:
            self.fault(f"{id_} was answered twice, or never asked: {str(message)[:200]}")
            return []
        channel = self.owed.pop(id_)
        if channel is not None and self.channels[channel].end is None:
            self.fault(f"{channel} was answered before its last event")
        self.outcomes[outcome(message)] += 1
        return [(id_, message)]

    def fault(self, what: str) -> None:
        """Note what should not be."""
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(what)

    def _take_in_event(self, params: dict[str, Any]) -> None:
        name, seq, event = params["channel"], params["seq"], params["event"]
        told = self.channels.get(name)
        if told is None:
            self.fault(f"there is no channel {name}, but an event of it: {str(event)[:200]}")
            return
        if told.end is not None:
            self.fault(f"{name} goes on after its end")
        if told.seq and seq != told.seq + 1:
            self.fault(f"{name}: {seq} after {told.seq}")
        told.seq = seq
        status = event["status"]
        if status == "token":
            told.text.append(event["chunk"])
        elif status == "reasoning":
            told.reasoning.append(event["reasoning"])
        elif status in TERMINAL:
            told.end = event
        else:
            told.events.append(event)
        if told.on_event is not None:
            told.on_event()


def outcome(answer: dict[str, Any]) -> str:
    """`ok`, or the name of the error."""
    return str(answer["error"]["data"]["name"]) if "error" in answer else "ok"
