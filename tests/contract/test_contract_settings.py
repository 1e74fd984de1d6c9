"""Settings of a start: flags and defaults stand in the schema, from one table."""

from __future__ import annotations

from typing import Any

import msgspec

from sidecar.contract import METHODS, openrpc
from sidecar.contract.config import Config, ServerDefaults
from sidecar.contract.server_settings import FLAGS, ServerSettings

SCHEMAS: dict[str, Any] = openrpc.document()["components"]["schemas"]


def test_every_flag_is_of_a_setting_and_stands_in_the_schema() -> None:
    settings = SCHEMAS["StartLlamaServerParams"]["properties"]
    assert FLAGS.keys() <= set(ServerSettings.__struct_fields__)
    assert {name: settings[name].get("x-flag") for name in FLAGS} == {name: flag.name for name, flag in FLAGS.items()}
    assert len({flag.name for flag in FLAGS.values()}) == len(FLAGS)
    assert all("llama-server" in flag.kinds for flag in FLAGS.values())


def test_defaults_are_values_that_the_parameter_takes_and_stand_in_the_schema() -> None:
    for method in METHODS.values():
        for name, value in method.params.defaults.items():
            assert SCHEMAS[method.params.__name__]["properties"][name]["default"] == value, (method.name, name)
    assert (
        msgspec.convert(dict(ServerSettings.defaults), ServerSettings).ctx_size == ServerSettings.defaults["ctx_size"]
    )


def test_the_configs_defaults_of_a_start_are_those_of_the_schema() -> None:
    defaults: ServerDefaults = Config().server_defaults
    own = {
        name: getattr(defaults, name) for name in ServerDefaults.__struct_fields__ if name in ServerSettings.defaults
    }
    assert own == {name: ServerSettings.defaults[name] for name in own}
    assert set(own) == {"ctx_size", "parallel", "n_gpu_layers"}
