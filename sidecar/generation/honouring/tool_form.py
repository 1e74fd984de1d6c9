"""In which form a model gets its tools, and calls them.

Owns the choice, and the members of a request's body for it. Pure.

    form          the prompt             the answer                     where
    ----------    -------------------    ---------------------------    -------------------------------------------
    native        the template's form    the engine reads the calls     the template has tools
    constrained   the template's form    JSON that can only be a call   the same, a call is required, and the engine
                                                                        constrains answers
    described     a text (`calling`)     JSON: a call, or an answer     a call is required and the template has no
                                                                        tools; `tool_mode` is json

An engine's own "required" is not relied on: for the template of Qwen2.5, llama-server lets a model write text or line
breaks until `max_tokens` (llama.cpp#27217), while a schema was followed each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sidecar.contract.errors import InvalidParams, NotSupported
from sidecar.contract.remedies import call, change_params
from sidecar.generation.calling.call_schema import call_schema
from sidecar.generation.calling.wording import instructions
from sidecar.generation.completion import GenerationRequest
from sidecar.generation.honouring.request_shape import schema_of
from sidecar.generation.honouring.target import Target
from sidecar.generation.schema.engine_schema import engine_schema

PACKAGE = "llama-cpp-python"

_CONSTRAINING = frozenset({"llama-server", "embedded"})
"""Engines that take tools for the prompt and a schema for the answer together."""


class Calling(msgspec.Struct, frozen=True):
    """How tools are sent.

    Attributes:
        members: of the body.
        instructions: the text that describes the tools, to follow the system prompt; `None` if the template does.
        as_json: whether the answer is JSON that holds the call (`calling.reader`).
    """

    members: dict[str, Any] = msgspec.field(default_factory=dict)
    instructions: str | None = None
    as_json: bool = False


def calling_of(request: GenerationRequest, target: Target) -> Calling:
    """How the tools of a request are sent.

    Raises:
        NotSupported: the model would not see them, or the engine cannot force a call.
        InvalidParams: their schemas are out of bounds, together.
    """
    choice, mode = request.tool_choice, request.tool_mode
    if not request.tools:
        return Calling()
    named = choice["function"]["name"] if isinstance(choice, dict) else None
    tools = [tool for tool in request.tools if named in (None, tool["function"]["name"])]
    required = named is not None or choice == "required"
    has_place = target.template.tools
    if choice == "none":
        return _native(request, target) if has_place and mode != "json" else Calling()  # nothing is lost
    if mode == "json" or (mode == "auto" and required and not has_place):
        return _described(request, target, tools, required=required)
    if not has_place:
        raise _not_shown(target)
    if mode == "auto" and required and target.engine in _CONSTRAINING and not request.continues:
        try:
            schema = _schema(tools)
        except InvalidParams:  # each of them is within bounds: then the engine's own form, and a warning if it fails
            return _native(request, target)
        shown = [_tool(tool, place) for place, tool in enumerate(tools)]
        members = {"tools": shown, "tool_choice": "none", **format_of(schema, target)}
        return Calling(members, as_json=True)
    return _native(request, target)


def format_of(schema: Any, target: Target, wrapper: dict[str, Any] | None = None) -> dict[str, Any]:
    """The member that constrains an answer to a schema, which is in an engine's form."""
    if target.engine == PACKAGE:  # which knows no json_schema
        return {"response_format": {"type": "json_object", "schema": schema}}
    named = {**(wrapper or {"name": "answer"}), "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _described(
    request: GenerationRequest, target: Target, tools: Sequence[dict[str, Any]], *, required: bool
) -> Calling:
    if request.continues:
        raise NotSupported(
            "An answer that is continued cannot become a tool call.",
            hint="Leave `tools` out, or generate the answer again.",
            remedies=(change_params("tools"), call("regenerate_message")),
        )
    given = request.response_format
    place = schema_of(given) if given is not None else None
    is_object = given is not None and given.get("type") == "json_object"
    answer: Any = place[0] if place else {"type": "object" if is_object else "string"}
    schema = _schema(tools, None if required else answer)
    return Calling(format_of(schema, target), instructions(tools, required=required), as_json=True)


def _native(request: GenerationRequest, target: Target) -> Calling:
    tools = [_tool(tool, place) for place, tool in enumerate(request.tools or ())]
    choice = request.tool_choice
    if isinstance(choice, dict):
        tools = [tool for tool in tools if tool["function"]["name"] == choice["function"]["name"]]
        return Calling({"tools": tools, "tool_choice": choice if target.engine == PACKAGE else "required"})
    if choice == "required" and target.engine == PACKAGE:
        if len(tools) > 1:
            raise NotSupported(
                "llama-cpp-python can force a call of one function only.",
                hint="Name the function in `tool_choice`, set `tool_mode` to json, or use another engine.",
                remedies=(change_params("tool_choice", "tools", "tool_mode"), call("list_engines")),
            )
        choice = {"type": "function", "function": {"name": tools[0]["function"]["name"]}}
    return Calling({"tools": tools} if choice is None else {"tools": tools, "tool_choice": choice})


def _tool(tool: dict[str, Any], place: int) -> dict[str, Any]:
    function = tool["function"]
    parameters = engine_schema(function.get("parameters", {}), f"$.tools[{place}].function.parameters")
    return {**tool, "function": {**function, "parameters": parameters}}


def _schema(tools: Sequence[dict[str, Any]], answer: Any = None) -> Any:
    """The schema of a call, or of an answer where one is allowed, for an engine."""
    try:
        return engine_schema(call_schema(tools, answer), "$.tools")
    except InvalidParams as refused:  # of all schemas together, so that no place in one of them is to blame
        raise InvalidParams(refused.message, path="$.tools", hint=refused.hint, remedies=refused.remedies) from None


def _not_shown(target: Target) -> NotSupported:
    return NotSupported(
        "The model's chat template has no place for tools, so the model would not see them.",
        hint="Set `tool_mode` to json, which describes them in the prompt, leave `tools` out, switch to a model with "
        "tools, or start the server with a chat template for them.",
        remedies=(
            change_params("tool_mode", "tools"),
            call("switch_model", server_id=target.server_id),
            call("start_llama_server"),
        ),
    )
