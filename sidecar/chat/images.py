"""Images that hosts send, as the engines take them: upright, of a bounded size, in a format that llama.cpp reads.

Owns the accepted forms (data: URL, base64, file) and formats, and the bounds. Decoding is Pillow's; without that extra
the formats that llama.cpp's own decoder (stb_image) reads are checked by their beginnings and passed on.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any

from sidecar.contract.errors import InvalidParams, ModelNotFound, PathNotAllowed, PermissionDenied, legible
from sidecar.contract.remedies import Remedy, change_params
from sidecar.host import path_policy
from sidecar.host.extras import how_to_get

if TYPE_CHECKING:
    from PIL import Image

MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""A larger image file is a mistake: current models use at most a few megapixels."""

MAX_PIXELS = 64_000_000
"""Pixels that are decoded: 200 MB of memory, a second of time. A JPEG is decoded at a fraction of its size."""

MAX_SIDE = 2048
"""Longest side of what is sent, in pixels. Vision models use 3 megapixels (Qwen2.5-VL), most of them fewer."""

MAX_ASPECT = 100
"""Longest side by shortest. Qwen's preprocessing refuses 200 and more, and no model sees anything in such a strip."""

JPEG_QUALITY = 92
"""Of what is converted to JPEG: without visible artefacts in text."""

_PLAIN = {"PNG": "image/png", "JPEG": "image/jpeg"}
"""Formats that are sent as they came, if nothing has to be changed."""

_CONVERTED = ("GIF", "BMP", "WEBP", "TIFF", "AVIF", "ICO", "PPM")

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)

_BY_STB = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "BMP": "image/bmp"}

KINDS = "PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF"
"""For people: what is accepted."""

_ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held."""

_SCALE_DOWN = f"Scale it down. Models see {MAX_SIDE} pixels a side at most."

_DATA_URL = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.ASCII | re.IGNORECASE)
_BLANKS = re.compile(rb"\s+")

_decoding = threading.BoundedSemaphore(2)
"""One image may take 200 MB while it is decoded, and there are dozens of worker threads."""


def image_url(image: str, *, path: str) -> str:
    """A data: URL of a PNG or JPEG for an image given as one, as base64, or as the absolute path of a file.

    Reads the file and decodes the image: to be called on a thread.

    Args:
        image: the image.
        path: the parameter it was sent in, for errors.

    Raises:
        InvalidParams: it is none of these, or no image that can be read.
    """
    return _url(*_prepared(_bytes_of(image, path), path))


def _bytes_of(image: str, path: str) -> bytes:
    if image[:5].lower() == "data:":
        return _from_data_url(image, path)
    if re.match("[a-z]+://", image, re.IGNORECASE):
        raise _refused("Images are not fetched from the network.", path, hint="Send a data: URL or the path of a file.")
    # Not by its first letter: the base64 of every JPEG begins with a slash.
    data = _from_base64(image)
    if (data is None or _format_of(data) is None) and path_policy.is_path(image):
        return _read_file(image, path)
    if not data:
        raise _refused("An image is neither a data: URL, nor base64, nor an absolute path.", path)
    return data


def _from_data_url(image: str, path: str) -> bytes:
    found = _DATA_URL.match(image)
    if found is None or "base64" not in found[2].lower().split(";"):
        raise _refused("An image's data: URL is not of the form data:image/…;base64,….", path)
    if found[1] and not found[1].lower().startswith("image/"):
        raise _refused(f"A data: URL of the type {legible(found[1], max_characters=60)} is no image.", path)
    data = _from_base64(image[found.end() :])
    if data is None:
        raise _refused("The base64 of an image's data: URL is broken.", path)
    return data


def _from_base64(text: str) -> bytes | None:
    """The bytes of base64, which may have line breaks, be URL-safe or lack its padding; `None` if it is not base64."""
    try:
        raw = _BLANKS.sub(b"", text.encode("ascii")).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _read_file(image: str, path: str) -> bytes:
    try:
        file = path_policy.file(image)
        size = file.stat().st_size
        if size == 0:  # reports 0 also for the kernel's files, some of which never end
            raise _refused(f"The image {image} is empty.", path)
        if size > MAX_IMAGE_BYTES:
            raise _refused(f"The image {image} is larger than {MAX_IMAGE_BYTES // 2**20} MiB.", path)
        return file.read_bytes()
    except (ModelNotFound, PathNotAllowed, PermissionDenied) as problem:
        raise _refused(f"An image cannot be read. {problem.message}", path) from None
    except OSError as error:
        raise _refused(f"The image {image} cannot be read: {error.strerror}.", path) from None


def _format_of(data: bytes) -> str | None:
    """The format by the first bytes, or `None`. Names and media types are often wrong."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return "AVIF" if data[8:12] in (b"avif", b"avis") else "HEIC"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def _prepared(data: bytes, path: str) -> tuple[str, bytes]:
    """The media type and the bytes that an engine gets."""
    if not data:
        raise _refused("An image is empty.", path)
    found = _format_of(data)
    if found == "HEIC":
        raise _refused("An image is in Apple's HEIC format, which cannot be read.", path)
    if found is None and re.match(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE[^>]*>\s*)?<svg", data, re.S):
        raise _refused("An image is an SVG drawing, which has no pixels.", path)
    try:
        from PIL import Image  # noqa: F401 - an extra, and not needed for a chat without images
    except ImportError:
        return _unconverted(found, data, path)
    with _decoding:
        return _converted(data, path)


def _unconverted(found: str | None, data: bytes, path: str) -> tuple[str, bytes]:
    if found in _BY_STB:
        return _BY_STB[found], data
    what = f"An image is in the {found} format" if found else "An image has an unknown format"
    raise InvalidParams(
        f"{what}, which cannot be read without the package pillow.",
        path=path,
        hint=f"PNG and JPEG work without it. {how_to_get('images')}",
        remedies=(Remedy("install_extra", {"extra": "images"}), _change(path)),
    )


def _converted(data: bytes, path: str) -> tuple[str, bytes]:
    """What Pillow makes of it."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata, and sizes, which are bounded here
            with Image.open(io.BytesIO(data), formats=[*_PLAIN, *_CONVERTED]) as image:
                return _drawn(image, data, path)
    except UnidentifiedImageError:
        raise _refused("An image has an unknown format, or is damaged.", path) from None
    except Image.DecompressionBombError:
        raise _refused("An image has too many pixels to be decoded.", path, hint=_SCALE_DOWN) from None
    except InvalidParams:
        raise
    # Decoders raise many kinds for damaged files: OSError, SyntaxError, struct.error, ValueError, EOFError, ...
    except Exception as error:  # noqa: BLE001 - whatever it is, the image is the cause
        raise _refused(f"An image is damaged: {legible(str(error), max_characters=200)}.", path) from None


def _drawn(image: Image.Image, data: bytes, path: str) -> tuple[str, bytes]:
    from PIL import Image, ImageOps

    width, height = image.size
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise _refused(f"An image of {width} by {height} pixels is a strip in which no model sees anything.", path)
    known = image.format or ""
    if known == "JPEG" and max(width, height) > 2 * MAX_SIDE:
        share = MAX_SIDE / max(width, height)
        image.draft("RGB", (int(width * share), int(height * share)))
    if image.size[0] * image.size[1] > MAX_PIXELS:
        millions, most = width * height / 1e6, MAX_PIXELS / 1e6
        raise _refused(
            f"An image has {millions:.0f} megapixels ({width} by {height}); {most:.0f} at most are decoded.",
            path,
            hint=_SCALE_DOWN,
        )
    is_upright = image.getexif().get(_ORIENTATION, 1) in (0, 1)
    image.load()
    is_transparent = "A" in image.getbands() or "transparency" in image.info
    is_fitting = max(width, height) <= MAX_SIDE and image.mode in ("RGB", "L") and is_upright and not is_transparent
    if known in _PLAIN and is_fitting:
        return _PLAIN[known], data
    shown: Any = ImageOps.exif_transpose(image)
    if is_transparent:  # the engine would drop the alpha channel, which turns most drawings black
        shown = shown.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    shown = shown.convert("RGB")
    shown.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    if known in ("JPEG", "WEBP", "AVIF"):
        shown.save(file, "JPEG", quality=JPEG_QUALITY)
        return "image/jpeg", file.getvalue()
    shown.save(file, "PNG")
    return "image/png", file.getvalue()


def _url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _refused(
    message: str, path: str, *, hint: str = f"Send {KINDS}, as a data: URL, base64 or a path."
) -> InvalidParams:
    return InvalidParams(message, path=path, hint=hint, remedies=(_change(path),))


def _change(path: str) -> Remedy:
    return change_params(path.removeprefix("$.").partition("[")[0].partition(".")[0])
