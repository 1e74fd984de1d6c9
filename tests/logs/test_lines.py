"""What a log line says, and how it is made safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.logs import Level
from sidecar.logs.lines import escape_chunk, level_of, printable

CONTROLS = [*map(chr, range(9)), *map(chr, range(10, 32)), *map(chr, range(0x7F, 0xA0))]
TURNING = list("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\U000e0041")
UNSAFE = {*CONTROLS, *TURNING}
"""What ends a line, moves the cursor, or makes a text look like another one."""


@pytest.mark.parametrize(
    ("line", "level"),
    [
        # llama.cpp
        ("0.00.004.139 I srv  init: initializing slots, n_slots = 4", "info"),
        ("0.00.004.139 W load: special_eos_id is not in special_eog_ids", "warning"),
        ("0.01.200.001 E srv    load_model: failed to load model, 'x.gguf'", "error"),
        ("0.00.000.001 D srv  update_slots: posting NEXT_RESPONSE", "debug"),
        ("W llama_kv_cache: warning", "warning"),
        ("error: invalid argument: --wrong", "error"),
        ("error loading model: missing tensor", "error"),
        ("llama_model_load: error loading model: tensor 'x' data is not within the file bounds", "error"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "error"),
        ("GGML_ASSERT(n_dims >= 1) failed", "error"),
        ("llama_model_loader: loaded meta data with 33 key-value pairs", "info"),
        ("...................................................", "info"),
        # Python's logging and tracebacks
        ("2026-11-21 05:00:00,123 INFO root: hello", "info"),
        ("2026-11-21 05:00:00,123 WARNING root: careful", "warning"),
        ("2026-11-21 05:00:00,123 - llama_cpp - ERROR - broken", "info"),
        ("[ERROR] broken", "error"),
        ("CRITICAL:root:broken", "error"),
        ("DEBUG:asyncio:Using selector", "debug"),
        ("Traceback (most recent call last):", "error"),
        ("ValueError: error: x", "error"),
        # uvicorn
        ("INFO:     Started server process [1]", "info"),
        ("WARNING:  Invalid HTTP request received.", "warning"),
        ("ERROR:    [Errno 98] error while attempting to bind on address", "error"),
        # plain text
        ("", "info"),
        ("Information about errors", "info"),
        ("I think", "info"),
        ("\x1b[31mred\x1b[0m", "info"),
    ],
)
def test_levels_are_read_from_the_formats_of_engines(line: str, level: Level) -> None:
    assert level_of(line.encode()) == level


HOSTILE = st.lists(st.sampled_from(sorted(UNSAFE - {"\n"})), max_size=5).map(lambda letters: "".join(letters).encode())


@given(line=st.one_of(st.binary(max_size=50), HOSTILE))
def test_any_bytes_have_a_level_and_can_be_shown_on_one_line(line: bytes) -> None:
    assert level_of(line) in ("debug", "info", "warning", "error")
    shown = printable(line)
    assert not set(shown) & UNSAFE
    assert len(f"a{shown}b".splitlines()) == 1


@given(line=st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from(sorted(UNSAFE))), max_size=30))
def test_any_text_can_be_shown_and_encoded(line: str) -> None:
    shown = printable(line)
    assert not set(shown) & UNSAFE
    assert len(f"a{shown}b".encode().decode().splitlines()) == 1
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain \xc3\xa4\ttab", "plain ä\ttab"),
        (b"\x1b[2Jclear", "\\x1b[2Jclear"),
        (b"a\nb\rc\0", "a\\x0ab\\x0dc\\x00"),
        ("next\x85line\u2028and\u2029more", "next\\x85line\\u2028and\\u2029more"),
        (b"\xff", "\ufffd"),
        ("\x9b2J\u202egpj.exe\u2066", "\\x9b2J\\u202egpj.exe\\u2066"),
        ("👩\u200d💻 क\u200cष \U000e0041", "👩\u200d💻 क\u200cष \\U000e0041"),
        ("name-\udcff", "name-\\udcff"),
    ],
)
def test_control_characters_are_escaped(raw: bytes | str, shown: str) -> None:
    assert printable(raw) == shown


def test_whole_lines_go_to_a_file_as_they_are_but_for_control_characters() -> None:
    assert escape_chunk("a\tb\n\nä c\n".encode()) == "a\tb\n\nä c\n".encode()
    assert escape_chunk(b"no text \xff\x9b2J\n") == b"no text \\xff\\x9b2J\n"
    assert escape_chunk("\x9b2J \u202e \u2028\n".encode()) == b"\\x9b2J \\u202e \\u2028\n"
    assert escape_chunk(b"windows\r\nlines\r\n") == b"windows\nlines\n"
    assert escape_chunk(b"one\x1b[0m\ntwo\rtwo\n") == b"one\\x1b[0m\ntwo\\x0dtwo\n"


@given(chunk=st.lists(st.one_of(st.binary(max_size=10).map(lambda b: b.replace(b"\n", b"")), HOSTILE), max_size=5))
def test_escaping_keeps_the_number_of_lines(chunk: list[bytes]) -> None:
    text = b"".join(line + b"\n" for line in chunk)
    assert escape_chunk(text).count(b"\n") == len(chunk)
    assert not set(escape_chunk(text).decode()) & UNSAFE - {"\n"}
