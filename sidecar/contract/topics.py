"""Topics: what can be subscribed to, their events, and how these merge for a host that reads slowly.

A topic is added here, with a source in the feature that fills it; the schema, the clients, the Rust host and the page
take its row from this table.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sidecar.contract.builds import ManagedEngines
from sidecar.contract.downloads import Download
from sidecar.contract.logs import LogEntry
from sidecar.contract.method import Event, Merge
from sidecar.contract.models import ModelInfo
from sidecar.contract.resources import Resources
from sidecar.contract.servers import ServerInfo
from sidecar.contract.sessions import Session

Topic = Literal["servers", "resources", "logs", "sessions", "models", "downloads", "engines"]


class StateEvent(Event, kw_only=True):
    """Shows the current state of something; a newer event supersedes it."""

    dropped: Annotated[
        int,
        Meta(description="Events of this topic dropped before this one because the host read slowly."),
    ] = 0


class ServerEvent(StateEvent, tag="server", kw_only=True):
    """Topic servers: a server changed. Starts with every existing server."""

    merge = Merge(policy="newest", subject="server", key="/server/server_id")

    server: ServerInfo


class ServerRemovedEvent(StateEvent, tag="server_removed", kw_only=True):
    """Topic servers: a server was stopped."""

    merge = Merge(policy="newest", subject="server", key="/server_id", removes=True)

    server_id: str


class ResourcesEvent(StateEvent, tag="resources", kw_only=True):
    """Topic resources: a reading."""

    merge = Merge(policy="newest", subject="resources")

    resources: Resources


class LogsEvent(Event, tag="logs", kw_only=True):
    """Topic logs: new lines."""

    merge = Merge(policy="lines", member="entries", limit=2000)

    entries: list[LogEntry]
    dropped: Annotated[int, Meta(description="Lines dropped before these because the host read slowly.")] = 0


class SessionEvent(StateEvent, tag="session", kw_only=True):
    """Topic sessions: a session was created, changed, restored or used."""

    merge = Merge(policy="newest", subject="session", key="/session/session_id")

    session: Session


class SessionDeletedEvent(StateEvent, tag="session_deleted", kw_only=True):
    """Topic sessions: a session was deleted."""

    merge = Merge(policy="newest", subject="session", key="/session_id", removes=True)

    session_id: str


class ModelEvent(StateEvent, tag="model", kw_only=True):
    """Topic models: a model was added or changed. Starts with every existing model."""

    merge = Merge(policy="newest", subject="model", key="/model/name")

    model: ModelInfo


class ModelRemovedEvent(StateEvent, tag="model_removed", kw_only=True):
    """Topic models: a model was removed."""

    merge = Merge(policy="newest", subject="model", key="/name", removes=True)

    name: str


class DownloadStateEvent(StateEvent, tag="download", kw_only=True):
    """Topic downloads: a download changed or progressed. Starts with every one in list_downloads."""

    merge = Merge(policy="newest", subject="download", key="/download/download_id")

    download: Download


class EnginesEvent(StateEvent, tag="engines", kw_only=True):
    """Topic engines: the managed builds or their default changed. Starts with the existing builds."""

    merge = Merge(policy="newest", subject="engines")

    managed: ManagedEngines


class SubscriptionDone(Event, tag="done"):
    """The subscription ended."""


class TopicRow(Struct, frozen=True, kw_only=True):
    """One row of the table.

    Attributes:
        events: what a subscription to the topic receives, with how it merges in each event's class.
        catch_up: the method that returns the current state, for a host that does not subscribe.
        interval_ms: milliseconds between two readings where the topic is polled and the host names no interval; 0 where
            its events are sent as they occur.
    """

    events: tuple[type[Event], ...]
    catch_up: str
    interval_ms: int = 0


TOPICS: dict[Topic, TopicRow] = {
    "servers": TopicRow(events=(ServerEvent, ServerRemovedEvent), catch_up="list_servers"),
    "resources": TopicRow(events=(ResourcesEvent,), catch_up="get_resources", interval_ms=1000),
    "logs": TopicRow(events=(LogsEvent,), catch_up="get_logs"),
    "sessions": TopicRow(events=(SessionEvent, SessionDeletedEvent), catch_up="list_sessions"),
    # How long a person waits who put a file into a folder; a scan of 1,000 unchanged files takes milliseconds.
    "models": TopicRow(events=(ModelEvent, ModelRemovedEvent), catch_up="list_models", interval_ms=2000),
    "downloads": TopicRow(events=(DownloadStateEvent,), catch_up="list_downloads"),
    "engines": TopicRow(events=(EnginesEvent,), catch_up="list_engines"),
}
"""Every topic by name."""

TOPIC_EVENTS: tuple[type[Event], ...] = (*(event for row in TOPICS.values() for event in row.events), SubscriptionDone)
