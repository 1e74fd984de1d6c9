"""Histories that hardly any engine takes as they are: turns of tools without their other half, images, empty texts."""

from __future__ import annotations

import base64
import json
import struct
import uuid
import zlib
from typing import Any

from hypothesis import strategies as st


def _png() -> str:
    """The smallest picture: one grey point."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\x80")),
        (b"IEND", b""),
    ]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_png()}"}}
BROKEN_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}

TEXTS = st.sampled_from(["", "What?", "Look.", "  ", "Was ist das? ж"])
PARTS = st.lists(st.sampled_from([IMAGE, BROKEN_IMAGE, SOUND, {"type": "text", "text": "See"}]), min_size=1, max_size=3)
IDS = st.sampled_from(["", "call_1", "call_2", "abcdefghi"])
ARGUMENTS = st.sampled_from(
    ["", "{}", '{"zone": "UTC"}', '{"path": "s.txt", "content": "Once', '{"a": [1, {"b"', "[1]", "null", "no", '"{}"']
)
CALLS = st.lists(
    st.builds(
        lambda id_, name, arguments: {
            "id": id_,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        },
        IDS,
        st.sampled_from(["get_time", "write", ""]),
        ARGUMENTS,
    ),
    min_size=1,
    max_size=3,
)

USERS = st.fixed_dictionaries({"role": st.just("user"), "content": TEXTS}, optional={"parts": PARTS})
ASSISTANTS = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": TEXTS},
    optional={"tool_calls": CALLS, "reasoning": st.just("Hm."), "state": st.sampled_from(["cancelled", "error"])},
)
RESULTS = st.fixed_dictionaries(
    {"role": st.just("tool"), "content": TEXTS, "tool_call_id": IDS}, optional={"parts": PARTS}
)

HISTORIES = st.lists(USERS | ASSISTANTS | RESULTS, min_size=1, max_size=9)


def exported(messages: list[dict[str, Any]], *, system: str | None) -> str:
    """A session of one branch with these messages, as `import_session` takes it."""
    ids = [str(uuid.uuid4()) for _ in messages]
    return json.dumps(
        {
            "format": "llama-sidecar/session",
            "version": 1,
            "session_id": str(uuid.uuid4()),
            "title": "Kept",
            "system": system,
            "config": {},
            "created_at": 1.0,
            "updated_at": 1.0,
            "head": ids[-1],
            "messages": [
                {"message_id": id_, "parent_id": before, "created_at": 1.0, **message}
                for id_, before, message in zip(ids, [None, *ids], messages, strict=False)
            ],
        }
    )
