"""What to do about a conversation that does not fit into its model's context.

Pure. Owns the error's sentences and remedies, which depend on what the bound is: the newest message alone, the messages
before it, the context that the server was started with, or what its model was trained for.
"""

from __future__ import annotations

import msgspec

from sidecar.contract.errors import ContextTooLong
from sidecar.contract.remedies import Remedy, call, change_params

STEP = 1024
"""A larger context is advised in multiples of this."""

ANSWER_SHARE = 4
"""A larger context is advised with room for an answer: one part in so many of it (`context.RESERVED_SHARE`)."""


class Overlong(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt that does not fit, in tokens.

    Attributes:
        max_context: what prompt and answer may use together.
        input_length: the whole prompt.
        newest: the prompt with nothing but the newest exchange, tools and system prompt included; `None` if it was not
            counted.
        has_earlier: there are earlier messages.
        has_tools: the request has tools, which are part of the prompt.
        trained: what the model was trained for; `None` if that is not known.
        parts: into how many parts the server's context is divided.
    """

    max_context: int
    input_length: int
    newest: int | None = None
    has_earlier: bool = False
    has_tools: bool = False
    trained: int | None = None
    parts: int = 1


def too_long(case: Overlong) -> ContextTooLong:
    """The error for a prompt that does not fit."""
    message = f"The prompt has {case.input_length} tokens, and the context {case.max_context}"
    hints: list[str] = []
    remedies: list[Remedy] = []
    alone = not case.has_earlier or (case.newest is not None and case.newest >= case.max_context)
    if alone:
        hints.append("shorten the message")
        remedies.append(change_params("message", "tools") if case.has_tools else change_params("message"))
        if case.has_earlier and case.newest is not None:
            message += f"; the newest message alone needs {case.newest}"
    else:
        hints += ["choose a policy that drops old messages", "begin a new session"]
        remedies += [change_params("context_policy"), call("create_session")]
    if case.trained is not None and case.max_context >= case.trained:
        message += ", which is all that the model was trained for"
        hints.append("use a model with a longer context")
        remedies.append(call("switch_model"))
    elif case.trained is not None and case.input_length >= case.trained:
        message += f"; the model was trained for {case.trained}"
        hints.append("use a model with a longer context")
        remedies.append(call("switch_model"))
    else:
        ctx_size = _larger(case)
        hints.append(f"start the server with a context of {ctx_size} tokens")
        remedies.append(call("start_llama_server", ctx_size=ctx_size))
    hint = f"{', '.join(hints[:-1])}, or {hints[-1]}."
    return ContextTooLong(
        f"{message}.",
        hint=hint[0].upper() + hint[1:],
        remedies=remedies,
        max_context=case.max_context,
        input_length=case.input_length,
    )


def _larger(case: Overlong) -> int:
    """A context that has room for the prompt and an answer, as far as the model was trained for it."""
    needed = case.input_length * ANSWER_SHARE // (ANSWER_SHARE - 1)
    one = (needed // STEP + 1) * STEP
    return (min(one, case.trained) if case.trained is not None else one) * case.parts
