"""llama-cpp-python's child process: its own server, with those endpoints of llama-server added that it lacks.

Runs under any Python that has `llama-cpp-python[server]`; imports nothing else of ours. It reports the progress of the
load in llama-server's state lines, serves only clients with the key, and exits when its stdin is closed.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import sys
import threading
from typing import Any

STATE_LINE = "\ncmd_child_to_router:state:"
CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20, "bf16": 30}
"""ggml's numbers of the types (ggml.h)."""

SPLIT_MODES = {"none": 0, "layer": 1, "row": 2, "tensor": 3}
"""llama.cpp's numbers (llama_split_mode in llama.h)."""

NUMA_STRATEGIES = {"distribute": 1, "isolate": 2, "numactl": 3}
"""ggml's numbers (ggml_numa_strategy in ggml-cpu.h)."""

ROPE_SCALINGS = {"none": 0, "linear": 1, "yarn": 2}
"""llama.cpp's numbers (llama_rope_scaling_type in llama.h)."""

SAME_NAMES = (
    *("main_gpu", "tensor_split", "rope_freq_base", "rope_freq_scale", "yarn_orig_ctx"),
    *("yarn_ext_factor", "yarn_attn_factor", "yarn_beta_slow", "yarn_beta_fast"),
)
"""Settings that the package has under the same name."""

KEY_VARIABLE = "LLAMA_API_KEY"
HEALTH = "/health"
"""The endpoint without a key: it reports that the server runs, and nothing else."""

LOCAL_PAGES = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
"""The origins of web pages that may read answers, as with llama-server's `--cors-origins localhost`; the package
allows all."""

BACKLOG = 128
"""Connections that may wait during the load."""


class Counted(Exception):
    """Carries the token count of a prompt out of a chat handler that was about to complete it."""

    def __init__(self, tokens: int) -> None:
        super().__init__(tokens)
        self.tokens = tokens


class CountingLlama:
    """A model that counts the tokens of a prompt instead of completing it."""

    def __init__(self, llama: Any) -> None:
        self._llama = llama

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llama, name)

    def create_completion(self, prompt: list[int], **_: Any) -> None:
        raise Counted(len(prompt))


class Gate:
    """Rejects requests without the key, on every path, before their bodies are read."""

    def __init__(self, app: Any, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or scope.get("path") == HEALTH or self._has_key(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            body = b'{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await send({"type": "websocket.close"})

    def _has_key(self, scope: Any) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


def main(arguments: str) -> int:
    """Load the model and serve it until stdin ends; asked for the version, print the package's."""
    if arguments == "--version":
        import importlib.metadata

        print(importlib.metadata.version("llama-cpp-python"))  # noqa: T201 - the answer
        return 0
    job: dict[str, Any] = json.loads(arguments)
    threading.Thread(target=_exit_with_stdin, daemon=True).start()
    listener = _listen(job)
    _report_progress()
    try:
        settings = _settings(job)
    except (ValueError, OSError) as error:
        print(f"error: invalid argument: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the engine's log
        return 1
    try:
        app = _make_app(job, *settings)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", access_log=False)
    print(f"llama_cpp.server: listening on {_address(job, listener)}", flush=True)  # noqa: T201
    # The socket has listened since before the load: a request that arrives now is answered once the loop runs.
    _write_state("ready", {})
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _settings(job: dict[str, Any]) -> tuple[Any, Any]:
    """The settings of the server and of its model, in the package's own types.

    Raises:
        ValueError: one of them is invalid.
    """
    from llama_cpp.llama_chat_format import LlamaChatCompletionHandlerRegistry
    from llama_cpp.server.settings import ModelSettings, ServerSettings

    if job.get("chat_template") and not _template(job):
        _check_format(job["chat_template"], LlamaChatCompletionHandlerRegistry()._chat_handlers)
    # A second request must wait for the first, not interrupt it.
    server = ServerSettings(api_key=_key(), interrupt_requests=False)
    return server, ModelSettings(**_model_settings(job, ModelSettings))


def _key() -> str:
    if not (key := os.environ.get(KEY_VARIABLE)):
        raise ValueError(f"{KEY_VARIABLE} is not set, and without a key every user of this machine could use it")
    return key


def _make_app(job: dict[str, Any], server: Any, model: Any) -> Any:
    """The package's application with the model loaded, our endpoints added, and the check of the key in front.

    Raises:
        ValueError: the model cannot be loaded.
    """
    from fastapi.middleware.cors import CORSMiddleware
    from llama_cpp.server import app as server_module

    app = server_module.create_app(server_settings=server, model_settings=[model])
    llama = server_module._llama_proxy()
    if template := _template(job):
        _use_template(llama, template)
    _add_endpoints(app, llama, template or llama.metadata.get("tokenizer.chat_template"))
    app.user_middleware = [one for one in app.user_middleware if one.cls is not CORSMiddleware]
    pages = {"allow_origin_regex": LOCAL_PAGES, "allow_methods": ["*"], "allow_headers": ["*"]}
    return CORSMiddleware(Gate(app, _key()), **pages)


def _template(job: dict[str, Any]) -> str | None:
    """The Jinja text of the requested chat template."""
    if "chat_template_file" in job:
        with open(job["chat_template_file"], encoding="utf-8") as file:  # noqa: PTH123 - the path is a plain string
            return file.read()
    template = job.get("chat_template")
    return template if template and "{" in template else None


def _model_settings(job: dict[str, Any], known: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model": job["model_path"],
        "model_alias": job["model_name"],
        "n_ctx": job["ctx_size"],
        "n_gpu_layers": job["n_gpu_layers"],
        "logits_all": False,
    }
    for ours, theirs in (("threads", "n_threads"), ("batch_size", "n_batch"), ("ubatch_size", "n_ubatch")):
        if ours in job:
            settings[theirs] = job[ours]
    if "flash_attn" in job:
        settings["flash_attn"] = job["flash_attn"] in ("on", True)
    for ours, theirs in (("cache_type_k", "type_k"), ("cache_type_v", "type_v")):
        if ours in job:
            settings[theirs] = CACHE_TYPES[job[ours]]
    settings |= _placement(job) | {name: job[name] for name in SAME_NAMES if name in job}
    if "lora" in job:
        if len(job["lora"]) > 1:
            raise ValueError("invalid argument: llama-cpp-python supports one LoRA adapter only")
        settings["lora_path"] = job["lora"][0]
    if "mmproj_path" in job:
        settings |= {"clip_model_path": job["mmproj_path"], "chat_format": "mtmd"}
    if job.get("chat_template") and not _template(job):
        settings["chat_format"] = job["chat_template"]
    if "mmproj_path" in job and (job.get("chat_template") or "chat_template_file" in job):
        raise ValueError("invalid argument: llama-cpp-python has no chat template beside a projector")
    if "embeddings" in job:
        settings["embedding"] = job["embeddings"]
    if "rpc_servers" in job:
        settings["rpc_servers"] = ",".join(job["rpc_servers"])
    return settings | _extra(job.get("extra_args", []), known)


def _check_format(name: str, known: Any) -> None:
    """Check the name of a chat format. An unknown one would fail at every message.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in known:
        names = ", ".join(sorted(known))
        raise ValueError(f"invalid argument: there is no chat format of that name; the names are: {names}")


def _placement(job: dict[str, Any]) -> dict[str, Any]:
    """Where the model lies, and the scaling of its positions."""
    settings: dict[str, Any] = {}
    for ours, theirs, numbers in (
        ("split_mode", "split_mode", SPLIT_MODES),
        ("numa", "numa", NUMA_STRATEGIES),
        ("rope_scaling", "rope_scaling_type", ROPE_SCALINGS),
    ):
        if ours in job:
            settings[theirs] = numbers[job[ours]]
    if "no_mmap" in job:
        settings["use_mmap"] = not job["no_mmap"]
    if "mlock" in job:
        settings["use_mlock"] = job["mlock"]
    if "rope_scale" in job:
        settings["rope_freq_scale"] = 1.0 / job["rope_scale"]
    return settings


def _extra(arguments: list[str], known: Any) -> dict[str, str]:
    """`--some_name value` as the setting `some_name`; pydantic converts the value."""
    extra: dict[str, str] = {}
    words = list(arguments)
    while words:
        flag = words.pop(0)
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name not in known.model_fields:
            raise ValueError(f"invalid argument: {flag} is not a setting of llama_cpp.server")
        extra[name] = words.pop(0) if words and not words[0].startswith("--") else "true"
    return extra


def _add_endpoints(app: Any, llama: Any, template: str | None) -> None:
    """Add the endpoints of llama-server that this server lacks; `template` is what conversations are rendered with."""
    import llama_cpp
    from llama_cpp.server import app as server
    from llama_cpp.server.types import CreateChatCompletionRequest

    async def health() -> dict[str, str]:
        return {"status": "ok"}

    async def props() -> dict[str, Any]:
        return {
            "default_generation_settings": {
                "n_ctx": llama.n_ctx(),
                "params": dict.fromkeys(CreateChatCompletionRequest.model_fields),
            },
            "total_slots": 1,
            "modalities": {"vision": llama.chat_handler is not None, "audio": False},
            "chat_template": template,
            "build_info": f"llama-cpp-python {llama_cpp.__version__}",
        }

    async def slots() -> list[dict[str, Any]]:
        return [{"id": 0, "n_ctx": llama.n_ctx(), "is_processing": server.llama_inner_lock.locked()}]

    def tokenize(body: dict[str, Any]) -> dict[str, Any]:
        return {"tokens": llama.tokenize(str(body["content"]).encode(), add_bos=False, special=False)}

    def input_tokens(body: dict[str, Any]) -> dict[str, int]:
        return {"input_tokens": _count(llama, body)}

    app.add_api_route(HEALTH, health)
    app.add_api_route("/props", props)
    app.add_api_route("/slots", slots)
    app.add_api_route("/tokenize", tokenize, methods=["POST"])
    app.add_api_route("/v1/chat/completions/input_tokens", input_tokens, methods=["POST"])


def _use_template(llama: Any, template: str) -> None:
    """Use a Jinja chat template instead of the model's own; the package renders it in a sandbox."""
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    def piece(token: int) -> str:
        return str(llama.detokenize([token], special=True).decode("utf-8", "replace")) if token != -1 else ""

    formatter = Jinja2ChatFormatter(template, piece(llama.token_eos()), piece(llama.token_bos()))
    name = "sidecar.template"
    llama._chat_handlers[name] = formatter.to_chat_handler()
    llama.chat_format = name


def _count(llama: Any, body: dict[str, Any]) -> int:
    """Tokens of a conversation, as the model's own chat handler renders it."""
    from llama_cpp.llama_chat_format import get_chat_completion_handler

    handler = (
        llama.chat_handler
        or llama._chat_handlers.get(llama.chat_format)
        or get_chat_completion_handler(llama.chat_format)
    )
    try:
        handler(llama=CountingLlama(llama), messages=body["messages"], tools=body.get("tools"))
    except Counted as counted:
        return counted.tokens
    raise RuntimeError("the chat handler did not complete a prompt")


def _listen(job: dict[str, Any]) -> socket.socket:
    if sys.platform != "win32" and job["socket_path"]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(job["socket_path"])
    else:
        family = socket.AF_INET6 if ":" in job["host"] else socket.AF_INET
        listener = socket.socket(family)
        if sys.platform != "win32":  # on Windows it would let two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((job["host"], job["port"]))
    listener.listen(BACKLOG)
    return listener


def _address(job: dict[str, Any], listener: socket.socket) -> str:
    if job["socket_path"]:
        return f"unix://{job['socket_path']}"
    return f"http://{job['host']}:{listener.getsockname()[1]}"


def _report_progress() -> None:
    """Make the native loader report its progress: llama-cpp-python does not expose the callback."""
    from llama_cpp import llama_cpp as native

    defaults = native.llama_model_default_params

    def report(progress: float, _: Any) -> bool:
        _write_state("loading", {"stages": ["text_model"], "current": "text_model", "value": progress})
        return True

    callback = native.llama_progress_callback(report)
    native.llama_progress_callback_kept = callback  # a reference, since the native side holds none

    def with_progress() -> Any:
        params = defaults()
        params.progress_callback = callback
        return params

    native.llama_model_default_params = with_progress


def _write_state(state: str, payload: dict[str, Any]) -> None:
    sys.stdout.write(f"{STATE_LINE}{json.dumps({'state': state, 'payload': payload})}\n")
    sys.stdout.flush()


def _exit_with_stdin() -> None:
    while os.read(0, 4096):
        continue
    os._exit(0)


if __name__ == "__main__":
    # The script's folder would shadow packages of the same names.
    sys.path.pop(0)
    sys.exit(main(sys.argv[1]))
