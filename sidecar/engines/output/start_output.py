"""What an engine's output tells about its start.

Pure. Two kinds of lines count: llama-server's state lines, which it writes as the child of a router, and a few lines
of the ordinary log that say where it listens and where the model's layers went. None of it is trusted: a model's own
texts stand in the log, too.
"""

from __future__ import annotations

import re

import msgspec

from sidecar.engines.lifecycle.gpu_check import GPU_TROUBLE, GpuWords
from sidecar.engines.output import memory_lines
from sidecar.engines.output.memory_lines import HOST, MemoryLines

STATE_PREFIX = b"cmd_child_to_router:"
STATE_LINE = b"cmd_child_to_router:state:"


NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a JSON value of somebody else's can raise."""


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

_MARKS = (b" on http", b"offloaded ", b"common_params_print_info", b"warming up", *memory_lines.MARKS, *GPU_TROUBLE)
"""What the lines that count have in common, to be looked for in a chunk of output at once: most of it is none of our
business, and a regular expression would take twenty times as long."""


class Progress(msgspec.Struct):
    """How far a load has come: `stage` and 0 to 1 over all stages."""

    stage: str
    value: float


class EngineOutput(msgspec.Struct):
    """What has been learnt from an engine's output so far.

    Attributes:
        supervised: it writes state lines.
        ready: it says so in one.
        progress: the last one told.
        warming: the model is read, or a log line says that it warms up.
        port: the TCP port that the log says it listens on.
        build: the build in its own words.
        offloaded: layers "offloaded to GPU", and all layers.
        memory: what it says of memory.
        gpu_words: what it says of GPUs that it can not use.
    """

    supervised: bool = False
    ready: bool = False
    progress: Progress | None = None
    warming: bool = False
    port: int | None = None
    build: str | None = None
    offloaded: tuple[int, int] | None = None
    memory: MemoryLines = msgspec.field(default_factory=MemoryLines)
    gpu_words: GpuWords = msgspec.field(default_factory=GpuWords)

    @property
    def gpu_layers(self) -> int | None:
        """Layers that really are on a GPU: llama.cpp says "offloaded" also where there is no GPU to take them."""
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
        """Take in a line that starts with STATE_PREFIX. True if it changed what is known."""
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
        """Take in whole lines of the ordinary log. True if some of them say something that counts."""
        if not any(mark in chunk for mark in _MARKS):
            return False
        news = [self._read_log_line(line) for line in chunk.split(b"\n")]
        return any(news)

    def _read_log_line(self, line: bytes) -> bool:
        if match := _LISTENING.search(line):
            self.port = int(match["port"])
        elif match := _OFFLOADED.search(line):
            self.offloaded = int(match["gpu"]), int(match["all"])
        elif self.memory.read(line):
            return False  # nobody waits for it
        elif _WARMING.search(line):
            self.warming = True
        elif match := _BUILD.search(line):
            self.build = match["build"].decode("utf-8", "replace").strip()
        else:
            self.gpu_words.read(line)
            return False
        return True


def _over_all_stages(payload: LoadPayload) -> Progress:
    stages = payload.stages or [payload.current]
    done = stages.index(payload.current) if payload.current in stages else 0
    value = (done + min(max(payload.value, 0.0), 1.0)) / len(stages)
    return Progress(payload.current or "text_model", value)
