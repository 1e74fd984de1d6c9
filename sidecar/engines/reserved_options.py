"""Options that a host may not pass to an engine: its model, its address, its key, and who else may use it.

Pure. Owns the flags and variables that are reserved for the sidecar, in the spelling of all three engines. The host is
trusted with everything else: the reserved ones would open an engine by accident, make it unreachable, or put a secret
where every user can read it. Imports nothing of ours, since the embedded engine's child imports it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

API_KEY_VARIABLE = "LLAMA_API_KEY"
"""The variable from which every engine reads its key; every user can read command lines."""

_MODEL = "Choose the model with model or model_path."
_DRAFT = "Choose the draft model with draft_model."
_ADDRESS = "Choose the address with host and port, or leave them out for a private socket."
_KEY = "The sidecar creates the key of every engine; get_server returns it."
_PAGES = "Web pages of other machines have no access to engines; let the host serve them."
_TOOLS = "Tools run in the host: pass them to send_message, and answer its tool calls."
_TOKEN = "An engine downloads nothing, and every user can read the command line."  # noqa: S105 - no secret

_FLAGS: dict[str, tuple[str, ...]] = {
    _MODEL: (
        *("model", "m", "model-url", "mu", "hf-repo", "hf", "hfr", "hf-file", "hff", "docker-repo", "dr"),
        *("models-dir", "models-preset", "models-preset-hf", "models-max", "models-autoload"),
        *("hf-model-repo-id", "hf-pretrained-model-name-or-path", "hf-tokenizer-config-path"),
    ),
    _DRAFT: (
        *("spec-draft-model", "model-draft", "md", "spec-draft-hf", "hf-repo-draft", "hfd", "hfrd"),
        *("model-url-draft", "mud", "draft-model"),
    ),
    _ADDRESS: ("host", "port", "hostnames", "reuse-port", "api-prefix", "server-base", "path", "public-path"),
    _KEY: (
        *("api-key", "api-key-file", "api-keys"),
        *("ssl-key-file", "ssl-cert-file", "ssl-file-key", "ssl-file-cert"),
    ),
    _PAGES: ("cors-origins", "cors-methods", "cors-headers", "cors-credentials", "cors-origins-explicit"),
    _TOOLS: (
        *("tools", "tools-runtime", "server-tools", "server-tools-runtime", "agent", "ag"),
        *("mcp-servers-config", "mcp-servers-json", "ui-mcp-proxy", "webui-mcp-proxy"),
    ),
    _TOKEN: ("hf-token", "hft", "offline"),
}
_HINT_OF = {name: hint for hint, names in _FLAGS.items() for name in names}

_READY_MADE = re.compile(r"(?:fim|gpt-oss|vision|embd)-.*(?:default|spec)")
"""llama-server's switches for particular models, which set the port as well."""

_VARIABLES = re.compile(r"LLAMA_API_KEY|LLAMA_ARG_.*|LLAMA_SERVER_.*|CONFIG_FILE", re.I)
"""The key, flags as variables, the variable that makes an engine report its start, and the file from which
llama-cpp-python would read its key."""


def reserved_flag(extra_args: Iterable[str]) -> tuple[str, str] | None:
    """The first reserved flag among the extra arguments, and what to do instead."""
    for word in extra_args:
        flag = word.partition("=")[0]
        name = flag.lstrip("-").replace("_", "-")
        hint = _HINT_OF.get(name) or (_MODEL if _READY_MADE.fullmatch(name) else None)
        if flag.startswith("-") and hint:
            return flag, hint
    return None


def reserved_variable(env: Iterable[str]) -> str | None:
    """The first reserved name among the extra environment variables."""
    return next((name for name in env if _VARIABLES.fullmatch(name)), None)
