"""The content of messages: text, images and sound, as far as a model takes them.

Owns what stands in place of a part that the model, or its engine, cannot take. Parts of earlier messages are replaced
by notes; a part of the message that is being sent is refused, since it is what the person asks about.
"""

from __future__ import annotations

from typing import Any

from sidecar.contract.errors import NotSupported
from sidecar.contract.remedies import call, change_params
from sidecar.engines.template_facts import TemplateFacts
from sidecar.generation.rendering.changes import AUDIO_NOTE, IMAGE_NOTE, PART_NOTE, Change, Changes, ChatMessage

Content = str | list[dict[str, Any]]
"""The content of a message, once it has been read: text, or parts of which at least one is no text."""

_NOTES: dict[Change, str] = {"image": IMAGE_NOTE, "audio": AUDIO_NOTE, "part": PART_NOTE}


def content_of(message: ChatMessage, template: TemplateFacts, changes: Changes, *, new: bool, plain: bool) -> Content:
    """The content of a message that the model takes.

    Args:
        message: the message.
        template: what the model takes.
        changes: what was changed is added.
        new: whether the message is being sent now.
        plain: whether images and sound of earlier messages are left out in any case.

    Raises:
        NotSupported: a new message has what the model cannot take.
    """
    content = message.get("content")
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    parts: list[dict[str, Any]] = []
    for part in content:
        kind = _kind(part)
        if kind is None:
            if text := part["text"]:
                parts.append({"type": "text", "text": text})
        elif _takes(template, kind) and (new or not plain):
            parts.append(part)
        elif new:
            raise _refused(kind)
        else:
            changes.add(kind)
            parts.append({"type": "text", "text": _NOTES[kind]})
    return parts if any(part["type"] != "text" for part in parts) else "\n".join(part["text"] for part in parts)


def joined(a: Content, b: Content) -> Content:
    """Two contents as one, an empty line between them."""
    if isinstance(a, str) and isinstance(b, str):
        return f"{a}\n\n{b}" if a and b else a or b
    parts: list[dict[str, Any]] = []
    for content in (a, b):
        if isinstance(content, list):
            parts += content
        elif content:
            parts.append({"type": "text", "text": content})
    return parts


def _kind(part: Any) -> Change | None:
    """What a part is; `None` for text."""
    if not isinstance(part, dict):
        return "part"
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return None
    if kind == "image_url" and _is_inline(part.get("image_url")):
        return "image"
    if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        return "audio"
    return "part"


def _is_inline(image: Any) -> bool:
    """Whether an image is in the message itself: an engine would fetch any other, from a network or from a disk."""
    return isinstance(image, dict) and isinstance(image.get("url"), str) and image["url"].startswith("data:")


def _takes(template: TemplateFacts, kind: Change) -> bool:
    takes = {"image": template.vision, "audio": template.audio}.get(kind, False)
    return takes is not False  # where the engine does not say, it is asked


def _refused(kind: Change) -> NotSupported:
    what = {"image": "images", "audio": "sound recordings"}.get(kind, "parts of this kind")
    return NotSupported(
        f"The model takes no {what}.",
        hint=f"Send the message without {what}, or use a model that takes them, with its projector.",
        remedies=(change_params("message", "images"), call("switch_model")),
    )
