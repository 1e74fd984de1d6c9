"""Parsing of messages that hosts send.

Owns the accepted forms of text, images and earlier messages. Pure, except that image files are read here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from sidecar.chat.messages import Role
from sidecar.contract.chat import MessageContent
from sidecar.contract.errors import InvalidParams, ModelNotFound, PathNotAllowed, PermissionDenied
from sidecar.contract.sessions import ImagePart, TextPart
from sidecar.host import path_policy

MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""A larger image file is a mistake: current models use at most a few megapixels."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)

_MARK = re.compile(r"<\|(system|user|assistant|end)\|>")
_ONE_STRING = re.compile(r"\s*<\|(?:system|user)\|>")


class ParsedMessage(msgspec.Struct):
    """A parsed message.

    Attributes:
        text: its text, for people and for search.
        parts: OpenAI content parts, if there is more than text.
        system: a system prompt in the same string.
        earlier: messages before it in the same string: role and text.
    """

    text: str
    parts: list[dict[str, Any]] | None = None
    system: str | None = None
    earlier: list[tuple[Role, str]] = []


def read_message(content: MessageContent, images: Sequence[str] | None, template: str | None) -> ParsedMessage:
    """Parse a message.

    Raises:
        InvalidParams: the template has no place for the message, or an image cannot be used.
    """
    if isinstance(content, str):
        parsed = _read_one_string(content)
        parts: list[dict[str, Any]] = [_text_part(parsed.text)]
    else:
        parsed = ParsedMessage("\n".join(part.text for part in content if isinstance(part, TextPart)))
        parts = [_plain_part(part) for part in content]
    if template is not None:
        if "{message}" not in template:
            raise InvalidParams("The template does not contain {message}.", path="$.template")
        parsed.text = template.replace("{message}", parsed.text)
        parts = [_text_part(parsed.text), *(part for part in parts if part["type"] != "text")]
    parts += [_image_part(image_url(image, path="$.images")) for image in images or ()]
    if any(part["type"] != "text" for part in parts):
        parsed.parts = [part for part in parts if part.get("text") != ""]
    return parsed


def image_url(image: str, *, path: str) -> str:
    """A data: URL for an image given as one, as base64, or as the absolute path of a file. Reads the file.

    Args:
        image: the image.
        path: the parameter it was sent in, for errors.

    Raises:
        InvalidParams: it is none of these.
    """
    if image.startswith("data:"):
        if not image.startswith("data:image/"):
            raise InvalidParams("An image's data: URL must begin with data:image/.", path=path)
        return image
    if image.startswith(("http://", "https://")):
        raise InvalidParams(
            "Images are not fetched from the network.", path=path, hint="Give a data: URL or the path of a file."
        )
    # Not by its first letter: the base64 of every JPEG begins with a slash.
    data = _from_base64(image)
    mime_type = _mime_type(data)
    if mime_type is None and path_policy.is_path(image):
        data = _read_image(image, path)
        mime_type = _mime_type(data)
    elif not data:
        raise InvalidParams("An image is neither a data: URL, nor base64, nor an absolute path.", path=path)
    if mime_type is None:
        raise InvalidParams(
            "An image has an unknown format.", path=path, hint="PNG, JPEG, GIF, BMP and WebP are supported."
        )
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def _read_one_string(text: str) -> ParsedMessage:
    """The older form `<|system|>…<|end|><|user|>…<|end|>`, the newest user message last; all else is plain text.

    An `<|assistant|>` with nothing after it, for the answer to come, is accepted; so is a missing `<|end|>`.
    """
    if not _ONE_STRING.match(text):
        return ParsedMessage(text)
    before, *pieces = _MARK.split(text)
    marked: list[tuple[Any, str]] = [(mark, body.strip()) for mark, body in zip(pieces[::2], pieces[1::2], strict=True)]
    outside = before.strip() or any(body for mark, body in marked if mark == "end")
    given = [(mark, body) for mark, body in marked if mark != "end" and body]
    turns = [(role, body) for role, body in given if role != "system"]
    if outside or not turns or turns[-1][0] != "user":
        return ParsedMessage(text)
    system = "\n\n".join(body for role, body in given if role == "system") or None
    *earlier, (_, newest) = turns
    return ParsedMessage(newest, system=system, earlier=earlier)


def _plain_part(part: Any) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        out = _image_part(image_url(part.image_url.url, path="$.message"))
        if part.image_url.detail:
            out["image_url"]["detail"] = part.image_url.detail
        return out
    plain: dict[str, Any] = msgspec.to_builtins(part)
    return plain


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _image_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _from_base64(text: str) -> bytes:
    """The bytes; empty if it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read_image(image: str, path: str) -> bytes:
    try:
        file = path_policy.file(image)
        size = file.stat().st_size
        if size == 0:  # reports 0 also for the kernel's files, some of which never end
            raise InvalidParams(f"The image {image} is empty.", path=path)
        if size > MAX_IMAGE_BYTES:
            raise InvalidParams(f"The image {image} is larger than {MAX_IMAGE_BYTES // 2**20} MiB.", path=path)
        return file.read_bytes()
    except (ModelNotFound, PathNotAllowed, PermissionDenied) as problem:
        raise InvalidParams(f"An image cannot be read. {problem.message}", path=path) from None
    except OSError as error:
        raise InvalidParams(f"The image {image} cannot be read: {error.strerror}.", path=path) from None


def _mime_type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime_type for magic, mime_type in _MAGIC if data.startswith(magic)), None)
