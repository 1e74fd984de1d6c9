"""The capabilities of engines, as protocols.

    Engine          what every engine is                     `launch`
      LocalProcess  … that we spawn from a command           `launch`, made by `kinds`
    ChatEngine      answers chats                            `EngineClient`
    Tokenizer       counts tokens as a chat would cost them  `EngineClient`

Code that needs one capability takes that protocol and nothing more. An endpoint that we do not spawn is an Engine with
some of the capabilities, and no LocalProcess.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sidecar.engines.client.chat_stream import ChatStream


class ChatEngine(Protocol):
    """Answers chats."""

    def stream_chat(self, body: dict[str, Any]) -> AbstractAsyncContextManager[ChatStream]:
        """A streamed chat completion; leaving the block makes the engine stop."""
        ...


class Tokenizer(Protocol):
    """Counts tokens.

    Each method raises SidecarError if the engine cannot count, and EngineGone if it closes the connection.
    """

    async def count_text(self, text: str) -> int:
        """Tokens of a text, without a template."""
        ...

    async def count_chat(self, body: dict[str, Any]) -> int:
        """Tokens of a conversation rendered with the model's template."""
        ...
