"""Configs for parts that read them when they need them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sidecar.contract.config import Config, ModelsConfig
from sidecar.storage.config import ConfigFile


def config_file(**sections: Any) -> ConfigFile:
    """A config in memory, with these sections in place of the defaults."""
    file = ConfigFile(Path("config.json"))
    file.config = Config(**sections)
    return file


def models_config(*folders: str | Path, **settings: Any) -> ConfigFile:
    """A config that lists these folders, and no other programs' models unless `sources` says so."""
    return config_file(models=ModelsConfig(folders=[str(folder) for folder in folders], **{"sources": [], **settings}))
