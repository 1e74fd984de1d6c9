"""Freezing: what the products are called, what decides how they come out, and when two builds are alike."""

import ast
from pathlib import Path

import pytest
from recipes import freezing, places
from recipes.console import Problem
from recipes.freezing import Products, differences, hashes, target_in, version_file, version_in

import sidecar


def made(dist: Path) -> Products:
    """Products of a few bytes."""
    products = Products(dist, "target")
    for folder in (products.onedir, products.slim):
        (folder / "_internal").mkdir(parents=True)
        (folder / freezing.PROGRAM).write_text("program")
        (folder / freezing.PROGRAM).chmod(0o755)
        (folder / "_internal" / "data").write_text("12345")
    products.single_file.write_text("all of it")
    return products


def test_products_are_named_with_the_target_they_run_on(tmp_path: Path) -> None:
    products = Products(tmp_path, "x86_64-unknown-linux-gnu")
    name = "llama-sidecar-x86_64-unknown-linux-gnu"
    assert products.onedir == tmp_path / "onedir" / name
    assert products.slim == tmp_path / "onedir-slim" / name
    assert products.single_file.name.removesuffix(".exe") == name


def test_sizes_are_those_of_all_files(tmp_path: Path) -> None:
    products = made(tmp_path)
    assert products.sizes() == {products.onedir: 12, products.slim: 12, products.single_file: 9}


def test_two_builds_are_alike_where_every_byte_and_mode_is(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    (tmp_path / "one" / freezing.STAMP).write_text("says when it has to be made anew")
    assert differences(hashes(one), hashes(other)) == []
    (other.onedir / "_internal" / "data").write_text("12346")
    (other.slim / freezing.PROGRAM).chmod(0o644)
    (other.slim / "more").write_text("")
    assert differences(hashes(one), hashes(other)) == [
        "onedir-slim/llama-sidecar-target/llama-sidecar",
        "onedir-slim/llama-sidecar-target/more",
        "onedir/llama-sidecar-target/_internal/data",
    ]


def test_a_symlink_in_a_folder_ends_the_build(tmp_path: Path) -> None:
    folder = made(tmp_path).onedir
    freezing.must_hold_plain_files(folder)
    (folder / "_internal" / "link").symlink_to("data")
    with pytest.raises(Problem, match=r"symlinks.*link"):
        freezing.must_hold_plain_files(folder)


def test_the_version_is_the_packages() -> None:
    assert version_in((places.ROOT / "sidecar" / "__init__.py").read_text(encoding="utf-8")) == sidecar.__version__
    with pytest.raises(ValueError):
        version_in("version = 1")


@pytest.mark.parametrize(
    ("version", "numbers"), [("0.1.0", (0, 1, 0, 0)), ("1.2.3rc4", (1, 2, 3, 4)), ("10", (10, 0, 0, 0))]
)
def test_windows_is_shown_the_version_as_four_numbers_and_as_text(version: str, numbers: tuple[int, ...]) -> None:
    tree = ast.parse(version_file(version), mode="eval")
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and "vers" in (node.arg or "")]
    assert [ast.literal_eval(value) for value in values] == [numbers, numbers]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert texts.count(version) == 2


def test_the_target_is_what_rust_calls_this_machine() -> None:
    assert target_in("rustc 1.95.0\nbinary: rustc\nhost: aarch64-apple-darwin\n") == "aarch64-apple-darwin"
    with pytest.raises(ValueError):
        target_in("rustc 1.95.0")


def test_a_change_of_what_is_frozen_is_a_reason_to_freeze_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.setattr(freezing, "__file__", str(tmp_path / "recipe"))
    module, other = tmp_path / "sidecar" / "a.py", tmp_path / "sidecar" / "b.py"
    module.parent.mkdir()
    module.write_text("1")
    keys = [freezing.key_of(["facts"])]
    (module.parent / "__pycache__").mkdir()
    (module.parent / "__pycache__" / "a.pyc").write_text("compiled")
    assert freezing.key_of(["facts"]) == keys[0]
    module.write_text("2")
    keys.append(freezing.key_of(["facts"]))
    module.rename(other)
    keys += [freezing.key_of(["facts"]), freezing.key_of(["other facts"])]
    assert len(set(keys)) == len(keys)
