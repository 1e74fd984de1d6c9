"""A request as the engine at hand honours it.

Owns what is refused before anything is sent or stored, and the members of the body that differ between engines and
templates. What may fail all the same is judged by `judgement` when the answer has ended.

    asked for                              if it cannot be honoured            else
    tools, tool_choice                     refused: the model never sees them  in one of the forms of `tool_form`
    response_format                        refused: too large, a pattern       the schema as a grammar takes it
    reasoning                              a warning, once it is known         every switch that the template has
    sampling                               a warning                           in the engine's own names
    an answer continued                    refused: the engine begins another  it ends the conversation
    a chat                                 refused: embeddings only            -
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from sidecar.contract.errors import NotSupported
from sidecar.contract.remedies import call, change_params
from sidecar.engines.launch import SamplingMembers
from sidecar.engines.template_facts import TemplateFacts
from sidecar.generation.completion import GenerationRequest
from sidecar.generation.honouring.request_shape import schema_of
from sidecar.generation.honouring.target import Target
from sidecar.generation.honouring.tool_form import calling_of, format_of
from sidecar.generation.sampling import given
from sidecar.generation.schema.engine_schema import engine_schema

_EFFORTS_OFF = ("none", "no_think", "off", "disabled", "minimal", "low")
_EFFORTS_ON = ("enabled", "on")
"""Values of a switch that takes words, the preferred one first; a template names those that it takes."""

_WORD = re.compile(r"""['"](?P<word>[a-z_]{2,12})['"]""")
_THOUGHTS = re.compile(r"<think>|\[THINK\]|<seed:think>|◁think▷")


class Adaptation(msgspec.Struct, frozen=True):
    """How a request is sent.

    Attributes:
        members: of the body.
        closes_reasoning: whether the engine is asked to end reasoning before its first token.
        instructions: a text that follows the system prompt.
        calls_as_json: whether the answer is JSON that holds a call of a tool.
    """

    members: dict[str, Any]
    closes_reasoning: bool = False
    instructions: str | None = None
    calls_as_json: bool = False


def adapted(request: GenerationRequest, target: Target) -> Adaptation:
    """How a request is sent to an engine.

    Raises:
        NotSupported: the engine or the model cannot honour it.
        InvalidParams: a schema is out of bounds.
    """
    if target.embeds:
        raise NotSupported(
            f"The server {target.server_id!r} makes embeddings, and does not chat.",
            hint="Send the message to another server, or switch to a model that chats.",
            remedies=(change_params("server_id"), call("switch_model", server_id=target.server_id)),
        )
    if request.continues and not target.continues_answers:
        raise NotSupported(
            f"The engine of the server {target.server_id!r} cannot continue an answer: it would begin another.",
            hint="Generate the answer again, or use a current llama-server or the embedded engine.",
            remedies=(call("regenerate_message"), call("install_engine")),
        )
    reasoning, closes = _reasoning(request, target)
    calling = calling_of(request, target)
    return Adaptation(
        {**sampling_of(request, target).body, **_format(request, target), **calling.members, **reasoning},
        closes_reasoning=closes or target.reasoning_budget == 0,
        instructions=calling.instructions,
        calls_as_json=calling.as_json,
    )


def sampling_of(request: GenerationRequest, target: Target) -> SamplingMembers:
    """What an engine makes of the sampling parameters of a request."""
    asked = given(request.sampling)
    if target.process is None:
        return SamplingMembers(asked, [])
    return target.process.sampling(asked, target.template.samplers)


def check_schemas(tools: list[dict[str, Any]] | None, response_format: dict[str, Any] | None) -> None:
    """Check that the schemas of a request are within bounds; their shape has been checked.

    Raises:
        InvalidParams: one is not.
    """
    for i, tool in enumerate(tools or ()):
        engine_schema(tool["function"].get("parameters", {}), f"$.tools[{i}].function.parameters")
    if response_format is not None and (place := schema_of(response_format)) is not None:
        engine_schema(*place)


def _format(request: GenerationRequest, target: Target) -> dict[str, Any]:
    given = request.response_format
    if given is None or given.get("type") == "text":
        return {}
    if (place := schema_of(given)) is None:
        return {"response_format": given}
    schema = engine_schema(*place)
    if given["type"] == "json_object":
        return {"response_format": {"type": "json_object", "schema": schema}}
    return format_of(schema, target, given["json_schema"])


def _reasoning(request: GenerationRequest, target: Target) -> tuple[dict[str, Any], bool]:
    """The members that choose reasoning, and whether reasoning is closed before it begins."""
    # An answer whose text has begun is not thought about again, and engines refuse both together.
    allowed = False if request.continues else request.reasoning
    if allowed is None:
        return {}, False
    template = target.template
    switches: dict[str, Any] = {"enable_thinking": allowed}  # which llama-server reads as well
    for name in template.switches:
        if (value := _switch(name, allowed, template)) is not None:
            switches[name] = value
    members: dict[str, Any] = {"chat_template_kwargs": switches}
    if allowed or request.continues or template.switches or not _THOUGHTS.search(template.text):
        return members, False
    # The template opens a thought and has no switch: llama-server can end it before its first token.
    return {**members, "reasoning_budget_tokens": 0, "thinking_budget_tokens": 0}, True


def _switch(name: str, allowed: bool, template: TemplateFacts) -> Any:
    """The value of a template's variable; `None` to leave it out."""
    if name in ("enable_thinking", "thinking"):
        return allowed
    if name == "thinking_budget":
        return None if allowed else 0
    words = {found["word"] for found in _WORD.finditer(template.text)}
    known = [word for word in (_EFFORTS_ON if allowed else _EFFORTS_OFF) if word in words]
    if known:
        return known[0]
    return None if allowed else "low" if {"medium", "high"} & words else "none"
