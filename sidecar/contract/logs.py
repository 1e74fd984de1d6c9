"""Logs of the sidecar and its engines, by source."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta

from sidecar.contract.method import Method, Params, Result

Level = Literal["debug", "info", "warning", "error"]
"""Severity of a line, lowest first."""


class LogEntry(Result, kw_only=True):
    """One line."""

    seq: Annotated[int, Meta(description="Number over all sources; never decreases.")]
    at: Annotated[float, Meta(description="When the line was received, Unix seconds.")]
    source: Annotated[str, Meta(description='"sidecar", or "server:" and a server_id.')]
    level: Level
    message: Annotated[str, Meta(description="Control characters are escaped.")]


class GetLogsParams(Params, kw_only=True):
    """Return the latest lines that are still in memory, oldest first."""

    defaults = MappingProxyType({"limit": 500, "min_level": "debug"})

    source: Annotated[str | None, Meta(description="Default: all.")] = None
    since: Annotated[int | None, Meta(description="Only lines with a greater `seq`.")] = None
    limit: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | None,
        Meta(description="Maximum number of lines; the newest are returned. Default 500."),
    ] = None
    min_level: Annotated[
        Level | None, Meta(description="Lowest level to return. Default debug: everything that is kept.")
    ] = None


class GetLogsResult(Result, kw_only=True):
    """Lines, and where to continue."""

    entries: list[LogEntry]
    last_seq: Annotated[int, Meta(description="For `since` of the next request.")]
    complete: Annotated[
        bool,
        Meta(
            description="Whether every line after `since` was still in memory, and all of them fit; older lines are in "
            "the files."
        ),
    ]


class ListLogSourcesParams(Params):
    """List the sources that have logged."""


class LogSource(Result, kw_only=True):
    """A source."""

    source: str
    file: Annotated[str, Meta(description="Its newest log file.")]
    lines: Annotated[int, Meta(description="Lines received so far.")]
    file_bytes: int


class ClearLogsParams(Params, kw_only=True):
    """Clear the lines in memory and empty the files."""

    source: Annotated[str | None, Meta(description="Default: all.")] = None


METHODS = (
    Method(name="get_logs", params=GetLogsParams, result=GetLogsResult),
    Method(name="list_log_sources", params=ListLogSourcesParams, result=list[LogSource]),
    Method(name="clear_logs", params=ClearLogsParams, result=None),
)
