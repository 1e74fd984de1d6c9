"""Turns that are over, for hosts that come back.

Owns which of them are remembered with their events, and what is told of one that only the history remembers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from sidecar.channels import EventLog
from sidecar.chat.messages import StoredMessage
from sidecar.chat.record import result_of
from sidecar.chat.turn import Turn, final_event, result_or_raise
from sidecar.contract.chat import TurnResult
from sidecar.contract.errors import Cancelled, EngineCrashed, SidecarError

KEPT_TURNS = 64
"""Ended turns whose events are held: some 100 KB each for a long answer. Older ones come from the history, whole."""


@dataclass(frozen=True, slots=True)
class EndedTurn:
    """What a turn leaves behind."""

    events: EventLog
    outcome: TurnResult | SidecarError | None

    async def result(self) -> TurnResult:
        """As `Turn.result`."""
        return result_or_raise(self.outcome)


class LastTurns:
    """The last turn of each of the sessions that were used last."""

    def __init__(self) -> None:
        self._ended: OrderedDict[str, EndedTurn] = OrderedDict()

    def keep(self, turn: Turn) -> None:
        """Remember a turn that has ended in the place of its session's last one."""
        self._ended[turn.session_id] = EndedTurn(turn.events, turn.outcome)
        self._ended.move_to_end(turn.session_id)
        if len(self._ended) > KEPT_TURNS:
            self._ended.popitem(last=False)

    def forget(self, session_id: str) -> None:
        """Remember a session's last turn no longer."""
        self._ended.pop(session_id, None)

    def find(self, session_id: str) -> EndedTurn | None:
        """A session's last turn."""
        return self._ended.get(session_id)


def from_history(message: StoredMessage, after_seq: int) -> EndedTurn:
    """A turn that only the history remembers. A host that has seen some of it gets its end, with the whole text."""
    events = EventLog(after_seq=after_seq)
    if isinstance(message.reasoning, str) and not after_seq:
        events.append_text("reasoning", message.reasoning)
    if message.content and not after_seq:
        events.append_text("token", message.content)
    outcome = _outcome_of(message)
    events.append(final_event(outcome))
    return EndedTurn(events, outcome)


def _outcome_of(message: StoredMessage) -> TurnResult | SidecarError:
    if message.state == "complete":
        return result_of(message)
    if message.state == "cancelled":
        return Cancelled("The message was cancelled.", partial=message.content)
    return EngineCrashed(
        "The answer broke off before it was complete; what there is of it is kept.",
        hint="Answer again with regenerate_message.",
        cause="UNKNOWN",
        exit_code=None,
        log_tail=[],
        partial=message.content,
    )
