"""Chats in terminals: shared where a test leaves nothing behind, else the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests import fake_engine
from tests.app.talking import prepare
from tests.cli.terminal import Terminal
from tests.library.gguf_files import write_model

Chat = Callable[..., Terminal]


@pytest.fixture
def ready(data_dir: Path, fake_llama_cpp: Path) -> Path:
    """A data folder with a model, and a config that names the fake engine."""
    prepare(data_dir, fake_llama_cpp)
    return data_dir


@pytest.fixture
def chat(ready: Path) -> Iterator[Chat]:
    """Opens `llama-sidecar chat` in a terminal, as often as wanted; all are closed in the end."""
    with ExitStack() as terminals:

        def open_chat(*arguments: str, **kwargs: Any) -> Terminal:
            return terminals.enter_context(Terminal(ready, ["chat", *arguments], **kwargs))

        yield open_chat


@pytest.fixture(scope="package")
def shared_chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A chat for all tests that leave nothing behind but sessions, with two models."""
    folder = tmp_path_factory.mktemp("chat")
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"), models={"default": "tiny"})
    write_model(folder / "data" / "models" / "other.gguf")
    with Terminal(folder / "data", ["chat"]) as terminal:
        terminal.asked()
        yield terminal


@pytest.fixture
def talk(shared_chat: Terminal) -> Terminal:
    """The shared chat, in a session of the test's own."""
    shared_chat.ask("/new")
    return shared_chat
