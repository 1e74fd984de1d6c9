"""What is sent to a model: a conversation in OpenAI's form.

Pure, but for image files, which are read here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from sidecar.chat.messages import StoredMessage, tool_calls_of
from sidecar.contract.chat import MessageContent
from sidecar.contract.errors import InvalidParams
from sidecar.contract.sessions import ImagePart, TextPart

MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""A larger image file is a mistake: no model of today sees more than a few megapixels."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)

_SEGMENT = re.compile(
    r"<\|(system|user|assistant)\|>\s*(.*?)\s*(?:<\|end\|>|(?=<\|(?:system|user|assistant)\|>)|$)", re.S
)
_ONE_STRING = re.compile(r"\s*<\|(?:system|user)\|>")


class Said(msgspec.Struct):
    """A message as it came in, taken apart.

    Attributes:
        text: its text, for people and for search.
        parts: OpenAI content parts, where there is more than text.
        system: a system prompt that came with it.
        earlier: messages that came before it in the same string: role and text.
    """

    text: str
    parts: list[dict[str, Any]] | None = None
    system: str | None = None
    earlier: list[tuple[str, str]] = []


def read_message(content: MessageContent, images: Sequence[str] | None, template: str | None) -> Said:
    """Take a message apart.

    Raises:
        InvalidParams: the template has no place for the message, or an image can not be used.
    """
    if isinstance(content, str):
        said = _read_one_string(content)
        parts: list[dict[str, Any]] = [{"type": "text", "text": said.text}]
        has_more = False
    else:
        said = Said("\n".join(part.text for part in content if isinstance(part, TextPart)))
        parts = [_plain_part(part) for part in content]
        has_more = any(not isinstance(part, TextPart) for part in content)
    if template is not None:
        if "{message}" not in template:
            raise InvalidParams("The template has no {message} in it.", path="$.template")
        said.text = template.replace("{message}", said.text)
        parts = [{"type": "text", "text": said.text}, *(part for part in parts if part["type"] != "text")]
    for image in images or ():
        parts.append({"type": "image_url", "image_url": {"url": image_url(image)}})
        has_more = True
    if has_more:
        said.parts = parts
    return said


def image_url(image: str) -> str:
    """A data: URL for an image given as one, as base64, or as the path of a file. Reads the file.

    Raises:
        InvalidParams: it is none of these.
    """
    if image.startswith("data:"):
        if not image.startswith("data:image/"):
            raise InvalidParams("An image's data: URL must begin with data:image/.", path="$.images")
        return image
    if image.startswith(("http://", "https://")):
        raise InvalidParams(
            "Images are not fetched from the network.", path="$.images", hint="Give a data: URL or the path of a file."
        )
    if Path(image).is_absolute():
        data = _read_image(Path(image))
    else:
        try:
            data = base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidParams(
                "An image is neither a data: URL, nor base64, nor an absolute path.", path="$.images"
            ) from None
    return f"data:{_mime_type(data)};base64,{base64.b64encode(data).decode()}"


def conversation(system: str | None, messages: Sequence[StoredMessage]) -> list[dict[str, Any]]:
    """Messages of a branch in OpenAI's form.

    Answers without anything in them are left out, and messages of one role that then follow each other become one:
    many models' templates refuse two user messages in a row.
    """
    out: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for message in messages:
        calls = tool_calls_of(message)
        if message.role == "assistant" and not message.content and not calls:
            continue
        new = _openai_message(message)
        if out and _can_join(out[-1], new):
            out[-1] = {"role": new["role"], "content": f"{out[-1]['content']}\n\n{new['content']}"}
        else:
            out.append(new)
    return out


def _openai_message(message: StoredMessage) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if isinstance(message.parts, list):
        out["content"] = message.parts
    if calls := tool_calls_of(message):
        out["tool_calls"] = msgspec.to_builtins(calls)
    if isinstance(message.tool_call_id, str):
        out["tool_call_id"] = message.tool_call_id
    return out


def _can_join(a: dict[str, Any], b: dict[str, Any]) -> bool:
    plain = all(set(m) == {"role", "content"} and isinstance(m["content"], str) for m in (a, b))
    return plain and a["role"] == b["role"] and a["role"] in ("user", "assistant")


def _read_one_string(text: str) -> Said:
    """The older form `<|system|>…<|end|><|user|>…<|end|>`, or plain text."""
    if not _ONE_STRING.match(text):
        return Said(text)
    segments = [(role, body) for role, body in _SEGMENT.findall(text) if body]
    system = "\n\n".join(body for role, body in segments if role == "system") or None
    turns = [(role, body) for role, body in segments if role != "system"]
    last_user = max((i for i, (role, _) in enumerate(turns) if role == "user"), default=None)
    if last_user is None:
        return Said(text)
    return Said(turns[last_user][1], system=system, earlier=turns[:last_user])


def _plain_part(part: Any) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        url = {"url": image_url(part.image_url.url)}
        if part.image_url.detail:
            url["detail"] = part.image_url.detail
        return {"type": "image_url", "image_url": url}
    plain: dict[str, Any] = msgspec.to_builtins(part)
    return plain


def _read_image(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise InvalidParams(f"The image {path} is larger than {MAX_IMAGE_BYTES // 2**20} MiB.", path="$.images")
        return path.read_bytes()
    except OSError as error:
        raise InvalidParams(f"The image {path} can not be read: {error.strerror}.", path="$.images") from None


def _mime_type(data: bytes) -> str:
    for magic, mime_type in _MAGIC:
        if data.startswith(magic):
            return mime_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise InvalidParams(
        "An image is of no known kind.", path="$.images", hint="PNG, JPEG, GIF, BMP and WebP are known."
    )
