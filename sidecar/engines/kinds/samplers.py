"""Which sampling parameters each kind of engine knows, and under which names.

Owns the table, and the body's members that are made of it. Pure.

    parameter                      llama.cpp (embedded too)    llama-cpp-python's server
    ---------------------------    ------------------------    -------------------------------------------
    temperature, top_p, top_k,     as named                    as named
    min_p, repeat_penalty, seed,
    stop, max_tokens,
    frequency_penalty,
    presence_penalty, grammar
    mirostat                       mirostat                    mirostat_mode
    mirostat_tau, mirostat_eta     as named                    as named
    logit_bias                     a list of pairs             an object; its keys are all numbers or all texts
    typical_p, top_n_sigma, xtc_*, as named, if the build      unknown
    dry_*, dynatemp_*,             lists it in its
    repeat_last_n                  properties, as all above
    logprobs, top_logprobs         as named                    unknown: it would have to keep all logits
    sampling_extra                 its members                 min_tokens only: others are ignored there

Sources: tools/server/README.md of llama.cpp and its `/props`; llama_cpp/server/types.py of llama-cpp-python.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from sidecar.engines.launch import SamplingMembers

PYTHON_NAMES: Mapping[str, str] = {
    name: name
    for name in (
        *("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "seed", "stop", "max_tokens", "grammar"),
        *("frequency_penalty", "presence_penalty", "mirostat_tau", "mirostat_eta", "logit_bias"),
    )
} | {"mirostat": "mirostat_mode"}

PYTHON_EXTRA = frozenset({"min_tokens"})

UNLISTED = frozenset({"max_tokens", "stop", "seed", "logit_bias", "logprobs", "top_logprobs", "grammar"})
"""Parameters that llama.cpp takes without listing them, or lists under another name."""


LISTED_WITH: Mapping[str, str] = {"dry_sequence_breakers": "dry_multiplier"}
"""A parameter that llama.cpp does not list, but knows where it lists this one."""


def for_llama_cpp(given: Mapping[str, Any], listed: Container[str] | None) -> SamplingMembers:
    """The members for llama.cpp's server.

    Args:
        given: the parameters that were given, by name.
        listed: the parameters that the engine lists in its properties; `None` if it lists none.
    """
    body: dict[str, Any] = dict(given.get("sampling_extra") or {})
    unknown: list[str] = []
    for name, value in given.items():
        if name == "sampling_extra":
            continue
        if listed is not None and LISTED_WITH.get(name, name) not in listed and name not in UNLISTED:
            unknown.append(name)
        elif name == "logit_bias":
            body[name] = [[int(key) if _is_number(key) else key, bias] for key, bias in value.items()]
        else:
            body[name] = value
    if body.get("top_logprobs"):
        body["logprobs"] = True
    elif body.get("logprobs"):
        body["top_logprobs"] = 1  # 0 or none would be 20 there
    return SamplingMembers(body, unknown)


def for_llama_cpp_python(given: Mapping[str, Any]) -> SamplingMembers:
    """The members for llama-cpp-python's server."""
    body: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in given.items():
        if name == "sampling_extra":
            body |= {key: extra for key, extra in value.items() if key in PYTHON_EXTRA}
            unknown += [f"{name}.{key}" for key in value if key not in PYTHON_EXTRA]
        elif name not in PYTHON_NAMES or (name == "logit_bias" and len({_is_number(key) for key in value}) > 1):
            if value not in (False, 0):
                unknown.append(name)
        else:
            body[PYTHON_NAMES[name]] = value
            if name == "logit_bias":
                body["logit_bias_type"] = "input_ids" if all(map(_is_number, value)) else "tokens"
    return SamplingMembers(body, unknown)


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit()
