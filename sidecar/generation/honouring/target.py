"""What is known of the engine and the model that a request goes to.

Owns the facts that decide whether a request can be honoured. They are read once a start, and used for each request.
"""

from __future__ import annotations

import msgspec

from sidecar.contract.engines import EngineName
from sidecar.engines.launch import Engine
from sidecar.engines.template_facts import TemplateFacts
from sidecar.servers.server import Server

_VECTORS = frozenset({"embeddings", "reranking"})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The engine and the model of a request. Where nothing is known, everything is assumed.

    Attributes:
        server_id: the server.
        template: what the model's template takes.
        engine: the engine's kind.
        process: the engine, which knows what it makes of sampling parameters.
        embeds: whether it serves embeddings only.
        has_template: False if the model has no chat template, so that the engine uses another.
        continues_answers: whether it writes on where a conversation ends with an answer.
        reasoning_budget: the tokens for reasoning that the server was started with; `None` for no limit.
    """

    server_id: str | None = None
    template: TemplateFacts = TemplateFacts()
    engine: EngineName | None = None
    process: Engine | None = None
    embeds: bool = False
    has_template: bool = True
    continues_answers: bool = True
    reasoning_budget: int | None = None


def target_of(server: Server) -> Target:
    """What is known of a server that is ready."""
    launch, template = server.launch, server.template
    if launch is None:
        return Target(server_id=server.server_id, template=template)
    settings, known = launch.settings, launch.capabilities or ()
    chosen = settings.chat_template is not None or settings.chat_template_file is not None
    # llama-cpp-python falls back to another format without saying so.
    missing = template.substitute or (launch.engine.name == "llama-cpp-python" and not template.known)
    budget = settings.reasoning_budget
    return Target(
        server_id=server.server_id,
        template=template,
        engine=launch.engine.name,
        process=launch.engine,
        embeds=bool(settings.embeddings) or bool(_VECTORS.intersection(known) and "chat" not in known),
        has_template=chosen or "chat" in known or not missing,
        continues_answers=launch.continues_answers,
        reasoning_budget=budget if budget is not None and budget >= 0 else None,
    )
