"""What servers say of a file, and what their refusals mean.

Pure: from statuses and headers to facts and errors. Owns what of it is believed; file names are not, `path_policy`
checks them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from sidecar.contract.errors import AddressNotAllowed, DownloadFailed, ModelInvalid, ModelNotFound, SidecarError
from sidecar.contract.remedies import call
from sidecar.jobs.retry_budget import TryAgain
from sidecar.library.downloads.addresses import shown
from sidecar.library.hub.api import access_denied

if TYPE_CHECKING:
    from yarl import URL

REDIRECTS = (301, 302, 303, 307, 308)

GONE = (401, 403, 404, 410)
"""How a signed address answers when its time is over."""

MAX_NAME_CHARACTERS = 1000

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Changed(Exception):
    """The file on the server is another one than before."""


class Source(msgspec.Struct, frozen=True):
    """Where a file is, permanently.

    Attributes:
        url: on the hub, or as it was given.
        repo: the hub's repository, for messages.
    """

    url: str
    repo: str | None = None


class Remote(msgspec.Struct, frozen=True):
    """A file as a server offers it now.

    Attributes:
        url: where redirects have led to; may stop working, and may hold a signature: never shown or kept.
        size: `None` where the server does not say.
        ranges: whether a part of it can be asked for.
        validator: what the server knows this very content by.
        sha256: as the hub says.
        commit: of the repository, as the hub says.
        name: as the server calls it.
    """

    url: URL
    size: int | None = None
    ranges: bool = False
    validator: str | None = None
    sha256: str | None = None
    commit: str | None = None
    name: str | None = None


class ExpectedHead(msgspec.Struct, frozen=True):
    """How files of a kind begin.

    Attributes:
        marks: the beginnings that there are.
        error: for a file that begins otherwise.
        message: its message, with the file's `{name}` in it.
        hint: its hint.
    """

    marks: tuple[bytes, ...]
    error: type[SidecarError]
    message: str
    hint: str

    def check(self, name: str, head: bytes) -> None:
        """Check how a file begins. Raises `error`."""
        if not head.startswith(self.marks):
            raise self.error(self.message.format(name=name[:200]), hint=self.hint)


GGUF_HEAD = ExpectedHead(
    marks=(b"GGUF",),
    error=ModelInvalid,
    message="What the server sends as {name} is no GGUF model.",
    hint="Open the address in a browser: perhaps one has to log in there first.",
)


def address(text: str, *, absolute: bool = True) -> URL:
    """An address, taken literally: a signature in it must not be written in another way.

    Raises:
        AddressNotAllowed: it is none.
    """
    from yarl import URL

    try:
        if not text or not text.isascii() or not text.isprintable() or set(' "<>\\^`{|}') & set(text):
            raise ValueError(text)
        url = URL(text, encoded=True)
        bool(url.port)  # which is parsed only now
    except ValueError:
        raise AddressNotAllowed("What was given, or what a server leads to, is no address.") from None
    if absolute and not url.absolute:
        raise AddressNotAllowed("The address names no server.")
    return url.with_fragment(None)


def with_hub_facts(found: Remote, headers: Mapping[str, str]) -> Remote:
    """What the hub says of a file before it sends us to where it is."""
    etag = headers.get("X-Linked-Etag", "").strip('"').lower()
    size = headers.get("X-Linked-Size", "")
    commit = headers.get("X-Repo-Commit", "")
    return msgspec.structs.replace(
        found,
        commit=commit if _COMMIT.fullmatch(commit) else found.commit,
        sha256=etag if _SHA256.fullmatch(etag) else found.sha256,
        size=int(size) if _LENGTH.fullmatch(size) else found.size,
    )


def described(found: Remote, status: int, headers: Mapping[str, str]) -> Remote:
    """A file by the answer that offers it, whole (200) or in parts (206).

    Raises:
        DownloadFailed: it is empty, or not what the hub says it is.
    """
    size = _total(headers) if status == 206 else _length(headers)
    where = shown(found.url)
    if found.size is not None and size is not None and size != found.size:
        raise DownloadFailed(f"{where} has {size} bytes where the hub says {found.size}.")
    if size == 0:
        raise DownloadFailed(f"{where} is an empty file.")
    etag = headers.get("ETag", "")
    return msgspec.structs.replace(
        found,
        size=found.size if size is None else size,
        ranges=status == 206 and size is not None,
        validator=etag if etag.startswith('"') else headers.get("Last-Modified"),
        name=_header_name(headers.get("Content-Disposition", "")) or unquote(found.url.raw_path).split("/")[-1],
    )


def check_range(remote: Remote, headers: Mapping[str, str], start: int, end: int) -> None:
    """Check that an answer is the part that was asked for.

    Raises:
        TryAgain: it is another part.
        Changed: it is of another file.
    """
    ranged = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if ranged is None or int(ranged[1]) != start or int(ranged[2]) >= end:
        raise TryAgain(f"{shown(remote.url)} sends another part than was asked for.")
    if ranged[3] != "*" and int(ranged[3]) != remote.size:
        raise Changed


def refusal(url: URL, status: int, headers: Mapping[str, str], *, repo: str | None = None) -> Exception:
    """What an answer without the file means.

    Args:
        url: of whom.
        status: its HTTP status.
        headers: its headers.
        repo: the repository, where it is the hub that answers.
    """
    if status in (408, 429) or status >= 500:
        reason = "too many requests" if status == 429 else f"HTTP status {status}"
        return TryAgain(f"{url.host} is busy: {reason}.", after_seconds=_retry_after(headers), status=status)
    if repo is not None:
        code = headers.get("X-Error-Code", "")
        if code == "GatedRepo" or (status in (401, 403) and code != "RepoNotFound"):
            return access_denied(repo, gated=code == "GatedRepo")
        if status in (401, 404):
            return ModelNotFound(
                f"{repo} has no such file, or it is private.",
                hint="Check the repository's files; a private model needs the hub's token.",
                remedies=(call("list_hub_files"),),
            )
    return DownloadFailed(
        f"{shown(url)} does not give the file: HTTP status {status}.",
        hint="Open the address in a browser: it may be wrong, or need a login.",
        http_status=status,
    )


def _total(headers: Mapping[str, str]) -> int | None:
    """The size of the whole file, by the answer with a part of it."""
    ranged = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    return int(ranged[3]) if ranged and ranged[3] != "*" else None


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length", "")
    return int(length) if _LENGTH.fullmatch(length) else None


def _header_name(header: str) -> str | None:
    """A file's name in Content-Disposition."""
    if not header or len(header) > MAX_NAME_CHARACTERS:
        return None
    message = Message()
    message["Content-Disposition"] = header
    return message.get_filename() or None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the server is ready to be asked again."""
    value = headers.get("Retry-After", "")
    if _LENGTH.fullmatch(value):
        return float(value)
    try:
        at, now = parsedate_to_datetime(value), parsedate_to_datetime(headers["Date"])
        return max((at - now).total_seconds(), 0.0)
    except (ValueError, TypeError, KeyError):
        return None
