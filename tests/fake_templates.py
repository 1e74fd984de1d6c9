"""Chat templates of the fake engine: what llama-server refuses of a conversation with them, and how.

A template is rules here, not Jinja: the rules are those of the templates in `reports/templates.py`, and of the checks
that llama-server makes before it renders one (server-common.cpp, chat.cpp). A refusal is the HTTP status and the
message. The template `secret` is as strict as any, and the engine does not report it.
"""

from __future__ import annotations

import json
from typing import Any

from tests.reports.templates import CHATML, GEMMA, MISTRAL

Refusal = tuple[int, str]

NAMES = ("chatml", "gemma", "mistral", "none", "secret")

SUBSTITUTE = """{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\n' -}}
{%- endif -%}"""

_TEXTS = {"chatml": CHATML, "gemma": GEMMA, "mistral": MISTRAL, "none": SUBSTITUTE}

_WITHOUT_TOOLS = {"supports_tools": False, "supports_tool_calls": False}
_CAPS: dict[str, dict[str, bool]] = {
    "chatml": _WITHOUT_TOOLS,
    "none": _WITHOUT_TOOLS,
    "gemma": _WITHOUT_TOOLS | {"supports_system_role": False},
    "mistral": {"supports_tools": True, "supports_tool_calls": True, "supports_system_role": True},
}


def props(name: str) -> dict[str, Any]:
    """What the engine reports of a template."""
    if name == "secret":
        return {}
    modalities = {"vision": False, "audio": False}
    return {"chat_template": _TEXTS[name], "chat_template_caps": _CAPS[name], "modalities": modalities}


def refusal(name: str, body: dict[str, Any]) -> Refusal | None:
    """Why llama-server would refuse a request; nothing if it would not."""
    messages = body["messages"]
    return _of_content(messages) or _of_calls(messages) or _of_end(messages) or _of_template(name, messages)


def _of_content(messages: list[dict[str, Any]]) -> Refusal | None:
    for message in messages:
        content = message.get("content")
        if content is None and not (message["role"] == "assistant" and message.get("tool_calls")):
            return 400, "All non-assistant messages must contain 'content'"
        for part in content if isinstance(content, list) else ():
            if part["type"] == "image_url":
                return (
                    500,
                    "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
                )
            if part["type"] == "input_audio":
                return (
                    500,
                    "audio input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
                )
            if part["type"] != "text":
                return 400, "unsupported content[].type"
    return None


def _of_calls(messages: list[dict[str, Any]]) -> Refusal | None:
    for call in (call for message in messages for call in message.get("tool_calls", ())):
        if call.get("type") != "function" or not call["function"].get("name"):
            return 500, "Failed to parse messages: Missing tool call name"
        try:
            json.loads(call["function"]["arguments"])
        except ValueError as error:
            return 500, f"Failed to parse tool call arguments as JSON: {error}"
    return None


def _of_end(messages: list[dict[str, Any]]) -> Refusal | None:
    if len(messages) > 1 and messages[-1]["role"] == messages[-2]["role"] == "assistant":
        return 400, "Cannot have 2 or more assistant messages at the end of the list."
    if messages and messages[-1].get("tool_calls"):
        return 400, "Cannot continue an assistant message that contains tool calls."
    return None


def _of_template(name: str, messages: list[dict[str, Any]]) -> Refusal | None:
    if name in ("chatml", "none"):
        return None
    if messages and messages[0]["role"] == "system":
        if name == "secret":
            return _raised("System role not supported")
        messages = messages[1:]
    tools = name == "mistral"
    turns = 0
    for message in messages:
        role, calls = message["role"], message.get("tool_calls", ())
        if role not in ("user", "assistant", *(["tool"] if tools else [])):
            return _raised("Only user and assistant roles are supported")
        if calls and not tools:
            return _raised("Tools are not supported")
        ids = [call.get("id", "") for call in calls] + ([message.get("tool_call_id", "")] if role == "tool" else [])
        if any(len(id_) != 9 or not id_.isalnum() for id_ in ids):
            return _raised("Tool call IDs should be alphanumeric strings with length 9!")
        if not calls and role != "tool":
            if (role == "user") != (turns % 2 == 0):
                return _raised("Conversation roles must alternate user/assistant/user/assistant/...")
            turns += 1
    return None


def _raised(text: str) -> Refusal:
    where = (
        "\n------------\nWhile executing CallExpression at line 1, column 69 in source:\n...{{ raise_exception(\n^\n"
    )
    return 500, f"{where}Error: Jinja Exception: {text}"
