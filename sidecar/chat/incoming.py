"""Parsing of messages that hosts send.

Owns the accepted forms of text and earlier messages. Pure, except that `images` reads image files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from sidecar.chat.images import image_url
from sidecar.chat.messages import Role
from sidecar.contract.chat import MessageContent
from sidecar.contract.errors import InvalidParams
from sidecar.contract.sessions import ImagePart, TextPart

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


def read_message(
    content: MessageContent,
    images: Sequence[str] | None = None,
    template: str | None = None,
    *,
    tagged: bool = False,
    path: str = "$.message",
) -> ParsedMessage:
    """Parse a message. Its text is taken as it is; images are decoded, so that it belongs on a thread.

    Args:
        content: text or parts.
        images: images beside it, in `$.images`.
        template: a text with {message} in it.
        tagged: whether marks in a text have a meaning; only a host can know that, since people type such texts, too.
        path: the parameter that the content was sent in, for errors.

    Raises:
        InvalidParams: the template has no place for the message, or an image cannot be used.
    """
    if isinstance(content, str):
        parsed = _read_one_string(content) if tagged else ParsedMessage(content)
        parts: list[dict[str, Any]] = [_text_part(parsed.text)]
    else:
        parsed = ParsedMessage("\n".join(part.text for part in content if isinstance(part, TextPart)))
        parts = [_plain_part(part, f"{path}[{n}]") for n, part in enumerate(content)]
    if template is not None:
        if "{message}" not in template:
            raise InvalidParams("The template does not contain {message}.", path="$.template")
        parsed.text = template.replace("{message}", parsed.text)
        parts = [_text_part(parsed.text), *(part for part in parts if part["type"] != "text")]
    parts += [_image_part(image_url(image, path=f"$.images[{n}]")) for n, image in enumerate(images or ())]
    if any(part["type"] != "text" for part in parts):
        parsed.parts = [part for part in parts if part.get("text") != ""]
    return parsed


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


def _plain_part(part: Any, path: str) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        out = _image_part(image_url(part.image_url.url, path=f"{path}.image_url.url"))
        if part.image_url.detail:
            out["image_url"]["detail"] = part.image_url.detail
        return out
    plain: dict[str, Any] = msgspec.to_builtins(part)
    return plain


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _image_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}
