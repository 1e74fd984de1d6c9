"""The machine: its memory as its control group, its mappings and its shared memory really are; its devices and clocks.

Chapter 10 of the faults that were seen, and the settings that answer them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from sidecar.builds import install
from sidecar.cli.tables import machine_table
from sidecar.contract.engines import EngineDevice
from sidecar.contract.errors import (
    InvalidParams,
    NotSupported,
    PathNotAllowed,
    PermissionDenied,
    SidecarError,
    StorageError,
)
from sidecar.contract.resources import Resources
from sidecar.contract.server_settings import FLAGS, ServerSettings
from sidecar.engines.kinds import llama_server
from sidecar.engines.kinds.embedded import Embedded
from sidecar.engines.kinds.llama_cpp_python import LlamaCppPython
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.kinds.llama_server_help import parse_help
from sidecar.engines.launch import Endpoint, Launch, LocalProcess
from sidecar.engines.lifecycle.exit_diagnosis import LOG_TAIL_LINES, classify, stated
from sidecar.engines.output.memory_lines import MemoryLines
from sidecar.engines.setting_checks import check_settings
from sidecar.host import file_io
from sidecar.host.cpus import limit_of, quota
from sidecar.host.memory import cgroups
from sidecar.host.sockets import address_of
from sidecar.jobs.store import JobRecord, JobStore
from sidecar.library.gguf.model_shape import ModelShape, shape_of
from sidecar.library.gguf.reader import read_header
from sidecar.servers.memory.fitting import Fitting, Free
from sidecar.servers.memory.formula import LoadSettings, need
from sidecar.servers.memory.shared_devices import is_shared
from sidecar.servers.start_settings import GIB, cache_ram_mib, check_engine, check_request
from sidecar.storage.config import ConfigFile
from sidecar.storage.connection import connect
from sidecar.storage.database import Database, KeyValueStore
from sidecar.storage.purge_clock import PurgeClock
from tests.engines import recordings
from tests.engines.recordings import help_text
from tests.library.gguf_files import Q4_K
from tests.servers.memory.shapes import Shape, dense

BUILDS = {build: parse_help(help_text(build)) for build in ("2026-10", "2024-10", "2024-01")}

NEW_SETTINGS: dict[str, Any] = {
    "cache_ram_mib": 64,
    "devices": ["CUDA0", "CUDA1"],
    "split_mode": "row",
    "tensor_split": [3.0, 1.0],
    "main_gpu": 1,
    "no_mmap": True,
    "mlock": True,
    "numa": "distribute",
    "rope_scaling": "yarn",
    "rope_scale": 4.0,
    "rope_freq_base": 10000.0,
    "rope_freq_scale": 0.5,
    "yarn_orig_ctx": 2048,
    "yarn_ext_factor": 1.0,
    "yarn_attn_factor": 1.0,
    "yarn_beta_slow": 1.0,
    "yarn_beta_fast": 32.0,
    "draft_model": "/d.gguf",
    "spec_type": "draft-simple",
    "spec_draft_n_max": 8,
    "spec_draft_n_min": 1,
    "spec_draft_p_min": 0.5,
    "spec_draft_n_gpu_layers": 0,
    "swa_full": True,
    "kv_unified": False,
}


def a_build(name: str = "2026-10") -> LlamaServer:
    return LlamaServer(Path("/bin/llama-server"), "b1", BUILDS[name])


def a_launch(engine: LocalProcess, **settings: Any) -> Launch:
    return Launch(
        engine=engine,
        model_name="m",
        model_path=Path("/m.gguf"),
        ctx_size=512,
        parallel=1,
        n_gpu_layers=0,
        settings=ServerSettings(**settings),
        cache_ram_mib=settings.get("cache_ram_mib"),
    )


def refusal(engine: LocalProcess, **settings: Any) -> SidecarError | None:
    """Why a start with these settings is refused before anything is started; `None` if it is not."""
    launch = a_launch(engine, **settings)
    try:
        check_request(launch.settings)
        check_settings(launch.settings, engine.templates, chooses_flash_attn=engine.chooses_flash_attn)
        check_engine(engine, engine.command(launch, Endpoint()).ignored)
    except SidecarError as error:
        return error if error.hint and error.remedies else None
    return None


# --- settings of a start (ollama#18264 and the settings that people set elsewhere) ---


def test_every_further_setting_is_a_flag_of_new_builds() -> None:
    assert NEW_SETTINGS.keys() == {name for name, flag in FLAGS.items() if flag.required}
    engine = a_build()
    assert refusal(engine, **NEW_SETTINGS) is None
    words = " ".join(engine.command(a_launch(engine, **NEW_SETTINGS), Endpoint()).argv)
    for part in (
        *("--cache-ram 64", "--device CUDA0,CUDA1", "--split-mode row", "--tensor-split 3.0,1.0", "--main-gpu 1"),
        *("--load-mode mlock", "--numa distribute", "--rope-scaling yarn", "--rope-scale 4.0", "--yarn-orig-ctx 2048"),
        *("--spec-draft-model /d.gguf", "--spec-type draft-simple", "--spec-draft-n-max 8", "--spec-draft-ngl 0"),
        *("--swa-full", "--no-kv-unified"),
    ):
        assert f" {part}" in words, part
    assert "--kv-unified" not in words.split()


def test_older_builds_get_the_older_names_or_a_refusal_that_names_the_setting() -> None:
    engine = a_build("2024-10")
    words = " ".join(engine.command(a_launch(engine, no_mmap=True, mlock=True), Endpoint()).argv)
    assert "--no-mmap --mlock" in words
    for name, value in NEW_SETTINGS.items():
        error = refusal(a_build("2024-01"), **{name: value})
        # Before there were kinds of drafts, or one context for all, a build could only do what is asked here.
        known = name in ("kv_unified", "spec_type") or FLAGS[name].name in BUILDS["2024-01"]
        assert (error is None) == known, (name, error)
        if error is not None:
            assert isinstance(error, NotSupported)
            assert error.data["path"] == f"$.{name}"


def test_other_engines_honour_a_setting_or_refuse_it_and_never_ignore_it() -> None:
    for engine in (Embedded("1"), LlamaCppPython("/bin/py", "1")):
        for name, value in NEW_SETTINGS.items():
            error = refusal(engine, **{name: value})
            assert (error is None) == (engine.name in FLAGS[name].kinds), (engine.name, name)
            assert error is None or (isinstance(error, NotSupported) and error.data["path"] == f"$.{name}")


def test_settings_that_exclude_each_other_are_refused_by_name() -> None:
    """llama.cpp#28524: a quantised V cache without flash attention ended the start minutes later."""
    modern, old, python = a_build(), a_build("2024-10"), LlamaCppPython("/bin/py", "1")
    for engine, settings, path in (
        (modern, {"cache_type_v": "q8_0", "flash_attn": "off"}, "$.cache_type_v"),
        (modern, {"cache_type_v": "q4_0", "flash_attn": False}, "$.cache_type_v"),
        (old, {"cache_type_v": "q8_0"}, "$.cache_type_v"),
        (python, {"cache_type_v": "q8_0", "flash_attn": "auto"}, "$.cache_type_v"),
        (modern, {"spec_draft_n_min": 9, "spec_draft_n_max": 3}, "$.spec_draft_n_min"),
        (modern, {"tensor_split": [0.0, 0.0]}, "$.tensor_split"),
    ):
        error = refusal(engine, **settings)
        assert isinstance(error, InvalidParams), settings
        assert error.data["path"] == path
    for engine, settings in (
        (modern, {"cache_type_v": "q8_0"}),
        (modern, {"cache_type_v": "f16", "flash_attn": "off"}),
        (modern, {"cache_type_k": "q8_0", "flash_attn": "off"}),
        (old, {"cache_type_v": "q8_0", "flash_attn": "on"}),
    ):
        assert refusal(engine, **settings) is None, settings


@pytest.mark.parametrize(
    ("settings", "configured", "gib", "mib"),
    [
        ({}, None, 2, 0),
        ({}, None, 8, 512),
        ({}, None, 16, 1536),
        ({}, None, 512, 8192),
        ({}, 77, 512, 77),
        ({"cache_ram_mib": -1}, 77, 2, -1),
        ({"embeddings": True}, 77, 512, None),
        ({"extra_args": ["-cram", "9"]}, 77, 512, None),
        ({"extra_args": ["--cache-ram=9"]}, None, 512, None),
    ],
)
def test_the_prompt_cache_is_bounded_by_the_machine(
    settings: dict[str, Any], configured: int | None, gib: int, mib: int | None
) -> None:
    """ollama#18264: 8 GiB of main memory for each engine, in no plan and no setting."""
    assert cache_ram_mib(ServerSettings(**settings), configured, gib * GIB) == mib


# --- causes of failed starts ---


@pytest.mark.parametrize(
    ("exit_code", "lines", "cause", "told"),
    [
        # ollama#644: a build for another processor
        (-4, [], "WRONG_PROCESSOR", ""),
        (-7, ["0.01 I load_tensors: loading"], "FILE_FAULT", ""),
        (
            127,
            ["llama-server: symbol lookup error: llama-server: undefined symbol: llama_model_free"],
            "LIBRARY_MISMATCH",
            "undefined symbol: llama_model_free",
        ),
        (
            1,
            ["llama-server: /lib/libc.so.6: version `GLIBC_2.38' not found (required by llama-server)"],
            "LIBRARY_MISMATCH",
            "GLIBC_2.38",
        ),
        (
            1,
            [
                "0.01 E mtmd_init: error: mismatch between text model (n_embd = 576) and mmproj (n_embd = 64)",
                "0.02 E srv  llama_server: exiting due to model loading error",
            ],
            "PROJECTOR_INVALID",
            "mismatch between text model (n_embd = 576) and mmproj (n_embd = 64)",
        ),
        (-6, ["/src/ggml.c:12: GGML_ASSERT(ne % 32 == 0) failed", "[New LWP 7]"], "UNKNOWN", "GGML_ASSERT(ne % 32"),
        (
            1,
            ["0.01 E srv init: the flux capacitor is not set", "0.02 I bye"],
            "UNKNOWN",
            "the flux capacitor is not set",
        ),
        (3, ["something went wrong, as old builds say it"], "UNKNOWN", "something went wrong"),
        (1, ["0.01 I all is well"], "UNKNOWN", ""),
    ],
)
def test_the_log_or_the_signal_states_the_cause(exit_code: int, lines: list[str], cause: str, told: str) -> None:
    assert classify(exit_code, lines).cause == cause
    assert told in stated(lines)
    assert stated(lines) if told else not stated(lines)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("llama-server-bad-template", "Parser Error: Expected }}"),
        ("llama-server-projector-is-model", "Failed to load CLIP model from"),
        ("llama-server-bad-device", "invalid device: CUDA7"),
        ("llama-server-lora-is-model", "expect general.type to be 'adapter', but got: model"),
        ("llama-server-quantised-v-cache", "quantized V cache requires flash_attn"),
        ("llama-server-truncated-draft", "failed to load draft model"),
        ("llama-server-unknown-architecture", "unknown model architecture"),
        ("llama-server-port-in-use", "couldn't bind"),
        ("llama-server-no-model", "No such file"),
    ],
)
def test_a_failed_start_quotes_the_error_of_its_log(name: str, told: str) -> None:
    """An unreadable chat template and a wrong projector were UNKNOWN, although the log said it."""
    _, lines = recordings.log(name)
    assert told in stated(lines[-LOG_TAIL_LINES:])


# --- the config file ---


def config_of(folder: Path, data: bytes) -> ConfigFile:
    path = folder / "config.json"
    path.write_bytes(data)
    file = ConfigFile(path)
    file.load()
    return file


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_not_put_the_config_aside(tmp_path: Path, encoding: str) -> None:
    file = config_of(tmp_path, '{"chat": {"system": "Grüße"}}'.encode(encoding))
    assert (file.config.chat.system, file.notices) == ("Grüße", [])
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_keys_of_a_newer_version_are_kept_and_named_and_the_others_count(tmp_path: Path) -> None:
    written = {
        "chatt": {"a": 1},
        "chat": {"top_k": 7, "mood": {"deep": True}},
        "server_presets": {"fast": {"ctx_size": 512, "warp": 9}},
    }
    file = config_of(tmp_path, json.dumps(written).encode())
    assert (file.config.chat.top_k, file.config.server_presets["fast"].ctx_size) == (7, 512)
    [notice] = file.notices
    assert notice.name == "CONFIG_KEYS_UNKNOWN"
    assert all(name in notice.message for name in ("chatt", "chat.mood", "server_presets.fast.warp"))
    file.keep(file.patched({"chat": {"top_k": 8}}))
    assert json.loads((tmp_path / "config.json").read_bytes()) == written | {
        "chat": {"top_k": 8, "mood": {"deep": True}},
    }
    file.keep(file.without(["chat.mood"]))
    assert "mood" not in json.loads((tmp_path / "config.json").read_bytes())["chat"]


def test_one_bad_value_gives_way_to_its_default_alone(tmp_path: Path) -> None:
    written = {"chat": {"temperature": "hot", "top_k": 7}, "logs": {"kept_files": 0}, "models": {"folders": [1]}}
    file = config_of(tmp_path, json.dumps(written).encode())
    assert (file.config.chat.temperature, file.config.chat.top_k, file.config.logs.kept_files) == (None, 7, 3)
    [notice] = file.notices
    assert notice.name == "CONFIG_VALUES_INVALID"
    assert all(name in notice.message for name in ("chat.temperature", "logs.kept_files", "models.folders"))
    assert "hot" not in notice.message
    file.keep(file.patched({"chat": {"temperature": 0.5}, "logs": {"kept_files": None}}))
    assert json.loads((tmp_path / "config.json").read_bytes()) == {
        "chat": {"temperature": 0.5, "top_k": 7},
        "models": {"folders": [1]},
        "logs": {},
    }
    again = config_of(tmp_path, (tmp_path / "config.json").read_bytes())
    assert "models.folders" in again.notices[0].message


# --- files that are none ---


@pytest.mark.parametrize("kind", ["folder"] if sys.platform == "win32" else ["pipe", "device", "folder"])
def test_something_else_in_the_place_of_a_data_file_is_refused_and_nothing_waits(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    else:
        place.mkdir()
    with pytest.raises(OSError, match=r"not an ordinary file"):
        file_io.read_bytes(place)
    with pytest.raises(OSError, match=r"not an ordinary file"):
        file_io.open_file(place, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match=r"not an ordinary file"):
        connect(place)
    assert JobStore(tmp_path, JobRecord).load() == []
    with pytest.raises(PathNotAllowed):
        install._opened(place)


def test_a_file_of_the_kernel_is_no_archive() -> None:
    for path in ("/proc/kmsg", "/proc/self/environ", "/dev/zero"):
        if Path(path).exists():
            with pytest.raises((PathNotAllowed, PermissionDenied)):
                install._opened(Path(path))


# --- memory ---

A_BUSY_GROUP = """anon 61865984
file 1181073408
kernel 5242880
shmem 4194304
file_mapped 1128267776
file_dirty 4096
file_writeback 0
inactive_anon 66060288
active_anon 8192
inactive_file 50331648
active_file 1126547456
unevictable 0
slab_reclaimable 3145728
"""
"""memory.stat of a group of 1600 MiB in which an engine has just ended: the pages of its model are clean and active."""


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_clean_pages_of_a_group_are_free_and_shared_memory_is_not(tmp_path: Path) -> None:
    """ollama#16637."""
    used = 61865984 + 1181073408 + 5242880
    clean = 50331648 + 1126547456 - 4096 + 3145728
    for limits, limit in (
        ({"memory__max": "1677721600"}, 1677721600),
        ({"memory__max": "max", "memory__high": "1677721600"}, 1677721600),
        ({"memory__max": "4000000000", "memory__high": "1677721600"}, 1677721600),
    ):
        group(tmp_path / "app", memory__high="max", memory__current=str(used), memory__stat=A_BUSY_GROUP)
        group(tmp_path / "app", **limits)
        assert cgroups(tmp_path, "0::/app\n") == [(limit, limit - used + clean)]
    version_1 = "".join(f"total_{line}\n" for line in A_BUSY_GROUP.splitlines()).replace("total_file_d", "total_d")
    group(tmp_path / "memory", memory__limit_in_bytes="1677721600", memory__usage_in_bytes=str(used))
    group(tmp_path / "memory", memory__stat=version_1)
    [(_, left)] = cgroups(tmp_path, "4:memory:/\n")
    assert left == 1677721600 - used + 50331648 + 1126547456 - 4096


def qwen_1_5b(path: Path) -> ModelShape:
    """The shape of Qwen2.5 1.5B, with 4 bits for each weight: 870 MB."""
    wide = Shape(
        layers=28, width=1536, heads=12, kv_heads=2, head_size=128, feed_forward=8960, vocabulary=151936, weights=Q4_K
    )
    return shape_of([read_header(dense(path, wide))])


def test_a_mapped_model_is_not_counted_once_more_for_its_copy(tmp_path: Path) -> None:
    """ollama#16637: "does not fit: 806 MB more" in a group of 1600 MiB, where it starts and answers."""
    shape = qwen_1_5b(tmp_path / "q.gguf")
    settings = LoadSettings(ctx_size=4096, parallel=4)
    found = need(shape, settings)
    weights = sum(weight.bytes for weight in shape.weights)
    # The file is mapped from end to end, and a copy is used: only what is not copied has to stay.
    assert found.host.weights > 1.9 * weights
    assert 0.95 * weights < found.host.weights - found.droppable < 1.05 * weights
    limit = 1600 * 2**20
    own = 100 * 2**20
    free = Free(limit - own, host_total=limit)
    assert Fitting(shape, lambda other: need(shape, other), free, margin=0.1).fits(settings)
    unmapped = need(shape, replace(settings, mapped=False))
    assert unmapped.droppable == 0
    assert unmapped.host.weights < found.host.weights
    without = Free(int(0.9 * weights), host_total=limit)
    assert not Fitting(shape, lambda other: need(shape, other), without, margin=0.1).fits(settings)


def test_the_prompt_cache_is_in_the_plan_and_the_first_to_go(tmp_path: Path) -> None:
    """ollama#18264."""
    shape = shape_of([read_header(dense(tmp_path / "m.gguf", Shape()))])
    settings = LoadSettings(ctx_size=2048, cache_ram=2**33)
    fitting = Fitting(shape, lambda other: need(shape, other), Free(2**32, host_total=2**34), margin=0.0)
    assert need(shape, settings).host.prompt_cache == 2**33
    [change] = fitting.changes(settings)
    assert (change.setting, change.value, change.frees, change.fits_then) == ("cache_ram_mib", 0, 2**33, True)


def test_a_gpu_that_uses_main_memory_is_no_further_room(tmp_path: Path) -> None:
    """llmfit#964."""
    shape = shape_of([read_header(dense(tmp_path / "m.gguf", Shape(layers=20, width=1024, heads=16)))])
    settings = LoadSettings(ctx_size=2048, gpus=(2**40,), gpu_layers=21)
    size = need(shape, settings).total
    for shared, fits in ((True, False), (False, True)):
        free = Free(2**28 + size // 2, (2**40,), (shared,), host_total=2**40)
        assert Fitting(shape, lambda other: need(shape, other), free, margin=0.0).fits(settings) == fits


@pytest.mark.parametrize(
    ("name", "description", "total", "shared"),
    [
        ("Vulkan0", "llvmpipe (LLVM 17.0.6, 256 bits)", None, True),
        ("Vulkan0", "Intel(R) UHD Graphics 770 (ADL-S GT1)", None, True),
        ("Vulkan0", "Intel(R) Iris(R) Xe Graphics (TGL GT2)", None, True),
        ("Vulkan0", "AMD Radeon Graphics (RADV RENOIR)", None, True),
        ("Vulkan0", "AMD Radeon 780M Graphics (RADV PHOENIX)", None, True),
        ("MTL0", "Apple M3 Pro", None, True),
        ("CUDA0", "Orin", None, True),
        ("CUDA0", "NVIDIA GB10", None, True),
        ("Vulkan0", "An unknown GPU", 16 * GIB - 2**27, True),
        ("Vulkan0", "AMD Radeon RX 7900 XTX (RADV NAVI31)", 24 * GIB, False),
        ("Vulkan0", "AMD Radeon RX 6600M", 8 * GIB, False),
        ("Vulkan0", "Intel(R) Arc(TM) A770 Graphics (DG2)", 16 * GIB - GIB, False),
        ("CUDA0", "NVIDIA GeForce RTX 4090", 24 * GIB, False),
        ("CUDA0", "NVIDIA H200", None, False),
    ],
)
def test_devices_without_memory_of_their_own_are_known(
    name: str, description: str, total: int | None, shared: bool
) -> None:
    assert is_shared(name, description, total, 16 * GIB) == shared


def test_a_driver_that_reports_unified_memory_is_believed() -> None:
    text = (
        "ggml_vulkan: Found 2 Vulkan devices:\n"
        "ggml_vulkan: 0 = Some GPU (radv) | uma: 1 | fp16: 1 | warp size: 64\n"
        "ggml_vulkan: 1 = Other GPU (radv) | uma: 0 | fp16: 1 | warp size: 64\n"
    )
    lines = MemoryLines()
    for line in text.encode().splitlines():
        lines.read(line)
    assert lines.shared == {"Vulkan0"}
    listing = text + "Available devices:\n  Vulkan0: Some GPU (900 MiB, 800 MiB free)\n  Vulkan1: Other GPU\n"
    assert [device.shares_main_memory for device in llama_server._devices(listing)] == [True, False]


# --- processors ---


@pytest.mark.parametrize(
    ("facts", "limit"),
    [
        ((8, 16, 16, None), None),
        ((8, 16, 16, 2.0), 2),
        ((8, 16, 16, 1.5), 1),
        ((8, 16, 16, 0.25), 1),
        ((8, 16, 4, None), 2),
        ((8, 16, 1, None), 1),
        ((8, 8, 4, 2.5), 2),
        ((8, 16, 16, 64.0), None),
    ],
)
def test_threads_follow_the_quota_and_the_processors_of_a_container(
    facts: tuple[int, int, int, float | None], limit: int | None
) -> None:
    """ollama#17916."""
    assert limit_of(*facts) == limit


def test_the_quota_of_each_version_of_control_groups_is_read(tmp_path: Path) -> None:
    group(tmp_path, cpu__max="max 100000\n")
    group(tmp_path / "pod", cpu__max="250000 100000\n")
    group(tmp_path / "pod" / "app", cpu__max="max 100000\n")
    assert quota(tmp_path, "0::/pod/app\n") == 2.5
    group(tmp_path / "cpu" / "docker", cpu__cfs_quota_us="150000\n", cpu__cfs_period_us="100000\n")
    group(tmp_path / "cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert quota(tmp_path, "3:cpu,cpuacct:/docker\n") == 1.5
    assert quota(tmp_path, "") is None


# --- addresses ---


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "app.localhost", "localhost."])
def test_localhost_is_one_address_and_never_another_programs(name: str) -> None:
    """`http://localhost:…` was another program's, which listened on ::1."""
    assert address_of(name) == "127.0.0.1"
    assert Endpoint(host=address_of(name)).base_url(80) == "http://127.0.0.1:80"


def test_addresses_stay_as_they_are_and_names_become_one() -> None:
    for address in ("127.0.0.1", "::1", "0.0.0.0", "::", "fe80::1", "no.such.name.invalid", "a\0b"):  # noqa: S104
        assert address_of(address) == address


# --- clocks and folders ---


def test_a_clock_that_jumped_purges_nothing_until_it_was_right_for_a_week(tmp_path: Path) -> None:
    """A clock ten years ahead purged what had been deleted the day before."""
    day, path = 86_400.0, tmp_path / "clock.json"

    def start(at: float, newest: float | None = None) -> bool:
        return PurgeClock(path, clock=lambda: at).may_purge(newest)

    today = 20_000 * day
    assert [start(today), start(today + 5), start(today + day), start(today + 20 * day)] == [True] * 4
    ahead = today + 3650 * day
    assert not start(ahead)
    assert not start(ahead + 3600)
    assert start(today + 21 * day) is False, "set right again, and not believed yet"
    assert [start(today + (22 + days) * day) for days in range(8)][-1] is True
    assert not start(ahead)
    assert [start(ahead + days * day) for days in range(1, 9)][-1] is True, "it really is ten years later"
    path.write_text("rubbish")
    assert not start(ahead, newest=today), "without a record the newest message counts"
    path.unlink()
    assert start(today)


@pytest.mark.anyio
async def test_what_is_written_to_a_deleted_history_is_not_acknowledged(tmp_path: Path) -> None:
    """The data folder was deleted while the sidecar ran: messages were acknowledged and lost."""
    folder, away = tmp_path / "data", tmp_path / "away"
    folder.mkdir()
    store = KeyValueStore(database := Database(folder / "history.db"))
    await store.set("a", 1)
    folder.rename(away)
    for gone in (True, False):
        if not gone:  # another program's, or a new one
            folder.mkdir()
            (folder / "history.db").write_bytes(b"")
        with pytest.raises(StorageError) as caught:
            await store.set("b", 2)
        assert "deleted or moved" in caught.value.message
        assert caught.value.hint
    shutil.rmtree(folder)
    away.rename(folder)
    assert await store.get("a") == 1, "put back"
    await database.close()


def test_doctor_shows_the_devices_of_the_engine_and_not_only_one_vendors_driver() -> None:
    """hermes-agent#100740: "No NVIDIA driver" beside an engine that lists Vulkan0."""
    machine = msgspec.convert(
        {
            "at": 0.0,
            "cpu": {"percent": 0.0, "logical_cores": 2, "physical_cores": 2},
            "memory": {"total_bytes": 1, "available_bytes": 1, "used_bytes": 0},
            "disk": {"path": "/", "total_bytes": 1, "free_bytes": 1},
            "gpus": [],
            "gpu_status": {"state": "absent", "message": "No NVIDIA driver is loaded."},
            "servers": [],
        },
        Resources,
    )
    device = EngineDevice(name="Vulkan0", description="AMD Radeon RX 6600", total_bytes=8 * GIB, free_bytes=7 * GIB)

    def shown(devices: list[EngineDevice], state: str = "absent") -> str:
        status = replace(machine.gpu_status, state=state)
        table = machine_table(replace(machine, gpu_status=status), with_load=False, devices=devices)
        console = Console(width=100)
        with console.capture() as capture:
            console.print(table)
        return capture.get()

    assert "Vulkan0: AMD Radeon RX 6600" in shown([device])
    assert "NVIDIA" not in shown([device])
    assert "NVIDIA" in shown([device], "failing")
    assert "No NVIDIA driver" in shown([])
