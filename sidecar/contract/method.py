"""A method of the contract: its name, types, errors, events and lane.

The tables in this package are the only authored form of the contract. The dispatcher reads them to
convert parameters, `openrpc` reads them to describe the wire, and the clients are generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sidecar.contract.errors import (
    Cancelled,
    DataDirLocked,
    InternalError,
    InvalidParams,
    Overloaded,
    ResultTooLong,
    SidecarError,
)


class Params(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Parameters of a method, by name. Unknown names are refused; `null` means "use the default".

    Attributes:
        defaults: values of parameters that are left out or null, where they are constant; `default` in the schema.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}


class Result(msgspec.Struct, kw_only=True):
    """A result, or a part of one. Members marked optional in the schema may be missing."""


class Merge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How unread events of one status merge. The sidecar's channels and its clients follow it.

    Attributes:
        policy: what happens to an unread event. `keep`: it stays as it is. `progress`: a newer one of its status right
            behind it replaces it. `newest`: a newer one of its subject and key replaces it and counts it in `dropped`.
            `text`: the text of the next one of its status is appended to its own. `lines`: beyond `limit` lines the
            oldest are dropped, and counted in `dropped`.
        member: of `text` and `lines`, the member that grows.
        subject: of `newest`, what kind of thing the event shows; the events of one subject share their keys.
        key: of `newest`, the JSON pointer of the thing's id in the event; empty where there is one thing only.
        removes: of `newest`, whether the event reports that the thing was removed.
        limit: of `lines`, how many are kept.
    """

    policy: Literal["keep", "progress", "newest", "text", "lines"]
    member: str = ""
    subject: str = ""
    key: str = ""
    removes: bool = False
    limit: int = 0

    def key_of(self, event: Event) -> tuple[str, object]:
        """What the event shows: of unread events with the same key only the newest is needed."""
        found: Any = event
        for name in self.key.split("/")[1:]:
            found = getattr(found, name)
        return self.subject, None if found is event else found


KEEP = Merge(policy="keep")
PROGRESS = Merge(policy="progress")

TERMINAL = ("done", "error", "cancelled")
"""The `status` of a channel's last event. It is never dropped and never merged."""


class Event(msgspec.Struct, kw_only=True, tag_field="status"):
    """An event on a channel; `status` says which."""

    merge: ClassVar[Merge] = KEEP

    @property
    def status(self) -> str:
        """What happened; the member `status` on the wire."""
        return str(self.__struct_config__.tag)


class WireError(Result, kw_only=True):
    """An error as a host receives it: code, message, and `data` with `name`, `retryable`, `hint` and `remedies`."""

    code: int
    message: str
    data: dict[str, Any]

    @classmethod
    def of(cls, error: SidecarError) -> WireError:
        """An error for the wire."""
        return cls(**error.to_wire())


class ErrorEvent(Event, tag="error", kw_only=True):
    """The request failed; `error` is the response's."""

    error: WireError


class CancelledEvent(Event, tag="cancelled", kw_only=True):
    """The host cancelled the request; of an answer, the part that was kept is in `partial`."""

    partial: str | UnsetType = UNSET
    session_id: Annotated[str | UnsetType, Meta(description="Of an answer: its session.")] = UNSET


class Lane(msgspec.Struct, frozen=True):
    """Which requests of a method wait for each other.

    Requests run concurrently. Those of one lane run one after the other, in the order of arrival;
    with `key` only where the parameter of that name has the same value.
    """

    name: str
    key: str | None = None


COMMON_ERRORS: tuple[type[SidecarError], ...] = (
    InvalidParams,
    InternalError,
    Cancelled,
    Overloaded,
    ResultTooLong,
    DataDirLocked,
)
"""Errors that every method can return."""


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the contract.

    Attributes:
        name: the wire name, `verb_noun`.
        params: the struct its parameters are converted to; the struct's docstring describes the method.
        result: the type of its result.
        errors: the errors that it raises besides COMMON_ERRORS.
        events: what its channel carries; empty where the method does not stream.
        lane: which requests it waits for; `None` for none.
    """

    name: str
    params: type[Params]
    result: Any
    errors: tuple[type[SidecarError], ...] = ()
    events: tuple[type[Event], ...] = ()
    lane: Lane | None = None

    @property
    def streams(self) -> bool:
        """Whether the method takes a `channel`."""
        return bool(self.events)
