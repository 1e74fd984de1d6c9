"""Images that other programs passed on unread, turned wrongly, or were taken down by."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from sidecar.chat import images
from sidecar.chat.images import KINDS, MAX_SIDE, image_url
from sidecar.contract.errors import InvalidParams
from tests.direct_host import DirectHost

CASES = Path(__file__).parent / "cases" / "img"

REFUSED = {"a.svg", "big12k.png", "thin.png", "trunc.jpg"}


def as_sent(data: bytes | Path) -> Image.Image:
    """What an engine gets for an image."""
    given = str(data) if isinstance(data, Path) else base64.b64encode(data).decode()
    kind, _, encoded = image_url(given, path="$.images[0]").partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    image.load()
    assert image.mode in ("RGB", "L")
    return image


def refusal_of(given: str) -> InvalidParams:
    with pytest.raises(InvalidParams) as caught:
        image_url(given, path="$.images[0]")
    assert caught.value.data == {"path": "$.images[0]"}
    assert caught.value.remedies
    return caught.value


def drawn(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or Image.new("RGB", (30, 20), "red")).save(file, kind, **options)
    return file.getvalue()


def test_every_image_of_the_reports_is_converted_or_refused_with_the_kinds_that_work() -> None:
    """ollama#17755, cline#8977: WebP and others reached the engine, which could not load them."""
    files = sorted(CASES.iterdir())
    assert len(files) >= 15
    for file in files:
        if file.name in REFUSED:
            for given in (str(file), base64.b64encode(file.read_bytes()).decode()):
                refusal_of(given)
        else:
            assert as_sent(file).size == as_sent(file.read_bytes()).size


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP", "TIFF", "AVIF", "ICO", "PPM"])
def test_a_format_that_engines_do_not_read_is_converted(kind: str) -> None:
    red, green, blue = as_sent(drawn(kind)).convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 60


def test_a_photo_is_turned_upright() -> None:
    """llama.cpp#20870: the EXIF orientation was ignored."""
    upright = Image.new("RGB", (30, 20), "white")
    upright.paste("red", (0, 0, 15, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    sent = as_sent(drawn("JPEG", upright, exif=exif))
    assert sent.size == (20, 30)
    assert sent.getpixel((10, 3))[1] < 60  # type: ignore[index]  # the red half is above
    assert sent.getpixel((10, 27))[1] > 200  # type: ignore[index]


def test_what_is_transparent_is_white_and_not_black() -> None:
    for image in (Image.new("RGBA", (9, 9), (0, 0, 0, 0)), Image.new("LA", (9, 9), (0, 0))):
        assert as_sent(drawn("PNG", image)).getpixel((4, 4)) in ((255, 255, 255), 255)


def test_a_large_image_is_scaled_down_and_a_huge_one_is_refused_undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PNG of 17 KB with 12,000 by 12,000 pixels took 20 seconds."""
    for kind in ("PNG", "JPEG", "WEBP"):
        assert max(as_sent(drawn(kind, Image.new("RGB", (3000, 500), "red"))).size) <= MAX_SIDE
    assert "144 megapixels" in refusal_of(str(CASES / "big12k.png")).message
    monkeypatch.setattr(images, "MAX_PIXELS", 5_000_000)
    photo = drawn("JPEG", Image.new("RGB", (4200, 2100), "red"))  # decoded at a fraction of its size
    assert max(as_sent(photo).size) <= MAX_SIDE


def test_what_is_no_image_is_named_for_what_it_is(tmp_path: Path) -> None:
    svg = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'
    heic = b"\0\0\0\x18ftypheic" + bytes(100)
    for data, said in ((svg, "SVG"), (heic, "HEIC"), (drawn("JPEG")[:200], "damaged"), (drawn("PNG")[:60], "damaged")):
        for kind in ("png", "svg+xml"):
            error = refusal_of(f"data:image/{kind};base64,{base64.b64encode(data).decode()}")
            assert said in error.message
            assert KINDS in error.hint
    assert "broken" in refusal_of("data:image/png;base64,AAA%").message
    assert "empty" in refusal_of("data:image/png;base64,").message
    assert "damaged" in refusal_of("DATA:IMAGE/PNG;BASE64,AAAA").message, "RFC 2397: the scheme in any case"
    assert "Scale it down" in refusal_of(base64.b64encode(drawn("PNG", Image.new("1", (20_000, 20_000)))).decode()).hint


def test_without_pillow_png_and_jpeg_work_and_the_others_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {kind: base64.b64encode(drawn(kind)).decode() for kind in ("PNG", "JPEG", "WEBP", "TIFF")}
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert image_url(data["PNG"], path="$.images[0]").endswith(data["PNG"])
    assert image_url(data["JPEG"], path="$.images[0]").endswith(data["JPEG"])
    for kind in ("WEBP", "TIFF"):
        error = refusal_of(data[kind])
        assert (error.remedies[0].action, error.remedies[0].params) == ("install_extra", {"extra": "images"})


def test_the_path_names_the_image_that_cannot_be_used_and_nothing_is_stored(tmp_path: Path) -> None:
    good, bad = base64.b64encode(drawn("PNG")).decode(), "AAAA"
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    with DirectHost(tmp_path) as host:
        for params, path in (
            ({"message": "see", "images": [good, bad]}, "$.images[1]"),
            ({"message": [{"type": "text", "text": "see"}, part]}, "$.message[1].image_url.url"),
        ):
            assert host.fail("send_message", **params)["data"]["path"] == path
        assert host.call("list_sessions")["sessions"] == []
