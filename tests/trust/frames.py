"""Valid requests of every method, and ways to spoil them.

Owns what the fuzzer sends. All of it can be carried out at no cost: nothing here ends the sidecar, reaches the network
or names a path outside its folder, and no mutation is likely to.
"""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[2] / "ipc_schema" / "rust" / "tests" / "samples.json"

SESSION, MESSAGE = "0b8e6f2a-3c1d-4e5f-8a9b-0c1d2e3f4a5b", "1c9f703b-4d2e-4f60-9bac-1d2e3f4a5b6c"

_ENDS_THE_SIDECAR = {"shutdown"}
_DANGEROUS = {"host_pid", "base_url"}
"""Parameters that must not get a random value: the life of the host, and somebody else's server."""

SLOW = {
    *("rpc.discover", "get_config_schema", "get_resources", "list_engines", "start_llama_server", "preview_command"),
    *("search_hub", "list_hub_files", "download_model", "estimate_memory", "recommend_settings", "scan_models"),
}
"""Methods that take milliseconds or more, and would take most of the time."""

SLOW_SHARE = 0.05

_EXPORT = {
    "format": "llama-sidecar/session",
    "version": 1,
    "session_id": SESSION,
    "title": "t",
    "system": None,
    "config": {},
    "created_at": 1.0,
    "updated_at": 2.0,
    "head": MESSAGE,
    "messages": [{"message_id": MESSAGE, "role": "user", "content": "quokka: a", "created_at": 1.5}],
}

_MORE: list[tuple[str, dict[str, Any]]] = [
    ("ping", {}),
    ("create_session", {"session_id": SESSION, "title": "a: b", "config": {"seed": 1, "stop": ["a"]}}),
    ("import_session", {"content": json.dumps(_EXPORT)}),
    ("restore_session", {"session_id": SESSION}),
    ("get_messages", {"session_id": SESSION, "limit": 10, "before": MESSAGE}),
    ("update_message", {"session_id": SESSION, "message_id": MESSAGE, "content": "quokka: b"}),
    ("delete_message", {"session_id": SESSION, "message_id": SESSION}),
    ("list_deleted_sessions", {"limit": 2, "cursor": "1.5 a"}),
    ("search_messages", {"query": "quok", "limit": 3}),
    ("list_sessions", {"query": "t", "limit": 2, "archived": False}),
    ("set_config", {"patch": {"chat": {"temperature": 0.5, "max_tokens": 7}}}),
    ("set_config", {"patch": {"chat_presets": {"p": {"seed": 3}}, "server_presets": None}}),
    ("reset_config", {"keys": ["chat.temperature"]}),
    ("get_logs", {"limit": 3, "min_level": "warning", "since": 1.5}),
    ("subscribe", {"topics": ["sessions", "servers"], "channel": "c1"}),
    ("subscribe", {"topics": ["resources"], "channel": "c2", "options": {"interval_ms": 60_000}}),
    ("unsubscribe", {"channel": "c1"}),
    ("unsubscribe", {"channel": "c2"}),
    ("$/cancel", {"id": 1}),
    ("nothing", {"a": [1, {"b": None}]}),
]

_STRANGE: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**53,
        2**53 + 1,
        2**63,
        2**64,
        10**30,
        -(2**63) - 1,
        0.5,
        -0.0,
        1e308,
        5e-324,
    ),
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\u2028",
        "\u0085",
        "\ufeff",
        "🦙",
        "e\u0301",
        "\u202e",
        "\x1b[31m",
        "'; --",
        "%s%n",
        "../...",
    ),
    *("null", "true", "1", "NaN", "-", '"', "\\", "{}", "[", "x" * 300, "é" * 5000, SESSION, MESSAGE, SESSION.upper()),
    *([], {}, [[]], [{}], {"": ""}, {"a": {"a": {"a": []}}}, [None] * 20, {str(n): n for n in range(30)}),
]

_TOKENS = [
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"null", b"1e999", b"NaN", b"-", b"0", b"99999999999999999999"),
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b"\t",
        b" ",
        b"\0",
        b"\xff",
        b"\xfe",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
    ),
    *(
        b"\\ud800",
        b"\\u0000",
        b"\\udc00",
        b"\\u003a",
        b"\\u00",
        b'"id":',
        b'"id":1,',
        b'"method":"ping",',
        b"/*",
        b"//",
        b"'",
    ),
]


def numbers(seed: str) -> random.Random:
    """Random numbers that are the same for the same seed."""
    return random.Random(seed)  # noqa: S311 - a test


class Frames:
    """Makes spoiled requests out of a random number generator; the same numbers give the same frames."""

    def __init__(self) -> None:
        samples: dict[str, list[dict[str, Any]]] = json.loads(SAMPLES.read_text(encoding="utf-8"))["params"]
        seeds = [(name, params) for name, all_ in samples.items() if name not in _ENDS_THE_SIDECAR for params in all_]
        seeds = [(name, params) for name, params in seeds if not _DANGEROUS & params.keys()] + _MORE
        self.seeds = [{"jsonrpc": "2.0", "method": name, "params": params} for name, params in seeds]
        self._texts = [json.dumps(seed)[1:] for seed in self.seeds]
        self._weights = [SLOW_SHARE if name in SLOW else 1.0 for name, _ in seeds]

    def make(self, rng: random.Random, number: int) -> bytes:
        """A frame without its LF, though it may have others in it."""
        if rng.random() < 0.05:
            frame = b"[" + b",".join(self._one(rng, number) for _ in range(rng.randint(1, 6))) + b"]"
        else:
            frame = self._one(rng, number)
        for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 3))):
            frame = self._spoil_bytes(rng, frame)
        return frame

    def _one(self, rng: random.Random, number: int) -> bytes:
        text = self._seed(rng, number)
        if rng.random() < 0.5:
            value = json.loads(text)
            for _ in range(rng.choice((1, 1, 2, 4))):
                _spoil_value(rng, value)
            text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
            if rng.random() < 0.2:
                text = _repeat_member(rng, text)
        return text.encode("utf-8", "surrogatepass")

    def _seed(self, rng: random.Random, number: int) -> str:
        [text] = rng.choices(self._texts, self._weights)
        kind = rng.random()
        if kind < 0.1:
            return "{" + text
        id_ = number if kind < 0.7 else f"n{number}" if kind < 0.9 else rng.choice((1, "a", None, 0))
        return f'{{"id":{json.dumps(id_)},{text}'

    def _spoil_bytes(self, rng: random.Random, frame: bytes) -> bytes:
        start = rng.randint(0, len(frame))
        end = min(len(frame), start + rng.choice((1, 1, 2, 5, 50)))
        match rng.randrange(8):
            case 0 if start < len(frame):  # a bit
                return frame[:start] + bytes([frame[start] ^ (1 << rng.randrange(8))]) + frame[start + 1 :]
            case 1:
                return frame[:start] + frame[end:]
            case 2:
                return frame[:start] + rng.choice(_TOKENS) + frame[start:]
            case 3:
                return frame[:start] + rng.choice(_TOKENS) + frame[end:]
            case 4:
                return frame[:start] + frame[start:end] * rng.randint(2, 4) + frame[end:]
            case 5:
                return frame[:start]
            case 6:  # the rest is another's
                other = self._seed(rng, rng.randrange(1000)).encode()
                return frame[:start] + other[rng.randint(0, len(other)) :]
            case _:
                depth = rng.choice((10, 249, 250, 251, 1000, 5000)) if rng.random() < 0.05 else 3
                opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
                return frame[:start] + opening * depth + frame[start:end] + closing * depth + frame[end:]


def _spoil_value(rng: random.Random, value: Any) -> None:
    """Change something somewhere in an object."""
    holder, key = value, "params" if "params" in value and rng.random() < 0.7 else rng.choice(list(value))
    while isinstance(inner := holder[key], dict | list) and inner and rng.random() < 0.7:
        holder, key = inner, rng.choice(list(inner)) if isinstance(inner, dict) else rng.randrange(len(inner))
    match rng.randrange(6):
        case 0:
            del holder[key]
            value.setdefault("id", 1)  # something has to be left for the next one
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("", "a", "id", "channel", "\0", "🦙", "x" * 200, key.upper(), f"{key} "))] = holder.pop(
                key
            )
        case 2:
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"a": holder[key]}
        case 3 if isinstance(holder[key], str):
            cut = rng.randint(0, len(holder[key]))
            holder[key] = holder[key][:cut] + rng.choice(("\0", "\u2028", "\ud800", "\udc00", "\n", "é", '"'))
        case 4 if isinstance(holder[key], int | float):
            holder[key] = rng.choice((-1, 0, 1, 0.5, 2**31, 2**53, 2**63, 10**20)) + rng.choice((-1, 0, 1))
        case _:
            holder[key] = copy.deepcopy(rng.choice(_STRANGE))  # the next change may go into it


def _repeat_member(rng: random.Random, text: str) -> str:
    """Name a key twice, or what only looks like it."""
    places = [place for place, character in enumerate(text) if character == "{"]
    place = rng.choice(places) + 1 if places else 0
    key = rng.choice(('"id"', '"a"', '"method"', '"jsonrpc"', '"params"', '"channel"', r'"i\u0064"', '"session_id"'))
    value = rng.choice(("null", "1", "{}", r'"\u003a"'))
    return f"{text[:place]}{key}:{value},{text[place:]}"
