"""The context in an engine's log: how many tokens it holds, and whether its slots share them.

Pure. The lines are llama.cpp's (`llama_context`, `print_info`, `load_model`), the same in llama-server and in the
embedded engine. The log is not trusted: a figure here only ever makes the sidecar admit fewer messages than the engine
could take, since the smallest one counts.
"""

from __future__ import annotations

import re

import msgspec

MARKS = (b"n_ctx_train  ", b"llama_context: n_ctx ", b"llama_context: kv_unified ", b"initializing, n_slots = ")
"""Texts of which each of these lines contains one."""

_TRAINED = re.compile(rb"print_info: n_ctx_train +=\s*(?P<tokens>\d{1,10})")
_CONTEXT = re.compile(rb"llama_context: n_ctx +=\s*(?P<tokens>\d{1,10})")
_UNIFIED = re.compile(rb"kv_unified +=\s*'?(?P<unified>true|false)")

PADDING = 256
"""llama.cpp makes the context of a slot a multiple of this."""


class ContextLines(msgspec.Struct):
    """The lines of the log about the context.

    Attributes:
        tokens: of the whole KV cache; the smallest one, since a draft model's and a trial's are logged, too.
        trained: tokens that the model was trained for; the first one, which is the model's, not its draft model's.
        unified: whether the slots share one cache; `None` if the build does not log it.
    """

    tokens: int | None = None
    trained: int | None = None
    unified: bool | None = None

    def read(self, line: bytes) -> bool:
        """Parse a line of the log; returns whether it was one of these."""
        if match := _TRAINED.search(line):
            self.trained = self.trained or int(match["tokens"])
        elif match := _CONTEXT.search(line):
            self.tokens = min(self.tokens or int(match["tokens"]), int(match["tokens"]))
        elif match := _UNIFIED.search(line):
            self.unified = match["unified"] == b"true"
        else:
            return False
        return True

    def shared(self, *, slots: int, context_per_slot: int, ctx_size: int) -> int | None:
        """Tokens that all slots share; `None` where each has `context_per_slot` tokens of its own.

        Without a log, slots share unless their contexts together are the requested one: so did llama.cpp divide it
        before it could share (`--kv-unified`, llama.cpp#14363).

        Args:
            slots: how many there are.
            context_per_slot: the longest context of one slot, as the engine reports it.
            ctx_size: as requested; 0 is the model's own.
        """
        divided = context_per_slot < ctx_size and context_per_slot <= _part(ctx_size, slots)
        unified = self.unified if self.unified is not None else not divided
        if slots < 2 or not unified or not context_per_slot:
            return None
        return max(self.tokens or 0, context_per_slot)


def _part(ctx_size: int, slots: int) -> int:
    """A slot's part of a divided context, with the padding that llama.cpp adds (`llama_context`)."""
    return -(-ctx_size // slots // PADDING) * PADDING
