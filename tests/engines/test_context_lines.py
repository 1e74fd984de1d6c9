"""The context in an engine's log."""

from __future__ import annotations

import pytest

from sidecar.engines.output.context_lines import ContextLines
from sidecar.engines.output.start_output import EngineOutput

LOG = b"""\
0.00.319.584 I print_info: n_ctx_train           = 8192
0.00.362.553 I llama_context: n_ctx                 = 512
0.00.362.576 I llama_context: n_ctx_seq             = 512
0.00.362.671 I llama_context: kv_unified            = true
0.00.362.773 I llama_context: n_ctx_seq (512) < n_ctx_train (8192)
0.00.429.314 I srv    load_model: initializing, n_slots = 2, n_ctx_slot = 512, kv_unified = 'true'
"""


def test_the_log_of_a_start_has_the_context() -> None:
    output = EngineOutput()
    output.read_log(LOG)
    assert output.context == ContextLines(tokens=512, trained=8192, unified=True)


def test_of_several_contexts_the_smallest_counts_and_the_first_model_is_the_one_asked_for() -> None:
    lines = ContextLines()
    for line in (b"llama_context: n_ctx   = 8192", b"llama_context: n_ctx   = 512", b"print_info: n_ctx_train  = 8192"):
        assert lines.read(line)
    lines.read(b"print_info: n_ctx_train  = 2048")
    assert (lines.tokens, lines.trained) == (512, 8192)


@pytest.mark.parametrize(
    ("lines", "slots", "per_slot", "ctx_size", "shared"),
    [
        (ContextLines(tokens=512, unified=True), 2, 512, 512, 512),
        (ContextLines(tokens=512, unified=True), 1, 512, 512, None),
        (ContextLines(tokens=512, unified=False), 2, 256, 512, None),
        # The model was trained for less than the whole cache holds, or a slot is given less (--kv-unified-per-slot).
        (ContextLines(tokens=16384, unified=True), 4, 8192, 16384, 16384),
        # A build that logs nothing: it shares, unless its slots have divided what was asked for.
        (ContextLines(), 4, 4096, 4096, 4096),
        (ContextLines(), 4, 1024, 4096, None),
        (ContextLines(), 3, 1536, 4096, None),
        (ContextLines(), 2, 512, 512, 512),
        (ContextLines(), 2, 256, 512, None),
        (ContextLines(), 4, 8192, 0, 8192),
        (ContextLines(), 4, 0, 4096, None),
    ],
)
def test_what_the_slots_share(
    lines: ContextLines, slots: int, per_slot: int, ctx_size: int, shared: int | None
) -> None:
    assert lines.shared(slots=slots, context_per_slot=per_slot, ctx_size=ctx_size) == shared
