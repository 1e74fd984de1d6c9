"""`make headers`: mutated GGUF headers, read as the library and inspect_model read them.

    python -m tests.trust.headers --files 100000 --seed 7

Of every file comes a header or MODEL_INVALID, within a second, and memory stays where it was. Each file is known again
by the seed and its number.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sidecar.contract.errors import ModelInvalid
from sidecar.library.header_cache import HeaderCache
from sidecar.library.inspection import inspect
from sidecar.library.scan.disk_scan import DiskScan
from sidecar.library.scan.model_files import file_at
from tests.library.gguf_files import Tensor, gguf_bytes, llama_metadata
from tests.library.mutations import HEADER_BYTES, SAMPLE, spoiled, torn
from tests.trust import results
from tests.trust.results import Row

FILES = 10_000

SLOWEST_SECONDS = 1.0
"""Of processor time, for reading a file in all three ways."""

MAX_GROWTH_BYTES = 64 * 1024 * 1024
"""Of the process, beyond what it takes after some sound files."""

_TEMPLATE = "{%- if tools %}{{ tools | tojson }}{%- endif %}{# a #}{{ '<think>' + \"it's\" }}"
_LARGE_HEAD = gguf_bytes(
    llama_metadata(
        tokenizer__chat_template=_TEMPLATE * 20,
        tokenizer__ggml__tokens=[f"token {n}" for n in range(3000)],
        tokenizer__ggml__merges=[f"a b{n}" for n in range(2000)],
        general__base_model__count=2,
    ),
    [Tensor(f"blk.{n}.weight", (256, 1), 12) for n in range(200)],
)
_SAMPLES = ((SAMPLE, HEADER_BYTES), (_LARGE_HEAD, len(_LARGE_HEAD) - 200 * 160))


@dataclass(slots=True)
class Outcome:
    """What became of the files."""

    files: int = 0
    refused: int = 0
    slowest_seconds: float = 0.0
    growth_bytes: int = 0
    failure: str | None = None


def run(*, files: int, seed: int) -> Outcome:
    """Read so many mutated headers."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="headers-") as folder:
        path = Path(folder) / "mutated.gguf"
        for sample, _ in _SAMPLES:
            _read(path, sample)
        before = _peak_bytes()
        for number in range(files):
            rng = random.Random(f"{seed} {number}")  # noqa: S311 - it shall be the same each time
            data = rng.choice((spoiled, spoiled, torn))(rng, *rng.choice(_SAMPLES))
            started = time.process_time()
            try:
                outcome.refused += _read(path, data)
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                outcome.failure = f"file {number} of seed {seed}: {type(error).__name__}: {error}"
                break
            outcome.slowest_seconds = max(outcome.slowest_seconds, time.process_time() - started)
            outcome.files += 1
        outcome.growth_bytes = _peak_bytes() - before
    return outcome


def _read(path: Path, data: bytes) -> bool:
    """Read a file in every way; whether it was refused. Anything but a header or MODEL_INVALID is raised."""
    path.write_bytes(data)
    file = file_at(str(path), "own", DiskScan())
    assert file is not None
    for full in (False, True):
        msgspec.json.encode(HeaderCache().facts(file, full=full))
    try:
        msgspec.json.encode(inspect(path))
    except ModelInvalid:
        return True
    return False


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    begun = time.monotonic()
    outcome = run(files=arguments.files, seed=arguments.seed)
    if outcome.failure:
        print(outcome.failure)
    rows = [
        Row(
            what="mutated model headers",
            target=f"{arguments.files:,}, of each a header or MODEL_INVALID",
            figure=f"{outcome.files:,} files, {outcome.refused:,} refused" + (", a failure" if outcome.failure else ""),
            met=outcome.failure is None and outcome.files == arguments.files,
        ),
        Row(
            what="the slowest of them, in processor time",
            target=f"at most {SLOWEST_SECONDS:.0f} s",
            figure=f"{outcome.slowest_seconds * 1e3:.0f} ms",
            met=outcome.slowest_seconds <= SLOWEST_SECONDS,
        ),
        Row(
            what="the reader's memory meanwhile",
            target="peak at most 64 MiB above that of sound files",
            figure=f"+{outcome.growth_bytes / 2**20:.0f} MiB",
            met=outcome.growth_bytes <= MAX_GROWTH_BYTES,
        ),
    ]
    return 0 if results.keep("headers", rows, seconds=time.monotonic() - begun) else 1


if __name__ == "__main__":
    sys.exit(main())
