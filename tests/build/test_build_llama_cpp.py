"""The llama.cpp build: its key, its whole or nothing result, and going on after an interruption."""

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from recipes import llama_cpp, processes
from recipes.console import Problem
from recipes.environment import Environment
from recipes.llama_cpp import belongs, ensure_built, is_whole, ninja_progress
from recipes.llama_cpp_recipe import NO_AMX, Recipe, cmake_flags, cpu_features, find_compiler

RECIPE = Recipe(
    version="0.3.36",
    machine="x86_64",
    cpu_features=("avx", "avx2"),
    flags=("-DA=ON",),
    variables=(),
    compilers=("cc: 12",),
)


# -- the key ----------------------------------------------------------------------------------------


def test_the_folder_name_tells_version_and_machine() -> None:
    assert RECIPE.key.startswith("0.3.36-x86_64-")
    assert RECIPE.key == replace(RECIPE).key


def test_whatever_changes_the_result_changes_the_folder_name() -> None:
    others = [
        replace(RECIPE, version="0.3.37"),
        replace(RECIPE, machine="aarch64"),
        replace(RECIPE, cpu_features=("avx",)),
        replace(RECIPE, flags=("-DA=OFF",)),
        replace(RECIPE, variables=("CFLAGS=-O0",)),
        replace(RECIPE, compilers=("cc: 13",)),
    ]
    assert len({recipe.key for recipe in [RECIPE, *others]}) == 1 + len(others)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: sse avx2 avx\n\nprocessor\t: 1\nflags\t\t: sse\n", ("avx", "avx2", "sse")),
        ("processor\t: 0\nFeatures\t: neon fp asimd\n", ("asimd", "fp", "neon")),
        ("vmx flags\t: ept\nflags\t: b a\n", ("a", "b")),
        ("", ()),
    ],
)
def test_cpu_features_come_in_one_order_whatever_the_machine_prints(text: str, expected: tuple[str, ...]) -> None:
    assert cpu_features(text) == expected


@pytest.mark.parametrize(
    ("system", "rpath"),
    [
        ("Linux", ["-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON", "-DCMAKE_INSTALL_RPATH=$ORIGIN"]),
        ("Darwin", ["-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON", "-DCMAKE_INSTALL_RPATH=@loader_path"]),
        ("Windows", []),
    ],
)
def test_libraries_are_looked_for_beside_the_program(system: str, rpath: list[str]) -> None:
    assert [flag for flag in cmake_flags(system) if "RPATH" in flag] == rpath


def test_a_compiler_that_is_named_but_missing_is_told_with_its_name_and_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        find_compiler("C++", {"CXX": str(tmp_path / "no-such-compiler")})
    assert "no-such-compiler" in caught.value.what
    assert "apt install g++" in caught.value.next_step


# -- what is kept -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["llama-server", "llama-server.exe", "ggml-rpc-server", "libllama.so", "libllama.so.0.5.0", "libggml.dylib"],
)
def test_programs_and_shared_libraries_are_kept(name: str) -> None:
    assert belongs(name)


@pytest.mark.parametrize("name", ["libllama.a", "llama-gguf-split", "test-arg-parser", "x.sock", "llama.so.txt"])
def test_everything_else_is_left_behind(name: str) -> None:
    assert not belongs(name)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("[12/230] Building CXX object a.o", (12, 230)), ("ninja: no work to do.", None), ("warning [1/2]", None)],
)
def test_ninjas_count_is_read_from_its_lines(line: str, expected: tuple[int, int] | None) -> None:
    assert ninja_progress(line) == expected


# -- whole or nothing -------------------------------------------------------------------------------


class FakeTools:
    """CMake and Ninja as two steps that write files; `fails_in` makes one of them stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fails_in: str | None = None
        self.runs: list[str] = []

    def logged(self, argv: list[str | Path], *, log: Path, lock: int) -> None:
        program = Path(argv[0]).stem
        self.runs.append(program)
        binaries = log.parent / "build" / "bin"
        binaries.mkdir(parents=True, exist_ok=True)
        (binaries / f"after-{program}").touch()
        (binaries / "llama-server").write_text("server", encoding="utf-8")
        if self.fails_in == program:
            raise KeyboardInterrupt
        (binaries / "libllama.so").write_text("library", encoding="utf-8")

    def sdist(self, _by: Environment) -> Path:
        self.runs.append("fetch")
        path = self.folder / "sdist.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            info = tarfile.TarInfo("x-1/vendor/llama.cpp/LICENSE")
            archive.addfile(info, io.BytesIO())
        return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    result = FakeTools(tmp_path)
    monkeypatch.setenv("LLAMA_SIDECAR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(llama_cpp, "recipe_here", lambda: RECIPE)
    monkeypatch.setattr(llama_cpp, "tools", lambda: Environment(tmp_path / "tools"))
    monkeypatch.setattr(llama_cpp, "fetch_sdist", result.sdist)
    monkeypatch.setattr(llama_cpp, "_logged", result.logged)
    monkeypatch.setattr(processes, "output", lambda _argv: "version: 1")
    return result


def built(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "llama.cpp").iterdir())


def test_a_build_leaves_one_folder_with_programs_libraries_licence_and_manifest(
    fake: FakeTools, tmp_path: Path
) -> None:
    folder = ensure_built()
    assert built(tmp_path) == [RECIPE.key]
    assert sorted(path.name for path in folder.iterdir()) == ["LICENSE", "build.json", "libllama.so", "llama-server"]
    assert json.loads((folder / "build.json").read_text(encoding="utf-8"))["compilers"] == ["cc: 12"]


def test_a_second_call_builds_nothing(fake: FakeTools) -> None:
    first = ensure_built()
    fake.runs.clear()
    assert ensure_built() == first
    assert fake.runs == []


def test_a_build_that_is_cut_short_has_no_result_and_goes_on_without_fetching_again(
    fake: FakeTools, tmp_path: Path
) -> None:
    fake.fails_in = "ninja"
    with pytest.raises(KeyboardInterrupt):
        ensure_built()
    assert built(tmp_path) == [f".work-{RECIPE.key}"]
    fake.fails_in = None
    fake.runs.clear()
    assert is_whole(ensure_built())
    assert fake.runs == ["cmake", "ninja"]


@pytest.mark.parametrize("damage", ["program", "manifest", "truncated"])
def test_a_damaged_result_is_not_taken_for_a_whole_one_and_is_built_again(fake: FakeTools, damage: str) -> None:
    folder = ensure_built()
    if damage == "program":
        (folder / "llama-server").unlink()
    elif damage == "manifest":
        (folder / "build.json").write_text("{", encoding="utf-8")
    else:
        (folder / "libllama.so").write_text("li", encoding="utf-8")
    assert not is_whole(folder)
    assert is_whole(ensure_built())


def test_a_finished_build_can_be_moved_as_a_folder(fake: FakeTools, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(ensure_built(), moved)
    assert is_whole(moved)


def test_a_server_that_does_not_start_is_told_and_not_kept(
    fake: FakeTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "output", lambda _argv: None)
    with pytest.raises(Problem):
        ensure_built()
    assert RECIPE.key not in built(tmp_path)


def test_a_build_for_a_cpu_with_amx_leaves_amx_out() -> None:
    with_amx = cmake_flags("Linux", ("avx2", "amx_tile"))
    assert [flag for flag in with_amx if "-mno-amx-tile" in flag] == [
        f"-DCMAKE_{language}_FLAGS={NO_AMX}" for language in ("C", "CXX")
    ]
    assert cmake_flags("Linux", ("avx2",)) == cmake_flags("Linux")
