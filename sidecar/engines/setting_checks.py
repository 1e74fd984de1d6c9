"""Settings of a start that contradict each other, or mean something else than they say.

Owns these rules, and what a chat template may be: a Jinja text, or the name of one that the engine has built in. An
engine takes any text for a template; a misspelt name would be the whole prompt of every message. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from sidecar.contract.errors import InvalidParams
from sidecar.contract.remedies import change_params
from sidecar.contract.server_settings import ServerSettings

MAX_TEMPLATE_BYTES = 4_000_000
"""The largest file with a chat template: the most that the parameter takes, in UTF-8."""

MAX_POOLED_TOKENS = 8192
"""The longest text that an embedding server takes in one piece, if nothing else is asked for: the context of the
largest common embedding models."""

_JINJA = re.compile(r"\{[{%#]")
_LIST = re.compile(r"list of built-in templates:(?P<names>[^()]*)")
_NAME = re.compile(r"[a-z][a-z0-9_.-]*")

BUILT_IN = frozenset(
    _NAME.findall(
        """
    bailing bailing-think bailing2 chatglm3 chatglm4 chatml command-r deepseek deepseek-ocr deepseek2 deepseek3
    exaone-moe exaone3 exaone4 falcon3 gemma gigachat glmedge gpt-oss granite granite-4.0 granite-4.1 grok-2
    hunyuan-dense hunyuan-moe hunyuan-vl kimi-k2 llama2 llama2-sys llama2-sys-bos llama2-sys-strip llama3 llama4 megrez
    minicpm mistral-v1 mistral-v3 mistral-v3-tekken mistral-v7 mistral-v7-tekken monarch openchat orion pangu-embedded
    phi3 phi4 rwkv-world seed_oss smolvlm solar-open vicuna vicuna-orca yandex zephyr
    """
    )
)
"""The names in llama.cpp's src/llama-chat.cpp, for builds that do not list theirs."""

_PLAIN_CACHES = ("f32", "f16", "bf16")


def is_jinja(template: str) -> bool:
    """Whether a text is a Jinja template: it has at least one expression or statement."""
    return _JINJA.search(template) is not None


def template_names(description: str) -> frozenset[str]:
    """The built-in templates that a build lists in the description of its flag."""
    found = _LIST.search(description)
    return frozenset(_NAME.findall(found["names"])) if found else BUILT_IN


def check_settings(
    settings: ServerSettings, templates: Iterable[str] | None, *, chooses_flash_attn: bool = True
) -> None:
    """Check settings that go together.

    Args:
        templates: the names of the engine's built-in templates; `None` if only the engine knows them.
        chooses_flash_attn: whether the engine uses flash attention by itself.

    Raises:
        InvalidParams: they contradict each other.
    """
    if settings.chat_template is not None and settings.chat_template_file is not None:
        raise InvalidParams(
            "`chat_template` and `chat_template_file` are both given.",
            path="$.chat_template",
            hint="Leave out one of them.",
            remedies=(change_params("chat_template", "chat_template_file"),),
        )
    if settings.chat_template is not None and templates is not None:
        _check_template(settings.chat_template, templates)
    asked = settings.flash_attn
    without = asked in ("off", False) or (asked not in ("on", True) and not chooses_flash_attn)
    if without and settings.cache_type_v not in (None, *_PLAIN_CACHES):
        raise InvalidParams(
            f"A V cache of type {settings.cache_type_v} needs flash attention, which is off.",
            path="$.cache_type_v",
            hint="Switch flash attention on, or choose f16.",
            remedies=(change_params("flash_attn", "cache_type_v"),),
        )
    if settings.batch_size is not None and (settings.ubatch_size or 0) > settings.batch_size:
        raise InvalidParams(
            f"The physical batch of {settings.ubatch_size} is larger than the logical one of {settings.batch_size}.",
            path="$.ubatch_size",
            hint="Make batch_size as large, or leave it out.",
            remedies=(change_params("batch_size", "ubatch_size"),),
        )


def completed(settings: ServerSettings, ctx_size: int) -> ServerSettings:
    """The settings, with the batches that follow from others. Engines cut a physical batch to the logical one without a
    word, and refuse to embed a text that is longer than the physical batch.

    Args:
        ctx_size: tokens of context; 0 is the model's own.
    """
    batch, ubatch = settings.batch_size, settings.ubatch_size
    if settings.embeddings and ubatch is None:
        ubatch = min(ctx_size or MAX_POOLED_TOKENS, MAX_POOLED_TOKENS, batch or MAX_POOLED_TOKENS)
    if batch is None and ubatch is not None and ubatch > int(settings.defaults["batch_size"]):
        batch = ubatch
    return msgspec.structs.replace(settings, batch_size=batch, ubatch_size=ubatch)


def check_template_file(text: str) -> None:
    """Check the content of a file with a chat template.

    Raises:
        InvalidParams: it is no Jinja template.
    """
    if not is_jinja(text):
        raise InvalidParams(
            "The file with the chat template has no Jinja in it.",
            path="$.chat_template_file",
            hint="Give a file with a Jinja template; the name of a built-in one goes into chat_template.",
            remedies=(change_params("chat_template_file", "chat_template"),),
        )


def _check_template(template: str, names: Iterable[str]) -> None:
    known = sorted(names)
    if is_jinja(template) or template in known:
        return
    raise InvalidParams(
        "The chat template is neither a Jinja template nor the name of one that this engine has.",
        path="$.chat_template",
        hint=f"The names are: {', '.join(known)}.",
        remedies=(change_params("chat_template"),),
    )
