"""What the library wants of headers, remembered.

Owns when a header is read again: where its file has changed, or more of it is wanted than was read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from sidecar.contract.errors import SidecarError
from sidecar.models.gguf import read_header
from sidecar.models.scan import ModelFile

PROJECTOR = "mmproj"
"""How projectors are named, in their file's name and in general.type."""

_NOT_MODELS = frozenset({"adapter", "imatrix"})  # values of general.type that no engine can run


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the library wants of one header."""

    problem: str | None = None
    kind: Literal["model", "projector", "other"] = "model"
    architecture: str | None = None
    quantization: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    complete: bool = True


class HeaderCache:
    """Facts by file, read again only where the file has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int, Facts]] = {}

    def forget_others(self, files: Iterable[ModelFile]) -> None:
        """Drop what is known of files that are gone."""
        here = {file.path for file in files}
        self._known = {path: known for path, known in self._known.items() if path in here}

    def facts(self, file: ModelFile, *, full: bool) -> Facts:
        """The facts; with `full`, such as are known only at the header's end as well."""
        known = self._known.get(file.path)
        if known and known[:2] == (file.size_bytes, file.mtime_ns) and (known[2].complete or not full):
            return known[2]
        facts = _read_facts(file.path, full=full)
        self._known[file.path] = (file.size_bytes, file.mtime_ns, facts)
        return facts


def _read_facts(path: Path, *, full: bool) -> Facts:
    try:
        header = read_header(path, full=full)
    except SidecarError as error:
        return Facts(problem=error.message)
    architecture = header.architecture
    general_type = header.text("general.type")
    is_projector = general_type == PROJECTOR or architecture == "clip"
    parameters = header.parameters
    if parameters is None and header.complete and not header.tensors:
        parameters = 0  # the first part of a split model may hold the metadata only
    return Facts(
        kind="projector" if is_projector else "other" if general_type in _NOT_MODELS else "model",
        architecture=architecture,
        quantization=header.quantization(path.name),
        parameters=parameters,
        context_length=header.count(f"{architecture}.context_length"),
        complete=header.complete,
    )
