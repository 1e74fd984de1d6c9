"""The schemas and the structs they come from accept and refuse the same values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Union

import msgspec
import pytest
from jsonschema import Draft202012Validator

from sidecar.contract import METHODS, Method
from tests.contract.laws import for_every_method

IPC_SCHEMA = Path(__file__).resolve().parents[2] / "ipc_schema"
BUNDLE = json.loads((IPC_SCHEMA / "schema.json").read_text(encoding="utf-8"))
SAMPLES = json.loads((IPC_SCHEMA / "rust" / "tests" / "samples.json").read_text(encoding="utf-8"))
SESSION = "0b8e6f2a-3c1d-4e5f-8a9b-0c1d2e3f4a5b"

BAD_PARAMS: list[tuple[str, dict[str, Any]]] = [
    ("initialize", {"host_pid": 1}),
    ("initialize", {"client": {"version": "1"}}),
    ("subscribe", {"channel": "c", "topics": []}),
    ("subscribe", {"channel": "c", "topics": ["weather"]}),
    ("subscribe", {"channel": "", "topics": ["logs"]}),
    ("subscribe", {"channel": "c", "topics": ["resources"], "options": {"interval_ms": 1}}),
    ("start_llama_server", {"port": 0}),
    ("start_llama_server", {"port": 65536}),
    ("start_llama_server", {"port": "8080"}),
    ("start_llama_server", {"parallel": 0}),
    ("start_llama_server", {"engine": "llamafile"}),
    ("start_llama_server", {"cache_type_k": "q1_0"}),
    ("start_llama_server", {"flash_attn": "yes"}),
    ("start_llama_server", {"server_id": "../x"}),
    ("start_llama_server", {"server_id": "x\n"}),
    ("start_llama_server", {"env": {"A": 1}}),
    ("start_llama_server", {"lora": "adapter.gguf"}),
    ("switch_model", {"model": ""}),
    ("ping_server", {"base_url": "ftp://127.0.0.1"}),
    ("send_message", {}),
    ("send_message", {"message": 5}),
    ("send_message", {"message": 1}),
    ("send_message", {"message": []}),
    ("send_message", {"message": [{"type": "video", "text": ""}]}),
    ("send_message", {"message": [{"text": "no type"}]}),
    ("send_message", {"message": "", "session_id": "not-a-uuid"}),
    ("send_message", {"message": "", "temperature": -1}),
    ("send_message", {"message": "", "max_tokens": 0}),
    ("send_message", {"message": "", "max_tokens": 1.5}),
    ("send_message", {"message": "", "stop": [1]}),
    ("send_message", {"message": "", "context_policy": "forget"}),
    ("send_message", {"message": "", "channel": 1}),
    ("resume_session", {"session_id": SESSION, "after_seq": -1}),
    ("update_session", {"session_id": SESSION, "title": ""}),
    ("list_sessions", {"limit": 0}),
    ("export_session", {"session_id": SESSION, "format": "html"}),
    ("set_config", {"patch": []}),
    ("get_logs", {"min_level": "trace"}),
    ("inspect_model", {"path": ""}),
]


def accepts(schema: dict[str, Any], value: Any) -> bool:
    return bool(Draft202012Validator({**schema, "$defs": BUNDLE["$defs"]}).is_valid(value))


def converts(type_: Any, value: Any) -> bool:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        return False
    return True


def params_schema(method: Method) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{method.params.__name__}"}


def test_the_bundle_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(BUNDLE)


def test_every_method_has_samples() -> None:
    assert SAMPLES["params"].keys() == SAMPLES["results"].keys() == METHODS.keys()
    assert SAMPLES["events"].keys() == {name for name, method in METHODS.items() if method.streams}


class TestEveryMethod:
    @for_every_method
    def test_takes_its_sample_parameters(self, method: Method) -> None:
        for sample in SAMPLES["params"][method.name]:
            assert accepts(params_schema(method), sample)
            assert converts(method.params, sample)

    @for_every_method
    def test_refuses_an_unknown_parameter(self, method: Method) -> None:
        for sample in SAMPLES["params"][method.name]:
            assert not accepts(params_schema(method), {**sample, "unknown": 1})
            assert not converts(method.params, {**sample, "unknown": 1})

    @for_every_method
    def test_refuses_parameters_without_one_that_is_required(self, method: Method) -> None:
        whole = SAMPLES["params"][method.name][0]
        for name in BUNDLE["$defs"][method.params.__name__]["required"]:
            part = {key: value for key, value in whole.items() if key != name}
            assert not accepts(params_schema(method), part)
            assert not converts(method.params, part)

    @for_every_method
    def test_refuses_a_parameter_of_another_kind(self, method: Method) -> None:
        for name in BUNDLE["$defs"][method.params.__name__]["properties"]:
            wrong = {**SAMPLES["params"][method.name][0], name: [[None]]}
            assert not accepts(params_schema(method), wrong)
            assert not converts(method.params, wrong)

    @for_every_method
    def test_takes_null_for_every_parameter_that_may_be_left_out(self, method: Method) -> None:
        schema = BUNDLE["$defs"][method.params.__name__]
        optional = schema["properties"].keys() - set(schema["required"])
        nulls = {**SAMPLES["params"][method.name][0], **dict.fromkeys(optional)}
        assert accepts(params_schema(method), nulls)
        assert converts(method.params, nulls)

    @for_every_method
    def test_gives_its_sample_results(self, method: Method) -> None:
        for sample in SAMPLES["results"][method.name]:
            assert accepts(BUNDLE["$defs"]["MethodResults"]["properties"][method.name], sample)
            assert converts(method.result, sample)

    @for_every_method
    def test_sends_its_sample_events(self, method: Method) -> None:
        for sample in SAMPLES["events"].get(method.name, []):
            assert converts(Union[method.events], sample)  # noqa: UP007
            matching = [e.__name__ for e in method.events if accepts({"$ref": f"#/$defs/{e.__name__}"}, sample)]
            assert len(matching) == 1


@pytest.mark.parametrize(("name", "params"), BAD_PARAMS, ids=lambda value: str(value)[:60])
def test_parameters_out_of_range_are_refused(name: str, params: dict[str, Any]) -> None:
    assert not accepts(params_schema(METHODS[name]), params)
    assert not converts(METHODS[name].params, params)
