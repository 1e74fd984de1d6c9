"""Life of a connection: handshake, liveness, the contract itself, shutdown, subscriptions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from sidecar.contract.errors import NotSupported
from sidecar.contract.method import Method, Params, Result
from sidecar.contract.remedies import Remedy
from sidecar.contract.topics import TOPIC_EVENTS, TOPICS, Topic

CONTRACT_VERSION = "1.2"
"""Major and minor. A host that requires another major version is refused."""


MIN_LINE_BYTES = 64 * 1024
"""Every host reads lines of this length, so that every error and every short result reaches it."""


class ClientInfo(Params, kw_only=True):
    """Name and version of the host; written to the log."""

    name: Annotated[str, Meta(max_length=200)]
    version: Annotated[str, Meta(max_length=200)] = ""


class InitializeParams(Params, kw_only=True):
    """Introduce the host, and return the sidecar's version and capabilities. Optional for simple hosts."""

    client: Annotated[ClientInfo | None, Meta(description="Name and version of the host.")] = None
    contract_version: Annotated[
        str | int | None,
        Meta(
            description='The contract the host was written for, such as "1" or "1.2". Another major version is refused.'
        ),
    ] = None
    host_pid: Annotated[
        Annotated[int, Meta(ge=2)] | None,
        Meta(description="Process id of the host: the sidecar stops when this process ends."),
    ] = None
    max_line_bytes: Annotated[
        Annotated[int, Meta(ge=MIN_LINE_BYTES, le=2**30)] | None,
        Meta(
            description="The longest line that the host reads: lists come in pages that fit, and a longer result is "
            "RESULT_TOO_LONG. Default: as long as those it may send."
        ),
    ] = None


class ServerIdentity(Result, kw_only=True):
    """Name and version of this sidecar."""

    name: str
    version: str


class Capabilities(Result, kw_only=True):
    """What this sidecar supports."""

    methods: Annotated[list[str], Meta(description="Every method that can be called.")]
    topics: Annotated[list[str], Meta(description="Every topic that can be subscribed to.")]
    max_line_bytes: Annotated[int, Meta(description="The longest line accepted, without its LF.")]


class Notice(Result, kw_only=True):
    """Something that the person who uses the host should know."""

    name: Annotated[str, Meta(description="Stable name, such as CONFIG_BROKEN.")]
    message: Annotated[str, Meta(description="What happened and why.")]
    hint: Annotated[str, Meta(description="What to do next, in a sentence for people.")]
    remedies: Annotated[list[Remedy], Meta(description="What a host can do or offer.")] = field(default_factory=list)


class InitializeResult(Result, kw_only=True):
    """The handshake's answer."""

    server: ServerIdentity
    contract_version: str
    contract_hash: Annotated[
        str, Meta(description="SHA-256 of the OpenRPC document; equal hashes mean equal contracts.")
    ]
    pid: Annotated[int, Meta(description="Process id of the sidecar.")]
    data_dir: Annotated[str, Meta(description="Folder of models, history, config and logs.")]
    capabilities: Capabilities
    notices: Annotated[
        list[Notice], Meta(description="Problems found at start, such as a broken config file that was set aside.")
    ]


class PingParams(Params):
    """Answer immediately, which shows that the connection works."""


class ShutdownParams(Params):
    """Stop every engine and owned process, flush, answer, and exit with code 0, within 5 s."""


class DiscoverParams(Params):
    """Return the contract as an OpenRPC document."""


_INTERVALS = ", ".join(f"{row.interval_ms} for {name}" for name, row in TOPICS.items() if row.interval_ms)


class SubscribeOptions(Params, kw_only=True):
    """What to send of a topic."""

    interval_ms: Annotated[
        Annotated[int, Meta(ge=100, le=60_000)] | None,
        Meta(description=f"Time between two readings of a topic that is polled. Default: {_INTERVALS}."),
    ] = None
    source: Annotated[str | None, Meta(description="logs: only this source, as in list_log_sources. Default: all.")] = (
        None
    )
    min_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        Meta(description="logs: the lowest level to send. Default: info."),
    ] = None


class SubscribeParams(Params, kw_only=True):
    """Receive the events of topics on a channel, starting with the current state.

    The channel outlives this request: it ends with `done`, written before the response to `unsubscribe`.
    If the host reads slowly, old events are dropped or replaced by newer ones, and counted in `dropped`.
    """

    topics: Annotated[list[Topic], Meta(min_length=1)]
    channel: Annotated[str, Meta(min_length=1, max_length=200)]
    options: SubscribeOptions | None = None


class SubscribeResult(Result, kw_only=True):
    """A live subscription."""

    channel: str
    topics: list[Topic]


class UnsubscribeParams(Params, kw_only=True):
    """End a subscription; its channel ends with `done` before the response."""

    channel: Annotated[str, Meta(min_length=1, max_length=200)]


class UnsubscribeResult(Result, kw_only=True):
    """Whether the subscription existed."""

    channel: str
    found: bool


METHODS = (
    Method(name="initialize", params=InitializeParams, result=InitializeResult, errors=(NotSupported,)),
    Method(name="ping", params=PingParams, result=Literal["pong"]),
    Method(name="shutdown", params=ShutdownParams, result=None),
    Method(name="rpc.discover", params=DiscoverParams, result=dict[str, Any]),
    Method(name="subscribe", params=SubscribeParams, result=SubscribeResult, events=TOPIC_EVENTS),
    Method(name="unsubscribe", params=UnsubscribeParams, result=UnsubscribeResult),
)
