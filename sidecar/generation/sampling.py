"""Sampling parameters of a request: what contradicts itself, and what an engine makes of them.

Owns the checks that need more than one parameter, and the warnings and errors about them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.contract.errors import InvalidParams, SidecarError
from sidecar.contract.remedies import change_params
from sidecar.contract.sampling import SamplingParams, TokenLogprob
from sidecar.contract.warnings import ResultWarning, warning_of

RESERVED = frozenset(
    {
        *("messages", "prompt", "model", "n", "stream", "stream_options", "tools", "tool_choice", "functions"),
        *("function_call", "parallel_tool_calls", "response_format", "json_schema", "chat_template_kwargs"),
        *("chat_template", "add_generation_prompt", "reasoning_format", "reasoning_budget", "return_progress"),
        *("id_slot", "cache_prompt", "echo", "lora", "n_predict", "max_completion_tokens", "input_prefix"),
        *("response_fields", "return_tokens", "timings_per_token", "n_probs", "post_sampling_probs"),
        *("parse_tool_calls", "grammar_lazy", "grammar_triggers", "preserved_tokens", "generation_prompt"),
        *("chat_format", "verbose", "__verbose"),
    }
)
"""Members of a request to an engine that are no sampling: they decide what is asked, and how the answer is written.
From tools/server/README.md of llama.cpp."""

_NAMES = SamplingParams.__struct_fields__


def given(sampling: SamplingParams) -> dict[str, Any]:
    """The parameters that are set, in the form of engines."""
    found = {name: value for name in _NAMES if (value := getattr(sampling, name)) is not None}
    if isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    return found


def check(
    sampling: SamplingParams, *, has_tools: bool = False, has_format: bool = False, path_of_all: str = "$"
) -> None:
    """Check parameters that go together.

    Args:
        path_of_all: where the host gave them.

    Raises:
        InvalidParams: they do not.
    """
    for name in sampling.sampling_extra or ():
        path = f"{path_of_all}.sampling_extra.{name}"
        if name in _NAMES:
            raise InvalidParams(
                f"sampling_extra cannot set {name}.",
                path=path,
                hint=f"Give {name} as a parameter of its own.",
                remedies=(change_params("sampling_extra", name),),
            )
        if name in RESERVED:
            raise InvalidParams(
                f"sampling_extra cannot set {name}: it is no sampling parameter.",
                path=path,
                hint="Remove it from sampling_extra.",
                remedies=(change_params("sampling_extra"),),
            )
    if has_tools and (sampling.logprobs or sampling.top_logprobs):
        name = "logprobs" if sampling.logprobs else "top_logprobs"
        raise InvalidParams(
            f"{name} cannot go with tools: engines report no probabilities of tool calls.",
            path=f"{path_of_all}.{name}",
            hint=f"Leave out {name} or tools.",
            remedies=(change_params(name, "tools"),),
        )
    if sampling.grammar is not None and (has_tools or has_format):
        other = "tools" if has_tools else "response_format"
        raise InvalidParams(
            f"grammar and {other} both decide the form of the answer.",
            path=f"{path_of_all}.grammar",
            hint=f"Give either grammar or {other}.",
            remedies=(change_params("grammar", other),),
        )


def not_honoured(engine: str | None, names: Sequence[str]) -> ResultWarning | None:
    """The warning about parameters that an engine does not know."""
    if not names:
        return None
    verb, who = "them" if len(names) > 1 else "it", engine or "at hand"
    message = f"The engine {who} does not know {', '.join(names)}; the answer was generated without {verb}."
    return warning_of("SAMPLING_NOT_HONOURED", message)


_ENGINES_NAMES = {
    "penalty_repeat": "repeat_penalty",
    "penalty_freq": "frequency_penalty",
    "penalty_present": "presence_penalty",
}
"""Parameters under other names in messages of llama.cpp (llama-sampler.cpp)."""


def located(error: SidecarError, given: Mapping[str, Any]) -> SidecarError:
    """An engine's refusal with the path of the parameter that its message names, or of the only one given that its
    remedies name."""
    if not isinstance(error, InvalidParams) or error.data.get("path") != "$":
        return error
    words = error.message.casefold()
    for theirs, ours in _ENGINES_NAMES.items():
        words = words.replace(theirs, ours)
    name = next((name for name in ("grammar", *given) if name in given and name.casefold() in words), None)
    if name is None:
        blamed = [one for one in _names_to_change(error) if one in given]
        if len(blamed) != 1:
            return error
        name = blamed[0]
    hint = "Correct the grammar: it is in llama.cpp's GBNF and has a rule `root`." if name == "grammar" else error.hint
    return InvalidParams(error.message, path=f"$.{name}", hint=hint, remedies=(change_params(name),))


def _names_to_change(error: SidecarError) -> list[str]:
    return [name for remedy in error.remedies if remedy.action == "change_params" for name in remedy.params["names"]]


def logprobs_of(found: Sequence[TokenLogprob], sampling: SamplingParams) -> list[TokenLogprob] | None:
    """What of an engine's probabilities was asked for: llama.cpp always sends at least one likeliest token."""
    if not (sampling.logprobs or sampling.top_logprobs):
        return None
    count = sampling.top_logprobs or 0
    return [
        TokenLogprob(token=one.token, logprob=one.logprob, bytes=one.bytes, top_logprobs=one.top_logprobs[:count])
        for one in found
    ]
