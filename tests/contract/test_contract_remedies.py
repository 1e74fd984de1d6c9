"""Every remedy in the table is something that a host can do, for something that can happen."""

from __future__ import annotations

from typing import get_args

import pytest

from sidecar.contract import METHODS
from sidecar.contract.config import Config
from sidecar.contract.errors import CAUSES, EngineStartFailed, ServerNotRunning, all_errors, from_wire
from sidecar.contract.remedies import BY_CAUSE, BY_ERROR, BY_GPU_CAUSE, RETRY, Remedy, RemedyWord, call
from sidecar.contract.servers import GpuCause

TABLE = [remedy for table in (BY_ERROR, BY_CAUSE, BY_GPU_CAUSE) for row in table.values() for remedy in row]
PARAMETERS = {name for method in METHODS.values() for name in method.params.__struct_fields__}


def test_the_table_has_known_errors_and_every_cause() -> None:
    assert BY_ERROR.keys() <= {error.name for error in all_errors()}
    assert tuple(BY_CAUSE) == CAUSES
    assert tuple(BY_GPU_CAUSE) == get_args(GpuCause)


@pytest.mark.parametrize("remedy", TABLE, ids=lambda remedy: f"{remedy.action} {remedy.params}")
def test_a_remedy_is_a_method_with_its_parameters_or_a_word(remedy: Remedy) -> None:
    if remedy.action in METHODS:
        assert remedy.params.keys() <= set(METHODS[remedy.action].params.__struct_fields__)
        return
    assert remedy.action in get_args(RemedyWord)
    assert set(remedy.params.get("names", ())) <= PARAMETERS
    value: object = Config()
    for name in remedy.params.get("key", "").split("."):
        value = getattr(value, name) if name else None


def test_a_failed_start_has_the_remedies_of_its_cause_and_one_that_is_given_others_has_those() -> None:
    assert EngineStartFailed("It failed.", cause="BAD_FLAG").remedies == BY_CAUSE["BAD_FLAG"]
    assert ServerNotRunning("It is not.").remedies == BY_ERROR["SERVER_NOT_RUNNING"]
    assert ServerNotRunning("It is not.", remedies=[RETRY]).remedies == (RETRY,)


def test_remedies_survive_the_wire() -> None:
    error = ServerNotRunning("It is not.", remedies=[RETRY, call("restart_server", server_id="a")])
    back = from_wire(error.to_wire())
    assert (back.remedies, back.data, back.to_wire()) == (error.remedies, {}, error.to_wire())
