"""Error responses of engines, as the errors that hosts see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.engines.client.http_errors import refusal

TOO_LONG = {"code": 400, "message": "request (700 tokens) exceeds the available context size (512 tokens)"}

JINJA = (
    "\n------------\nWhile executing CallExpression at line 1, column 69 in source:\n..."
    + "{{ raise_exception('…') }}" * 20
    + "\n^\nError: Jinja Exception: Conversation roles must alternate"
)


NO_SCHEMA = (
    "Unable to generate parser for this template. Automatic parser generation failed: JSON schema error at #: cannot "
    "resolve $ref #/nowhere"
)


@pytest.mark.parametrize(
    ("status", "body", "name", "data"),
    [
        (
            400,
            {"error": {**TOO_LONG, "type": "exceed_context_size_error", "n_prompt_tokens": 700, "n_ctx": 512}},
            "CONTEXT_TOO_LONG",
            {"max_context": 512, "input_length": 700},
        ),
        (
            400,
            {"error": {**TOO_LONG, "type": "exceed_context_size_error", "n_prompt_tokens": "many", "n_ctx": None}},
            "CONTEXT_TOO_LONG",
            {"max_context": 0, "input_length": 0},
        ),
        (  # llama-cpp-python
            400,
            {"error": {"message": "maximum context length is 512 tokens. However, you requested 700 tokens (…"}},
            "CONTEXT_TOO_LONG",
            {"max_context": 512, "input_length": 700},
        ),
        (400, {"error": {"message": "unknown role", "type": "invalid_request_error"}}, "INVALID_PARAMS", {"path": "$"}),
        (422, {"error": "messages is missing"}, "INVALID_PARAMS", {"path": "$"}),
        (404, {"error": {"message": "File Not Found", "type": "not_found_error"}}, "NOT_SUPPORTED", {}),
        (501, {"error": {"message": "This server does not support embeddings"}}, "NOT_SUPPORTED", {}),
        (500, {"error": {"message": "image input is not supported - hint: provide the mmproj"}}, "NOT_SUPPORTED", {}),
        (401, {"error": {"message": "Invalid API Key"}}, "ENGINE_UNRESPONSIVE", {}),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error"}}, "ENGINE_UNRESPONSIVE", {}),
        # What llama-server throws about a request is HTTP 500, and no sign that it is unwell.
        (500, {"error": {"message": JINJA, "type": "server_error"}}, "NOT_SUPPORTED", {}),
        (
            500,
            {"error": {"message": "Failed to parse tool call arguments as JSON: [json.exception…"}},
            "NOT_SUPPORTED",
            {},
        ),
        (400, {"error": {"message": "Unable to generate parser for this template. …"}}, "NOT_SUPPORTED", {}),
        (
            500,
            {"error": {"message": "Failed to parse tools: Missing tool type"}},
            "INVALID_PARAMS",
            {"path": "$.tools"},
        ),
        (400, {"error": {"message": NO_SCHEMA}}, "INVALID_PARAMS", {"path": "$"}),
        (500, {"error": {"message": "failed to parse grammar"}}, "INVALID_PARAMS", {"path": "$"}),
        (500, {"error": {"message": "Failed to load image or audio file"}}, "INVALID_PARAMS", {"path": "$"}),
        (500, {"error": {"message": "'abc' is of type string, but should be number"}}, "INVALID_PARAMS", {"path": "$"}),
        # What is wrong with the engine itself may pass.
        (500, {"error": {"message": "Compute error.", "type": "server_error"}}, "ENGINE_UNRESPONSIVE", {}),
        (500, {"error": {"message": "Internal Server Error", "type": "server_error"}}, "ENGINE_UNRESPONSIVE", {}),
        (500, {"error": {"message": "llama_decode returned -3"}}, "ENGINE_UNRESPONSIVE", {}),
        (500, {"error": None}, "ENGINE_UNRESPONSIVE", {}),
        (500, [], "ENGINE_UNRESPONSIVE", {}),
        (500, 7, "ENGINE_UNRESPONSIVE", {}),
    ],
)
def test_a_refusal_has_its_name_and_data(status: int, body: Any, name: str, data: dict[str, Any]) -> None:
    error = refusal(status, json.dumps(body).encode())
    assert (error.name, error.data) == (name, data)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"<html>Bad Gateway</html>", b"{" * 100_000])
def test_a_body_that_is_no_json_is_still_a_refusal(body: bytes) -> None:
    assert refusal(502, body).name == "ENGINE_UNRESPONSIVE"


def test_a_long_message_is_cut() -> None:
    error = refusal(400, json.dumps({"error": {"message": "x" * 10_000}}).encode())
    assert len(error.message) < 400


def test_what_the_template_says_itself_is_what_people_read() -> None:
    error = refusal(500, json.dumps({"error": {"message": JINJA}}).encode())
    assert error.message == "The model's chat template refused the conversation: Conversation roles must alternate"
    assert [remedy.action for remedy in error.remedies] == ["create_session", "switch_model"]


def test_an_error_in_the_middle_of_an_answer_is_none_of_the_request() -> None:
    body = json.dumps({"error": {"message": "failed to parse grammar"}}).encode()
    assert refusal(500, body, in_answer=True).name == "ENGINE_UNRESPONSIVE"
