"""What an engine's output tells about its start.

Pure. Two kinds of lines count: llama-server's state lines, which it writes as the child of a router, and a few lines
of the ordinary log that say where it listens and where the model's layers went.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

STATE_PREFIX = b"cmd_child_to_router:"
STATE_LINE = b"cmd_child_to_router:state:"


class LoadPayload(msgspec.Struct):
    """Progress of one stage of a load."""

    stages: list[str] = []
    current: str = ""
    value: float = 0.0


class StateLine(msgspec.Struct):
    """A state line's JSON."""

    state: str
    payload: msgspec.Raw = msgspec.Raw(b"{}")


_decode_state = msgspec.json.Decoder(StateLine).decode
_decode_payload = msgspec.json.Decoder(LoadPayload).decode

_LISTENING = re.compile(
    rb"listening on (?P<url>(?:https?|unix)://\S+)|running on (?P<uvicorn>https?://\S+|unix socket \S+)"
)
_OFFLOADED = re.compile(rb"offloaded (?P<gpu>\d+)/(?P<all>\d+) layers to GPU")
_BUFFER = re.compile(rb"load_tensors:\s+(?P<device>\S+) model buffer size =\s+(?P<mib>[\d.]+) MiB")
_BUILD = re.compile(rb"build(?:_info)?:? +(?P<build>[^\n]+?)(?: with |$)")
_WARMING = re.compile(rb"warming up the model")
_CPU_DEVICES = re.compile(rb"^(?:CPU|.*_Host|BLAS)")

_INTERESTING = re.compile(rb"listening on |unning on |offloaded |model buffer size|common_params_print_info|warming up")
"""One cheap look at a chunk of output; most of it is none of our business."""


@dataclass(slots=True)
class Progress:
    """How far a load has come: `stage` and 0 to 1 over all stages."""

    stage: str
    value: float


@dataclass(slots=True)
class Output:
    """What has been learnt from an engine's output so far."""

    supervised: bool = False
    ready: bool = False
    progress: Progress | None = None
    warming: bool = False
    address: str | None = None
    build: str | None = None
    offloaded: tuple[int, int] | None = None
    device_mib: dict[str, float] = field(default_factory=dict)

    @property
    def gpu_layers(self) -> int | None:
        """Layers that really are on a GPU: llama.cpp says "offloaded" also where there is no GPU to take them."""
        if not self.device_mib:
            return None
        if all(_CPU_DEVICES.match(device.encode()) for device in self.device_mib):
            return 0
        return self.offloaded[0] if self.offloaded else None

    @property
    def total_layers(self) -> int | None:
        """Layers of the model, the output layer included."""
        return self.offloaded[1] if self.offloaded else None

    def read_state(self, line: bytes) -> bool:
        """Take in a line that starts with STATE_PREFIX. True if it changed what is known."""
        if not line.startswith(STATE_LINE):
            return False
        try:
            state = _decode_state(line[len(STATE_LINE) :])
            payload = _decode_payload(state.payload) if state.state == "loading" else None
        except msgspec.DecodeError:
            return False
        self.supervised = True
        if state.state == "ready":
            self.ready = True
        elif payload is not None:
            self.progress = _over_all_stages(payload)
            self.warming = self.progress.value >= 1
        return True

    def read_log(self, chunk: bytes) -> bool:
        """Take in whole lines of the ordinary log. True if they changed what is known."""
        if not _INTERESTING.search(chunk):
            return False
        for line in chunk.split(b"\n"):
            self._read_log_line(line)
        return True

    def _read_log_line(self, line: bytes) -> None:
        if match := _LISTENING.search(line):
            self.address = (match["url"] or match["uvicorn"]).decode("utf-8", "replace").rstrip("/")
        elif match := _OFFLOADED.search(line):
            self.offloaded = int(match["gpu"]), int(match["all"])
        elif match := _BUFFER.search(line):
            device = match["device"].decode("utf-8", "replace")
            self.device_mib[device] = self.device_mib.get(device, 0.0) + float(match["mib"])
        elif _WARMING.search(line):
            self.warming = True
        elif b"common_params_print_info" in line and (match := _BUILD.search(line)):
            self.build = match["build"].decode("utf-8", "replace").strip()


def _over_all_stages(payload: LoadPayload) -> Progress:
    stages = payload.stages or [payload.current]
    done = stages.index(payload.current) if payload.current in stages else 0
    value = (done + min(max(payload.value, 0.0), 1.0)) / len(stages)
    return Progress(payload.current, value)
