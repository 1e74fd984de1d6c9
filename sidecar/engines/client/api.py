"""What engines answer to small questions, as far as it is used: llama-server's own HTTP API.

Pure. A member that an older build leaves out has a default here.
"""

from __future__ import annotations

import msgspec


class Props(msgspec.Struct):
    """What an engine says of itself."""

    class Generation(msgspec.Struct):
        n_ctx: int = 0

    class Modalities(msgspec.Struct):
        vision: bool = False

    default_generation_settings: Generation = msgspec.field(default_factory=Generation)
    modalities: Modalities = msgspec.field(default_factory=Modalities)
    total_slots: int = 1
    build_info: str | None = None


class Slot(msgspec.Struct):
    """One of an engine's seats for messages."""

    is_processing: bool = False


class Tokens(msgspec.Struct):
    """A text in tokens; which they are is not looked at."""

    tokens: list[msgspec.Raw]


class TokenCount(msgspec.Struct):
    """Tokens of a conversation."""

    input_tokens: int


class Prompt(msgspec.Struct):
    """A conversation with the model's template around it."""

    prompt: str
