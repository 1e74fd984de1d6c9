"""Models on disk and on the hub: files that are something else, wrong pairs, wrong choices."""

from __future__ import annotations

import pytest

from sidecar.contract.errors import InvalidParams
from sidecar.contract.server_settings import ServerSettings
from sidecar.contract.servers import StartLlamaServerParams
from tests.servers.test_start_planner import Desk, desk

__all__ = ["desk"]

pytestmark = pytest.mark.anyio


async def test_a_vision_model_can_be_started_without_its_projector(desk: Desk) -> None:
    """EricLBuehler/mistral.rs#2421: there was no way to say "no projector"."""
    desk.model("vision")
    projector = desk.model("mmproj-vision", general__architecture="clip")
    assert (await desk.plan(model="vision")).settings.mmproj_path == str(projector)
    assert (await desk.plan(model="vision", projector="auto")).settings.mmproj_path == str(projector)
    launch = await desk.plan(model="vision", projector="none")
    assert launch.settings == ServerSettings(model="vision", projector="none")
    with pytest.raises(InvalidParams) as caught:
        desk.planner.settings(StartLlamaServerParams(projector="none", mmproj_path=str(projector)))
    assert caught.value.data["path"] == "$.projector"
