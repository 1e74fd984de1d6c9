"""Several servers side by side: their ids, their order, who is told, and which one a message goes to."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import EngineInUse, ServerAlreadyRunning, ServerNotRunning
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.events.changes import Subscription
from sidecar.logs.store import LogStore
from sidecar.servers.server import Server
from sidecar.servers.server_manager import LAST_GRACE_SECONDS, ServerManager
from sidecar.servers.server_table import ServerChange
from tests.busy import BUSY_SECONDS
from tests.processes.programs import WAIT_SECONDS, is_alive
from tests.servers.running import Stage, error_of, until

pytestmark = pytest.mark.anyio


class Harbour:
    """A fleet that runs, and a short way to start servers of the fake engine in it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.config = EnginesConfig(start_timeout_seconds=WAIT_SECONDS, stop_grace_seconds=1.0, max_restarts=0)
        self.fleet = stage.manager(self.config)

    def start(self, server_id: str, *extra_args: str) -> Server:
        return self.fleet.start(server_id, ServerSettings(extra_args=list(extra_args)))

    async def ready(self, server_id: str, *extra_args: str) -> Server:
        server = self.start(server_id, *extra_args)
        await server.started()
        return server

    def states(self) -> dict[str, str]:
        return {info.server_id: info.state for info in self.fleet.infos()}


@pytest.fixture
def harbour(fake: LlamaServer, logs: LogStore, runtime_dir: Path) -> Harbour:
    return Harbour(Stage(fake, logs, runtime_dir))


def is_loading_again(server: Server) -> bool:
    return server.restarts > 0 and server.state == "loading"


@asynccontextmanager
async def open_(harbour: Harbour) -> AsyncIterator[ServerManager]:
    with anyio.fail_after(WAIT_SECONDS):
        async with harbour.fleet.run():
            yield harbour.fleet


async def test_servers_run_side_by_side_and_end_with_the_fleet(harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        servers = [await harbour.ready(name) for name in ("b", "a", "c")]
        assert harbour.states() == {"b": "ready", "a": "ready", "c": "ready"}
        pids = {server.pid for server in servers}
        assert len(pids) == 3
        assert fleet.all() == servers
    assert [pid for pid in pids if pid and is_alive(pid)] == []
    assert harbour.stage.leftovers() == []


@pytest.mark.parametrize(("state", "arguments"), [("loading", ["--stuck-at", "0.5"]), ("ready", [])])
async def test_one_id_stands_for_one_server(state: str, arguments: list[str], harbour: Harbour) -> None:
    async with open_(harbour):
        server = harbour.start("x", *arguments)
        await until(lambda: server.state == state)
        with pytest.raises(ServerAlreadyRunning, match=state):
            harbour.start("x")


@pytest.mark.parametrize("way", ["failed", "crashed"])
async def test_a_failed_server_is_listed_until_it_is_stopped_or_started_again(way: str, harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        other = await harbour.ready("other")
        if way == "failed":
            server = harbour.start("x", "--exit-on-load", "1")
            await error_of(server.started())
        else:
            server = await harbour.ready("x")
            os.kill(server.pid or 0, signal.SIGKILL)
        await until(lambda: server.state == "failed")
        assert harbour.states() == {"other": "ready", "x": "failed"}
        again = await harbour.ready("x")
        assert (fleet.find("x"), harbour.states()) == (again, {"other": "ready", "x": "ready"})
        assert other.state == "ready"


async def test_a_stopped_server_is_off_the_list(harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        server = await harbour.ready("x")
        await fleet.stop(server)
        assert (harbour.states(), fleet.find("x"), server.state) == ({}, None, "stopped")
        await fleet.stop(server)
        with pytest.raises(ServerNotRunning):
            fleet.get("x")


async def test_stopping_an_old_server_leaves_the_one_in_its_place_alone(harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        old = await harbour.ready("x")
        await fleet.stop(old)
        new = await harbour.ready("x")
        await fleet.stop(old)
        assert (fleet.find("x"), new.state) == (new, "ready")


async def test_replacing_stops_the_old_one_first(harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        old = await harbour.ready("x")
        pid = old.pid
        async with fleet.replacing(old, ServerSettings(ctx_size=96)) as new:
            assert pid is not None
            assert (old.state, is_alive(pid)) == ("stopped", False)
            assert ((await new.started()).ctx_size, fleet.find("x")) == (96, new)


async def test_of_two_who_replace_at_once_one_is_told_that_the_other_was_faster(harbour: Harbour) -> None:
    outcomes: list[str] = []

    async def replace(server: Server) -> None:
        try:
            async with fleet.replacing(server, ServerSettings()):
                outcomes.append("replaced")
        except ServerAlreadyRunning:
            outcomes.append("already running")

    async with open_(harbour) as fleet:
        server = await harbour.ready("x")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(replace, server)
            tasks.start_soon(replace, server)
    assert sorted(outcomes) == ["already running", "replaced"]


async def test_a_stop_wins_over_a_replacement_that_is_under_way(harbour: Harbour) -> None:
    errors: list[str] = []

    async def replace(server: Server) -> None:
        replacing = fleet.replacing(server, ServerSettings())
        errors.append((await error_of(replacing.__aenter__())).name)

    async with open_(harbour) as fleet:
        server = await harbour.ready("x", "--ignore-term")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(replace, server)
            await until(lambda: server.state == "stopping")
            await fleet.stop(server)
        assert (errors, harbour.states()) == (["CANCELLED"], {})


async def test_readers_get_every_change_and_the_end(harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        with fleet.changes.subscribe() as changes:
            server = await harbour.ready("x")
            await fleet.stop(server)
        await harbour.ready("y")
        found = [(server_id, info.state if info else None) async for server_id, info in changes]
    states = ["planning", "starting", "loading", "warming", "ready", "stopping", "stopped", None]
    assert found == [("x", state) for state in states]


async def test_readers_are_shown_which_server_becomes_the_default(harbour: Harbour) -> None:
    def shown(changes: Subscription[ServerChange]) -> dict[str, bool]:
        return {server_id: info.default for server_id, info in changes.take() if info is not None}

    async with open_(harbour) as fleet:
        with fleet.changes.subscribe() as changes:
            other = await harbour.ready("other")
            assert (shown(changes), other.info().default) == ({"other": True}, True)
            default = await harbour.ready("default")
            assert shown(changes) == {"default": True, "other": False}
            await fleet.stop(default)
            assert shown(changes) == {"default": False, "other": True}
            await harbour.ready("third")
            assert shown(changes) == {"other": False, "third": False}
            assert [info.default for info in fleet.infos()] == [False, False]


async def test_a_folder_from_which_a_server_runs_is_in_use(harbour: Harbour) -> None:
    folder = Path(harbour.stage.engine.path).parent
    async with open_(harbour) as fleet:
        fleet.check_unused("fake", folder)
        server = await harbour.ready("x")
        fleet.check_unused("another", folder / "another")
        with pytest.raises(EngineInUse) as refused:
            fleet.check_unused("fake", folder)
        assert refused.value.data == {"server_id": "x"}
        await fleet.stop(server)
        fleet.check_unused("fake", folder)


# --- which one ---


async def test_a_message_goes_to_the_named_server_else_to_the_sessions_else_to_the_default(harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        names = ("default", "a", "b")
        servers = {name: await harbour.ready(name) for name in names}
        asked = [(None, None), ("a", None), ("a", "b"), (None, "b"), (None, "gone")]
        assert [(await fleet.choose(*names)).server_id for names in asked] == ["default", "a", "a", "b", "default"]
        await fleet.stop(servers["default"])
        with pytest.raises(ServerNotRunning, match="2 others"):
            await fleet.choose(None, None)
        await fleet.stop(servers["b"])
        assert (await fleet.choose(None, "b")).server_id == "a"


async def test_what_is_neither_ready_nor_starting_is_not_chosen(harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        with pytest.raises(ServerNotRunning):
            await fleet.choose(None, None)
        failed, loading = harbour.start("failed", "--exit-on-load", "1"), harbour.start("loading", "--stuck-at", "0.5")
        await until(lambda: failed.state == "failed" and loading.state == "loading")
        for unusable in ("failed", "gone"):
            with pytest.raises(ServerNotRunning):
                await fleet.choose(unusable, None)
        for named, remembered in (("loading", None), (None, "loading"), (None, None)):
            assert (await fleet.choose(named, remembered)).server_id == "loading"
        await harbour.ready("other")
        assert (await fleet.choose(None, None)).server_id == "other"
        with pytest.raises(ServerNotRunning, match="failed"):
            await fleet.choose(None, "failed")
        assert (await fleet.choose(None, "loading")).server_id == "loading"


async def test_of_several_that_start_a_message_has_to_name_one(harbour: Harbour) -> None:
    async with open_(harbour) as fleet:
        for name in ("a", "b"):
            harbour.start(name, "--stuck-at", "0.5")
        with pytest.raises(ServerNotRunning, match="2 others are starting"):
            await fleet.choose(None, None)


async def test_who_chooses_a_server_that_is_being_replaced_waits_for_the_new_one(harbour: Harbour) -> None:
    chosen: list[Server] = []

    async def choose(server_id: str | None, remembered: str | None) -> None:
        chosen.append(await fleet.choose(server_id, remembered))

    async with open_(harbour) as fleet:
        old = await harbour.ready("x")
        replacing = fleet.replacing(old, ServerSettings())
        async with anyio.create_task_group() as tasks, replacing as new:
            for asked in (("x", None), (None, "x"), (None, None)):  # the only one there is
                tasks.start_soon(choose, *asked)
            await new.started()
            assert (old.superseded, chosen) == (True, [])
        assert chosen == [new, new, new]
        other = await harbour.ready("other")
        async with fleet.replacing(new, ServerSettings()):
            assert await fleet.choose("other", None) is other
            with pytest.raises(ServerNotRunning, match="2 others"):
                await fleet.choose(None, None)


async def test_who_waits_for_a_replacement_is_told_that_there_will_be_none(harbour: Harbour) -> None:
    errors: list[str] = []

    async def choose() -> None:
        errors.append((await error_of(fleet.choose("x", None))).message)

    async with open_(harbour) as fleet:
        old = await harbour.ready("x")
        faulty = ServerSettings(extra_args=["--exit-on-load", "1"])
        async with anyio.create_task_group() as tasks, fleet.replacing(old, faulty) as new:
            tasks.start_soon(choose)
            await error_of(new.started())
        assert "has failed" in errors[0]
        assert "has failed" in (await error_of(fleet.choose("x", None))).message


async def test_the_end_of_the_fleet_does_not_wait_for_one_server_after_the_other(harbour: Harbour) -> None:
    async with open_(harbour):
        for name in "abcdefgh":
            harbour.start(name, "--ignore-term", "--never-ready")
        await until(lambda: set(harbour.states().values()) == {"warming"})
        begun = anyio.current_time()
    assert anyio.current_time() - begun < LAST_GRACE_SECONDS + BUSY_SECONDS  # the grace of each is 1 s


async def test_an_engine_that_will_not_end_holds_up_the_end_of_the_fleet_for_a_second_only(harbour: Harbour) -> None:
    harbour.config.stop_grace_seconds = WAIT_SECONDS
    stopped: list[str] = []

    async def stop(server: Server) -> None:
        await fleet.stop(server)
        stopped.append(server.state)

    async with anyio.create_task_group() as tasks:
        async with open_(harbour) as fleet:
            servers = [await harbour.ready(name, "--ignore-term") for name in ("running", "being stopped already")]
            pids = [server.pid for server in servers]
            tasks.start_soon(stop, servers[1])
            await until(lambda: servers[1].state == "stopping")
            begun = anyio.current_time()
        assert LAST_GRACE_SECONDS <= anyio.current_time() - begun < LAST_GRACE_SECONDS + BUSY_SECONDS
    assert ([pid for pid in pids if pid and is_alive(pid)], stopped) == ([], ["stopped"])


async def test_a_server_that_is_being_started_again_is_stopped_and_replaced_like_any_other(harbour: Harbour) -> None:
    harbour.config.max_restarts = 5
    async with open_(harbour) as fleet:
        for name in ("stopped", "replaced"):
            server = await harbour.ready(name, "--ready-after", "0.2")
            os.kill(server.pid or 0, signal.SIGKILL)
            await until(partial(is_loading_again, server))
            assert harbour.states() == {name: "loading"}
            with pytest.raises(ServerNotRunning, match="being restarted"):
                await fleet.choose(name, None)
            with pytest.raises(ServerAlreadyRunning, match="loading"):
                harbour.start(name)
            if name == "stopped":
                await fleet.stop(server)
                assert harbour.states() == {}
            else:
                async with fleet.replacing(server, ServerSettings()) as new:
                    assert ((await new.started()).restarts, server.state) == (0, "stopped")
