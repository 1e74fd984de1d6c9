"""What a run measures: the programs, and how often."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.hosts import INITIALIZE, INITIALIZE_MCP, Host

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parents[1]

ONEDIR, ONEDIR_SLIM, SINGLE_FILE = "onedir", "onedir-slim", "single file"
"""The frozen products: a folder with the embedded engine, one without, and one file with it."""

SHORT_SECONDS = 12.0
"""There are ten such comparisons, and three minutes for everything."""

NAME = "llama-sidecar"
"""How a product's name begins, and the whole name of the program in a folder."""


@dataclass(frozen=True, slots=True)
class Program:
    """Something that answers `initialize` and `ping` on its stdin and stdout.

    Attributes:
        argv: how it is started; a sidecar wants a data folder besides.
        initialize: its first request.
        is_sidecar: whether it is one of ours.
    """

    argv: Sequence[str]
    initialize: bytes = INITIALIZE
    is_sidecar: bool = True

    def start(self, folder: Path) -> Host:
        """Start it with all that it keeps, its data and what a single file unpacks, in a folder."""
        data = ["--data-dir", str(folder / "data")] if self.is_sidecar else []
        return Host([*self.argv, *data], {"XDG_CACHE_HOME": str(folder / "cache")})


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        short: whether it is the short form, for every day.
        pairs: wins over what a benchmark chooses itself.
        references: the Python that has what we are compared with.
        llama_cpp, model: of the real engine.
        cache: a folder for what takes long to make.
        products: the frozen products that there are; of one in a folder, the folder.
    """

    short: bool
    pairs: int | None
    references: Path
    llama_cpp: Path
    model: Path
    cache: Path
    products: Mapping[str, Path]

    def rounds(self, *, full: int, short: int) -> int:
        """How often to measure."""
        return self.pairs or (short if self.short else full)

    @property
    def patience(self) -> float:
        """Seconds for one comparison of what may take long: the short form has to stay short on a slow machine."""
        return SHORT_SECONDS if self.short else math.inf

    @property
    def source(self) -> Program:
        """The sidecar as it stands in the tree."""
        return Program([sys.executable, "-m", "sidecar"])

    @property
    def mcp(self) -> Program:
        """The MCP Python SDK's server."""
        return Program([str(self.references), str(BENCH / "mcp_server.py")], INITIALIZE_MCP, is_sidecar=False)

    @property
    def frozen(self) -> dict[str, Program]:
        """The programs of the products with the embedded engine, by name."""
        found = {name: path for name, path in self.products.items() if name != ONEDIR_SLIM}
        return {name: Program([str(path / NAME if path.is_dir() else path)]) for name, path in found.items()}


def products_in(dist: Path) -> dict[str, Path]:
    """The frozen products below a folder, where `make freeze` puts them; the names there end with a target triple."""
    patterns = {ONEDIR: f"onedir/{NAME}-*", ONEDIR_SLIM: f"onedir-slim/{NAME}-*", SINGLE_FILE: f"{NAME}-*"}
    found = {name: sorted(dist.glob(pattern)) for name, pattern in patterns.items()}
    return {name: paths[0] for name, paths in found.items() if paths}
