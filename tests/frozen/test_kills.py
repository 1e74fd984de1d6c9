"""Kills of a host, and of a frozen sidecar with its embedded engine: no process is left, and no file."""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path

import pytest

from tests.busy import BUSY_SECONDS
from tests.conversation.test_conversation import LONG
from tests.trust import kill_matrix
from tests.trust.kill_matrix import (
    GONE_SECONDS,
    ROUND_VARIABLE,
    Cell,
    Moment,
    Outcome,
    Victim,
    Watched,
    having,
    running_host,
    wait_for_the_end,
)

ROUNDS = 2

KILL, TERM = signal.SIGKILL, signal.SIGTERM


@pytest.mark.usefixtures("start_host")
@pytest.mark.parametrize("moment", ["loading", "idle", "generating"])
@pytest.mark.parametrize(
    ("victim", "number"),
    [("host", KILL), ("sidecar", KILL), ("sidecar", TERM)],
    ids=["host", "sidecar", "sidecar asked"],
)
def test_nothing_is_left(
    data_dir: Path, victim: Victim, number: signal.Signals, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kill_matrix, "GONE_SECONDS", GONE_SECONDS + BUSY_SECONDS)
    outcome = Outcome(Cell(number, victim, moment, "one server"))
    for _ in range(ROUNDS):
        tag = uuid.uuid4().hex
        with running_host(data_dir, tag) as host:
            pid = host.process.pid if victim == "host" else host.call("initialize")["pid"]
            start = host.begin("start_llama_server", channel="start")
            host.event("start", "loading")
            if moment != "loading":
                host.answer(start)
            if moment == "generating":
                host.begin("send_message", channel="turn", **LONG)
                host.event("turn", "token", at_least=3)
            everything = Watched(having(ROUND_VARIABLE, tag))
            since = time.monotonic()
            os.kill(pid, number)
            wait_for_the_end(outcome, everything, since, tag)
        everything.bury()
    assert (outcome.left, outcome.wrong, len(outcome.milliseconds)) == ([], [], ROUNDS)
    assert outcome.good, outcome.milliseconds
