"""The text that describes tools to a model whose chat template has no place for them.

Owns its words. It follows the system prompt, and is part of every count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

_SHOWN = ("name", "description", "parameters")


def instructions(tools: Sequence[dict[str, Any]], *, required: bool) -> str:
    """The text.

    Args:
        tools: the tools, in OpenAI's form.
        required: whether the model has to call one of them.
    """
    functions = [tool["function"] for tool in tools]
    shown = [{name: function[name] for name in _SHOWN if name in function} for function in functions]
    lines = [
        "You can call functions. Here is each of them: its name, its purpose, and the JSON schema of its arguments.",
        "",
        *(orjson.dumps(function).decode() for function in shown),
        "",
    ]
    form = '{"name": "the function\'s name", "arguments": {"argument": "value"}}'
    if required:
        lines.append(f"Call one function now. Write one JSON object and nothing else: {form}")
    else:
        lines += [
            "Write one JSON object and nothing else.",
            f"To call a function: {form}",
            'To answer without a function: {"answer": "your answer"}',
        ]
    return "\n".join(lines)
