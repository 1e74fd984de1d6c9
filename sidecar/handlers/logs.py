"""Logs."""

from __future__ import annotations

from sidecar.contract.logs import ClearLogsParams, GetLogsParams, GetLogsResult, ListLogSourcesParams, LogSource
from sidecar.handlers.call import Call, Handler
from sidecar.handlers.pages import fitting
from sidecar.logs.store import LogStore
from sidecar.services import Services


class LogHandlers:
    """The Logs family."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs

    def methods(self) -> dict[str, Handler]:
        return {"get_logs": self.get, "list_log_sources": self.list_sources, "clear_logs": self.clear}

    async def get(self, params: GetLogsParams, call: Call) -> GetLogsResult:
        result = self._logs.get(
            source=params.source,
            since=params.since,
            limit=params.limit or params.defaults["limit"],
            min_level=params.min_level or "debug",
        )
        count = fitting(result.entries[::-1], call)  # the newest ones, as with `limit`
        if count < len(result.entries):
            result.entries, result.complete = result.entries[-count:], False
        return result

    async def list_sources(self, params: ListLogSourcesParams, call: Call) -> list[LogSource]:
        return self._logs.sources()

    async def clear(self, params: ClearLogsParams, call: Call) -> None:
        self._logs.clear(params.source)


def register(services: Services) -> dict[str, Handler]:
    return LogHandlers(services.logs).methods()
