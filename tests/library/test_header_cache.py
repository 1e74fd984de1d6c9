"""What is remembered of headers, within a sidecar's life and beyond, and when everything is looked at again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from sidecar.jobs.work import Work
from sidecar.library import header_cache
from sidecar.library.gguf.header import GgufHeader
from sidecar.library.gguf.reader import read_header
from sidecar.library.header_cache import HeaderCache
from sidecar.library.library import Library
from sidecar.library.scan.sources import ScannedSource, Sources
from tests.config_files import models_config

from .gguf_files import model_bytes, write_model
from .stores import VISION, write

LONG_AGO = 1_000_000_000


class Machine:
    """A models folder and a cache file; each `library` is one of a new sidecar."""

    def __init__(self, folder: Path) -> None:
        self.models, self.cache = folder / "models", folder / "headers.json"
        self.models.mkdir()
        self.headers = HeaderCache()

    def library(self) -> Library:
        self.end()
        self.headers = HeaderCache(self.cache)
        return Library(Sources(self.models, models_config()), self.headers)

    def end(self) -> None:
        """The sidecar that ran last ends."""
        self.headers.close()

    def age(self) -> None:
        """Let everything have been there for long."""
        for path in (self.models, *self.models.rglob("*")):
            if path.exists():
                os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.end()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The headers that are read, by file name."""
    reads: list[str] = []

    def counting(path: Path, *, full: bool = True) -> GgufHeader:
        reads.append(path.name)
        return read_header(path, full=full)

    monkeypatch.setattr(header_cache, "read_header", counting)
    return reads


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with each scan of the folders."""
    looks: list[object] = []
    real = Sources.scan

    def counted(sources: Sources) -> list[ScannedSource]:
        looks.append(sources)
        return real(sources)

    monkeypatch.setattr(Sources, "scan", counted)
    return looks


# --- on the disk ---


def test_a_new_sidecar_reads_no_header_again(machine: Machine, reads: list[str]) -> None:
    write_model(machine.models / "a.gguf")
    write(machine.models / "bad.gguf", b"GGUF")
    write(machine.models / "mmproj-a.gguf", model_bytes(**VISION))
    before = machine.library().list()
    del reads[:]
    assert machine.library().list() == before
    assert reads == []


@pytest.mark.parametrize("what", ["time", "size", "number"])
def test_a_file_of_another_time_size_or_number_is_read_again(machine: Machine, reads: list[str], what: str) -> None:
    path = write_model(machine.models / "a.gguf")
    machine.age()
    machine.library().list()
    data = path.read_bytes()
    if what == "number":
        path.rename(path.with_suffix(".old"))
    path.write_bytes(data + b"x" * (what == "size"))
    os.utime(path, (LONG_AGO + (what == "time"),) * 2)
    machine.library().list()
    assert reads == ["a.gguf"] * 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\0" * 100,
        b'{"format": 0, "files": {}}',
        b'{"format": 2, "files": {"a": [1]}}',
        b'{"format": 2, "files": {"\xff": [1, 2, 3]}}',
        b"[" * 100_000,
    ],
)
def test_a_cache_that_cannot_be_read_is_made_again(machine: Machine, reads: list[str], data: bytes) -> None:
    write_model(machine.models / "a.gguf")
    machine.cache.write_bytes(data)
    assert [model.valid for model in machine.library().list()] == [True]
    machine.library().list()
    assert reads == ["a.gguf"]


def test_a_cache_is_bounded(machine: Machine, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_cache, "MAX_FILES", 3)
    for number in range(5):
        write_model(machine.models / f"{number}.gguf")
    machine.library().list()
    machine.end()
    assert len(msgspec.json.decode(machine.cache.read_bytes())["files"]) == 3
    with machine.cache.open("r+b") as file:
        file.truncate(header_cache.MAX_CACHE_BYTES + 1)
    del reads[:]
    assert len(machine.library().list()) == 5
    assert len(reads) == 5


def test_a_cache_that_cannot_be_written_is_done_without(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    write_model(machine.models / "a.gguf")
    machine.cache.mkdir()
    assert [model.name for model in machine.library().list()] == ["a"]
    machine.end()
    assert "cannot be stored" in caplog.text


def test_what_is_gone_is_forgotten(machine: Machine) -> None:
    path = write_model(machine.models / "a.gguf")
    machine.library().list()
    path.unlink()
    machine.library().list()
    machine.end()
    assert msgspec.json.decode(machine.cache.read_bytes())["files"] == {}


def test_a_name_that_is_longer_than_names_are_is_not_kept(machine: Machine) -> None:
    write_model(machine.models / "a.gguf", general__name="x" * 100_000)
    assert machine.library().list()[0].display_name is None
    machine.end()
    assert machine.cache.stat().st_size < 2_000


def test_copies_that_were_found_out_stay_one(machine: Machine) -> None:
    for name in "ab":
        write_model(machine.models / f"{name}.gguf")
    machine.library().verify(Work())
    assert [model.name for model in machine.library().list()] == ["a"]


# --- what has not changed ---


def test_where_nothing_has_changed_no_folder_is_gone_through(machine: Machine, listings: list[object]) -> None:
    write_model(machine.models / "org" / "a.gguf")
    machine.age()
    library = machine.library()
    first = library.list()
    assert (library.list(), library.list(), library.scan().models) == (first, first, 1)
    assert len(listings) == 1


def test_what_has_just_changed_is_scanned_again(machine: Machine, listings: list[object]) -> None:
    write_model(machine.models / "a.gguf")
    library = machine.library()
    library.list()
    library.list()
    assert len(listings) == 2


def test_every_kind_of_change_is_noticed_by_the_next_listing(machine: Machine, tmp_path: Path) -> None:
    library = machine.library()

    def names() -> list[str]:
        found = [model.name for model in library.list()]
        machine.age()
        library.list()
        return found

    assert names() == []
    path = write_model(machine.models / "org" / "a.gguf")
    assert names() == ["a"]
    write_model(machine.models / "org" / "deep" / "b.gguf", general__name="b")
    assert names() == ["a", "b"]
    path.rename(path.with_name("c.gguf"))
    assert names() == ["b", "c"]
    (machine.models / "link.gguf").symlink_to(tmp_path / "target")
    assert names() == ["b", "c"]
    write_model(tmp_path / "target", general__name="target")  # what a broken link leads to
    assert names() == ["b", "c", "link"]
    (tmp_path / "target").write_bytes(b"GGUF")
    assert [model.valid for model in library.list()] == [True, True, False]
    (machine.models / "org" / "deep" / "b.gguf").unlink()
    assert names() == ["c", "link"]


# --- shapes ---


def test_the_shape_of_a_model_is_read_once_until_one_of_its_files_changes(
    machine: Machine, reads: list[str], tmp_path: Path
) -> None:
    parts = [write_model(tmp_path / f"a-{number:05d}-of-00002.gguf") for number in (1, 2)]
    shape = machine.headers.shape(parts[0])
    assert machine.headers.shape(parts[0]) is shape
    assert reads == [part.name for part in parts]
    os.utime(parts[1], (LONG_AGO, LONG_AGO))
    assert machine.headers.shape(parts[0]) == shape
    assert len(reads) == 4


def test_shapes_are_bounded(machine: Machine, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_cache, "MAX_SHAPES", 1)
    paths = [write_model(machine.models / f"{name}.gguf") for name in "ab"]
    for path in (*paths, *paths):
        machine.headers.shape(path)
    assert reads == ["a.gguf", "b.gguf"] * 2
