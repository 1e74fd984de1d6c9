"""What a host may not give to an engine past the sidecar: its model, its address, its key, and who else gets in.

Pure. Owns the flags and variables that the sidecar sets itself, in the words of all three engines. Everything else is
up to the host: it is trusted, and these are only what would open an engine by accident, lose the way to it, or put a
secret where every user can read it. Imports nothing of ours, since the embedded engine's child reads it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

API_KEY_VARIABLE = "LLAMA_API_KEY"
"""Every engine of ours takes its key from it; argv can be read by every user."""

_MODEL = "Name the model with model or model_path."
_ADDRESS = "Say where it listens with host and port, or leave them out for a private socket."
_KEY = "Every engine has a key of the sidecar's making; get_server returns it."
_PAGES = "Web pages of other machines are never let in; have the host answer them."
_TOOLS = "Tools run in the host: give them to send_message, and answer its tool calls."
_TOKEN = "An engine fetches nothing, and the command line can be read by every user."  # noqa: S105 - no secret

_FLAGS: dict[str, tuple[str, ...]] = {
    _MODEL: (
        *("model", "m", "model-url", "mu", "hf-repo", "hf", "hfr", "hf-file", "hff", "docker-repo", "dr"),
        *("models-dir", "models-preset", "models-preset-hf", "models-max", "models-autoload"),
        *("hf-model-repo-id", "hf-pretrained-model-name-or-path", "hf-tokenizer-config-path"),
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
"""llama-server's switches for a certain model, which set the port as well."""

_VARIABLES = re.compile(r"LLAMA_API_KEY|LLAMA_ARG_.*|LLAMA_SERVER_.*|CONFIG_FILE", re.I)
"""The key, flags by another name, how the sidecar follows a start, and the file that llama-cpp-python would take its
key from."""


def reserved_flag(extra_args: Iterable[str]) -> tuple[str, str] | None:
    """The first flag among further arguments that is not for a host to give, and what to do instead."""
    for word in extra_args:
        flag = word.partition("=")[0]
        name = flag.lstrip("-").replace("_", "-")
        hint = _HINT_OF.get(name) or (_MODEL if _READY_MADE.fullmatch(name) else None)
        if flag.startswith("-") and hint:
            return flag, hint
    return None


def reserved_variable(env: Iterable[str]) -> str | None:
    """The first name among further environment variables that is not for a host to give."""
    return next((name for name in env if _VARIABLES.fullmatch(name)), None)
