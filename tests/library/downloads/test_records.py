"""What is kept of a download comes back as it was, and what is damaged holds up nobody."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from sidecar.library.downloads.record import DownloadRecord, FileRecord, Records


def record(number: int) -> DownloadRecord:
    return DownloadRecord(
        download_id=f"{number:016x}",
        created_at=float(number),
        root="/models",
        asked=f"model {number}",
        repo="owner/name",
        sorted_in=True,
        files=[FileRecord(url="https://example.com/a.gguf?key=1", name="a.gguf", size=5, sha256="0" * 64)],
    )


def test_what_is_kept_is_found_again_the_oldest_first(tmp_path: Path) -> None:
    records = Records(tmp_path / "downloads")
    assert records.load() == []
    for number in (3, 1, 2):
        records.keep(record(number))
    assert records.load() == [record(1), record(2), record(3)]
    records.forget(record(2))
    records.forget(record(2))
    assert records.load() == [record(1), record(3)]


def test_it_is_for_the_owner_alone_since_addresses_may_be_signed(tmp_path: Path) -> None:
    Records(tmp_path / "downloads").keep(record(1))
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
    Records(tmp_path).keep(record(1))
    (tmp_path / name).write_bytes(content)
    assert Records(tmp_path).load() == [record(1)]
    assert (tmp_path / name).read_bytes() == content
