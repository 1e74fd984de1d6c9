"""References to models as users paste them: an id, an id with a quantization, the address of a page or of a file.

Pure. Owns how such texts are parsed. Does not check whether the model exists, or whether an address is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import msgspec

from sidecar.contract.errors import InvalidParams
from sidecar.library.hub.endpoint import PUBLIC_HUB

_PUBLIC_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})

MAX_PART = 96
"""The longest owner or name on the hub."""

_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_OTHER_KINDS = {"datasets": "a dataset", "spaces": "a space", "collections": "a collection"}
_FILE_PAGES = frozenset({"blob", "resolve", "raw"})

HOW_TO_NAME = "Give owner/name as on the hub, such as unsloth/Qwen3-4B-GGUF, or the address of its page."


class HubReference(msgspec.Struct, frozen=True):
    """A model on the hub.

    Attributes:
        repo: `owner/name`.
        file: a file in it.
        tag: a quantization, such as Q4_K_M.
        revision: a branch, tag or commit.
    """

    repo: str
    file: str | None = None
    tag: str | None = None
    revision: str | None = None


class FileUrl(msgspec.Struct, frozen=True):
    """A file that is not on the hub."""

    url: str


def parse(text: str, *, endpoint: str = PUBLIC_HUB) -> HubReference | FileUrl:
    """The reference in a text.

    Args:
        text: as it was pasted.
        endpoint: the hub in use; its addresses are recognised as well as the public ones.

    Raises:
        InvalidParams: it is no reference to a model.
    """
    text = text.strip()
    if any(not letter.isprintable() for letter in text):
        raise InvalidParams("There are invisible characters in the model's address.", hint=HOW_TO_NAME)
    if text.lower().startswith("hf://"):
        return _from_path(text[5:].removeprefix("models/").split("/"))
    if not _SCHEME.match(text) and text.split("/")[0].lower() in _PUBLIC_HOSTS:
        text = f"https://{text}"
    if not _SCHEME.match(text):
        return _from_path(text.split("/"))
    try:
        address = urlsplit(text)
        host, port = address.hostname, address.port
    except ValueError:
        host, port, address = None, None, SplitResult("", "", "", "", "")
    if not host:
        raise InvalidParams("This is not a valid address.", hint=HOW_TO_NAME)
    if address.username is not None or address.password is not None:
        raise InvalidParams("There is a name or a password in the address.", hint="Leave out the part before the @.")
    mine = urlsplit(endpoint)
    if host in _PUBLIC_HOSTS and port in (None, 443):
        return _from_page(address, "")
    if (host, port) == (mine.hostname, mine.port) and address.path.startswith(mine.path.rstrip("/") + "/"):
        return _from_page(address, mine.path.rstrip("/"))
    return FileUrl(text)


def with_choice(reference: HubReference | FileUrl, *, file: str | None, revision: str | None) -> HubReference | FileUrl:
    """A reference combined with a separate file, or quantization, and revision.

    Raises:
        InvalidParams: they contradict the reference, or it is not a repository.
    """
    if isinstance(reference, FileUrl):
        if file is not None or revision is not None:
            raise InvalidParams(
                "`file` and `revision` are for repositories; this is the address of a file.", hint="Leave them out."
            )
        return reference
    if revision is not None:
        if reference.revision not in (None, revision):
            raise InvalidParams("The address names another revision than `revision`.", hint="Give only one of them.")
        reference = msgspec.structs.replace(reference, revision=revision)
    if file is not None:
        named = msgspec.structs.replace(reference, file=None, tag=None)
        named = msgspec.structs.replace(named, tag=file) if is_tag(file) else msgspec.structs.replace(named, file=file)
        if (reference.file or reference.tag) and (reference.file, reference.tag) != (named.file, named.tag):
            raise InvalidParams("The address names another file than `file`.", hint="Give only one of them.")
        reference = named
    return reference


def is_tag(text: str) -> bool:
    """Whether a text is a quantization and not a file."""
    return bool(_TAG.fullmatch(text)) and not text.lower().endswith(".gguf")


def _from_page(address: SplitResult, prefix: str) -> HubReference:
    """A reference from the path of a page."""
    parts = [part for part in address.path.removeprefix(prefix).split("/") if part]
    if parts and parts[0] in _OTHER_KINDS:
        raise InvalidParams(f"This is the address of {_OTHER_KINDS[parts[0]]}, not of a model.", hint=HOW_TO_NAME)
    if parts and parts[0] == "models":
        parts = parts[1:]
    reference = _from_path(parts[:2])
    if len(parts) > 4 and parts[2] in _FILE_PAGES:
        return msgspec.structs.replace(reference, revision=unquote(parts[3]), file=unquote("/".join(parts[4:])))
    if len(parts) > 3 and parts[2] == "tree":
        return msgspec.structs.replace(reference, revision=unquote(parts[3]))
    shown = parse_qs(address.query).get("show_file_info")  # the address behind the button beside a file
    return msgspec.structs.replace(reference, file=shown[0]) if shown and not reference.tag else reference


def _from_path(parts: Collection[str]) -> HubReference:
    """A reference from `owner/name`, with a quantization, or a file, after a colon."""
    whole, colon, tag = "/".join(parts).partition(":")
    owner, _, name = whole.partition("/")
    name, revised, revision = name.partition("@")
    for part in (owner, name):
        good = _PART.fullmatch(part) and len(part) <= MAX_PART and ".." not in part and "--" not in part
        if not good or part.endswith(".git"):
            raise InvalidParams("This is not the name of a model on the hub.", hint=HOW_TO_NAME)
    if colon and tag.lower().endswith(".gguf"):
        return HubReference(f"{owner}/{name}", file=tag, revision=revision or None)
    if colon and not _TAG.fullmatch(tag):
        raise InvalidParams("The text after the colon is not a quantization.", hint="Such as owner/name:Q4_K_M.")
    if revised and not revision:
        raise InvalidParams("There is no revision after the @.", hint=HOW_TO_NAME)
    return HubReference(f"{owner}/{name}", tag=tag or None, revision=revision or None)
