"""Events of subscriptions, by topic."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta

from sidecar.contract.builds import ManagedEngines
from sidecar.contract.downloads import Download
from sidecar.contract.logs import LogEntry
from sidecar.contract.method import Event
from sidecar.contract.models import ModelInfo
from sidecar.contract.resources import Resources
from sidecar.contract.servers import ServerInfo
from sidecar.contract.sessions import Session

Topic = Literal["servers", "resources", "logs", "sessions", "models", "downloads", "engines"]
TOPICS: tuple[Topic, ...] = get_args(Topic)

_DROPPED = Meta(description="How many events of this topic were left out before this one because the host read slowly.")


class ServerEvent(Event, tag="server", kw_only=True):
    """Topic servers: a server is in a new state. Begins with every server there is."""

    server: ServerInfo
    dropped: Annotated[int, _DROPPED] = 0


class ServerRemovedEvent(Event, tag="server_removed", kw_only=True):
    """Topic servers: a server was stopped."""

    server_id: str
    dropped: Annotated[int, _DROPPED] = 0


class ResourcesEvent(Event, tag="resources", kw_only=True):
    """Topic resources: a reading."""

    resources: Resources
    dropped: Annotated[int, _DROPPED] = 0


class LogsEvent(Event, tag="logs", kw_only=True):
    """Topic logs: new lines."""

    entries: list[LogEntry]
    dropped: Annotated[int, Meta(description="Lines left out before these: they came faster than they are read.")] = 0


class SessionEvent(Event, tag="session", kw_only=True):
    """Topic sessions: a session was made, changed, restored or used."""

    session: Session
    dropped: Annotated[int, _DROPPED] = 0


class SessionDeletedEvent(Event, tag="session_deleted", kw_only=True):
    """Topic sessions: a session was deleted."""

    session_id: str
    dropped: Annotated[int, _DROPPED] = 0


class ModelEvent(Event, tag="model", kw_only=True):
    """Topic models: a model has come, or is another one than before. Begins with every model there is."""

    model: ModelInfo
    dropped: Annotated[int, _DROPPED] = 0


class ModelRemovedEvent(Event, tag="model_removed", kw_only=True):
    """Topic models: there is no model of this name any more."""

    name: str
    dropped: Annotated[int, _DROPPED] = 0


class DownloadStateEvent(Event, tag="download", kw_only=True):
    """Topic downloads: a download is in a new state or has come further. Begins with every one in list_downloads."""

    download: Download
    dropped: Annotated[int, _DROPPED] = 0


class EnginesEvent(Event, tag="engines", kw_only=True):
    """Topic engines: there are other managed builds, or another one is the default. Begins with those there are."""

    managed: ManagedEngines
    dropped: Annotated[int, _DROPPED] = 0


class SubscriptionDone(Event, tag="done"):
    """The subscription ended."""


TOPIC_EVENTS = (
    ServerEvent,
    ServerRemovedEvent,
    ResourcesEvent,
    LogsEvent,
    SessionEvent,
    SessionDeletedEvent,
    DownloadStateEvent,
    ModelEvent,
    ModelRemovedEvent,
    EnginesEvent,
    SubscriptionDone,
)
