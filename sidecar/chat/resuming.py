"""Turns that are over, for hosts that come back.

Owns what is told of one: its events where the journal has them, else what the history knows.
"""

from __future__ import annotations

import msgspec

from sidecar.chat.journals import Kept
from sidecar.chat.messages import StoredMessage
from sidecar.chat.record import result_of
from sidecar.chat.turn import final_event, result_or_raise
from sidecar.contract import CancelledEvent, ErrorEvent
from sidecar.contract.chat import TurnDone, TurnResult
from sidecar.contract.errors import Cancelled, EngineCrashed, SidecarError, from_wire
from sidecar.events.event_log import EventLog


class EndedTurn(msgspec.Struct, frozen=True):
    """What a turn leaves behind."""

    events: EventLog
    outcome: TurnResult | SidecarError | None

    async def result(self) -> TurnResult:
        """As `Turn.result`."""
        return result_or_raise(self.outcome)


def from_journal(kept: Kept, message: StoredMessage | None) -> EndedTurn | None:
    """A turn with its events under their old numbers.

    `None` where it broke off and its message is not in the history: then nothing of it was ever acknowledged.
    """
    if kept.events.closed:
        ((_, final),) = kept.events.peek(kept.events.last_seq - 1)
        return EndedTurn(kept.events, _outcome_told(final))
    if message is None or message.message_id != kept.message_id:
        return None
    outcome = _outcome_of(message)
    kept.events.append(final_event(outcome))
    return EndedTurn(kept.events, outcome)


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


def _outcome_told(final: object) -> TurnResult | SidecarError:
    """What a turn's last event says of it."""
    if isinstance(final, TurnDone):
        return TurnResult(**{name: getattr(final, name) for name in TurnResult.__struct_fields__})
    if isinstance(final, ErrorEvent):
        return from_wire(msgspec.to_builtins(final.error))
    partial = final.partial if isinstance(final, CancelledEvent) and isinstance(final.partial, str) else ""
    return Cancelled("The message was cancelled.", partial=partial)


def _outcome_of(message: StoredMessage) -> TurnResult | SidecarError:
    """What the history says of an answer."""
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
