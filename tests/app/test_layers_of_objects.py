"""Calls follow the arrows of imports: no object of a lower layer holds a callable of a higher one.

Every object of ours that lives is looked at, of a sidecar that has done a start, an answer, a subscription and a
download's listing: instances, functions with what they close over, and coroutines with their variables. The layers are
those of the import-linter contract. Objects that are asyncio's, anyio's or another library's are not ours.
"""

from __future__ import annotations

import functools
import gc
import tomllib
import types
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests import fake_engine
from tests.app.talking import prepare
from tests.direct_host import DirectHost

CONTAINERS = (dict, list, tuple, set, frozenset, deque, types.CellType, functools.partial)
"""Looked into: what they hold is held by whoever holds them."""

ALLOWED = {
    "sidecar.storage.database.Database.submit.<locals>.<lambda> holds": "A unit of work: run once, in a transaction on "
    "the database's thread, and gone. It is the caller's own call, carried out elsewhere.",
}
"""Beginnings of what is found that are as they should be, with the reason."""


def layers() -> dict[str, int]:
    """Each package's layer, counted from the bottom."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    rows: list[str] = project["tool"]["importlinter"]["contracts"][0]["layers"]
    return {
        name.strip(): number for number, row in enumerate(reversed(rows)) for name in row.replace("|", ":").split(":")
    }


LAYERS = layers()


def layer(module: str | None) -> int | None:
    """The layer of a module of ours."""
    root, _, rest = (module or "").partition(".")
    return LAYERS.get(rest.partition(".")[0]) if root == "sidecar" else None


def layer_of_callable(one: Any) -> int | None:
    """The highest layer that a call of it enters."""
    if isinstance(one, types.MethodType):
        found = (layer(type(one.__self__).__module__), layer(one.__func__.__module__))
        return max((number for number in found if number is not None), default=None)
    return layer(getattr(one, "__module__", None)) if isinstance(one, types.FunctionType) else None


def referents(one: Any) -> Iterable[Any]:
    """What an object holds itself."""
    if isinstance(one, types.FunctionType):  # but not the globals of its module
        return [*(one.__closure__ or ()), *(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values()]
    return gc.get_referents(one)


def held(owner: Any) -> Iterator[Any]:
    """The callables that an object holds, itself or in containers."""
    seen: set[int] = set()
    waiting = list(referents(owner))
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | types.ModuleType):
            continue
        seen.add(id(one))
        if isinstance(one, types.FunctionType | types.MethodType):
            yield one
        if isinstance(one, CONTAINERS):
            waiting += referents(one)


def owners() -> Iterator[tuple[Any, int, str]]:
    """Every object of ours, its layer and its name."""
    gc.unfreeze()  # what a start has frozen is hidden otherwise
    gc.collect()
    for one in gc.get_objects():
        module: Any
        if isinstance(one, types.FunctionType):
            module, name = one.__module__, one.__qualname__
        elif isinstance(one, types.CoroutineType):
            module, name = one.cr_frame and one.cr_frame.f_globals.get("__name__"), one.cr_code.co_qualname
        elif isinstance(one, types.AsyncGeneratorType):
            module, name = one.ag_frame and one.ag_frame.f_globals.get("__name__"), one.ag_code.co_qualname
        elif isinstance(one, types.GeneratorType):
            module, name = one.gi_frame and one.gi_frame.f_globals.get("__name__"), one.gi_code.co_qualname
        else:
            module, name = type(one).__module__, type(one).__qualname__
        number = layer(module) if isinstance(module, str) else None
        if number is not None:
            yield one, number, f"{module}.{name}"


def violations() -> list[str]:
    found: set[str] = set()
    for owner, number, name in owners():
        for one in held(owner):
            above = layer_of_callable(one)
            if above is not None and above > number:
                what = getattr(one, "__func__", one)
                line = f"{name} holds {what.__module__}.{what.__qualname__}"
                if not line.startswith(tuple(ALLOWED)):
                    found.add(line)
    return sorted(found)


def test_no_object_holds_a_callable_of_a_higher_layer(tmp_path: Path) -> None:
    prepare(tmp_path / "data", fake_engine.install(tmp_path / "llama.cpp"))
    with DirectHost(tmp_path / "data") as host:
        host.call("initialize")
        topics = ["servers", "sessions", "logs", "downloads", "engines", "resources", "models"]
        host.call("subscribe", channel="news", topics=topics)
        host.call("list_downloads")
        host.call("start_llama_server", channel="start")
        session = host.call("send_message", message="hello", channel="answer")["session_id"]
        host.event("answer", "done")
        held_up = host.begin("send_message", message="tokens=8 hold-after=2", session_id=session, channel="under way")
        host.event("under way", "token")
        found = host.in_loop(violations)
        host.call("cancel_message", session_id=session)
        host.answer(held_up)
    assert not found, "\n".join(found)
