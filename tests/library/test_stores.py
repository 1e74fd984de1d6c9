"""What other programs keep: found where it lies, whatever else lies there, and never written to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sidecar.contract.errors import DeleteNotAllowed, PathNotAllowed
from sidecar.contract.models import ForeignOrigin, LibrarySource, ModelInfo
from sidecar.jobs.work import Work
from sidecar.library.importing import Importer
from sidecar.library.library import Library
from sidecar.library.scan.disk_scan import MAX_TEXT_BYTES
from sidecar.library.scan.sources import Sources
from sidecar.library.trash.trash import Trash
from tests.config_files import models_config
from tests.jobs.watched import WatchedWork

from .gguf_files import gguf_bytes, llama_metadata, model_bytes, write_model
from .stores import AUDIO, COMMIT, OLDER, VISION, HuggingFace, Ollama, furnish, sha256, state, write


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The sidecar's own folder."""
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def hub(home: Path) -> HuggingFace:
    return HuggingFace(home / ".cache" / "huggingface" / "hub")


@pytest.fixture
def ollama(home: Path) -> Ollama:
    return Ollama(home / ".ollama" / "models")


def library_of(own: Path, *stores: ForeignOrigin) -> Library:
    return Library(Sources(own, models_config(sources=list(stores) or None)))


def listed(own: Path, *stores: ForeignOrigin) -> dict[str, ModelInfo]:
    return {model.name: model for model in library_of(own, *stores).list()}


def problems(own: Path, origin: ForeignOrigin) -> list[str]:
    return [problem for source in library_of(own, origin).scan().sources for problem in source.problems]


# --- all of them ---


def test_the_models_of_all_programs_are_found_with_what_goes_with_them(home: Path, own: Path) -> None:
    furnish(home)
    found = {
        (m.origin, m.name, m.repo, bool(m.mmproj_path), "vision" in (m.capabilities or ()), m.valid)
        for m in listed(own).values()
    }
    assert found == {
        ("huggingface", "Vision-4B-Q4_K_M", "org/Vision-GGUF", True, True, True),
        ("huggingface", "Vision-4B-Q8_0", "org/Vision-GGUF", True, True, True),
        ("lm_studio", "Tiny-Q4_0", "pub/Tiny-GGUF", False, False, True),
        ("ollama", "llama3.2:3b", None, False, False, True),
        ("ollama", "llava", None, True, True, True),
        ("jan", "Jan-nano", None, False, False, True),
        ("llama_cpp", "Small-Q8_0", "ggml-org/Small-GGUF", True, False, True),
    }


def test_nothing_of_theirs_is_changed_by_anything_that_is_done(home: Path, own: Path) -> None:
    furnish(home)
    before = state(home)
    library = library_of(own)
    importer = Importer(library, own)
    trash = Trash(library, own, models_config())
    models = library.list()
    library.verify(Work())
    library.scan()
    for model in models:
        with pytest.raises(DeleteNotAllowed) as refused:
            trash.delete(model.name, permanently=True, dry_run=False)
        assert refused.value.hint
        with pytest.raises(PathNotAllowed, match="not moved"):
            importer.bring_in(model.path, "move", None, Work())
        for mode in ("link", "copy"):
            imported = importer.bring_in(model.path, mode, None, Work())
            assert (imported.origin, imported.valid) == ("own", True)
            assert bool(imported.mmproj_path) == bool(model.mmproj_path)
            trash.delete(imported.path, permanently=mode == "copy", dry_run=False)
    trash.empty()
    assert state(home) == before
    assert library.list() == models


def test_programs_are_left_out_as_the_config_says(home: Path, own: Path) -> None:
    furnish(home)
    assert {model.origin for model in listed(own, "jan", "ollama").values()} == {"jan", "ollama"}
    assert Library(Sources(own, models_config())).list() == []


def test_a_scan_says_what_is_in_each_place(home: Path, own: Path) -> None:
    furnish(home)
    (home / ".ollama" / "models" / "manifests" / "registry.ollama.ai" / "library" / "llava" / "latest").write_text("{")
    scan = library_of(own).scan()
    assert (scan.models, scan.damaged, scan.unread, scan.possible_copies) == (6, 0, 0, [])
    found = {(s.origin, s.files, s.models, len(s.problems)) for s in scan.sources if s.found}
    assert found == {
        *(("own", 0, 0, 0), ("huggingface", 3, 2, 0), ("lm_studio", 1, 1, 0)),
        *(("ollama", 1, 1, 1), ("jan", 1, 1, 0), ("llama_cpp", 2, 1, 0)),
    }


def test_what_the_user_keeps_has_its_name_whatever_other_programs_keep(home: Path, own: Path) -> None:
    write_model(own / "Tiny-Q4_0.gguf", general__name="mine")
    furnish(home)
    models = listed(own)
    assert models["Tiny-Q4_0"].origin == "own"
    assert models["Tiny-GGUF/Tiny-Q4_0"].origin == "lm_studio"


def test_a_defect_of_ours_in_one_place_hides_no_other(home: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(home)
    monkeypatch.setattr("sidecar.library.scan.stores.jan._fields", lambda text: 1 / 0)
    assert {model.origin for model in listed(own).values()} == {"huggingface", "lm_studio", "ollama", "llama_cpp"}
    [problem] = problems(own, "jan")
    assert problem.startswith("Some of it cannot be listed.")


# --- copies ---


def test_content_that_several_programs_keep_is_one_model(
    home: Path, own: Path, hub: HuggingFace, ollama: Ollama
) -> None:
    data = model_bytes(general__name="both")
    link, blob = hub.add("org/Both-GGUF", "Both-Q4_0.gguf", data), ollama.add("library/both/latest", data)
    os.link(blob, own / "mine.gguf")
    [model] = listed(own).values()
    assert (model.name, model.origin, model.repo) == ("mine", "own", "org/Both-GGUF")
    assert model.other_paths == [str(link), str(blob)]
    assert model.aliases == ["Both-Q4_0", "both", "both:latest"]
    library = library_of(own)
    for name in ("both", "both:latest", "Both-Q4_0", str(link), str(blob)):
        assert library.find(name).name == "mine"


def test_copies_that_nobody_knows_of_are_one_after_they_were_read(own: Path, tmp_path: Path) -> None:
    data, other = model_bytes(general__license="mit-0001"), model_bytes(general__license="mit-0002")
    for name in ("a", "b"):
        write(own / f"{name}.gguf", data)
    write(own / "c.gguf", other)  # of one size, and begins in another way
    library = Library(Sources(own, models_config()))
    assert [model.name for model in library.list()] == ["a", "b", "c"]
    assert library.scan().possible_copies == [["a", "b"]]
    progress: list[tuple[int, int]] = []
    library.verify(WatchedWork(lambda done, total: progress.append((done, total))))
    assert progress[-1] == (2 * len(data), 2 * len(data))
    assert [(m.name, m.other_paths) for m in library.list()] == [("a", [str(own / "b.gguf")]), ("c", [])]
    assert library.scan().possible_copies == []


def test_files_that_only_begin_alike_stay_two(own: Path) -> None:
    padded = {"general__license": "x" * 70_000}
    write(own / "a.gguf", model_bytes(**padded, z="1"))
    write(own / "b.gguf", model_bytes(**padded, z="2"))
    library = Library(Sources(own, models_config()))
    assert library.scan().possible_copies == [["a", "b"]]
    library.verify(Work())
    assert [model.name for model in library.list()] == ["a", "b"]
    assert library.scan().possible_copies == []


# --- Hugging Face ---


def test_revisions_of_one_content_are_one_and_main_has_the_name(own: Path, hub: HuggingFace) -> None:
    hub.add("org/Repo", "same.gguf", model_bytes(general__name="same"))
    hub.add("org/Repo", "same.gguf", model_bytes(general__name="same"), commit=OLDER)
    new = hub.add("org/Repo", "changed.gguf", model_bytes(general__name="new"))
    old = hub.add("org/Repo", "changed.gguf", model_bytes(general__name="old"), commit=OLDER)
    models = listed(own, "huggingface")
    assert {name: model.path for name, model in models.items() if name != "same"} == {
        "changed": str(new),
        f"{OLDER[:8]}/changed": str(old),
    }
    assert len(models["same"].other_paths) == 1


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"])
def test_the_cache_is_where_the_variables_say(
    own: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    below = {"HF_HOME": "hub", "XDG_CACHE_HOME": "huggingface/hub"}.get(variable, "")
    HuggingFace(tmp_path / "elsewhere" / below).add("a/b", "x.gguf", model_bytes())
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert list(listed(own, "huggingface")) == ["x"]


def test_a_split_model_in_a_repository_is_one(own: Path, hub: HuggingFace) -> None:
    for number in (1, 2):
        hub.add("org/Big", f"Q4/big-{number:05d}-of-00002.gguf", model_bytes(split__no=number))
    [model] = listed(own, "huggingface").values()
    assert (model.name, model.files, model.valid, model.aliases) == ("big", 2, True, [])


def test_a_repository_that_is_not_whole_shows_what_is_there(own: Path, hub: HuggingFace) -> None:
    link = hub.add("org/Gone", "gone.gguf", model_bytes(general__name="gone"))
    link.resolve().unlink()  # as while it is fetched
    hub.add("org/Odd", "odd.gguf", model_bytes(), main="not a commit\n../../x")
    hub.add("org/Odd", "odd.gguf", model_bytes(a=1), commit=OLDER, main="not a commit\n../../x")
    (hub.hub / "models--..--..").mkdir()
    write(hub.hub / "datasets--a--b" / "snapshots" / COMMIT / "d.gguf", model_bytes())
    assert len(listed(own, "huggingface")) == 2
    [problem] = problems(own, "huggingface")
    assert "not a commit" in problem


# --- Ollama ---


def test_a_model_has_the_names_that_ollama_gives_it(own: Path, ollama: Ollama) -> None:
    ollama.add("library/llama3.2/latest", model_bytes(general__name="a"))
    ollama.add("library/llama3.2/1b", model_bytes(general__name="b"))
    ollama.add("mike/mistral/7b", model_bytes(general__name="c"))
    layers = [ollama.layer("model", model_bytes(general__name="d"))]
    ollama.manifest("bartowski/X-GGUF/Q4_K_M", {"layers": layers}, host="hf.co")
    models = listed(own, "ollama")
    assert set(models) == {"llama3.2", "llama3.2:1b", "mike/mistral:7b", "hf.co/bartowski/X-GGUF:Q4_K_M"}
    assert models["hf.co/bartowski/X-GGUF:Q4_K_M"].repo == "bartowski/X-GGUF"
    library = library_of(own, "ollama")
    for name in models:
        assert library.find(name).name == name
    assert library.find("llama3.2:latest").name == "llama3.2"


def test_tags_of_one_content_are_one_model(own: Path, ollama: Ollama) -> None:
    for tag in ("3b", "latest"):
        ollama.add(f"library/llama3.2/{tag}", model_bytes())
    [model] = listed(own, "ollama").values()
    assert (model.name, model.aliases, model.other_paths) == ("llama3.2:3b", ["llama3.2", "llama3.2:latest"], [])


def test_what_a_manifest_ties_goes_together(own: Path, ollama: Ollama) -> None:
    adapter = model_bytes(general__type="adapter", general__architecture="llama")
    ollama.add("library/mario/latest", model_bytes(general__name="x"), adapter=adapter)
    [model] = listed(own, "ollama").values()
    assert model.adapters == [str(ollama.models / "blobs" / f"sha256-{sha256(adapter)}")]


def test_newer_manifests_are_links_to_blobs(own: Path, ollama: Ollama) -> None:
    layers = [ollama.layer("model", model_bytes())]
    child = {"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": layers}
    of_another_runner = {**child, "runner": "mlx", "layers": []}
    several = {
        "mediaType": "application/vnd.ollama.manifest.list.v2+json",
        "manifests": [of_another_runner, {"digest": ollama.blob(json.dumps(child).encode()), "runner": "ollama"}],
    }
    path = ollama.manifest("library/new/latest", b"", base="manifests-v2")
    path.unlink()
    path.symlink_to(ollama.models / "blobs" / ollama.blob(json.dumps(several).encode()).replace(":", "-"))
    ollama.manifest("library/new/latest", b"{", base="manifests")  # the older one, which counts no more
    assert list(listed(own, "ollama")) == ["new"]
    assert problems(own, "ollama") == []


HOSTILE: dict[str, object] = {
    "not JSON": b"\0\xff{",
    "not UTF-8": b'{"mediaType": "\xff"}',
    "deep": b"[" * 100_000,
    "huge": b" " * (MAX_TEXT_BYTES + 1),
    "a list": [],
    "layers of another kind": {"layers": "x"},
    "no digest": {"layers": [{"mediaType": "application/vnd.ollama.image.model"}]},
    "numbers": {"layers": [{"mediaType": 1, "digest": 2}]},
    **{
        f"digest {digest[:12]!r}": {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": digest}]}
        for digest in ("", "../../../../etc/passwd", "sha256:../x", "sha256:" + "0" * 63, "sha256:" + "0" * 64, "x\0")
    },
    "list in a list": {
        "mediaType": "application/vnd.ollama.manifest.list.v2+json",
        "manifests": [{"digest": "../../x", "runner": "ollama"}],
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_manifest_is_a_problem_and_nothing_else(own: Path, ollama: Ollama, name: str) -> None:
    ollama.add("library/sound/latest", model_bytes())
    ollama.manifest("library/hostile/latest", HOSTILE[name])
    assert list(listed(own, "ollama")) == ["sound"]
    assert len(problems(own, "ollama")) == 1


def test_a_manifest_is_not_looked_for_outside(own: Path, ollama: Ollama, tmp_path: Path) -> None:
    ollama.add("library/sound/latest", model_bytes())
    secret = write(tmp_path / "secret", "the secret")
    path = ollama.manifest("library/link/latest", b"", base="manifests")
    path.unlink()
    path.symlink_to(secret)
    os.mkfifo(ollama.manifest("library/pipe/x", b"").with_name("pipe"))
    (ollama.models / "manifests" / "a").symlink_to(ollama.models / "manifests")  # a circle
    assert list(listed(own, "ollama")) == ["sound"]
    told = " ".join(problems(own, "ollama"))
    assert "leads out of Ollama's folder" in told
    assert "the secret" not in told


# --- LM Studio ---


def test_lm_studio_is_where_its_files_say(own: Path, home: Path, tmp_path: Path) -> None:
    write(home / ".lmstudio-home-pointer", str(tmp_path / "studio"))
    write(tmp_path / "studio" / "settings.json", json.dumps({"downloadsFolder": str(tmp_path / "big disk")}))
    write(tmp_path / "big disk" / "pub" / "name" / "a.gguf", model_bytes(general__name="a"))
    write(home / ".cache" / "lm-studio" / "models" / "pub" / "name" / "b.gguf", model_bytes(general__name="b"))
    assert list(listed(own, "lm_studio")) == ["a", "b"]


@pytest.mark.parametrize(
    ("pointer", "settings"),
    [
        ("\\\\server\\share", "{}"),
        ("//server/share", "{}"),
        ("../../etc", "{}"),
        ("a\0b", "{}"),
        ("x" * 5000, "[]"),
        ("\n", '{"downloadsFolder": 5}'),
        ("", '{"downloadsFolder": "relative"}'),
        ("", '{"downloadsFolder": "\\\\\\\\server\\\\share"}'),
    ],
)
def test_lm_studio_s_hostile_files_lead_nowhere(own: Path, home: Path, pointer: str, settings: str) -> None:
    write(home / ".lmstudio-home-pointer", pointer)
    write(home / ".lmstudio" / "settings.json", settings)
    write(home / ".lmstudio" / "models" / "p" / "n" / "a.gguf", model_bytes())
    assert list(listed(own, "lm_studio")) == ["a"]


# --- Jan ---


def test_jan_s_projectors_and_files_elsewhere_are_found(own: Path, home: Path, tmp_path: Path) -> None:
    data = tmp_path / "jan data"
    write(home / ".local" / "share" / "Jan" / "settings.json", json.dumps({"data_folder": str(data)}))
    model = write(tmp_path / "my files" / "seen.gguf", model_bytes(general__name="seen"))
    write(data / "llamacpp/models/seen/mmproj.gguf", model_bytes(**AUDIO))
    write(
        data / "llamacpp/models/seen/model.yml",
        f"model_path: \"{model}\"  # theirs\nmmproj_path: llamacpp/models/seen/mmproj.gguf\nname: 'Seen: it'\n",
    )
    write(data / "models" / "older" / "older.gguf", model_bytes(general__name="older"))
    models = listed(own, "jan")
    assert set(models) == {"seen", "older"}
    assert (models["seen"].path, models["seen"].display_name) == (str(model), "Seen: it")
    assert models["seen"].capabilities == ["chat", "audio"]


@pytest.mark.parametrize(
    "text",
    [
        "model_path: ../../../etc/passwd",
        "model_path: //server/share/x.gguf",
        "model_path: \\\\server\\x.gguf",
        "model_path: gone.gguf",
        "model_path: .",
        'model_path: "a\0b"',
        "model_path: [a, b]\nmodel_path: ../x",
        "- 1\n" * 50_000 + "model_path: model.gguf",
        "model_path: &a x\nname: *a",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "x" * (MAX_TEXT_BYTES + 1),
    ],
)
def test_jan_s_hostile_manifests_lead_nowhere(own: Path, home: Path, text: str) -> None:
    data = home / ".local" / "share" / "Jan" / "data"
    write(data / "llamacpp/models/sound/model.yml", "model_path: llamacpp/models/sound/model.gguf\n")
    write(data / "llamacpp/models/sound/model.gguf", model_bytes())
    write(data / "llamacpp/models/bad/model.yml", text)
    assert list(listed(own, "jan")) == ["sound"]


# --- llama.cpp ---


def test_the_parts_of_a_split_model_in_llama_cpp_s_cache_are_one(own: Path, home: Path) -> None:
    cache = home / ".cache" / "llama.cpp"
    for number in (1, 2):
        write(cache / f"org_Big-GGUF_Q4_big-{number:05d}-of-00002.gguf", model_bytes(split__no=number))
    manifest = {"ggufFile": {"rfilename": "Q4/big-00001-of-00002.gguf"}, "mmprojFile": {"rfilename": "../../x.gguf"}}
    write(cache / "manifest=org=Big-GGUF=Q4.json", json.dumps(manifest))
    write(cache / "fetched-by-url.gguf", model_bytes(general__name="url"))
    write(cache / "half.gguf.downloadInProgress", b"GGUF")
    models = listed(own, "llama_cpp")
    assert {name: (model.files, model.repo, model.valid) for name, model in models.items()} == {
        "Q4_big": (2, "org/Big-GGUF", True),
        "fetched-by-url": (1, None, True),
    }


def test_a_named_cache_may_be_laid_out_in_the_new_way(
    own: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HuggingFace(tmp_path / "cache").add("org/New", "new.gguf", model_bytes())
    monkeypatch.setenv("LLAMA_CACHE", str(tmp_path / "cache"))
    [model] = listed(own, "llama_cpp").values()
    assert (model.name, model.origin, model.repo) == ("new", "llama_cpp", "org/New")


# --- adapters ---


def lora(path: Path, *, base: str, architecture: str = "llama") -> Path:
    said = {"general.type": "adapter", "general.architecture": architecture, "general.base_model.count": 1}
    return write(path, gguf_bytes(said | {"general.base_model.0.name": base, "adapter.type": "lora"}))


def test_an_adapter_goes_with_the_models_that_it_says_it_was_made_for(own: Path) -> None:
    write_model(own / "a.gguf", general__name="Llama 3.2 3B Instruct")
    write_model(own / "b.gguf", general__name="Another")
    fits = lora(own / "lora" / "fits.gguf", base="Llama-3.2-3B-Instruct")
    lora(own / "lora" / "other.gguf", base="Qwen 3")
    lora(own / "lora" / "odd.gguf", base="Llama-3.2-3B-Instruct", architecture="qwen3")
    lora(own / "lora" / "unsaid.gguf", base="")
    library = Library(Sources(own, models_config()))
    assert {m.name: m.adapters for m in library.list()} == {"a": [str(fits)], "b": []}


def test_the_own_folder_and_those_of_the_config_tell_their_problems(own: Path, tmp_path: Path) -> None:
    write(tmp_path / "file", b"")
    folders = ["relative", str(tmp_path / "gone"), str(tmp_path / "file")]
    sources = Library(Sources(own, models_config(*folders))).scan().sources
    assert [(source.found, bool(source.problems)) for source in sources] == [
        *((True, False), (False, True), (False, True), (True, False)),
    ]
    assert isinstance(sources[0], LibrarySource)


def test_a_projector_that_hears_and_sees_lets_its_model_do_both(own: Path) -> None:
    write_model(own / "omni-Q4_0.gguf")
    write(own / "mmproj-omni.gguf", model_bytes(**{**VISION, **AUDIO}))
    [model] = Library(Sources(own, models_config())).list()
    assert model.capabilities == ["chat", "vision", "audio"]


def test_a_damaged_projector_adds_nothing(own: Path) -> None:
    write_model(own / "omni-Q4_0.gguf")
    write(own / "mmproj-omni.gguf", b"GGUF")
    [model] = Library(Sources(own, models_config())).list()
    assert (model.valid, model.capabilities) == (True, ["chat"])
    assert llama_metadata()["general.type"] == "model"
