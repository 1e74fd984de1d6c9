"""Warnings: what was accepted and is not, or not fully, honoured.

Owns the codes, and the remedies that go with each code. A result and the `done` event of its channel carry the
same list; a warning is never an error, and what must not happen silently is at least a warning.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sidecar.contract.method import Result
from sidecar.contract.remedies import Remedy, call, change_params

WarningCode = Literal[
    "HISTORY_ADAPTED",
    "TOOL_CALL_INCOMPLETE",
    "TOOLS_NOT_HONOURED",
    "FORMAT_NOT_HONOURED",
    "REASONING_NOT_HONOURED",
    "SAMPLING_NOT_HONOURED",
    "ANSWER_EMPTY",
    "NO_CHAT_TEMPLATE",
    "SPECIAL_TOKENS_IN_TEXT",
    "CONTEXT_SHARED",
    "TOKEN_REFUSED",
]
"""What was not honoured.

- HISTORY_ADAPTED: earlier messages hold what this model or its template cannot take (an image, a tool turn, a role);
  a text was sent in its place. The stored messages are unchanged.
- TOOL_CALL_INCOMPLETE: the answer ended within a tool call; its arguments are cut.
- TOOLS_NOT_HONOURED: `tool_choice` asked for a tool call, and the model answered in prose or called another function;
  or a call does not follow its function's parameters.
- FORMAT_NOT_HONOURED: the answer does not follow `response_format`, in a keyword that the engine does not enforce, or
  since it was cut.
- REASONING_NOT_HONOURED: `reasoning`, or the server's `reasoning_budget` of 0, had no effect on this model.
- SAMPLING_NOT_HONOURED: the engine does not know a sampling parameter that was given.
- ANSWER_EMPTY: the model ended its answer without any text or tool call.
- NO_CHAT_TEMPLATE: the model has no chat template; it is likely a base model, which continues text.
- SPECIAL_TOKENS_IN_TEXT: a message contains the spelling of a control token of the model, which the engine may read as
  that token.
- CONTEXT_SHARED: the answer ended before its context was full, since other messages answered at the same time use the
  rest of the context that they share.
- TOKEN_REFUSED: the hub refuses the user's token, which may have expired; it was left out, which is enough for public
  models.
"""

BY_WARNING: dict[WarningCode, tuple[Remedy, ...]] = {
    "HISTORY_ADAPTED": (call("switch_model"), call("create_session")),
    "TOOL_CALL_INCOMPLETE": (change_params("max_tokens"), call("regenerate_message")),
    "TOOLS_NOT_HONOURED": (call("regenerate_message"), call("switch_model")),
    "FORMAT_NOT_HONOURED": (change_params("response_format"), call("regenerate_message")),
    "REASONING_NOT_HONOURED": (change_params("reasoning"), call("switch_model")),
    "SAMPLING_NOT_HONOURED": (call("list_engines"),),
    "ANSWER_EMPTY": (change_params("max_tokens"), call("regenerate_message")),
    "NO_CHAT_TEMPLATE": (call("switch_model"), change_params("chat_template")),
    "SPECIAL_TOKENS_IN_TEXT": (change_params("message"),),
    "CONTEXT_SHARED": (call("regenerate_message"), change_params("max_tokens")),
    "TOKEN_REFUSED": (Remedy("open_page", {"address": "https://huggingface.co/settings/tokens"}),),
}
"""The remedies of a warning, where no more is known of the case."""


class ResultWarning(Result, kw_only=True):
    """A warning about a request that was carried out."""

    code: WarningCode
    message: Annotated[str, Meta(description="What was not honoured, and why; a sentence for people.")]
    remedies: list[Remedy]


def warning_of(code: WarningCode, message: str, *remedies: Remedy) -> ResultWarning:
    """A warning, with the remedies of its code where none are given."""
    return ResultWarning(code=code, message=message, remedies=list(remedies or BY_WARNING[code]))
