"""A request's conversation for one engine, and what to send where that refuses it.

Owns the choice between the rendering for the model's template and the plain one, which follows a refusal. Counting and
sending use the same prompt, so that they agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sidecar.contract.errors import InvalidParams, NotSupported, SidecarError
from sidecar.contract.warnings import ResultWarning
from sidecar.engines.protocols import Tokenizer
from sidecar.generation.completion import ChatMessage, GenerationRequest
from sidecar.generation.honouring.adaptation import adapted
from sidecar.generation.honouring.target import Target
from sidecar.generation.rendering.rendered import Rendered, rendered

REFUSALS = (InvalidParams, NotSupported)
"""With these an engine refuses what is in a request. The same request is refused again."""


class Prompt:
    """The bodies of one request to one engine.

    Args:
        request: the request.
        target: what is known of the engine and its model.

    Attributes:
        closes_reasoning: whether the engine is asked to end reasoning before its first token.
        calls_as_json: whether the answer is JSON that holds a call of a tool.

    Raises:
        NotSupported, InvalidParams: the engine or its model cannot honour the request.
    """

    def __init__(self, request: GenerationRequest, target: Target) -> None:
        adaptation = adapted(request, target)
        self.closes_reasoning = adaptation.closes_reasoning
        self.calls_as_json = adaptation.calls_as_json
        self._request = request
        self._system = "\n\n".join(filter(None, (request.system, adaptation.instructions)))
        self._members = adaptation.members
        self._template = target.template
        self._plain = False
        self._sent: Rendered | None = None
        self._refusal: SidecarError | None = None

    def body(self, messages: Sequence[ChatMessage]) -> dict[str, Any]:
        """The body of a request with these messages of it.

        Raises:
            NotSupported: a message that is being sent now has what the model cannot take.
        """
        self._sent = self._rendered(messages, plain=self._plain)
        return self._request.body(self._sent.messages) | self._members

    def body_after(self, refusal: SidecarError, messages: Sequence[ChatMessage]) -> dict[str, Any]:
        """The body in the plain form, which is used from now on, after the engine refused another.

        Args:
            refusal: the refusal.
            messages: the messages that were refused.

        Raises:
            SidecarError: the first refusal, where there is no plainer form of the messages.
        """
        self._refusal = self._refusal or refusal
        if self._plain or self._rendered(messages, plain=True).messages == self._rendered(messages).messages:
            raise self._refusal from None
        self._plain = True
        return self.body(messages)

    async def count(self, tokenizer: Tokenizer, messages: Sequence[ChatMessage]) -> int:
        """The tokens of a request with these messages, as they would be sent.

        Raises:
            EngineGone: the engine closed the connection.
            SidecarError: it cannot count, or takes the messages in no form.
        """
        body = self.body(messages)
        while True:
            try:
                return await tokenizer.count_chat(body)
            except REFUSALS as refusal:
                body = self.body_after(refusal, messages)

    def warnings(self) -> list[ResultWarning]:
        """The warning that what was sent last says something else than the conversation, if it does."""
        warning = self._sent.changes.warning() if self._sent is not None else None
        return [warning] if warning is not None else []

    def _rendered(self, messages: Sequence[ChatMessage], *, plain: bool = False) -> Rendered:
        return rendered(self._system, messages, self._template, new=self._request.new, plain=plain)
