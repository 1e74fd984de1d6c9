"""The names of models, and the resolution of a name to a model.

Pure. Owns three rules: how models are named (by the last word of a label, preceded by as many as distinguish it; names
in the user's own folders do not depend on the models of other programs), which model a name or path resolves to, and
which one is started if none is named. Knows no folders, files or engines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import PurePath
from typing import Literal

from sidecar.contract.errors import ModelInvalid, ModelNotFound
from sidecar.contract.models import ModelInfo, ModelKind
from sidecar.contract.remedies import call, change_params, default_remedies, open_settings

Label = tuple[str, ...]

STARTER_MODEL = "SmolLM2-135M-Instruct.Q4_1"
"""The model that comes with the sidecar: started if there are several and no other rule chooses one."""

MAX_NAMES_SHOWN = 5
"""The most models in a message: enough to choose from, short enough to read."""


def assign_names(models: Sequence[tuple[Label, int, bool]]) -> list[str]:
    """A name for each model, no two alike.

    Args:
        models: for each its label, the number of its parts (0: not split), and whether it belongs to another program.
    """
    names: dict[int, str] = {}
    by_stem: defaultdict[str, list[int]] = defaultdict(list)
    for index, (label, _, foreign) in enumerate(models):
        if not foreign:
            by_stem[label[-1]].append(index)
    for alike in by_stem.values():
        names.update(zip(alike, _distinguished([models[index][:2] for index in alike]), strict=True))
    used = set(names.values())
    for index, (label, parts, foreign) in enumerate(models):
        if foreign:
            names[index] = next(name for name in _candidates(label, parts) if name not in used)
            used.add(names[index])
    return [names[index] for index in range(len(models))]


def _distinguished(alike: Sequence[tuple[Label, int]]) -> list[str]:
    """Names for models of one stem, with as many folders before it as distinguish them."""
    longest = max(len(label) for label, _ in alike) if len(alike) > 1 else 1
    for words in range(1, longest + 1):
        names = ["/".join(label[-words:]) for label, _ in alike]
        if len(set(names)) == len(alike):
            return names
    # One folder contains the model both as one file and split.
    return [f"{label[-1]} ({parts} parts)" if parts else label[-1] for label, parts in alike]


def _candidates(label: Label, parts: int) -> Iterable[str]:
    """Possible names for a model, the shortest first."""
    for words in range(1, len(label) + 1):
        yield "/".join(label[-words:])
    if parts:
        yield f"{label[-1]} ({parts} parts)"
    for number in count(2):
        yield f"{label[-1]} ({number})"


# --- resolving a name ---


def match_model(name: str, models: Sequence[ModelInfo]) -> ModelInfo:
    """The model with this name, path or file name, compared first exactly, then case-insensitively.

    Raises:
        ModelNotFound: there is none, or several match equally well.
    """
    for fold in (str, str.casefold):
        folded = fold(name)
        for names_of in _WAYS:
            fitting = [model for model in models if folded in map(fold, names_of(model))]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                raise ModelNotFound(
                    f'"{name}" matches {len(fitting)} models: {_names_of(fitting)}.',
                    hint="Use one of these names.",
                )
    raise ModelNotFound(f'There is no model "{name}".', hint=_what_there_is(models))


Purpose = Literal["chat", "embedding", "reranking"]
"""What a server is started for."""

_KINDS: dict[Purpose, tuple[tuple[ModelKind | None, ...], ...]] = {
    # One whose header has not been read to its end may be either.
    "chat": (("chat", None), ("completion",)),
    "embedding": (("embedding",), ("chat", "completion", None)),
    "reranking": (("reranking",),),
}
"""The kinds that serve a purpose, the best first: a model for chat is taken before one that only continues texts."""

_WORDS: dict[Purpose, str] = {"chat": "chat model", "embedding": "embedding model", "reranking": "reranking model"}


def choose_model(
    *, models: Sequence[ModelInfo], default: str | None, last_used: str | None, purpose: Purpose = "chat"
) -> ModelInfo:
    """The model to start if a host names none.

    The config's default, else the only one for the purpose, else the last used, else the starter model. Models that
    cannot be run, or serve another purpose, do not count: an embedding model is never chosen for chat.

    Args:
        models: the models in the library.
        default: the config's `models.default`, a name or a path.
        last_used: name or path of the model started last; ignored if it no longer exists.

    Raises:
        ModelNotFound: the default does not exist, or no rule chooses one; the hint lists the models.
        ModelInvalid: the default cannot be run, or serves another purpose.
    """
    valid = [model for model in models if model.valid]
    ranks = [[model for model in valid if model.kind in kinds] for kinds in _KINDS[purpose]]
    usable = [model for rank in ranks for model in rank]
    if default:
        return _configured(default, models, usable, purpose)
    best = next((rank for rank in ranks if rank), [])
    if len(best) == 1:
        return best[0]
    for name in (last_used, STARTER_MODEL):
        try:
            if name:
                return match_model(name, usable)
        except ModelNotFound:
            continue  # it has been removed, or its name is no longer unique: the next rule decides
    if not usable:
        raise ModelNotFound(
            f"There is no {_WORDS[purpose]} in the library{_other_models(models, valid)}.",
            hint=_what_there_is(usable),
            remedies=(call("download_model"), *default_remedies("MODEL_NOT_FOUND", {})),
        )
    raise ModelNotFound(
        f"There are {len(usable)} {_WORDS[purpose]}s, and no setting chooses the one to start.",
        hint=f"Choose a model, or a default model in the settings: {_names_of(usable)}.",
        remedies=(change_params("model"), open_settings("models.default")),
    )


def invalid_model(model: ModelInfo) -> ModelInvalid:
    """The error of a model that cannot be run: what it is, why, and what helps."""
    problem = model.problem or "Its header cannot be read."
    named = PurePath(model.path).name in problem
    message = problem if named else f"{model.name} cannot be used: {problem}"
    return ModelInvalid(message, hint=model.hint or None, reason=model.problem_reason or "damaged")


def _other_models(models: Sequence[ModelInfo], valid: Sequence[ModelInfo]) -> str:
    """What there is instead, in brackets."""
    broken = [model for model in models if not model.valid]
    parts = [f"{len(broken)} that cannot be run: {_names_of(broken)}"] if broken else []
    if valid:
        parts.append(f"{len(valid)} for another purpose: {_names_of(valid)}")
    return f" ({'; '.join(parts)})" if parts else ""


def _configured(default: str, models: Sequence[ModelInfo], usable: Sequence[ModelInfo], purpose: Purpose) -> ModelInfo:
    try:
        model = match_model(default, models)
    except ModelNotFound as error:
        raise ModelNotFound(
            f"The config's models.default matches no model: {error.message}",
            hint=f"Choose another default model in the settings. {error.hint}",
            remedies=(open_settings("models.default"),),
        ) from None
    another = (open_settings("models.default"),)
    if not model.valid:
        raise ModelInvalid(
            f"The config's default model cannot be started: {model.problem}",
            hint=f"Choose another default model in the settings, or replace the file. {_what_there_is(usable)}",
            remedies=another,
        )
    if model not in usable:
        raise ModelInvalid(
            f"The config's default model is no {_WORDS[purpose]}: {model.name} is for {model.kind}.",
            hint=f"Choose another default model in the settings, or name the model. {_what_there_is(usable)}",
            remedies=(*another, change_params("model")),
            reason="not_a_model",
        )
    return model


def _file_stem(model: ModelInfo) -> str:
    """The name without the folders that distinguish models of one file name."""
    return model.name.replace("\\", "/").rpartition("/")[2]


_WAYS: tuple[Callable[[ModelInfo], tuple[str, ...]], ...] = (
    lambda model: (model.name, model.path, *model.other_paths),
    lambda model: (PurePath(model.path).name, _file_stem(model), *model.aliases),
)


def _what_there_is(models: Sequence[ModelInfo]) -> str:
    if not models:
        return "Put a GGUF file into the models folder, add a folder in the settings, or give the path of a file."
    return f"The path of a GGUF file works as well. The library has: {_names_of(models)}."


def _names_of(models: Sequence[ModelInfo]) -> str:
    names = [model.name for model in models[:MAX_NAMES_SHOWN]]
    more = len(models) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
