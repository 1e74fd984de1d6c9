"""What is stored of a download is loaded as it was, also by the next version, and a damaged file hides no other."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from sidecar.jobs.store import JobStore, OnRestart
from sidecar.library.downloads.files import DownloadRecord, FileRecord


def record(number: int) -> DownloadRecord:
    return DownloadRecord(
        job_id=f"{number:016x}",
        created_at=float(number),
        root="/models",
        request=f"model {number}",
        repo="owner/name",
        own_folder=True,
        files=[FileRecord(url="https://example.com/a.gguf?key=1", name="a.gguf", size=5, sha256="0" * 64)],
    )


def test_what_is_stored_is_loaded_again_the_oldest_first(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "downloads", DownloadRecord)
    assert store.load() == []
    for number in (3, 1, 2):
        store.save(record(number))
    assert store.load() == [record(1), record(2), record(3)]
    store.remove(record(2))
    store.remove(record(2))
    assert store.load() == [record(1), record(3)]


def test_it_is_for_the_owner_alone_since_addresses_may_be_signed(tmp_path: Path) -> None:
    JobStore(tmp_path / "downloads", DownloadRecord).save(record(1))
    for path in (tmp_path / "downloads", *(tmp_path / "downloads").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("fedcba9876543210.json", b"{"),
        ("fedcba9876543210.json", b"\xff\xfe"),
        ("fedcba9876543210.json", b"[]"),
        ("fedcba9876543210.json", json.dumps({"download_id": "../../x", "created_at": 1, "root": "/"}).encode()),
        ("other-name.json", json.dumps({"download_id": "0" * 16, "created_at": 1, "root": "/", "asked": ""}).encode()),
    ],
)
def test_what_is_damaged_or_strange_is_left_out_and_left_there(tmp_path: Path, name: str, content: bytes) -> None:
    JobStore(tmp_path, DownloadRecord).save(record(1))
    (tmp_path / name).write_bytes(content)
    assert JobStore(tmp_path, DownloadRecord).load() == [record(1)]
    assert (tmp_path / name).read_bytes() == content


def test_a_record_of_the_first_version_is_loaded_and_written_as_it_was(tmp_path: Path) -> None:
    stored = {
        "download_id": "0" * 16,
        "created_at": 1.5,
        "asked": "model 1",
        "wanted": "fail",
        "root": "/models",
        "sorted_in": True,
        "repo": "owner/name",
        "file": None,
        "tag": "Q4_0",
        "revision": None,
        "url": None,
        "commit": "a" * 40,
        "files": [{"url": "https://example.com/a", "name": "a.gguf", "size": 5, "sha256": None, "validator": '"e"'}],
        "problem": {"code": -32000, "message": "no network", "data": {"name": "DOWNLOAD_FAILED"}},
    }
    path = tmp_path / f"{'0' * 16}.json"
    path.write_text(json.dumps(stored))
    store = JobStore(tmp_path, DownloadRecord)
    [record] = store.load()
    assert (record.request, record.on_restart, record.own_folder) == ("model 1", OnRestart.FAIL, True)
    store.save(record)
    assert json.loads(path.read_bytes()) == stored
