"""The flags in help texts of different ages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engines.kinds.llama_server_help import Flag, parse_help
from tests.engines.recordings import help_text

_LOCKED = "force system to keep model in RAM rather than swapping or compressing"


@pytest.mark.parametrize(
    ("build", "name", "flag"),
    [
        (
            "2026-10",
            "-ngl",
            Flag(
                ("-ngl", "--gpu-layers", "--n-gpu-layers"),
                "N",
                "max. number of layers to store in VRAM, either an exact number, 'auto', or 'all' (default: auto) "
                "(env: LLAMA_ARG_N_GPU_LAYERS)",
            ),
        ),
        (
            "2026-10",
            "--flash-attn",
            Flag(
                ("-fa", "--flash-attn"),
                "[on|off|auto]",
                "set Flash Attention use ('on', 'off', or 'auto', default: 'auto') (env: LLAMA_ARG_FLASH_ATTN)",
            ),
        ),
        (
            "2026-10",
            "--no-kv-offload",
            Flag(
                ("-kvo", "--kv-offload", "-nkvo", "--no-kv-offload"),
                None,
                "whether to enable KV cache offloading (default: enabled) (env: LLAMA_ARG_KV_OFFLOAD)",
            ),
        ),
        (
            "2024-10",
            "-fa",
            Flag(
                ("-fa", "--flash-attn"),
                None,
                "enable Flash Attention (default: disabled) (env: LLAMA_ARG_FLASH_ATTN)",
            ),
        ),
        ("2024-01", "--n-gpu-layers", Flag(("-ngl", "--n-gpu-layers"), "N", "number of layers to store in VRAM")),
        ("2024-01", "--mlock", Flag(("--mlock",), None, _LOCKED)),
    ],
)
def test_an_entry_is_read_with_all_its_names_its_value_and_its_text(build: str, name: str, flag: Flag) -> None:
    found = parse_help(help_text(build)).get(name)
    assert found == (name, flag)


@pytest.mark.parametrize(("build", "count"), [("2026-10", 404), ("2024-10", 49), ("2024-01", 25)])
def test_every_entry_of_a_help_text_is_found_but_for_removed_ones(build: str, count: int) -> None:
    assert len(parse_help(help_text(build))) == count


def test_lists_within_descriptions_are_no_flags() -> None:
    flags = parse_help(help_text("2026-10"))
    assert "-" not in flags
    assert "--mmap" not in flags
    _, load_mode = flags.get("--load-mode") or pytest.fail("no --load-mode")
    assert "- none: no special loading mode" in load_mode.text


def test_the_first_name_that_the_build_knows_is_taken() -> None:
    old, new = parse_help(help_text("2024-10")), parse_help(help_text("2026-10"))
    names = ("--no-ui", "--no-webui")
    assert [(found := flags.get(*names)) and found[0] for flags in (old, new)] == ["--no-webui", "--no-ui"]
    assert old.get("--no-ui") is None


def test_long_names_are_told_in_order_and_without_the_short_ones() -> None:
    assert parse_help("-m,    --model FNAME   a model\n-a,    --alias STRING  a name").long_names == [
        "--alias",
        "--model",
    ]


@given(st.text())
def test_any_text_is_read_as_flags_or_as_none(text: str) -> None:
    flags = parse_help(text)
    assert all(name.startswith("--") for name in flags.long_names)
