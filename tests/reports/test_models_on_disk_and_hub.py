"""Models on disk and on the hub: files that are something else, wrong pairs, wrong choices."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.contract.config import DownloadsConfig
from sidecar.contract.downloads import DownloadModelParams
from sidecar.contract.errors import InvalidParams, ModelInvalid, ModelNotFound
from sidecar.contract.hub import ListHubFilesParams
from sidecar.contract.models import ModelInfo
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import StartLlamaServerParams
from sidecar.engines.output.start_output import EngineOutput
from sidecar.host.gpus import GpuReader
from sidecar.library.downloads.files import DownloadPaths
from sidecar.library.downloads.lookup import requested, resolve
from sidecar.library.downloads.web import Web
from sidecar.library.header_cache import HeaderCache
from sidecar.library.hub.api import Hub, Repository
from sidecar.library.hub.listing import list_files
from sidecar.library.hub.token import TokenSource
from sidecar.library.hub.variants import RepositoryFile, choose, variants
from sidecar.library.importing import Importer
from sidecar.library.inspection import inspect
from sidecar.library.library import Library
from sidecar.library.model_names import choose_model
from sidecar.library.pages import page
from sidecar.library.scan.sources import Sources
from tests.config_files import config_file, models_config
from tests.direct_host import DirectHost
from tests.hub_server import HubServer
from tests.library.gguf_files import (
    UINT16,
    Tensor,
    Value,
    gguf_bytes,
    llama_metadata,
    model_bytes,
    write_model,
)
from tests.servers.test_start_planner import Desk, desk

__all__ = ["desk"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def library(own: Path) -> Library:
    return Library(Sources(own, models_config()))


def listed(library: Library) -> dict[str, ModelInfo]:
    return {model.name: model for model in library.list()}


# --- 1. shards that were joined or renamed ---


def shard(number: int, count: int = 2, *, tensors: int = 2, of: int = 4) -> bytes:
    """A file as llama-gguf-split writes it; `number` counts from 1."""
    split = {
        "split.no": Value(UINT16, number - 1),
        "split.count": Value(UINT16, count),
        "split.tensors.count": of,
    }
    own = [Tensor(f"blk.{number}.{name}.weight") for name in "abcd"][:tensors]
    return gguf_bytes((llama_metadata() if number == 1 else {}) | split, own)


@pytest.mark.parametrize(
    ("files", "problem", "hint"),
    [
        ({"m.gguf": shard(1) + shard(2)}, "joined end to end", "--merge"),
        ({"m-00001-of-00002.gguf": shard(1) + shard(2), "m-00002-of-00002.gguf": shard(2)}, "joined end", "--merge"),
        ({"m.gguf": shard(2)}, "as a whole model, and its header says that it is part 2 of 2", "m-00002-of-00002.gguf"),
        (
            {"m-00001-of-00002.gguf": shard(2), "m-00002-of-00002.gguf": shard(1)},
            "as part 1 of 2, and its header says that it is part 2 of 2",
            "m-00002-of-00002.gguf",
        ),
        (
            {"m-00001-of-00002.gguf": shard(1, 3), "m-00002-of-00002.gguf": shard(2, 3)},
            "part 1 of 3",
            "m-00001-of-00003.gguf",
        ),
        (
            {"m-00001-of-00002.gguf": shard(1), "m-00002-of-00002.gguf": shard(2, tensors=1)},
            "they have 3 tensors, and their headers say 4",
            "from one place",
        ),
        ({"m-00001-of-00002.gguf": shard(1), "m-00002-of-00002.gguf": model_bytes()}, "a whole model", "part 2 of m"),
        ({"m-00001-of-00002.gguf": shard(1)}, "1 of its 2 files are missing: m-00002-of-00002.gguf", "beside"),
    ],
)
def test_shards_that_were_joined_or_renamed_are_named_as_that(
    library: Library, own: Path, files: Mapping[str, bytes], problem: str, hint: str
) -> None:
    """ggml-org/llama.cpp#9613: split.count and split.no were never read: joined and renamed shards were valid."""
    for name, data in files.items():
        (own / name).write_bytes(data)
    model = listed(library)["m"]
    assert problem in (model.problem or "")
    assert hint in (model.hint or "")
    assert (model.valid, model.problem_reason in ("wrong_form", "incomplete"), model.capabilities) == (False, True, [])
    with pytest.raises(ModelInvalid) as refused:
        Importer(library, own).bring_in(model.path, "link", None, None)  # type: ignore[arg-type] # refused before
    assert problem in refused.value.message
    assert all(remedy.action != "download_model" for remedy in refused.value.remedies) or "incomplete" in str(
        refused.value.data
    )


def test_a_part_with_an_impossible_name_is_given_the_right_one(library: Library, own: Path) -> None:
    """ggml-org/llama.cpp#9613: names in capitals are no parts to llama.cpp."""
    for name in ("M-00002-OF-00002.GGUF", "M-00003-of-00002.gguf"):
        (own / name).write_bytes(shard(2))
    assert [model.hint for model in library.list()] == [
        "Rename it to M-00002-of-00002.gguf, beside the others, which are named alike."
    ] * 2


def test_sound_shards_are_one_sound_model(library: Library, own: Path) -> None:
    for number in (1, 2):
        (own / f"m-{number:05d}-of-00002.gguf").write_bytes(shard(number))
    assert [(model.valid, model.problem, model.kind) for model in library.list()] == [(True, None, "chat")]


# --- 2. what is a model, and what is not ---

ARCH = "general__architecture"
NO_TEMPLATE = {"tokenizer__chat_template": None}


def by_tensors(*names: str, **changes: Any) -> bytes:
    return gguf_bytes(llama_metadata(general__type=None, **changes), [Tensor(name) for name in names])


KINDS: dict[str, tuple[str, bytes]] = {
    "a chat model": ("chat", model_bytes()),
    "a base model": ("completion", model_bytes(**NO_TEMPLATE)),
    "an embedder": ("embedding", model_bytes(qwen3__pooling_type=3, **{ARCH: "qwen3"})),
    "an encoder": ("embedding", model_bytes(**NO_TEMPLATE, **{ARCH: "bert"})),
    "an encoder by its attention": ("embedding", model_bytes(llama__attention__causal=False)),
    "a reranker": ("reranking", model_bytes(llama__pooling_type=4)),
    "a reranker by its labels": ("reranking", model_bytes(llama__classifier__output_labels=["yes", "no"])),
    "a reranker by its tensors": ("reranking", by_tensors("token_embd.weight", "cls.output.weight")),
    "a projector": ("projector", model_bytes(**{ARCH: "clip"})),
    "CLIP alone": ("text_encoder", by_tensors("v.blk.0", clip__has_text_encoder=True, **{ARCH: "clip"})),
    "a LoRA": ("adapter", by_tensors("blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b")),
    "a control vector": ("control_vector", model_bytes(general__type=None, **{ARCH: "controlvector"})),
    "a control vector by its tensors": ("control_vector", by_tensors("direction.1", "direction.2")),
    "an importance matrix": ("imatrix", by_tensors("blk.0.attn_q.weight.in_sum2", "blk.0.attn_q.weight.counts")),
    "a vocabulary": ("vocabulary", gguf_bytes(llama_metadata())),
    "nothing at all": ("other", gguf_bytes({"general.architecture": "llama"})),
    "no language model": ("other", by_tensors("something.weight")),
    "Flux": ("diffusion", model_bytes(**{ARCH: "flux"})),
    "a diffusion model by its tensors": ("diffusion", by_tensors("model.diffusion_model.input_blocks.0.weight")),
    "a VAE": ("diffusion", by_tensors("first_stage_model.decoder.conv_in.weight")),
    "a language model that diffuses": ("diffusion", model_bytes(**{ARCH: "llada"})),
    "T5": ("text_encoder", model_bytes(**{ARCH: "t5encoder"})),
    "Whisper": ("speech", model_bytes(**{ARCH: "whisper"})),
    "EAGLE": ("draft", model_bytes(**{ARCH: "eagle3"})),
    "DFlash": ("draft", model_bytes(**{ARCH: "dflash"})),
    "an MTP head": (
        "draft",
        by_tensors(
            *("token_embd.weight", "blk.2.nextn.eh_proj.weight"), llama__block_count=3, llama__nextn_predict_layers=1
        ),
    ),
    "a model with an MTP layer": (
        "chat",
        by_tensors(
            *("token_embd.weight", "blk.0.a.weight", "blk.2.nextn.eh_proj.weight"),
            llama__block_count=3,
            llama__nextn_predict_layers=1,
        ),
    ),
    "Ollama's text and vision in one": ("merged", by_tensors("token_embd.weight", "v.blk.0.a.weight", "mm.0.weight")),
}  # fmt: skip


def test_what_is_no_chat_model_is_told_by_its_header(tmp_path: Path, own: Path) -> None:
    """ggml-org/llama.cpp#7729, #27349: a vocabulary and a diffusion model were valid, Ollama's blob was "damaged"."""
    for name, (kind, data) in KINDS.items():
        path = tmp_path / "one.gguf"
        path.write_bytes(data)
        assert (name, inspect(path).kind) == (name, kind)
        (own / f"{name.replace(' ', '-')}.gguf").write_bytes(data)
    for model in Library(Sources(own, models_config())).list():
        runs = model.kind in ("chat", "completion", "embedding", "reranking")
        assert (model.name, model.valid, model.problem_reason) == (model.name, runs, None if runs else "not_a_model")
        assert runs or (model.hint and "amage" not in (model.problem or ""))
        assert ("chat" in (model.capabilities or ())) == (model.kind == "chat")
    kinds = {model.kind for model in Library(Sources(own, models_config())).list()}
    assert kinds == {kind for kind, _ in KINDS.values()} - {"projector", "adapter", "control_vector", "imatrix"}


# --- 3, 7. what is chosen for chat ---


async def test_the_only_chat_model_is_started_though_an_embedder_lies_beside_it(desk: Desk) -> None:
    """A first start said "no setting chooses" where one chat model and one embedder lay side by side."""
    desk.model("base", tokenizer__chat_template=None)
    desk.model("embedder", **{ARCH: "bert"}, tokenizer__chat_template=None)
    desk.model("reranker", llama__pooling_type=4)
    assert (await desk.plan()).model_name == "base"
    desk.model("talker")
    assert (await desk.plan()).model_name == "talker"
    await desk.planner.remember(await desk.plan(model="embedder"))
    assert (await desk.plan()).model_name == "talker"
    assert (await desk.plan(embeddings=True)).model_name == "embedder"


async def test_an_embedder_is_never_chosen_for_chat(desk: Desk) -> None:
    """ollama/ollama#12182: an embedding model was offered and chosen for chat."""
    desk.model("embedder", llama__pooling_type=1)
    refused = await desk.refusal()
    assert isinstance(refused, ModelNotFound)
    assert refused.message == "There is no chat model in the library (1 for another purpose: embedder)."
    desk.config.models.default = "embedder"
    refused = await desk.refusal()
    assert isinstance(refused, ModelInvalid)
    assert "embedder is for embedding" in refused.message
    assert (await desk.plan(model="embedder")).model_name == "embedder"  # by name, whoever wants it


def test_a_model_whose_header_is_half_read_may_be_for_chat(library: Library, own: Path) -> None:
    write_model(own / "a.gguf")
    [model] = library.list()
    model.kind = None
    assert choose_model(models=[model], default=None, last_used=None) is model


# --- 4. projectors ---


def projector_bytes(width: int | None = 64, *, kind: str = "mlp", **changes: Any) -> bytes:
    metadata: dict[str, Any] = {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "clip.has_vision_encoder": True,
        "clip.projector_type": kind,
        "clip.vision.projection_dim": width,
    }
    metadata |= {name.replace("__", "."): value for name, value in changes.items()}
    return gguf_bytes(
        {key: value for key, value in metadata.items() if value is not None}, [Tensor("v.patch_embd.weight")]
    )


@pytest.mark.parametrize(
    ("projector", "why"),
    [
        (projector_bytes(64), None),
        (projector_bytes(None), None),
        (projector_bytes(80), "its vectors have 80 numbers, and the model's 64"),
        (projector_bytes(64, kind="gemma3"), "it is made for models of the kind gemma3, and this one is llama"),
        # llava's first script wrote the width of CLIP's own projection there
        (projector_bytes(768, clip__has_llava_projector=True), "its vectors have 768 numbers"),
        (
            gguf_bytes(
                {
                    "general.architecture": "clip",
                    "clip.has_llava_projector": True,
                    "clip.vision.projection_dim": 768,
                },
                [Tensor("mm.0.weight", (32, 64)), Tensor("mm.2.weight", (64, 64))],
            ),
            None,
        ),
        (b"no projector", "it is damaged or not a projector"),
    ],
)
def test_a_projector_is_paired_by_what_it_makes_and_not_by_its_name_alone(
    library: Library, own: Path, projector: bytes, why: str | None
) -> None:
    """EricLBuehler/mistral.rs#2421: a stray mmproj-F16.gguf of width 640 was tied to a model of width 576."""
    write_model(own / "seer" / "seer-Q4_K_M.gguf")
    (own / "seer" / "mmproj-F16.gguf").write_bytes(projector)
    model = listed(library)["seer-Q4_K_M"]
    if why is None:
        assert (model.mmproj_path, model.no_projector) == (str(own / "seer" / "mmproj-F16.gguf"), None)
        assert "vision" in (model.capabilities or ())
    else:
        assert (model.mmproj_path, model.capabilities) == (None, ["chat"])
        assert why in (model.no_projector or "")


async def test_a_projector_of_another_width_is_refused_before_the_start(desk: Desk, tmp_path: Path) -> None:
    model, projector = desk.model("seer"), tmp_path / "wide.gguf"
    for width, refused in ((64, False), (640, True)):
        projector.write_bytes(projector_bytes(width))
        if not refused:
            assert (await desk.plan(model="seer", mmproj_path=str(projector))).model_path == model
            continue
        error = await desk.refusal(model="seer", mmproj_path=str(projector))
        assert "its vectors have 640 numbers, and the model's 64" in error.message
        assert [remedy.action for remedy in error.remedies] == ["change_params"]


def test_a_projector_is_found_one_folder_above_and_below(library: Library, own: Path, tmp_path: Path) -> None:
    """gpustack/gpustack#5108: a projector in the parent folder was not found."""
    away = tmp_path / "away"
    for root in (own, away):
        write_model(root / "a" / "Q4_K_M" / "seer-Q4_K_M.gguf")
        write_model(root / "a" / "Q8_0" / "seer-Q8_0.gguf")
        (root / "a" / "mmproj-F16.gguf").write_bytes(projector_bytes())
        write_model(root / "b" / "other-Q4_0.gguf")
        (root / "b" / "projectors").mkdir()
        (root / "b" / "projectors" / "mmproj-other.gguf").write_bytes(projector_bytes())
    found = {name: model.mmproj_path for name, model in listed(library).items()}
    above, below = str(own / "a" / "mmproj-F16.gguf"), str(own / "b" / "projectors" / "mmproj-other.gguf")
    assert found == {"seer-Q4_K_M": above, "seer-Q8_0": above, "other-Q4_0": below}
    outside = library.find(str(away / "a" / "Q4_K_M" / "seer-Q4_K_M.gguf"))
    assert outside.mmproj_path == str(away / "a" / "mmproj-F16.gguf")
    assert library.find(str(away / "b" / "other-Q4_0.gguf")).mmproj_path is not None


def test_a_projector_without_a_name_beside_several_models_is_for_none(library: Library, own: Path) -> None:
    for name in ("one", "two"):
        write_model(own / f"{name}-Q4_0.gguf")
    (own / "mmproj-F16.gguf").write_bytes(projector_bytes())
    for model in library.list():
        assert (model.mmproj_path, "several models lie beside it" in (model.no_projector or "")) == (None, True)


async def test_a_vision_model_can_be_started_without_its_projector(desk: Desk) -> None:
    """EricLBuehler/mistral.rs#2421: there was no way to say "no projector"."""
    desk.model("vision")
    projector = desk.model("mmproj-vision", general__architecture="clip")
    assert (await desk.plan(model="vision")).settings.mmproj_path == str(projector)
    assert (await desk.plan(model="vision", projector="auto")).settings.mmproj_path == str(projector)
    launch = await desk.plan(model="vision", projector="none")
    assert launch.settings == ServerSettings(model="vision", projector="none")
    with pytest.raises(InvalidParams) as caught:
        desk.planner.settings(StartLlamaServerParams(projector="none", mmproj_path=str(projector)))
    assert caught.value.data["path"] == "$.projector"


# --- 6. damage, and other forms ---

FORMS: dict[str, tuple[bytes, str]] = {
    "root": (b"root:x:0:0:root:/root:/bin/bash\n", "x.gguf is not a GGUF file."),
    "a pickle": (b"\x80\x02}q\x00X\x05\x00\x00\x00model" * 3, "Python pickle"),
    "a ZIP archive": (b"PK\x03\x04" * 9, "ZIP archive or a PyTorch model"),
    "safetensors": (struct.pack("<Q", 40) + b'{"__metadata__":{}}' + bytes(40), "a safetensors file"),
    "a page": (b"<!DOCTYPE html><html></html>", "a web page"),
    "JSON": (b'{"error":"Repository not found"}', "a server's error message"),
    "text of a server": (b"Entry not found", "a server's error message"),
    "an LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "a Xet pointer": (b"# xet version 0\nfilesize = 1\n", "a Xet pointer"),
    "gzip": (b"\x1f\x8b\x08" + bytes(30), "compressed with gzip"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "GGUF of the future": (gguf_bytes({}, version=4), "GGUF version 4"),
}


def test_only_real_damage_says_to_download_again(library: Library, own: Path, tmp_path: Path) -> None:
    """ggml-org/llama.cpp#27349: files of other forms were "damaged, download again", which never helped.

    The message named the file twice, and quoted bytes: "x cannot be used: x cannot be used: … starts with b'root'".
    """
    path = own / "x.gguf"
    for name, (data, words) in FORMS.items():
        path.write_bytes(data)
        [model] = library.list()
        assert (name, words in (model.problem or ""), model.problem_reason) == (name, True, "wrong_form")
        assert "again" not in (model.hint or "")
        with pytest.raises(ModelInvalid) as refused:
            Importer(library, tmp_path).bring_in(str(path), "link", None, None)  # type: ignore[arg-type] # refused
        assert refused.value.message == model.problem
        assert refused.value.message.count("x.gguf") == 1
        assert refused.value.remedies[0].action == "search_hub"
    for data in (b"", bytes(4096), model_bytes()[:-1], b"GGUF"):
        path.write_bytes(data)
        [model] = library.list()
        assert model.problem_reason == "damaged"
        assert "ownload the file again" in (model.hint or "")


# --- special files, and looks that failed ---


def test_pipes_sockets_and_devices_are_never_waited_for(own: Path, tmp_path: Path) -> None:
    """A data file that was replaced by a pipe made the scan hang."""
    write_model(own / "a.gguf")
    os.mkfifo(own / "pipe.gguf")
    os.mkfifo(own / "mmproj-pipe.gguf")
    (own / "device.gguf").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(own / "socket.gguf"))
        os.mkfifo(tmp_path / "headers.json")
        library = Library(Sources(own, models_config()), HeaderCache(tmp_path / "headers.json"))
        assert list(listed(library)) == ["a"]


def test_a_look_that_failed_is_not_kept(library: Library, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`list_models` stayed empty after a stranger had used up the descriptors and left."""
    path = write_model(own / "a.gguf")
    for old in (path, own):
        os.utime(old, (1, 1))
    scandir, opened = os.scandir, os.open
    out = OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def fail(*_: Any, **__: Any) -> Any:
        raise out

    monkeypatch.setattr(os, "scandir", fail)
    assert library.list() == []
    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "open", fail)
    [model] = library.list()
    assert (model.valid, model.problem_reason) == (False, "unreadable")
    monkeypatch.setattr(os, "open", opened)
    assert [model.valid for model in library.list()] == [True]


def test_a_list_of_more_models_than_a_host_can_read_comes_in_pages(tmp_path: Path) -> None:
    """`list_models` answered with 44 MB, more than a host reads in one line."""
    sample = listed(Library(Sources(write_model(tmp_path / "models" / "x.gguf").parent, models_config())))["x"]
    every = [msgspec.structs.replace(sample, name=f"m{number:06}", path="/" + "p" * 4000) for number in range(5000)]
    pages: list[list[ModelInfo]] = []
    while part := page(every, after=pages[-1][-1].name if pages else None, limit=None):
        assert len(msgspec.json.encode(part)) <= 8.1 * 1024 * 1024
        pages.append(part)
    assert [model.name for part in pages for model in part] == [model.name for model in every]
    assert len(pages) == 3
    with DirectHost(tmp_path) as host:
        for name in ("B", "a", "c"):
            write_model(tmp_path / "models" / f"{name}.gguf")
        assert [model["name"] for model in host.call("list_models", limit=2)] == ["a", "B"]
        assert [model["name"] for model in host.call("list_models", limit=2, cursor="B")] == ["c", "x"]
        assert host.call("list_models", cursor="x") == []


# --- 5. the hub ---


def on_hub(**sizes: int) -> list[RepositoryFile]:
    return [RepositoryFile(path, size) for path, size in sizes.items()]


GB = 1_000_000_000

CHOICES: list[tuple[dict[str, int], str | None, str | None, str]] = [
    # files, repository, tag, what is taken
    ({"mtp-Q4_K_M.gguf": 1, "m-Q4_K_M.gguf": 4}, None, "Q4_K_M", "m-Q4_K_M.gguf"),
    ({"mtp/m-Q4_K_M.gguf": 1, "m-Q4_K_M.gguf": 4}, None, "q4_k_m", "m-Q4_K_M.gguf"),
    ({"m-DRAFT-Q4_0.gguf": 1, "m-Q8_0.gguf": 8}, None, None, "m-Q8_0.gguf"),
    ({"m-0.5B-Q4_0.gguf": GB // 3, "m-8B-Q8_0.gguf": 8 * GB}, None, None, "m-8B-Q8_0.gguf"),
    ({"tiny-Q4_0.gguf": 1, "Big-8B-Q8_0.gguf": 2}, "me/Big-8B-GGUF", None, "Big-8B-Q8_0.gguf"),
    ({"my-lora-Q4_K_M.gguf": 1, "m-Q8_0.gguf": 8}, None, None, "m-Q8_0.gguf"),
    ({"m-imatrix.gguf": 1, "mmproj-Q4_K_M.gguf": 1, "m-Q2_K.gguf": 3}, None, None, "m-Q2_K.gguf"),
    ({"eagle3-m-Q4_K_M.gguf": 1, "dflash-m-Q4_K_M.gguf": 1, "m-F16.gguf": 16}, None, None, "m-F16.gguf"),
    ({"vae/m-Q4_0.gguf": 1, "t5xxl-Q4_0.gguf": 1, "m-Q5_0.gguf": 5}, None, None, "m-Q5_0.gguf"),
    ({"first.gguf": 60 * GB, "second.gguf": 4 * GB}, None, None, "second.gguf"),
    ({"m-F32.gguf": 32, "m-BF16.gguf": 16, "odd.gguf": 1}, None, None, "m-BF16.gguf"),
    ({"M-q4_k_m.GGUF": 4, "m-q8_0.gguf": 8}, None, "Q4_K_M", "M-q4_k_m.GGUF"),
    ({"UD-Q4_K_XL/m-UD-Q4_K_XL.gguf": 4, "m-IQ4_XS.gguf": 4}, None, "UD-Q4_K_XL", "UD-Q4_K_XL/m-UD-Q4_K_XL.gguf"),
    ({"m-BF16.gguf": 16, "m-F16.gguf": 16}, None, "F16", "m-F16.gguf"),
    ({"m-Q4_K_M.gguf": 4, "m-Q8_0.gguf": 8}, None, "latest", "m-Q4_K_M.gguf"),
    ({"X-MTP-Q4_K_M.gguf": 4}, None, None, "X-MTP-Q4_K_M.gguf"),  # its further layers are inside
    ({"m:Q8_0.gguf": 8, "m:Q4_K_M.gguf": 4}, None, "Q8_0", "m:Q8_0.gguf"),
    ({"m:Q8_0.gguf": 8, "m:Q4_K_M.gguf": 4}, None, None, "m:Q4_K_M.gguf"),
    ({"m-imatrix-Q4_K_M.gguf": 4, "m-imatrix.gguf": 1, "m-BF16-imatrix.gguf": 1}, None, None, "m-imatrix-Q4_K_M.gguf"),
    ({"v5-Eagle-7B-Q4_K_M.gguf": 4, "x-lora-merged-Q8_0.gguf": 8}, None, None, "v5-Eagle-7B-Q4_K_M.gguf"),
]


def test_no_draft_adapter_or_matrix_is_chosen_in_place_of_the_model() -> None:
    """ggml-org/llama.cpp#25400: `:Q4_K_M` fetched mtp-Q4_K_M.gguf, the default a Q4_0 draft before a Q8_0 model."""
    for files, repo, tag, taken in CHOICES:
        found = choose(variants(on_hub(**files)), tag=tag, repo=repo)
        assert (files, found.files[0].path) == (files, taken)
    with pytest.raises(ModelNotFound):
        choose(variants(on_hub(**{"mtp-Q4_K_M.gguf": 1})), tag="Q4_K_M")


async def test_what_is_no_model_is_listed_as_what_it_is_and_fetched_where_it_is_named() -> None:
    """A file with a colon in its name could not be fetched; drafts and adapters were offered as models."""
    with HubServer() as server:
        names = ("a:b-Q4_0.gguf", "mtp-Q4_0.gguf", "mmproj-F16.gguf", "deep/my-lora.gguf")
        server.add("me/Odd", dict.fromkeys(names, model_bytes()))
        hub = Hub(config_file(downloads=DownloadsConfig(hub_endpoint=server.url)), TokenSource())
        found = await list_files(ListHubFilesParams(repo="me/Odd"), hub=hub, gpus=GpuReader())
        assert [(one.name, one.default) for one in found.variants] == [("a:b-Q4_0", True)]
        assert [(one.path, one.kind) for one in found.others] == [
            ("deep/my-lora.gguf", "adapter"),
            ("mtp-Q4_0.gguf", "draft"),
        ]
        web = Web(config_file(downloads=DownloadsConfig(hub_endpoint=server.url)), hub, TokenSource())
        for request, name in (
            ({"repo": "me/Odd"}, "a-b-Q4_0.gguf"),
            ({"repo": "me/Odd:a:b-Q4_0.gguf"}, "a-b-Q4_0.gguf"),
            ({"repo": "me/Odd", "file": "a:b-Q4_0.gguf"}, "a-b-Q4_0.gguf"),
            ({"url": f"{server.url}/me/Odd/blob/main/a:b-Q4_0.gguf"}, "a-b-Q4_0.gguf"),
            ({"repo": "me/Odd", "file": "mtp-Q4_0.gguf"}, "mtp-Q4_0.gguf"),
            ({"repo": "me/Odd", "file": "deep/my-lora.gguf"}, "my-lora.gguf"),
        ):
            record = requested(DownloadModelParams(**request), Path("/models"), endpoint=server.url)
            await resolve(record, hub=hub, web=web)
            assert record.files[0].name == name
            assert DownloadPaths(record).target(record.files[0]).name == name
        await web.aclose()


async def test_a_repository_of_thousands_of_files_comes_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    files = tuple(RepositoryFile(f"m{number}-Q8_0.gguf", number + 1) for number in range(2500))

    async def repository(*_: object) -> Repository:
        return Repository("me/Many", "0" * 40, False, None, files)

    hub = Hub(config_file(), TokenSource())
    monkeypatch.setattr(hub, "repository", repository)
    cursor, names = None, []
    while True:
        found = await list_files(ListHubFilesParams(repo="me/Many", cursor=cursor), hub=hub, gpus=GpuReader())
        names += [one.name for one in found.variants]
        if (cursor := found.next_cursor) is None:
            break
    assert (len(names), len(set(names))) == (2500, 2500)
    with pytest.raises(InvalidParams):
        await list_files(ListHubFilesParams(repo="me/Many", cursor="x"), hub=hub, gpus=GpuReader())


# --- a model's own texts in the log ---


def test_a_models_name_with_line_ends_forges_no_facts_about_its_start() -> None:
    """A model could forge `total_layers` and lines of the log with a name that has line ends in it."""
    output = EngineOutput()
    name = "x\nload_tensors: offloaded 99/99 layers to GPU\n"
    for line in (
        "0.00.391.998 I print_info: general.name          = " + name,
        "0.00.419.345 I load_tensors: offloaded 5/31 layers to GPU",
        "0.00.908.709 I srv    init: chat template, example_format: '" + name + "'",
    ):
        output.read_log(line.encode() + b"\n")
    assert (output.offloaded, output.total_layers) == ((5, 31), 31)
