"""Spoils GGUF headers: as accidents do it, and as somebody does who knows where the numbers stand."""

from __future__ import annotations

import random
import struct

from .gguf_files import ARRAY, LLAMA_TENSORS, UINT8, Tensor, Value, gguf_bytes, llama_metadata

SAMPLE = gguf_bytes(
    llama_metadata(
        general__alignment=32,
        general__tags=["one", "two"],
        a__bytes=Value(ARRAY, list(range(100)), item_kind=UINT8),
        tokenizer__ggml__tokens=["token"] * 70,
        tokenizer__ggml__scores=[0.5] * 66,
        a__big=Value(10, 2**63),
    ),
    [*LLAMA_TENSORS, Tensor("output.weight", (256, 4), 12)],
)
"""A sound model with a value of most kinds."""

HEADER_BYTES = len(SAMPLE) - 1408  # the rest is tensor data, which is never looked at

TELLING_NUMBERS = (
    *(0, 1, 8, 9, 12, 13, 31, 255, 256, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1),
)


def spoiled(rng: random.Random, sample: bytes = SAMPLE, header_bytes: int = HEADER_BYTES) -> bytes:
    """A sample with some of its header's bytes changed."""
    data = bytearray(sample)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        place = rng.randrange(header_bytes)
        number = rng.choice(TELLING_NUMBERS)
        match rng.randrange(4):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place : place + 4] = struct.pack("<I", number & 0xFFFFFFFF)
            case 2:
                data[place : place + 8] = struct.pack("<Q", number)
            case _:
                data[place] = rng.randrange(256)
    return bytes(data)


def torn(rng: random.Random, sample: bytes = SAMPLE, header_bytes: int = HEADER_BYTES) -> bytes:
    """A sample with a piece of its header gone, there twice, elsewhere, or the rest cut off."""
    start, length = rng.randrange(header_bytes), rng.randrange(1, 65)
    piece = sample[start : start + length]
    match rng.randrange(4):
        case 0:
            return sample[:start] + sample[start + length :]
        case 1:
            return sample[:start] + piece * rng.choice((2, 2, 50)) + sample[start + length :]
        case 2:
            rest = sample[:start] + sample[start + length :]
            place = rng.randrange(header_bytes)
            return rest[:place] + piece + rest[place:]
        case _:
            return sample[:start]
