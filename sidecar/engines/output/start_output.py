"""The facts about a start in an engine's output.

Pure. Two kinds of lines are read: llama-server's state lines, which it writes as the child of a router, and a few lines
of the ordinary log, about its port, its context, the model's layers and the GPUs. None of it is trusted: a model's own
texts are in the log, too.
"""

from __future__ import annotations

import re

import msgspec

from sidecar.engines.output import context_lines, memory_lines
from sidecar.engines.output.context_lines import ContextLines
from sidecar.engines.output.memory_lines import HOST, MemoryLines

STATE_PREFIX = b"cmd_child_to_router:"
STATE_LINE = b"cmd_child_to_router:state:"

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The exceptions of decoding JSON from outside."""


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

_LISTENING = re.compile(rb"(?:listening|Uvicorn running) on https?://\S*:(?P<port>\d{1,5})(?!\d)")
_OFFLOADED = re.compile(rb"offloaded (?P<gpu>\d{1,6})/(?P<all>\d{1,6}) layers to GPU")
_BUILD = re.compile(rb"common_params_print_info: build(?:_info)?:? +(?P<build>[^\n]+?)(?: with |$)")
_WARMING = re.compile(rb"warming up the model")

_PREFIXED = re.compile(rb"\d{1,6}\.\d\d\.\d{3}\.\d{3} [A-Z] ")
"""What newer builds write before each message (common/log.cpp, with --log-prefix and --log-timestamps). A text of the
model with line ends in it, such as its name or its template, is one message: its further lines lack this."""

_BACKENDS = re.compile(rb"\| ?([A-Za-z][A-Za-z0-9]{1,19}) : ")
_LOADED = re.compile(rb"load_backend: loaded (\w{1,20}) backend")
_DEVICE = re.compile(rb"using device (\S{1,80})")
_FAILED = re.compile(rb"failed to initialize (?:CUDA|ROCm|MUSA|HIP): (?P<why>[^\r\n]{1,200})")
_NONE_FOUND = re.compile(rb"no (?:CUDA|ROCm|SYCL|Vulkan) devices found|no usable GPU found")

_MARKS = (
    *(b" on http", b"offloaded ", b"common_params_print_info", b"warming up"),
    *(b"system_info", b"using device", b"loaded ", b"failed to initialize", b"no usable GPU", b"devices found"),
    *memory_lines.MARKS,
    *context_lines.MARKS,
)
"""Texts of which each relevant line contains one. A whole chunk of output is searched for them first: most of it is not
relevant, and a regular expression would take twenty times as long."""

MAX_BACKENDS = 32
"""Backends that are stored; a build has up to six."""


class Progress(msgspec.Struct):
    """The progress of a load: its stage, and 0 to 1 over all stages."""

    stage: str
    value: float


class GpuLines(msgspec.Struct):
    """The lines of the log about GPUs.

    Attributes:
        backends: of the build, from its system_info; empty if there is none.
        devices: GPUs that it uses.
        trouble: the driver's message why it could not be used.
    """

    backends: set[str] = msgspec.field(default_factory=set)
    devices: set[str] = msgspec.field(default_factory=set)
    trouble: str | None = None

    def read(self, line: bytes) -> None:
        """Parse a line of the log."""
        if b"system_info" in line:
            self._add(self.backends, *_BACKENDS.findall(line))
        elif match := _LOADED.search(line):
            self._add(self.backends, match[1])
        elif match := _DEVICE.search(line):
            self._add(self.devices, match[1])
        elif match := _FAILED.search(line):
            self.trouble = match["why"].decode("utf-8", "replace").strip()
        elif match := _NONE_FOUND.search(line):
            self.trouble = self.trouble or match[0].decode()

    @staticmethod
    def _add(known: set[str], *names: bytes) -> None:
        for name in names:
            if len(known) < MAX_BACKENDS:
                known.add(name.decode("utf-8", "replace"))


class EngineOutput(msgspec.Struct):
    """The facts from an engine's output so far.

    Attributes:
        supervised: it writes state lines.
        ready: a state line reports that it is ready.
        progress: the last reported progress.
        warming: the model is read, or a log line reports that it warms up.
        port: the TCP port according to the log.
        build: the build's own name.
        offloaded: layers "offloaded to GPU", and all layers.
        memory: the lines about memory.
        context: the lines about the context.
        gpu_lines: the lines about GPUs.
        prefixed: each message of this build has a prefix; other lines are not its own.
    """

    supervised: bool = False
    ready: bool = False
    progress: Progress | None = None
    warming: bool = False
    port: int | None = None
    build: str | None = None
    offloaded: tuple[int, int] | None = None
    memory: MemoryLines = msgspec.field(default_factory=MemoryLines)
    context: ContextLines = msgspec.field(default_factory=ContextLines)
    gpu_lines: GpuLines = msgspec.field(default_factory=GpuLines)
    prefixed: bool = False

    @property
    def gpu_layers(self) -> int | None:
        """Layers that really are on a GPU: llama.cpp logs "offloaded" even if there is no GPU."""
        holding = {device for device, taken in self.memory.taken.items() if taken.weights}
        if not holding:
            return None
        if holding == {HOST}:
            return 0
        return self.offloaded[0] if self.offloaded else None

    @property
    def total_layers(self) -> int | None:
        """Layers of the model, the output layer included."""
        return self.offloaded[1] if self.offloaded else None

    def read_state(self, line: bytes) -> bool:
        """Parse a line that starts with STATE_PREFIX; returns whether it was valid."""
        if not line.startswith(STATE_LINE):
            return False
        try:
            state = _decode_state(line[len(STATE_LINE) :])
            payload = _decode_payload(state.payload) if state.state == "loading" else None
        except NOT_JSON:
            return False
        self.supervised = True
        if state.state == "ready":
            self.ready = True
        elif payload is not None:
            self.progress = _over_all_stages(payload)
            self.warming = self.progress.value >= 1
        return True

    def read_log(self, chunk: bytes) -> bool:
        """Parse whole lines of the ordinary log; returns whether one of them matters to a waiting start."""
        self.prefixed = self.prefixed or _PREFIXED.match(chunk) is not None
        if not any(mark in chunk for mark in _MARKS):
            return False
        changed = [self._read_log_line(line) for line in chunk.split(b"\n")]
        return any(changed)

    def _read_log_line(self, line: bytes) -> bool:
        if match := _LISTENING.search(line):
            self.port = int(match["port"])
        elif match := _OFFLOADED.search(line):
            gpu, every = int(match["gpu"]), int(match["all"])
            if gpu > every or (self.prefixed and not _PREFIXED.match(line)):
                return False  # a text of the model
            self.offloaded = gpu, every
        elif self.memory.read(line) or self.context.read(line):
            return False  # no start waits for it
        elif _WARMING.search(line):
            self.warming = True
        elif match := _BUILD.search(line):
            self.build = match["build"].decode("utf-8", "replace").strip()
        else:
            self.gpu_lines.read(line)
            return False
        return True


def _over_all_stages(payload: LoadPayload) -> Progress:
    stages = payload.stages or [payload.current]
    done = stages.index(payload.current) if payload.current in stages else 0
    value = (done + min(max(payload.value, 0.0), 1.0)) / len(stages)
    return Progress(payload.current or "text_model", value)
