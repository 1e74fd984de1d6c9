"""Which servers exist, and which one answers a message.

Owns the table, the rule that chooses the server for a message, and the changes that are published to hosts. Starts and
stops nothing, and knows only whether a server accepts messages and how it is shown.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

import anyio

from sidecar.contract.errors import ServerNotRunning
from sidecar.contract.remedies import change_params
from sidecar.contract.servers import DEFAULT_SERVER_ID, ServerInfo
from sidecar.events.changes import Changes


class Listed(Protocol):
    """What the table needs of a server."""

    @property
    def server_id(self) -> str: ...

    @property
    def is_usable(self) -> bool:
        """Whether it accepts messages: it is ready, or will be once it is woken."""
        ...

    @property
    def is_starting(self) -> bool:
        """Whether its first start is under way."""
        ...

    def check_usable(self) -> None:
        """Raise ServerNotRunning if it neither is usable nor is being started."""
        ...

    def info(self) -> ServerInfo:
        """The server as hosts see it."""
        ...


S = TypeVar("S", bound=Listed)


class ServerChange(NamedTuple):
    """A server's new state; `info` is `None` after its removal from the table."""

    server_id: str
    info: ServerInfo | None


class ServerTable(Generic[S]):
    """The servers by their ids, in the order of their starts.

    Attributes:
        servers: every server, in any state. Only the manager adds and removes.
        changes: their changes of state.
    """

    def __init__(self) -> None:
        self.servers: dict[str, S] = {}
        self.changes: Changes[ServerChange] = Changes()
        self._replacements: dict[str, list[anyio.Event]] = {}
        self._default: str | None = None

    def get(self, server_id: str) -> S:
        """A server, in any state.

        Raises:
            ServerNotRunning: no server has this id.
        """
        if server_id not in self.servers:
            raise ServerNotRunning(f"There is no server {server_id!r}.")
        return self.servers[server_id]

    def find(self, server_id: str) -> S | None:
        """A server, or `None`."""
        return self.servers.get(server_id)

    def all(self) -> list[S]:
        """Every server."""
        return list(self.servers.values())

    def infos(self) -> list[ServerInfo]:
        """Every server as hosts see it."""
        return [server.info() for server in self.servers.values()]

    # --- which one answers -------------------------------------------------------------------------------

    async def choose(self, server_id: str | None, remembered: str | None) -> S:
        """The server for a message: the one named, else the session's, else the default, else the only one whose first
        start is under way. If it is being replaced, the new one, once that is ready.

        A session's server that exists and is not ready is not skipped: another server has another model.

        Raises:
            ServerNotRunning: it is neither ready nor being started, or there is none.
        """
        # Bounded by the timeouts of a stop and a start. After one replacement another one may have begun.
        while replacements := self._replacements.get(name := self._resolve(server_id, remembered)):
            await replacements[0].wait()
        server = self.get(name)
        server.check_usable()
        return server

    @property
    def default_id(self) -> str | None:
        """The server for messages that name none: "default", else the only one that accepts messages; `None` if there
        are several, or none."""
        usable = self._usable()
        return DEFAULT_SERVER_ID if DEFAULT_SERVER_ID in usable else usable[0] if len(usable) == 1 else None

    def _resolve(self, server_id: str | None, remembered: str | None) -> str:
        """The id of the server for a message.

        Raises:
            ServerNotRunning: the message names no server, and several accept it or will.
        """
        name = server_id or (remembered if remembered in self.servers else None) or self.default_id
        if name is not None:
            return name
        others, state = self._usable(), "ready"
        if not others and DEFAULT_SERVER_ID not in self.servers:
            others, state = [name for name, server in self.servers.items() if server.is_starting], "starting"
            if len(others) == 1:
                return others[0]
        if others:
            raise ServerNotRunning(
                f"There is no server {DEFAULT_SERVER_ID!r}, and {len(others)} others are {state}.",
                hint=f"Choose one of them: {', '.join(others)}.",
                remedies=(change_params("server_id"),),
            )
        return DEFAULT_SERVER_ID

    def _usable(self) -> list[str]:
        return [name for name, server in self.servers.items() if server.is_usable or name in self._replacements]

    # --- changes -----------------------------------------------------------------------------------------

    def publish(self, server_id: str) -> None:
        """Publish a server's new state, and that of servers that have become the default or no longer are."""
        if self.changes.subscriptions:
            self._publish(server_id)

    def removed(self, server_id: str) -> None:
        """Publish that a server was removed from the table."""
        self.changes.publish(ServerChange(server_id, None))
        self._publish()

    def begin_replacing(self, server_id: str) -> anyio.Event:
        """Make messages for a server wait until its replacement is over."""
        over = anyio.Event()
        self._replacements.setdefault(server_id, []).append(over)
        return over

    def end_replacing(self, server_id: str, over: anyio.Event) -> None:
        """Let the waiting messages through."""
        self._replacements[server_id].remove(over)
        if not self._replacements[server_id]:
            del self._replacements[server_id]
        over.set()
        self._publish()

    def _publish(self, *changed: str) -> None:
        before, self._default = self._default, self.default_id
        others = (before, self._default) if before != self._default else ()
        for name in dict.fromkeys((*changed, *others)):
            if name is not None and name in self.servers:
                self.changes.publish(ServerChange(name, self.servers[name].info()))
