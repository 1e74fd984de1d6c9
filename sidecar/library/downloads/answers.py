"""The meaning of servers' responses: facts about a file, or an error.

Pure: from statuses and headers to facts and errors. Owns which of them are trusted; file names are not, `path_policy`
checks them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from sidecar.contract.errors import AddressNotAllowed, DownloadFailed, ModelInvalid, ModelNotFound, SidecarError
from sidecar.contract.remedies import call
from sidecar.jobs.retry_budget import TryAgain
from sidecar.library.downloads.addresses import shown
from sidecar.library.hub.meaning import access_denied
from sidecar.library.network.failures import is_address_text
from sidecar.library.network.rate_limits import TOO_MANY_REQUESTS, in_words, retry_after

if TYPE_CHECKING:
    from yarl import URL

REDIRECTS = (301, 302, 303, 307, 308)

GONE = (401, 403, 404, 410)
"""The statuses of a signed address that has expired."""

MAX_NAME_CHARACTERS = 1000

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Changed(Exception):
    """The file on the server has changed."""


class OtherVersion(TryAgain):
    """The server of this connection identifies the file otherwise than the one before, in the same size.

    Attributes:
        identities: how it does.
    """

    def __init__(self, identities: frozenset[str]) -> None:
        super().__init__("Another server of the same name has another version of the file.")
        self.identities = identities


class Unsteady(Changed):
    """The servers of one address identify the file each in its own way: parts of it cannot be put together."""


class Source(msgspec.Struct, frozen=True):
    """The permanent address of a file.

    Attributes:
        url: on the hub, or as requested.
        repo: the hub's repository, for messages.
    """

    url: str
    repo: str | None = None


class Remote(msgspec.Struct, frozen=True):
    """A file as a server offers it now.

    Attributes:
        url: the end of all redirects; it may expire, and may contain a signature: never shown or stored.
        size: in bytes; `None` if the server does not report it.
        ranges: whether parts of it can be requested.
        validator: the server's best identifier of this content: an ETag, or a date where there is none or a weak one.
        modified: when the content was last modified, in the server's words.
        identities: all identifiers of this content that the server gives, without the mark of weak ones.
        sha256: from the hub.
        commit: of the repository, from the hub.
        name: the server's name for it.
    """

    url: URL
    size: int | None = None
    ranges: bool = False
    validator: str | None = None
    modified: str | None = None
    identities: frozenset[str] = frozenset()
    sha256: str | None = None
    commit: str | None = None
    name: str | None = None


class ExpectedHead(msgspec.Struct, frozen=True):
    """The expected first bytes of a kind of file.

    Attributes:
        marks: the possible beginnings.
        error: the error for any other beginning.
        message: its message, with `{name}` for the file's name.
        hint: its hint.
    """

    marks: tuple[bytes, ...]
    error: type[SidecarError]
    message: str
    hint: str

    def check(self, name: str, head: bytes) -> None:
        """Check the first bytes of a file. Raises `error`."""
        if not head.startswith(self.marks):
            raise self.error(self.message.format(name=name[:200]), hint=self.hint)


GGUF_HEAD = ExpectedHead(
    marks=(b"GGUF",),
    error=ModelInvalid,
    message="The server's file {name} is not a GGUF model.",
    hint="Open the address in a browser: it may need a login.",
)


def address(text: str, *, absolute: bool = True) -> URL:
    """An address, kept as it is written, since a signature in it must not be encoded differently.

    Raises:
        AddressNotAllowed: it is not a valid address.
    """
    from yarl import URL

    try:
        if not text or not is_address_text(text):
            raise ValueError(text)
        url = URL(text, encoded=True)
        bool(url.port)  # parsed only when read
    except ValueError:
        raise AddressNotAllowed("The address, or one to which a server redirects, is not valid.") from None
    if absolute and not url.absolute:
        raise AddressNotAllowed("The address has no host.")
    return url.with_fragment(None)


def with_hub_facts(found: Remote, headers: Mapping[str, str]) -> Remote:
    """Add the facts from the headers of the hub's redirect."""
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
    """Add the facts from the response for the whole file (200) or a part of it (206).

    Raises:
        DownloadFailed: it is empty, or not of the size that the hub reports.
    """
    size = _total(headers) if status == 206 else _length(headers)
    where = shown(found.url)
    if found.size is not None and size is not None and size != found.size:
        raise DownloadFailed(f"{where} has {size} bytes, but {found.size} according to the hub.")
    if size == 0:
        raise DownloadFailed(f"{where} is an empty file.")
    etag = headers.get("ETag", "")
    return msgspec.structs.replace(
        found,
        size=found.size if size is None else size,
        ranges=status == 206 and size is not None,
        validator=etag if etag.startswith('"') else headers.get("Last-Modified") or etag or None,
        modified=headers.get("Last-Modified"),
        identities=identities(headers),
        name=_header_name(headers.get("Content-Disposition", "")) or unquote(found.url.raw_path).split("/")[-1],
    )


def identities(headers: Mapping[str, str]) -> frozenset[str]:
    """How a server identifies the content of its response: the ETag and the date, as far as it gives them."""
    return frozenset(_opaque(value) for name in ("ETag", "Last-Modified") if (value := headers.get(name)))


def is_same(before: frozenset[str], now: frozenset[str]) -> bool:
    """Whether two responses are of the same content, for files without a hash from the hub. Sizes are compared apart.

    One common identifier is enough: several servers of one network may give the same content different ETags (inode
    numbers, times of upload, weak ones from compression) or different dates. A response without any cannot be compared.
    """
    return not before or not now or bool(before & now)


def identities_of(*stored: str | None) -> frozenset[str]:
    """The identifiers of stored validators."""
    return frozenset(_opaque(one) for one in stored if one is not None)


def _opaque(validator: str) -> str:
    return validator.strip().removeprefix("W/")


def check_range(remote: Remote, headers: Mapping[str, str], start: int, end: int) -> None:
    """Check that a response is the requested part.

    Raises:
        TryAgain: it is another part.
        OtherVersion: this server has another file.
        Changed: it belongs to another file.
    """
    now = identities(headers)
    if remote.sha256 is None and not is_same(remote.identities, now):
        raise OtherVersion(now)
    ranged = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if ranged is None or int(ranged[1]) != start or int(ranged[2]) >= end:
        raise TryAgain(f"{shown(remote.url)} sends another part than the requested one.")
    if ranged[3] != "*" and int(ranged[3]) != remote.size:
        raise Changed


def refusal(url: URL, status: int, headers: Mapping[str, str], *, repo: str | None = None) -> Exception:
    """The error for a response without the file.

    Args:
        url: the requested address.
        status: the HTTP status.
        headers: the response's headers.
        repo: the repository, if the hub has responded.
    """
    if status in (408, 429) or status >= 500:
        seconds = retry_after(status, headers)
        if status != TOO_MANY_REQUESTS:
            return TryAgain(f"{url.host} is busy: HTTP status {status}.", after_seconds=seconds, status=status)
        reason = f"{url.host} is busy and limits requests (HTTP 429): {in_words(seconds)}."
        data: dict[str, Any] = {} if seconds is None else {"retry_after_seconds": seconds}
        error = DownloadFailed(
            reason,
            hint="Wait that long, and resume the download. Fewer connections in the settings make fewer requests.",
            http_status=status,
            network_cause="rate_limit",
            **data,
        )
        return TryAgain(reason, after_seconds=seconds, status=status, error=error)
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
        f"{shown(url)} does not return the file: HTTP status {status}.",
        hint="Open the address in a browser: it may be wrong, or need a login.",
        http_status=status,
    )


def _total(headers: Mapping[str, str]) -> int | None:
    """The size of the whole file, from the response with a part of it."""
    ranged = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    return int(ranged[3]) if ranged and ranged[3] != "*" else None


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("Content-Length", "")
    return int(length) if _LENGTH.fullmatch(length) else None


def _header_name(header: str) -> str | None:
    """The file name in Content-Disposition."""
    if not header or len(header) > MAX_NAME_CHARACTERS:
        return None
    message = Message()
    message["Content-Disposition"] = header
    return message.get_filename() or None
