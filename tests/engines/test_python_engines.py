"""The two engines that run in a Python process of ours: their commands, and what their children make of them."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xllamacpp

import sidecar
from sidecar.contract.server_settings import FLAGS, ServerSettings
from sidecar.engines.kinds import embedded_child, llama_cpp_python_child
from sidecar.engines.kinds.embedded import Embedded, find_embedded
from sidecar.engines.kinds.llama_cpp_python import CHILD, LlamaCppPython
from sidecar.engines.launch import Endpoint, Launch, LocalProcess

SETTINGS: dict[str, Any] = {
    "threads": 3,
    "batch_size": 64,
    "ubatch_size": 32,
    "flash_attn": "on",
    "cache_type_k": "q8_0",
    "cache_type_v": "iq4_nl",
    "n_cpu_moe": 2,
    "chat_template": "{{ messages }}",
    "chat_template_file": "/t.jinja",
    "lora": ["/a.gguf"],
    "reasoning_budget": 0,
    "embeddings": True,
    "mmproj_path": "/p.gguf",
    "rpc_servers": ["10.0.0.1:1"],
    "extra_args": ["--seed", "1"],
}


def launch(engine: LocalProcess, *, parallel: int = 1, **settings: Any) -> Launch:
    return Launch(
        engine=engine,
        model_name="Tiny",
        model_path=Path("/models/tiny.gguf"),
        ctx_size=512,
        parallel=parallel,
        n_gpu_layers=-1,
        settings=ServerSettings(**settings),
    )


# --- embedded ---


def test_the_embedded_engine_is_this_program_again_with_a_job() -> None:
    engine = Embedded("7")
    command = engine.command(launch(engine, parallel=3, **SETTINGS, env={"X": "1"}), Endpoint(port=8080))
    *program, job = command.argv
    assert program == [sys.executable, "-m", "sidecar", "engine-child", "embedded"]
    assert json.loads(job) == {
        "model_path": "/models/tiny.gguf",
        "model_name": "Tiny",
        "host": "127.0.0.1",
        "port": 8080,
        "ctx_size": 512,
        "parallel": 3,
        "n_gpu_layers": -1,
        "jinja": True,
    } | {name: value for name, value in SETTINGS.items() if name != "rpc_servers"}
    assert (command.ignored, command.env) == (["rpc_servers"], {"LLAMA_SERVER_ROUTER_PORT": "0", "X": "1"})
    # With -m, the folder that it is started in comes first on its path.
    assert command.cwd == Path(sidecar.__file__).parents[1]


def test_the_name_of_a_template_counts_since_the_embedded_engine_has_jinja_off(monkeypatch: pytest.MonkeyPatch) -> None:
    command = Embedded(None).command(launch(Embedded(None), chat_template="gemma"), Endpoint())
    job = json.loads(command.argv[-1])
    made = params(monkeypatch, jinja=job["jinja"], chat_template=job["chat_template"])
    assert (made.use_jinja, made.chat_template) == (False, "gemma")


def test_an_unknown_chat_format_of_llama_cpp_python_is_refused_with_those_that_there_are() -> None:
    llama_cpp_python_child._check_format("gemma", {"gemma", "llama-2"})
    with pytest.raises(ValueError, match=r"invalid argument.*gemma, llama-2"):
        llama_cpp_python_child._check_format("gema", {"llama-2", "gemma"})


def test_the_embedded_engine_listens_on_a_socket_by_way_of_its_host() -> None:
    engine = Embedded(None)
    command = engine.command(launch(engine), Endpoint(socket_path=Path("/run/x.sock")))
    assert json.loads(command.argv[-1])["host"] == "/run/x.sock"


def test_the_embedded_engine_is_found_with_its_version() -> None:
    assert find_embedded() == Embedded(importlib.metadata.version("xllamacpp"))


def params(monkeypatch: pytest.MonkeyPatch, **job: Any) -> Any:
    monkeypatch.setenv("LLAMA_API_KEY", "k")
    base = {
        "model_path": "/m.gguf",
        "model_name": "Tiny",
        "host": "127.0.0.1",
        "port": 0,
        "ctx_size": 512,
        "jinja": True,
    }
    return embedded_child._params(xllamacpp, base | {"parallel": 2, "n_gpu_layers": -1} | job)


def test_a_plain_job_sets_what_every_start_has(monkeypatch: pytest.MonkeyPatch) -> None:
    made = params(monkeypatch)
    names = ("port", "n_ctx", "n_parallel", "n_gpu_layers", "kv_unified", "offline", "ui", "cors_origins", "verbosity")
    assert [getattr(made, name) for name in names] == [0, 512, 2, -1, True, True, False, "localhost", 4]
    assert (made.model.path, set(made.model_alias), list(made.hostnames), list(made.api_keys)) == (
        "/m.gguf",
        {"Tiny"},
        ["127.0.0.1"],
        ["k"],
    )


def test_every_setting_that_is_handed_over_is_applied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = tmp_path / "t.jinja"
    template.write_text("{{ x }}")
    made = params(
        monkeypatch,
        threads=3,
        batch_size=64,
        ubatch_size=32,
        flash_attn=False,
        cache_type_k="q8_0",
        cache_type_v="iq4_nl",
        n_cpu_moe=2,
        chat_template_file=str(template),
        lora=["/a.gguf", "/b.gguf"],
        reasoning_budget=0,
        embeddings=True,
        mmproj_path="/p.gguf",
    )
    assert (made.cpuparams.n_threads, made.n_batch, made.n_ubatch) == (3, 64, 32)
    assert made.flash_attn_type == xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    assert (made.cache_type_k, made.cache_type_v) == (
        xllamacpp.ggml_type.GGML_TYPE_Q8_0,
        xllamacpp.ggml_type.GGML_TYPE_IQ4_NL,
    )
    assert [(adapter.path, adapter.scale) for adapter in made.lora_adapters] == [("/a.gguf", 1.0), ("/b.gguf", 1.0)]
    assert (made.chat_template, made.sampling.reasoning_budget_tokens) == ("{{ x }}", 0)
    assert (made.embedding, made.mmproj.path) == (True, "/p.gguf")
    experts = [rf"blk\.{layer}\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU" for layer in (0, 1)]
    assert made.tensor_buft_overrides == ",".join(experts)


def test_the_child_knows_every_setting_that_it_is_handed() -> None:
    assert embedded_child._SETTINGS.keys() == {name for name, flag in FLAGS.items() if "embedded" in flag.kinds}


def test_settings_of_placement_scaling_and_drafts_are_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = xllamacpp.common_speculative_type
    for settings, member, value in (
        ({"cache_ram_mib": 7}, "cache_ram_mib", 7),
        ({"split_mode": "row"}, "split_mode", xllamacpp.llama_split_mode.LLAMA_SPLIT_MODE_ROW),
        ({"main_gpu": 1}, "main_gpu", 1),
        ({"no_mmap": True}, "load_mode", xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE),
        ({"mlock": True}, "load_mode", xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP_MLOCK),
        ({"no_mmap": True, "mlock": True}, "load_mode", xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MLOCK),
        ({"numa": "isolate"}, "numa", xllamacpp.ggml_numa_strategy.GGML_NUMA_STRATEGY_ISOLATE),
        (
            {"rope_scaling": "yarn"},
            "rope_scaling_type",
            xllamacpp.llama_rope_scaling_type.LLAMA_ROPE_SCALING_TYPE_YARN,
        ),
        ({"rope_scale": 4.0}, "rope_freq_scale", 0.25),
        ({"rope_freq_base": 1024.0}, "rope_freq_base", 1024.0),
        ({"yarn_orig_ctx": 9}, "yarn_orig_ctx", 9),
        ({"yarn_beta_fast": 8.0}, "yarn_beta_fast", 8.0),
        ({"swa_full": True}, "swa_full", True),
        ({"kv_unified": False}, "kv_unified", False),
    ):
        assert getattr(params(monkeypatch, **settings), member) == value, settings
    assert params(monkeypatch, tensor_split=[3.0, 1.0]).tensor_split[:3] == [3.0, 1.0, 0.0]
    made = params(monkeypatch, draft_model="/d.gguf", spec_draft_n_max=5, spec_draft_p_min=0.5).speculative
    assert (made.draft.mparams.path, made.draft.n_max, made.draft.p_min) == ("/d.gguf", 5, 0.5)
    assert made.types == [kinds.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    made = params(monkeypatch, draft_model="/d.gguf", spec_type="draft-mtp").speculative
    assert made.types == [kinds.COMMON_SPECULATIVE_TYPE_DRAFT_MTP]


@pytest.mark.parametrize(
    ("extra_args", "name", "value"),
    [
        (["--n-keep", "7"], "n_keep", 7),
        (["--rope-freq-base", "0.5"], "rope_freq_base", 0.5),
        (["--warmup", "off"], "warmup", False),
        (["--check-tensors"], "check_tensors", True),
        (["--check-tensors", "--n-keep", "7"], "n_keep", 7),
        (["--slot-save-path", "/x"], "slot_save_path", "/x"),
    ],
)
def test_further_arguments_set_parameters(
    extra_args: list[str], name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert getattr(params(monkeypatch, extra_args=extra_args), name) == value


@pytest.mark.parametrize(
    "extra_args",
    [
        ["--no-such", "1"],
        ["n-keep", "7"],
        ["--n-keep"],
        ["--n-keep", "x"],
        ["--n-keep", str(10**30)],
        ["--sampling", "1"],
    ],
)
def test_further_arguments_that_do_not_fit_are_refused(extra_args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=extra_args[0]):
        params(monkeypatch, extra_args=extra_args)


def test_without_a_key_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLAMA_API_KEY", raising=False)
    with pytest.raises(ValueError, match="LLAMA_API_KEY"):
        embedded_child._params(xllamacpp, {})


# --- llama-cpp-python ---


def test_llama_cpp_python_is_a_script_under_its_own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", "/lib")
    engine = LlamaCppPython("/bin/py", "1")
    command = engine.command(launch(engine, parallel=2, **SETTINGS), Endpoint(socket_path=Path("/run/x.sock")))
    *program, job = command.argv
    assert program == ["/bin/py", str(CHILD)]
    assert json.loads(job) == {
        "model_path": "/models/tiny.gguf",
        "model_name": "Tiny",
        "socket_path": "/run/x.sock",
        "host": "127.0.0.1",
        "port": 0,
        "ctx_size": 512,
        "n_gpu_layers": -1,
    } | {name: value for name, value in SETTINGS.items() if name not in ("n_cpu_moe", "reasoning_budget")}
    assert command.ignored == ["n_cpu_moe", "reasoning_budget", "parallel"]
    assert command.env == {"LLAMA_CPP_LIB_PATH": "/lib"}


def test_the_childs_script_imports_nothing_of_ours() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(CHILD.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"llama_cpp", "fastapi", "uvicorn"}


KNOWN = SimpleNamespace(model_fields={"n_ctx": 0, "n_batch": 0, "verbose": 0, "use_mlock": 0})
JOB: dict[str, Any] = {"model_path": "/m.gguf", "model_name": "Tiny", "ctx_size": 512, "n_gpu_layers": -1}
PLAIN = {"model": "/m.gguf", "model_alias": "Tiny", "n_ctx": 512, "n_gpu_layers": -1, "logits_all": False}


@pytest.mark.parametrize(
    ("job", "settings"),
    [
        ({}, {}),
        ({"threads": 3, "batch_size": 64, "ubatch_size": 32}, {"n_threads": 3, "n_batch": 64, "n_ubatch": 32}),
        ({"flash_attn": "on"}, {"flash_attn": True}),
        ({"flash_attn": True}, {"flash_attn": True}),
        ({"flash_attn": "auto"}, {"flash_attn": False}),
        ({"cache_type_k": "q8_0", "cache_type_v": "bf16"}, {"type_k": 8, "type_v": 30}),
        ({"lora": ["/a.gguf"]}, {"lora_path": "/a.gguf"}),
        ({"mmproj_path": "/p.gguf"}, {"clip_model_path": "/p.gguf", "chat_format": "mtmd"}),
        ({"chat_template": "chatml"}, {"chat_format": "chatml"}),
        ({"chat_template": "{{ x }}"}, {}),
        ({"embeddings": True}, {"embedding": True}),
        ({"rpc_servers": ["a:1", "b:2"]}, {"rpc_servers": "a:1,b:2"}),
        ({"extra_args": ["--n_batch", "9", "--use-mlock"]}, {"n_batch": "9", "use_mlock": "true"}),
        ({"extra_args": ["--use-mlock", "--verbose", "false"]}, {"use_mlock": "true", "verbose": "false"}),
    ],
)
def test_each_setting_is_one_of_llama_cpp_pythons(job: dict[str, Any], settings: dict[str, Any]) -> None:
    assert llama_cpp_python_child._model_settings(JOB | job, KNOWN) == PLAIN | settings


@pytest.mark.parametrize(
    "job",
    [
        {"lora": ["/a", "/b"]},
        {"mmproj_path": "/p.gguf", "chat_template": "chatml"},
        {"extra_args": ["--no-such", "1"]},
        {"extra_args": ["n_batch"]},
    ],
)
def test_what_llama_cpp_python_can_not_do_is_refused(job: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        llama_cpp_python_child._model_settings(JOB | job, KNOWN)


def test_every_type_of_the_contract_is_known_to_the_child() -> None:
    from typing import get_args

    from sidecar.contract.server_settings import CacheType

    assert llama_cpp_python_child.CACHE_TYPES.keys() == set(get_args(CacheType))


@pytest.mark.case(38)
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "path", "headers", "let_in"),
    [
        ("http", "/v1/models", [(b"authorization", b"Bearer k1")], True),
        ("http", "/health", [], True),
        ("lifespan", None, None, True),
        ("http", "/v1/models", [], False),
        ("http", "/v1/models", [(b"authorization", b"Bearer k")], False),
        ("http", "/v1/models", [(b"authorization", b"bearer k1")], False),
        ("http", "/v1/models", [(b"authorization", b"Bearer k1"), (b"authorization", b"Bearer x")], False),
        ("http", "/health/../v1/models", [], False),
        ("http", "/no-such-path", [], False),
        ("websocket", "/health", [], True),
        ("websocket", "/v1/models", [], False),
    ],
)
async def test_the_gate_lets_in_who_has_the_key_before_anything_is_read(
    kind: str, path: str | None, headers: list[tuple[bytes, bytes]] | None, let_in: bool
) -> None:
    entered: list[str] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.append(scope["type"])

    async def receive() -> Any:
        raise AssertionError("the gate reads nothing")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "headers": headers}
    await llama_cpp_python_child.Gate(app, "k1")(scope, receive, send)
    assert entered == ([kind] if let_in else [])
    if not let_in:
        assert sent[0].get("status", 401) == 401
        assert sent[0]["type"] in ("http.response.start", "websocket.close")


def test_llama_cpp_python_serves_nothing_without_a_key_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLAMA_API_KEY", raising=False)
    with pytest.raises(ValueError, match="LLAMA_API_KEY"):
        llama_cpp_python_child._key()
