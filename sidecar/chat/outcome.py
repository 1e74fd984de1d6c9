"""How a turn ends, and ended turns for hosts that reconnect.

Owns what is published of one: its events if the journal has them, otherwise what the history has.
"""

from __future__ import annotations

import msgspec

from sidecar.chat.messages import StoredMessage
from sidecar.chat.replay import JournaledTurn
from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.chat import ContextUse, TurnDone, TurnResult
from sidecar.contract.errors import Cancelled, EngineCrashed, SidecarError, from_wire
from sidecar.contract.remedies import call
from sidecar.contract.sessions import Timings, Usage
from sidecar.events.event_log import EventLog


class EndedTurn(msgspec.Struct, frozen=True):
    """A turn that has ended."""

    events: EventLog
    outcome: TurnResult | SidecarError | None

    async def result(self) -> TurnResult:
        """As `Turn.result`."""
        return result_or_raise(self.outcome)


def result_or_raise(outcome: TurnResult | SidecarError | None) -> TurnResult:
    """The answer.

    Raises:
        SidecarError: there is none.
    """
    if isinstance(outcome, TurnResult):
        return outcome
    raise outcome or Cancelled("The message was cancelled.")


def final_event(outcome: TurnResult | SidecarError) -> TurnDone | ErrorEvent | CancelledEvent:
    """The last event of a turn."""
    if isinstance(outcome, TurnResult):
        return TurnDone(**{name: getattr(outcome, name) for name in TurnResult.__struct_fields__})
    if isinstance(outcome, Cancelled):
        session_id = outcome.data.get("session_id", msgspec.UNSET)
        return CancelledEvent(partial=outcome.data.get("partial", ""), session_id=session_id)
    return ErrorEvent(error=WireError.of(outcome))


def result_of(message: StoredMessage) -> TurnResult:
    """A stored answer as the response to its request."""
    return TurnResult(
        session_id=message.session_id,
        message_id=message.message_id,
        user_message_id=message.parent_id,
        content=message.content,
        reasoning=message.reasoning,
        tool_calls=message.tool_calls,
        finish_reason=message.finish_reason or "stop",
        usage=message.usage or Usage(prompt_tokens=0, completion_tokens=0, cached_tokens=0),
        timings=message.timings or Timings(ttft_ms=None, prompt_per_second=None, predicted_per_second=None, total_ms=0),
        context=message.context or ContextUse(policy="error", max_context=0, used=0, dropped_messages=0),
        warnings=message.warnings if isinstance(message.warnings, list) else [],
    )


def from_journal(kept: JournaledTurn, message: StoredMessage | None) -> EndedTurn | None:
    """A turn with its events under their old numbers.

    `None` where it was interrupted and its message is not in the history: then nothing of it was acknowledged.
    """
    if kept.events.closed:
        ((_, final),) = kept.events.peek(kept.events.last_seq - 1)
        return EndedTurn(kept.events, _outcome_in(final))
    if message is None or message.message_id != kept.message_id:
        return None
    outcome = outcome_of(message)
    kept.events.append(final_event(outcome))
    return EndedTurn(kept.events, outcome)


def from_history(message: StoredMessage, after_seq: int) -> EndedTurn:
    """A turn that only the history has. A host that has some of its events gets its end, with the whole text."""
    events = EventLog(after_seq=after_seq)
    if isinstance(message.reasoning, str) and not after_seq:
        events.append_text("reasoning", message.reasoning)
    if message.content and not after_seq:
        events.append_text("token", message.content)
    outcome = outcome_of(message)
    events.append(final_event(outcome))
    return EndedTurn(events, outcome)


def _outcome_in(final: object) -> TurnResult | SidecarError:
    """The outcome in a turn's last event."""
    if isinstance(final, TurnDone):
        return TurnResult(**{name: getattr(final, name) for name in TurnResult.__struct_fields__})
    if isinstance(final, ErrorEvent):
        return from_wire(msgspec.to_builtins(final.error))
    known = msgspec.to_builtins(final) if isinstance(final, CancelledEvent) else {}
    of_turn = {name: known[name] for name in Cancelled.members() if name in known}
    return Cancelled("The message was cancelled.", **{"partial": "", **of_turn})


def outcome_of(message: StoredMessage) -> TurnResult | SidecarError:
    """The outcome of an answer in the history."""
    if message.state == "complete":
        return result_of(message)
    if message.state == "cancelled":
        return Cancelled("The message was cancelled.", partial=message.content, session_id=message.session_id)
    return EngineCrashed(
        "The answer was interrupted before it was complete; the partial answer is kept.",
        hint="Generate the answer again.",
        remedies=(call("regenerate_message"),),
        cause="UNKNOWN",
        exit_code=None,
        log_tail=[],
        partial=message.content,
        session_id=message.session_id,
    )
