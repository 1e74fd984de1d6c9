"""What is noted of a file's blocks: nothing is lost, nothing is believed that the checksums do not confirm."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.library.downloads.blocks import BLOCK_BYTES, HEADER_BYTES, MAX_PART_BYTES, MIN_PART_BYTES, Blocks

MB = BLOCK_BYTES


RANDOM = random.Random(1).randbytes(6 * MB)  # noqa: S311


def data(length: int) -> memoryview:
    return memoryview(RANDOM)[:length]


def notes(blocks: Blocks) -> bytes:
    return blocks.header() + b"".join(blocks.slot(index)[1] for index in range(blocks.capacity()))


def missing(blocks: Blocks) -> list[tuple[int, int]]:
    return [(part.start, part.end) for part in blocks.missing()]


def test_a_file_begins_empty_and_is_complete_when_every_byte_has_come() -> None:
    blocks = Blocks(2 * MB + 5)
    assert missing(blocks) == [(0, 2 * MB + 5)]
    blocks.note(0, data(MB + 10))
    blocks.note(2 * MB, data(5))
    assert missing(blocks) == [(MB + 10, 2 * MB)]
    assert (blocks.received, blocks.complete) == (MB + 15, False)
    blocks.note(MB + 10, data(MB - 10))
    assert missing(blocks) == []
    assert blocks.complete


@pytest.mark.parametrize(("offset", "length"), [(1, 1), (MB + 1, 1), (0, 3 * MB)])
def test_a_block_is_filled_from_its_beginning_and_not_beyond_the_end(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match=r"filled to|more than"):
        Blocks(2 * MB).note(offset, data(length))


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 6 * MB),
    steps=st.lists(st.tuples(st.integers(0, 100), st.integers(1, 3 * MB)), max_size=8),
    connections=st.integers(1, 5),
)
def test_whatever_has_come_the_parts_are_the_rest_and_the_notes_say_so(
    size: int, steps: list[tuple[int, int]], connections: int
) -> None:
    blocks = Blocks(size)
    for which, length in steps:
        parts = blocks.parts(connections)
        if not parts:
            break
        part = parts[which % len(parts)]
        blocks.note(part.start, data(min(length, part.end - part.start)))
    parts = blocks.parts(connections)
    assert sum(part.end - part.start for part in parts) == size - blocks.received
    assert all(one.end <= two.start for one, two in pairwise(parts))
    again = Blocks.from_notes(notes(blocks), size)
    assert again.parts(connections) == parts


@pytest.mark.parametrize("size", [MB, 100 * MB, 1000 * MB, 50_000 * MB])
def test_parts_are_neither_tiny_nor_so_large_that_one_connection_keeps_the_rest(size: int) -> None:
    parts = Blocks(size).parts(4)
    lengths = [part.end - part.start for part in parts]
    assert sum(lengths) == size
    assert max(lengths) <= MAX_PART_BYTES
    assert all(length >= MIN_PART_BYTES for length in lengths[:-1])
    assert all(part.start % MB == 0 for part in parts)


def test_notes_of_another_file_are_not_believed() -> None:
    blocks = Blocks(2 * MB)
    blocks.note(0, data(2 * MB))
    assert Blocks.from_notes(notes(blocks), 2 * MB).complete
    for damaged in (b"", b"x", notes(blocks)[: HEADER_BYTES - 1], b"\0" + notes(blocks)[1:]):
        assert Blocks.from_notes(damaged, 2 * MB).received == 0
    assert Blocks.from_notes(notes(blocks), 2 * MB + 1).received == 0


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 80))
def test_damaged_notes_never_make_a_block_longer_than_it_is(junk: bytes, at: int) -> None:
    blocks = Blocks(3 * MB)
    blocks.note(0, data(MB + 100))
    written = bytearray(notes(blocks))
    written[at : at + len(junk)] = junk
    again = Blocks.from_notes(bytes(written), 3 * MB)
    assert 0 <= again.received <= 3 * MB
    assert list(again.parts(2)) == [] or again.received < 3 * MB


def test_a_slot_torn_in_two_is_an_empty_block() -> None:
    blocks = Blocks(2 * MB)
    blocks.note(0, data(2 * MB))
    place, slot = blocks.slot(1)
    torn = bytearray(notes(blocks))
    torn[place : place + 6] = bytes(6)
    assert missing(Blocks.from_notes(bytes(torn), 2 * MB)) == [(MB, 2 * MB)]
    assert len(slot) == 12


def test_a_block_that_reads_otherwise_is_found_and_can_be_dropped() -> None:
    blocks = Blocks(2 * MB)
    blocks.note(0, data(2 * MB))
    whole = bytes(data(2 * MB))
    assert blocks.fits(0, whole[:MB])
    assert not blocks.fits(0, b"\0" + whole[1:MB])
    assert not blocks.fits(1, whole[MB:-1])
    blocks.drop(1)
    assert missing(blocks) == [(MB, 2 * MB)]
    blocks.clear()
    assert missing(blocks) == [(0, 2 * MB)]


def test_a_file_of_unknown_size_grows_and_is_never_complete() -> None:
    blocks = Blocks(None)
    blocks.note(0, data(MB + 7))
    assert (blocks.received, blocks.complete, blocks.parts(4)) == (MB + 7, False, [])
    assert blocks.whole(0)
    assert not blocks.whole(1)


def test_the_checksum_of_pieces_is_that_of_the_whole() -> None:
    blocks, whole = Blocks(MB), data(MB)
    for at in range(0, MB, 100_003):
        blocks.note(at, whole[at : at + 100_003])
    assert blocks.fits(0, whole)
