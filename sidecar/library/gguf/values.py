"""The values in a GGUF file: numbers, texts and lists, read through a small window that moves forward.

Owns the encoding of values, every bound on them (nothing is read or skipped past the header's bound or the file's
end), and what is stored: of long texts and lists only the length. Does not know the meaning of keys.
"""

from __future__ import annotations

import re
from io import FileIO
from struct import Struct
from struct import error as StructError  # noqa: N812 - `struct.error` says too little at its uses
from typing import Any, NoReturn

from sidecar.contract.models import ProblemReason

MAX_HEADER_BYTES = 64 * 1024 * 1024
"""The largest header; known ones (vocabularies of 262,144 tokens) have up to 16 MB. Also bounds the time, to 1 s."""
FIRST_READ_BYTES = 16 * 1024
"""The first read, which contains everything up to the vocabulary, and so all that a quick read needs."""
NEXT_READ_BYTES = 1024 * 1024
"""The size of further reads: few calls, little memory."""

MAX_KEYS = 4096
"""The most keys; models have 20 to 80."""
MAX_KEY_BYTES = 256
"""The longest key; known keys have up to 60 characters. With MAX_KEYS this bounds their memory to 1 MiB."""
MAX_KEPT_TEXT_BYTES = 2 * 1024 * 1024
"""The size of all stored texts together, since the result of inspect_model must fit into a line. Chat templates have up
to 100 KB; of a text beyond the limit only the length is reported."""
MAX_KEPT_ELEMENTS = 64
"""Longer arrays are token lists and the like: only type and length are reported."""
MAX_KEPT_PER_LAYER = 1024
"""The longest list with a number for each layer, which memory plans need; no model has so many layers."""
MAX_KEPT_NUMBERS = 32 * 1024
"""The length of all such lists together; a model has five."""
MAX_ARRAY_LENGTH = 16 * 1024 * 1024
"""The longest array; the longest known (merges of a tokenizer) has about 515,000 elements."""
QUICK_STOP_LENGTH = 1024
"""A quick read ends at the first list of texts longer than this: skipping takes 0.1 µs an element."""
DEFAULT_ALIGNMENT = 32

_COUNTS = frozenset({"uint32", "int32", "bool"})
_PER_LAYER = re.compile(r"\.(attention\.(head_count|sliding_window)\w*|feed_forward_length)$")

SCALARS = {
    number: (name, Struct("<" + code))
    for number, name, code in (
        (0, "uint8", "B"), (1, "int8", "b"), (2, "uint16", "H"), (3, "int16", "h"), (4, "uint32", "I"),
        (5, "int32", "i"), (6, "float32", "f"), (7, "bool", "?"), (10, "uint64", "Q"), (11, "int64", "q"),
        (12, "float64", "d"),
    )
}  # fmt: skip
STRING, ARRAY = 8, 9

_U32 = Struct("<I")
_U64 = Struct("<Q")
_ARRAY_HEAD = Struct("<IQ")


class Damaged(Exception):
    """The problem of a damaged file, as the second half of a sentence."""

    reason: ProblemReason = "damaged"
    verb = "cannot be used:"

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.hint = hint


class WrongForm(Damaged):
    """The file is sound, and of a form that is not read."""

    reason = "wrong_form"


class NotGguf(WrongForm):
    """It is another kind of file; `problem` is empty, or says which."""

    verb = "is not a GGUF file"


class Window:
    """The window. A position outside of the file, or beyond MAX_HEADER_BYTES, raises `Damaged`."""

    def __init__(self, file: FileIO, file_bytes: int) -> None:
        self._file = file
        self.file_bytes = file_bytes
        self._limit = min(file_bytes, MAX_HEADER_BYTES)
        self._base = 0
        self.buffer = b""
        self.position = 0
        """Position in `buffer`; after a skip it may be past the end."""

    def offset(self) -> int:
        return self._base + self.position

    def ends_early(self) -> NoReturn:
        if self._limit < self.file_bytes:
            raise Damaged(f"its header is longer than {MAX_HEADER_BYTES:,} bytes, more than that of any known model")
        raise Damaged(f"the file is cut short: the header does not end within its {self.file_bytes:,} bytes")

    def check_room(self, count: int) -> None:
        """Check that so many bytes do not end past the header's bound or the file's end. Raises Damaged."""
        if self.offset() + count > self._limit:
            self.ends_early()

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.position + count
        if end > len(self.buffer):
            self.check_room(count)
            self.move(count)
            end = count
        data = self.buffer[self.position : end]
        self.position = end
        return data

    def number(self, form: Struct) -> Any:
        """The next number."""
        return form.unpack(self.take(form.size))[0]

    def move(self, count: int) -> None:
        """Move the window's start to the present position; it then contains at least `count` bytes."""
        start = self.offset()
        length = min(max(count, NEXT_READ_BYTES if start else FIRST_READ_BYTES), self._limit - start)
        parts: list[bytes] = []
        got = 0
        self._file.seek(start)
        while got < length and (part := self._file.read(length - got)):
            parts.append(part)
            got += len(part)
        if got < count:  # the file has shrunk since its size was read
            self.ends_early()
        self._base, self.position, self.buffer = start, 0, b"".join(parts)

    def holds(self, sign: bytes, offset: int) -> bool:
        """Whether these bytes stand at an offset of the file, also beyond the header's bound. The window stays."""
        if offset + len(sign) > self.file_bytes:
            return False
        self._file.seek(offset)
        return self._file.read(len(sign)) == sign

    def skip(self, count: int) -> None:
        self.check_room(count)
        self.position += count

    def skip_texts(self, count: int) -> None:
        """Skip texts, each a length and so many bytes."""
        self.check_room(count * 8)
        length_at = _U64.unpack_from
        while count:
            self.check_room(8)
            if self.position + 8 > len(self.buffer):
                self.move(8)
            buffer, position, done = self.buffer, self.position, 0
            try:
                for done in range(count):  # noqa: B007 - counts the texts before the one past the window
                    position += length_at(buffer, position)[0] + 8
            except (StructError, OverflowError):
                count -= done
            else:
                count = 0
            self.position = position
        self.check_room(0)

    def name(self, limit: int, what: str) -> str:
        """The next text as a name: not empty, and of `limit` bytes at most."""
        length = self.number(_U64)
        if not 0 < length <= limit:
            raise Damaged(f"a {what} claims {length:,} bytes; 1 to {limit:,} are possible")
        return decoded(self.take(length), f"a {what}")


def decoded(data: bytes, what: str) -> str:
    """A text of the file; `what` names it in messages."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Damaged(f"{what} is not UTF-8") from None


def shown(value: object) -> str:
    """A value from the file for a message: quoted and shortened."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


class Metadata:
    """Reads keys and values, and limits the text that it stores."""

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
            # llama.cpp rejects them as well, so no usable model has one.
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
    """The alignment of the tensors' data in bytes."""
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise Damaged(f"its alignment is {shown(alignment)}, not a power of two")
    return alignment
