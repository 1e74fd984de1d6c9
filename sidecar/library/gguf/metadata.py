"""The metadata of a GGUF file: keys and their values.

Owns how values are read, and what of them is kept: of long texts and lists only how long they are.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Any

from sidecar.library.gguf.types import ARRAY, SCALARS, STRING
from sidecar.library.gguf.window import Damaged, Window, decoded, shown

MAX_KEYS = 4096
"""Models have 20 to 80."""
MAX_KEY_BYTES = 256
"""Keys are dotted words of up to 60 letters; with MAX_KEYS this bounds what they can take to 1 MiB."""
MAX_KEPT_TEXT_BYTES = 2 * 1024 * 1024
"""Of all texts together: what inspect_model sends has to fit a line. Chat templates have up to 100 KB; of a text that
goes past this only the length is told."""
MAX_KEPT_ELEMENTS = 64
"""Longer arrays are token lists and the like: only type and length are told."""
MAX_KEPT_PER_LAYER = 1024
"""Numbers with one for each layer, which the memory plan counts with; no model has so many layers."""
MAX_KEPT_NUMBERS = 32 * 1024
"""Of all such lists together; a model has five."""
MAX_ARRAY_LENGTH = 16 * 1024 * 1024
"""The longest known (merges of a tokenizer) has about 515,000 elements."""
QUICK_STOP_LENGTH = 1024
"""A quick reading ends at the first list of texts longer than this: it takes 0.1 µs an element to step over one."""
DEFAULT_ALIGNMENT = 32

_COUNTS = frozenset({"uint32", "int32", "bool"})
_PER_LAYER = re.compile(r"\.(attention\.(head_count|sliding_window)\w*|feed_forward_length)$")

_U32 = Struct("<I")
_U64 = Struct("<Q")
_ARRAY_HEAD = Struct("<IQ")


class Metadata:
    """Reads keys and values, and counts the text that it keeps."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._text_left = MAX_KEPT_TEXT_BYTES
        self._numbers_left = MAX_KEPT_NUMBERS

    def read(self, count: int, *, full: bool) -> tuple[dict[str, Any], bool]:
        """The metadata, and whether all of it was read."""
        window = self._window
        metadata: dict[str, Any] = {}
        for _ in range(count):
            key = window.name(MAX_KEY_BYTES, "metadata key")
            if key in metadata:
                raise Damaged(f"the metadata key {shown(key)} occurs twice")
            kind = window.number(_U32)
            if kind != ARRAY:
                metadata[key] = self._value(key, kind)
                continue
            kind, length = _ARRAY_HEAD.unpack(window.take(_ARRAY_HEAD.size))
            if not full and kind == STRING and length > QUICK_STOP_LENGTH and _has_main_facts(metadata):
                return metadata, False
            metadata[key] = self._array(key, kind, length)
        return metadata, True

    def _value(self, key: str, kind: int) -> Any:
        if kind in SCALARS:
            return self._window.number(SCALARS[kind][1])
        if kind != STRING:
            raise Damaged(f"the value of {shown(key)} is of unknown type {kind}")
        length = self._window.number(_U64)
        if length > self._text_left:
            self._window.skip(length)
            return {"text_bytes": length}
        self._text_left -= length
        return decoded(self._window.take(length), f"the value of {shown(key)}")

    def _array(self, key: str, kind: int, length: int) -> Any:
        if kind == ARRAY:
            # llama.cpp refuses them as well, so no model that runs has one.
            raise Damaged(f"the value of {shown(key)} is an array of arrays")
        if kind != STRING and kind not in SCALARS:
            raise Damaged(f"the elements of {shown(key)} are of unknown type {kind}")
        if length > MAX_ARRAY_LENGTH:
            raise Damaged(f"{shown(key)} claims {length:,} elements; at most {MAX_ARRAY_LENGTH:,} are read")
        if length <= MAX_KEPT_ELEMENTS:
            return [self._value(key, kind) for _ in range(length)]
        if kind == STRING:
            self._window.skip_texts(length)
            return {"array": "string", "length": length}
        name, form = SCALARS[kind]
        if length <= MAX_KEPT_PER_LAYER and name in _COUNTS and _PER_LAYER.search(key) and length <= self._numbers_left:
            self._numbers_left -= length
            return [self._window.number(form) for _ in range(length)]
        self._window.skip(form.size * length)
        return {"array": name, "length": length}


def _has_main_facts(metadata: dict[str, Any]) -> bool:
    return f"{metadata.get('general.architecture')}.context_length" in metadata


def alignment_of(metadata: dict[str, Any]) -> int:
    """What the places of the tensors' data are multiples of."""
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise Damaged(f"its alignment is {shown(alignment)}, not a power of two")
    return alignment
