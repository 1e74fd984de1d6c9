"""Whether the files of a split model belong together, by their headers and their names.

Pure. Owns the meaning of split.no (from 0), split.count and split.tensors.count, which llama-gguf-split writes into
each file (tools/gguf-split), and the sentences about files that were renamed, joined or mixed up. Files without these
keys are judged by their names alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from sidecar.contract.models import ProblemReason
from sidecar.library.gguf.file_names import part_name
from sidecar.library.gguf.header import GgufHeader

_WRONG_PART = re.compile(r"(?:-\d{5}-of-\d{5})?(?:\.gguf)?\Z", re.IGNORECASE)
"""The end of a name that was meant to be that of a part, and is none: in capitals, or with an impossible number."""


class SplitFacts(msgspec.Struct, frozen=True, array_like=True):
    """What a header says of the split model that its file is a part of.

    Attributes:
        number: of this part, from 1.
        count: of parts, 2 or more.
        all_tensors: tensors of all parts together; `None` if the header does not say.
        joined: another part follows in the same file.
    """

    number: int
    count: int
    all_tensors: int | None
    joined: bool


class NamedPart(msgspec.Struct, frozen=True):
    """A file of a model, by its name and its header.

    Attributes:
        stem: the model's name, without the number of the part.
        number, count: the part that its name stands for; 0 of 0 if the name is that of a whole model.
        tensors: in this file; `None` if that is not known.
    """

    file_name: str
    stem: str
    number: int
    count: int
    split: SplitFacts | None
    tensors: int | None


class Problem(msgspec.Struct, frozen=True):
    """Why a model cannot be run, in a sentence, and what helps."""

    text: str
    reason: ProblemReason
    hint: str | None = None


def split_facts(header: GgufHeader) -> SplitFacts | None:
    """What a header says of a split model; `None` if it is that of a whole one."""
    count, number = header.count("split.count"), header.count("split.no")
    if not count or count < 2 or number is None:
        return None
    return SplitFacts(number + 1, count, header.count("split.tensors.count"), header.followed)


def problem_of_parts(parts: Sequence[NamedPart]) -> Problem | None:
    """What is wrong with the files that are there, in the order of their numbers; `None` if nothing is."""
    for part in parts:
        if part.split and (problem := _problem_of_one(part, part.split)):
            return problem
    return _problem_together(parts)


def _problem_of_one(part: NamedPart, split: SplitFacts) -> Problem | None:
    right = part_name(_WRONG_PART.sub("", part.stem), split.number, split.count)
    if split.joined:
        return Problem(
            f"{part.file_name} is several files of a split model joined end to end, which llama.cpp does not load.",
            "wrong_form",
            f"Use the {split.count} files as they were, named {right} and so on, or join them with "
            "`llama-gguf-split --merge`.",
        )
    if (part.number, part.count) == (split.number, split.count):
        return None
    says = f"as part {part.number} of {part.count}" if part.count else "as a whole model"
    return Problem(
        f"{part.file_name} is named {says}, and its header says that it is part {split.number} of {split.count}.",
        "wrong_form",
        f"Rename it to {right}, beside the others, which are named alike.",
    )


def _problem_together(parts: Sequence[NamedPart]) -> Problem | None:
    strangers = [part for part in parts if part.split is None and part.tensors is not None]
    if strangers and any(part.split for part in parts):
        stranger = strangers[0]
        return Problem(
            f"{stranger.file_name} is named as part {stranger.number} of {stranger.count}, and its header says that it "
            "is a whole model.",
            "wrong_form",
            f"Give it another name, and put part {stranger.number} of {stranger.stem} in its place.",
        )
    splits = [part.split for part in parts]
    tensors = [part.tensors for part in parts]
    if None in splits or None in tensors or not splits or len(parts) != parts[0].count:
        return None  # not all of them are there, or known
    expected = {split.all_tensors for split in splits if split} - {None}
    found = sum(number for number in tensors if number is not None)
    if expected <= {found}:
        return None
    return Problem(
        f"The {len(parts)} files of {parts[0].stem} do not belong together: they have {found} tensors, and their "
        f"headers say {' or '.join(str(number) for number in sorted(number for number in expected if number))}.",
        "incomplete",
        "Download all of its files again, from one place.",
    )
