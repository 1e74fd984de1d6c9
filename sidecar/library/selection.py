"""Which model is meant: by what a host calls it, or by nothing at all. Pure.

Owns the rules of naming and of the default. Knows nothing of folders, files or engines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from sidecar.contract.errors import ModelInvalid, ModelNotFound
from sidecar.contract.models import ModelInfo

STARTER_MODEL = "SmolLM2-135M-Instruct.Q4_1"
"""The model that comes with the sidecar: started where there are several and nothing else says which."""

MAX_NAMES_TOLD = 5
"""An error names so many models at most: enough to choose from, short enough to read."""


def match_model(name: str, models: Sequence[ModelInfo]) -> ModelInfo:
    """The model that a name stands for: a name, a path or the file's name, first as written, then in any case.

    Raises:
        ModelNotFound: there is none, or several fit equally well.
    """
    for fold in (str, str.casefold):
        wanted = fold(name)
        for names_of in _WAYS:
            fitting = [model for model in models if wanted in map(fold, names_of(model))]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                raise ModelNotFound(
                    f'"{name}" can mean {len(fitting)} models: {_told(fitting)}.',
                    hint="Use one of these names.",
                )
    raise ModelNotFound(f'There is no model "{name}".', hint=_what_there_is(models))


def choose_model(*, models: Sequence[ModelInfo], default: str | None, last_used: str | None) -> ModelInfo:
    """The model to start where a host names none.

    The config's default, else the only one there is, else the last used, else the starter model. Files that are no
    usable models do not count.

    Args:
        models: what is in the library.
        default: the config's `models.default`, a name or a path.
        last_used: name or path of the model started last; forgotten where it is gone.

    Raises:
        ModelNotFound: the default is not there, or there is nothing to go by; the hint names what there is.
        ModelInvalid: the default is damaged.
    """
    usable = [model for model in models if model.valid]
    if default:
        return _configured(default, models, usable)
    if len(usable) == 1:
        return usable[0]
    for name in (last_used, STARTER_MODEL):
        try:
            if name:
                return match_model(name, usable)
        except ModelNotFound:
            continue  # it has been removed, or its name is no longer its own: the next rule decides
    if not usable:
        damaged = f" ({len(models)} damaged: {_told(models)})" if models else ""
        raise ModelNotFound(f"There is no model in the library{damaged}.", hint=_what_there_is(usable))
    raise ModelNotFound(
        f"There are {len(usable)} models, and no setting says which one to start.",
        hint=f"Give model, or set models.default in the config, to one of: {_told(usable)}.",
    )


def _configured(default: str, models: Sequence[ModelInfo], usable: Sequence[ModelInfo]) -> ModelInfo:
    try:
        model = match_model(default, models)
    except ModelNotFound as error:
        raise ModelNotFound(
            f"The config's models.default does not fit: {error.message}",
            hint=f"Change models.default with set_config. {error.hint}",
        ) from None
    if not model.valid:
        raise ModelInvalid(
            f"The config's default model can not be started: {model.problem}",
            hint=f"Change models.default with set_config, or replace the file. {_what_there_is(usable)}",
        )
    return model


def _file_stem(model: ModelInfo) -> str:
    """The name without the folders that tell models of one file name apart."""
    return model.name.replace("\\", "/").rpartition("/")[2]


_WAYS: tuple[Callable[[ModelInfo], tuple[str, ...]], ...] = (
    lambda model: (model.name, model.path, *model.other_paths),
    lambda model: (PurePath(model.path).name, _file_stem(model), *model.aliases),
)


def _what_there_is(models: Sequence[ModelInfo]) -> str:
    if not models:
        return "Put a GGUF file into the models folder, add a folder to models.folders, or give model_path."
    return f"Call list_models, or give model_path. The library has: {_told(models)}."


def _told(models: Sequence[ModelInfo]) -> str:
    names = [model.name for model in models[:MAX_NAMES_TOLD]]
    more = len(models) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
