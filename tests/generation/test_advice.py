"""What is advised where a conversation does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.contract.remedies import Remedy, call, change_params
from sidecar.generation.advice import Overlong, too_long

POLICY, NEW_SESSION, SHORTER = change_params("context_policy"), call("create_session"), change_params("message")
OTHER_MODEL = call("switch_model")


def larger(ctx_size: int) -> Remedy:
    return call("start_llama_server", ctx_size=ctx_size)


@pytest.mark.parametrize(
    ("case", "remedies"),
    [
        # earlier messages are what is too long
        ({"newest": 100, "has_earlier": True, "trained": 8192}, [POLICY, NEW_SESSION, larger(2048)]),
        # one message alone is: no policy helps, nor a new session
        ({"trained": 8192}, [SHORTER, larger(2048)]),
        ({"newest": 700, "has_earlier": True, "trained": 8192}, [SHORTER, larger(2048)]),
        ({"has_tools": True, "trained": 8192}, [change_params("message", "tools"), larger(2048)]),
        # the model was trained for no more: no larger context helps
        ({"trained": 512}, [SHORTER, OTHER_MODEL]),
        ({"trained": 800}, [SHORTER, OTHER_MODEL]),
        ({"newest": 100, "has_earlier": True, "trained": 512}, [POLICY, NEW_SESSION, OTHER_MODEL]),
        # as large as the model allows, and for each slot where the slots divide the context
        ({"trained": 1200}, [SHORTER, larger(1200)]),
        ({"trained": 8192, "parts": 4}, [SHORTER, larger(8192)]),
        ({"has_earlier": True}, [POLICY, NEW_SESSION, larger(2048)]),
    ],
)
def test_what_is_advised(case: dict[str, Any], remedies: list[Remedy]) -> None:
    error = too_long(Overlong(max_context=512, input_length=800, **case))
    assert list(error.remedies) == remedies
    assert error.data == {"max_context": 512, "input_length": 800}
    assert ("policy" in error.hint) == (POLICY in remedies)
    assert ("start the server" in error.hint) == any(one.action == "start_llama_server" for one in remedies)
    assert error.message.startswith("The prompt has 800 tokens, and the context 512")
