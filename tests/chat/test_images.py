"""Images as hosts give them become data: URLs."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from sidecar.chat import images
from sidecar.chat.images import image_url
from sidecar.chat.incoming import read_message
from sidecar.contract.chat import MessageContent
from sidecar.contract.errors import InvalidParams


def drawn(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(file, kind)
    return file.getvalue()


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_every_engine_reads_is_sent_as_it_came(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "picture of ünknown kind"
    file.write_bytes(data := drawn(kind))
    text = as_base64(data)
    url = f"data:image/{kind.lower()};base64,{text}"
    broken_into_lines = "\r\n".join(text[n : n + 76] for n in range(0, len(text), 76))
    url_safe = text.replace("+", "-").replace("/", "_").rstrip("=")
    for given in (text, str(file), url, f"data:image/x;base64,{text}", broken_into_lines, url_safe):
        assert image_url(given, path="$.images") == url


def test_the_base64_of_a_jpeg_is_not_taken_for_a_path() -> None:
    assert as_base64(drawn("JPEG")).startswith("/9j/")


def test_a_path_that_happens_to_be_base64_is_read_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_read_file", lambda file, path: drawn("PNG"))
    assert image_url("/tmp/abc", path="$.images").startswith("data:image/png;")


@pytest.mark.parametrize(
    "image",
    [
        "http://example.org/a.png",
        "https://example.org/a.png",
        "file:///a.png",
        "data:text/html;base64,AAAA",
        "data:image/png;base64,",
        "data:image/png,plain",
        "data:image/png;base64,no base64!",
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
        sparse.write(drawn("PNG"))
        sparse.truncate(images.MAX_IMAGE_BYTES + 1)
    with pytest.raises(InvalidParams):
        image_url(str(file), path="$.images")


def test_an_image_in_a_part_is_refused_by_that_parts_parameter() -> None:
    content = msgspec.convert([{"type": "image_url", "image_url": {"url": "http://x/a.png"}}], MessageContent)
    with pytest.raises(InvalidParams) as caught:
        read_message(content, None, None)
    assert caught.value.data == {"path": "$.message[0].image_url.url"}
