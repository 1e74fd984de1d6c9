"""Images as hosts give them become data: URLs."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import msgspec
import pytest

from sidecar.chat import incoming
from sidecar.chat.incoming import image_url, read_message
from sidecar.contract.chat import MessageContent
from sidecar.contract.errors import InvalidParams

KINDS = {
    "image/png": b"\x89PNG\r\n\x1a\n and so on",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF and so on",
    "image/gif": b"GIF89a and so on",
    "image/bmp": b"BM and so on",
    "image/webp": b"RIFF\x00\x01\x02\x03WEBP and so on",
}


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(("kind", "data"), KINDS.items())
def test_bare_base64_is_known_by_its_first_bytes(kind: str, data: bytes) -> None:
    assert image_url(as_base64(data), path="$.images") == f"data:{kind};base64,{as_base64(data)}"


@pytest.mark.parametrize(("kind", "data"), KINDS.items())
def test_a_file_is_known_by_its_first_bytes(kind: str, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "picture of ünknown kind"
    file.write_bytes(data)
    assert image_url(str(file), path="$.images") == f"data:{kind};base64,{as_base64(data)}"


def test_the_base64_of_a_jpeg_is_not_taken_for_a_path() -> None:
    assert as_base64(KINDS["image/jpeg"]).startswith("/9j/")


def test_a_path_that_happens_to_be_base64_is_read_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_read_image", lambda file, path: KINDS["image/gif"])
    assert image_url("/tmp/abc", path="$.images").startswith("data:image/gif;")


def test_a_data_url_stays_as_it_is() -> None:
    url = "data:image/svg+xml;base64,PHN2Zz4="
    assert image_url(url, path="$.images") == url


@pytest.mark.parametrize(
    "image",
    [
        "http://example.org/a.png",
        "https://example.org/a.png",
        "file:///a.png",
        "data:text/html;base64,AAAA",
        "relative/path.png",
        "",
        "no base64!",
        as_base64(b"no image"),
        "/no/such/file.png",
        "/",
        "/dev/zero",
        "/nul\0byte",
        "/" + "a" * 5000,
    ],
)
def test_what_is_no_image_is_refused(image: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        image_url(image, path="$.images")
    assert caught.value.data == {"path": "$.images"}


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secrets.png"
    file.write_bytes(b"password=hunter2")
    with pytest.raises(InvalidParams) as caught:
        image_url(str(file), path="$.images")
    assert "hunter2" not in str(caught.value.to_wire())


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidParams):
        image_url(str(tmp_path / "pipe"), path="$.images")


def test_an_image_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    with file.open("wb") as sparse:
        sparse.write(KINDS["image/png"])
        sparse.truncate(incoming.MAX_IMAGE_BYTES + 1)
    with pytest.raises(InvalidParams):
        image_url(str(file), path="$.images")


def test_an_image_in_a_part_is_refused_by_that_parts_parameter() -> None:
    content = msgspec.convert([{"type": "image_url", "image_url": {"url": "http://x/a.png"}}], MessageContent)
    with pytest.raises(InvalidParams) as caught:
        read_message(content, None, None)
    assert caught.value.data == {"path": "$.message"}
