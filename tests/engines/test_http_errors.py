"""Error responses of engines, as the errors that hosts see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.engines.client.http_errors import refusal

TOO_LONG = {"code": 400, "message": "request (700 tokens) exceeds the available context size (512 tokens)"}


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
