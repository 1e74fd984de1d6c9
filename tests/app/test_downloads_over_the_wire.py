"""Models come from a hub into the library, survive whatever happens on the way, and are nobody's before their time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub_server import COMMIT, HubFile, HubServer, large_model
from tests.raw_host import RawHost

SIZE = 600_000
MODELS = {kind: large_model(SIZE, seed) for seed, kind in enumerate(("Q2_K", "Q4_K_M", "Q8_0"))}
TOKEN = "hf_canary_of_the_tests"
SLOW = 100_000
"""Bytes a second: six seconds for a model, far more than what is done meanwhile takes. No test waits for them."""

PROBE_BYTES = 1
"""Asked for to learn a file's size."""


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as hub:
        yield hub


@pytest.fixture(autouse=True)
def _fast_again(hub: HubServer) -> Iterator[None]:
    hub.forget_sent()
    yield
    hub.rate = None


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads") / "dätä dir"


@pytest.fixture(scope="module")
def host(hub: HubServer, data_dir: Path) -> Iterator[RawHost]:
    """A sidecar for the tests that leave it as it was."""
    with start(data_dir, hub) as host:
        yield host


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    return tmp_path / "own data"


def start(data_dir: Path, hub: HubServer, **env: str) -> RawHost:
    return RawHost(data_dir, env={"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "HF_HOME": str(data_dir / "hf"), **env})


def add(hub: HubServer, name: str, *kinds: str) -> str:
    hub.add(f"tests/{name}", {f"{name}-{kind}.gguf": MODELS[kind] for kind in kinds or ("Q4_K_M",)})
    return f"tests/{name}"


def error_of(host: RawHost, method: str, **params: Any) -> dict[str, Any]:
    answer = host.answer(host.begin(method, **params))
    assert "error" in answer, answer
    error: dict[str, Any] = answer["error"]
    return {"name": error["data"]["name"], "hint": error["data"]["hint"], "message": error["message"]}


def listed(host: RawHost, repo: str) -> dict[str, Any]:
    """The newest download of a repository."""
    found: list[dict[str, Any]] = [one for one in host.call("list_downloads") if one["repo"] == repo]
    return found[-1]


def begin(host: RawHost, hub: HubServer, repo: str, channel: str, **params: Any) -> int:
    """Begin a download, and wait until some of it has come."""
    request = host.begin("download_model", repo=repo, channel=channel, **params)
    host.until(lambda: any(e["event"].get("received_bytes", 0) for e in host.events.get(channel, ())))
    return request


def names(host: RawHost) -> set[str]:
    return {model["name"] for model in host.call("list_models")}


def digest(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def left_over(data_dir: Path) -> list[str]:
    """What is not a model in the models folder, and the records of downloads."""
    found = [p for p in (data_dir / "models").rglob("*") if p.is_file() and p.suffix != ".gguf"]
    return [str(p) for p in [*found, *(data_dir / "downloads").glob("*.json")]]


# --- the hub ---------------------------------------------------------------------------------------------------


def test_a_search_finds_repositories_with_models_the_most_downloaded_first(host: RawHost, hub: HubServer) -> None:
    add(hub, "found-one")
    hub.repos[add(hub, "found-two")].downloads = 5000
    found = host.call("search_hub", query=" found ")
    assert [(one["repo"], one["downloads"], one["gated"]) for one in found] == [
        ("tests/found-two", 5000, False),
        ("tests/found-one", 100, False),
    ]
    assert len(host.call("search_hub", query="found", limit=1)) == 1
    assert host.call("search_hub", query="nothing of that name") == []


def test_the_files_of_a_repository_are_told_as_models(host: RawHost, hub: HubServer) -> None:
    repo = add(hub, "listed", "Q8_0", "Q2_K", "Q4_K_M")
    found = host.call("list_hub_files", repo=f"{hub.url}/{repo}")
    assert (found["repo"], found["revision"], found["gated"], found["licence"]) == (repo, COMMIT, False, "apache-2.0")
    assert {one["quantization"]: one["default"] for one in found["variants"]} == {
        "Q2_K": False,
        "Q4_K_M": True,
        "Q8_0": False,
    }
    assert {one["fits"] for one in found["variants"]} <= {"memory", "gpu"}
    assert found["variants"][0]["files"][0]["sha256"] is not None


@pytest.mark.parametrize("method", ["list_hub_files", "download_model"])
def test_what_the_hub_does_not_have_is_told(host: RawHost, hub: HubServer, method: str) -> None:
    assert error_of(host, method, repo="tests/none")["name"] == "MODEL_NOT_FOUND"
    assert error_of(host, method, repo=add(hub, "revised"), revision="v9")["name"] == "MODEL_NOT_FOUND"
    assert error_of(host, method, repo="no name")["name"] == "INVALID_PARAMS"
    assert not [one for one in host.call("list_downloads") if one["state"] not in ("done", "failed", "cancelled")]


def test_a_hub_that_does_not_answer_is_told(host: RawHost, hub: HubServer) -> None:
    hub.statuses.append((503, {}))
    assert error_of(host, "list_hub_files", repo="tests/busy")["name"] == "DOWNLOAD_FAILED"
    hub.moved["/api/models/tests/moved"] = "http://127.0.0.2:1/api/models/tests/moved"
    assert "only 127.0.0.1 is allowed" in error_of(host, "list_hub_files", repo="tests/moved")["message"]


def test_what_is_asked_for_in_no_way_or_in_two_is_refused(host: RawHost) -> None:
    assert error_of(host, "download_model")["name"] == "INVALID_PARAMS"
    assert error_of(host, "download_model", repo="a/b", url="https://hf.co/a/b")["name"] == "INVALID_PARAMS"
    assert error_of(host, "download_model", repo="https://example.com/a.gguf")["name"] == "INVALID_PARAMS"
    assert error_of(host, "download_model", repo="a/b", target_dir="here")["name"] == "PATH_NOT_ALLOWED"


# --- a download ------------------------------------------------------------------------------------------------


def test_a_model_comes_whole_is_told_of_on_the_way_and_can_be_used_at_once(
    host: RawHost, hub: HubServer, data_dir: Path
) -> None:
    repo = add(hub, "whole", "Q2_K", "Q4_K_M")
    done = host.call("download_model", repo=repo, channel="whole")
    path = data_dir / "models" / repo / "whole-Q4_K_M.gguf"
    assert (done["state"], done["model_path"], done["revision"]) == ("done", str(path), COMMIT)
    assert done["received_bytes"] == done["total_bytes"] == done["verified_bytes"] == SIZE
    assert digest(path) == done["files"][0]["sha256"] == hashlib.sha256(MODELS["Q4_K_M"]).hexdigest()
    assert [s for s in host.statuses("whole") if s != "verifying"] == ["queued", "checking", "downloading", "done"]
    assert host.events["whole"][-1]["event"] == {"status": "done", **done}
    assert "whole-Q4_K_M" in names(host)
    assert left_over(data_dir) == []


def test_a_quantisation_or_a_file_can_be_named(host: RawHost, hub: HubServer) -> None:
    repo = add(hub, "named", "Q2_K", "Q4_K_M", "Q8_0")
    assert host.call("download_model", repo=f"{repo}:Q8_0")["files"][0]["name"] == "named-Q8_0.gguf"
    page = f"{hub.url}/{repo}/blob/main/named-Q2_K.gguf"
    assert host.call("download_model", url=page)["files"][0]["name"] == "named-Q2_K.gguf"


def test_a_split_model_and_its_projector_are_one_download(host: RawHost, hub: HubServer, data_dir: Path) -> None:
    parts = {f"Q8_0/big-Q8_0-0000{n}-of-00002.gguf": large_model(SIZE, 10 + n) for n in (1, 2)}
    hub.add("tests/big", {**parts, "mmproj-F16.gguf": large_model(SIZE, 20), "README.md": b"big"})
    done = host.call("download_model", repo="tests/big")
    folder = data_dir / "models" / "tests" / "big"
    assert {p.name for p in folder.iterdir()} == {
        "big-Q8_0-00001-of-00002.gguf",
        "big-Q8_0-00002-of-00002.gguf",
        "mmproj-F16.gguf",
    }
    assert done["model_path"] == str(folder / "big-Q8_0-00001-of-00002.gguf")
    assert done["total_bytes"] == 3 * SIZE


def test_what_is_there_already_is_not_fetched_again(host: RawHost, hub: HubServer) -> None:
    repo = add(hub, "twice")
    host.call("download_model", repo=repo)
    hub.forget_sent()
    assert host.call("download_model", repo=repo)["state"] == "done"
    assert hub.settled() == 0


def test_another_file_in_its_place_is_never_written_over(host: RawHost, hub: HubServer, data_dir: Path) -> None:
    repo = add(hub, "taken")
    path = data_dir / "models" / repo / "taken-Q4_K_M.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    assert error_of(host, "download_model", repo=repo)["name"] == "PATH_NOT_ALLOWED"
    assert path.read_bytes() == b"mine"
    assert hub.settled() == 0
    path.unlink()
    path.symlink_to(data_dir / "config.json")
    assert error_of(host, "download_model", repo=repo)["name"] == "PATH_NOT_ALLOWED"
    assert path.is_symlink()
    path.unlink()


def test_a_folder_can_be_named(host: RawHost, hub: HubServer, tmp_path: Path) -> None:
    done = host.call("download_model", repo=add(hub, "elsewhere"), target_dir=str(tmp_path / "new" / "folder"))
    assert [p.name for p in (tmp_path / "new" / "folder").iterdir()] == ["elsewhere-Q4_K_M.gguf"]
    assert done["model_path"] == str(tmp_path / "new" / "folder" / "elsewhere-Q4_K_M.gguf")


# --- what must not become a model --------------------------------------------------------------------------------


@pytest.mark.case(36)
def test_a_wrong_hash_is_told_and_nothing_of_it_stays(host: RawHost, hub: HubServer, data_dir: Path) -> None:
    repo = add(hub, "wrong")
    hub.repos[repo].files["wrong-Q4_K_M.gguf"].faults.told_sha256 = "0" * 64
    assert error_of(host, "download_model", repo=repo)["name"] == "CHECKSUM_MISMATCH"
    assert not any("wrong" in name for name in names(host))
    assert left_over(data_dir) == []


@pytest.mark.case(36)
def test_what_is_no_model_is_told_and_nothing_of_it_stays(host: RawHost, hub: HubServer, data_dir: Path) -> None:
    hub.add("tests/page", {"page-Q4_0.gguf": b"<html>" * 1000})
    assert error_of(host, "download_model", repo="tests/page")["name"] == "MODEL_INVALID"
    assert left_over(data_dir) == []


@pytest.mark.case(35)
@pytest.mark.parametrize("name", ["../out.gguf", "a/../../out.gguf", "CON.gguf", "..\\out.gguf", "o\u202eut.gguf"])
def test_a_hostile_name_from_the_hub_is_no_place_for_a_file(
    host: RawHost, hub: HubServer, data_dir: Path, name: str
) -> None:
    # The cache of headers is written in the background, for the models of the tests before.
    before = {data_dir / "headers.json", *(p for p in data_dir.parent.rglob("*") if "logs" not in p.parts)}
    hub.add("tests/hostile", {name: MODELS["Q2_K"], f"b/{name}": MODELS["Q8_0"]})
    found = error_of(host, "download_model", repo="tests/hostile", file=name)
    assert found["name"] in ("PATH_NOT_ALLOWED", "MODEL_NOT_FOUND", "INVALID_PARAMS")
    assert {p for p in data_dir.parent.rglob("*") if "logs" not in p.parts} - before <= {data_dir / "downloads"}


@pytest.mark.case(29)
def test_room_is_looked_for_before_the_first_byte(host: RawHost, hub: HubServer, data_dir: Path) -> None:
    repo = add(hub, "huge")
    hub.repos[repo].files["huge-Q4_K_M.gguf"].faults.told_size = 10**15
    found = error_of(host, "download_model", repo=repo)
    assert found["name"] == "DISK_FULL"
    assert f"{10**15:,}" in found["message"]
    assert hub.settled() == 0
    assert left_over(data_dir) == []


def test_while_it_comes_it_is_nobody_s_model(host: RawHost, hub: HubServer) -> None:
    hub.rate = SLOW
    request = begin(host, hub, add(hub, "coming"), "coming")
    assert not any("coming" in name for name in names(host))
    hub.rate = None
    assert host.answer(request)["result"]["state"] == "done"
    assert "coming-Q4_K_M" in names(host)


# --- pause, resume, cancel ---------------------------------------------------------------------------------------


def test_a_pause_keeps_what_has_come_and_a_resume_goes_on(host: RawHost, hub: HubServer) -> None:
    repo = add(hub, "paused")
    hub.rate = SLOW
    request = begin(host, hub, repo, "paused")
    id_ = listed(host, repo)["download_id"]
    paused = host.call("pause_download", download_id=id_)
    assert paused["state"] == "paused"
    assert 0 < paused["received_bytes"] < SIZE
    assert host.call("pause_download", download_id=id_)["state"] == "paused"
    sent = hub.settled()
    hub.rate = None
    assert host.call("resume_download", download_id=id_)["state"] in ("queued", "checking")
    assert host.answer(request)["result"]["state"] == "done"
    assert "paused" in host.statuses("paused")
    assert hub.settled() - sent <= SIZE - paused["received_bytes"] + PROBE_BYTES


def test_a_cancel_removes_what_has_come(host: RawHost, hub: HubServer, data_dir: Path) -> None:
    repo = add(hub, "given-up")
    hub.rate = SLOW
    request = begin(host, hub, repo, "given up")
    id_ = listed(host, repo)["download_id"]
    assert left_over(data_dir) != []
    assert host.call("cancel_download", download_id=id_)["state"] == "cancelled"
    assert host.answer(request)["error"]["data"]["name"] == "CANCELLED"
    assert host.statuses("given up")[-1] == "cancelled"
    assert left_over(data_dir) == []
    assert host.call("cancel_download", download_id=id_)["state"] == "cancelled"
    assert error_of(host, "resume_download", download_id=id_)["name"] == "NOT_SUPPORTED"
    assert error_of(host, "pause_download", download_id=id_)["name"] == "NOT_SUPPORTED"


@pytest.mark.parametrize("method", ["pause_download", "resume_download", "cancel_download"])
def test_an_id_that_there_is_not_is_told(host: RawHost, method: str) -> None:
    assert error_of(host, method, download_id="../config")["name"] == "DOWNLOAD_NOT_FOUND"


def test_a_request_that_is_cancelled_lets_the_download_rest(host: RawHost, hub: HubServer) -> None:
    repo = add(hub, "left")
    hub.rate = SLOW
    request = begin(host, hub, repo, "left")
    host.send({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": request}})
    assert host.answer(request)["error"]["data"]["name"] == "CANCELLED"
    left, sent = listed(host, repo), hub.settled()
    assert left["state"] == "paused"
    hub.rate = None
    assert host.call("download_model", repo=repo)["state"] == "done"
    assert hub.settled() - sent <= SIZE - left["received_bytes"] + PROBE_BYTES


def test_two_requests_for_one_model_are_one_download(host: RawHost, hub: HubServer) -> None:
    repo = add(hub, "shared")
    hub.rate = SLOW
    first = begin(host, hub, repo, "first")
    second = host.begin("download_model", repo=repo, channel="second")
    host.until(lambda: "second" in host.events)
    host.send({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": first}})
    hub.rate = None
    assert host.answer(first)["error"]["data"]["name"] == "CANCELLED"
    assert host.answer(second)["result"]["state"] == "done"
    assert hub.settled() <= SIZE + 1


def test_downloads_beyond_the_number_at_once_wait_for_their_turn(host: RawHost, hub: HubServer) -> None:
    host.call("set_config", patch={"downloads": {"at_once": 1}})
    hub.rate = SLOW
    first = begin(host, hub, add(hub, "turn-one"), "turn one")
    second = host.begin("download_model", repo=add(hub, "turn-two"), channel="turn two")
    host.until(lambda: "turn two" in host.events)
    assert listed(host, "tests/turn-two")["state"] == "queued"
    hub.rate = None
    assert host.answer(first)["result"]["finished_at"] <= host.answer(second)["result"]["finished_at"]
    host.call("set_config", patch={"downloads": None})


def test_who_subscribes_sees_every_download_from_its_present_state_on(host: RawHost, hub: HubServer) -> None:
    repo = add(hub, "watched")
    host.call("subscribe", topics=["downloads"], channel="watch")
    host.call("download_model", repo=repo)
    seen = [e["event"]["download"] for e in host.events["watch"]]
    assert {one["download_id"] for one in host.call("list_downloads")} == {one["download_id"] for one in seen}
    assert [one["state"] for one in seen if one["repo"] == repo][-1] == "done"
    host.call("unsubscribe", channel="watch")


# --- other servers -----------------------------------------------------------------------------------------------


@pytest.mark.case(36)
def test_an_address_inside_this_machine_is_refused_unless_that_is_allowed(host: RawHost, data_dir: Path) -> None:
    with HubServer() as other:
        other.files["plain.gguf"] = HubFile(MODELS["Q2_K"])
        url = f"{other.url}/files/plain.gguf?key=secret"
        assert error_of(host, "download_model", url=url)["name"] == "ADDRESS_NOT_ALLOWED"
        assert other.requests == []
        host.call("set_config", patch={"downloads": {"allow_private_addresses": True}})
        done = host.call("download_model", url=url)
        assert (done["url"], done["model_path"]) == (url.partition("?")[0], str(data_dir / "models" / "plain.gguf"))
        assert "secret" not in json.dumps(done)
        other.files["download"] = other.files["plain.gguf"]
        other.files["download"].faults.disposition = "attachment; filename*=UTF-8''named%20there.gguf"
        assert host.call("download_model", url=f"{other.url}/files/download")["files"][0]["name"] == "named there.gguf"
        other.files["download"].faults.disposition = 'attachment; filename="../../out.gguf"'
        assert error_of(host, "download_model", url=f"{other.url}/files/download")["name"] == "PATH_NOT_ALLOWED"
        other.files["download"].faults.disposition = 'attachment; filename="page.html"'
        assert error_of(host, "download_model", url=f"{other.url}/files/download")["name"] == "NOT_SUPPORTED"
    host.call("set_config", patch={"downloads": None})


# --- after a restart ---------------------------------------------------------------------------------------------


def test_after_a_restart_what_it_interrupted_goes_on_and_what_was_paused_or_failed_waits(
    hub: HubServer, own: Path
) -> None:
    one, paused, failed = add(hub, "restarted"), add(hub, "rests"), add(hub, "fails")
    faults = hub.repos[failed].files["fails-Q4_K_M.gguf"].faults
    faults.resets.extend([300_000, *[0] * 50])
    with start(own, hub) as first:
        first.call("set_config", patch={"downloads": {"retry_seconds": 0.3}})
        assert error_of(first, "download_model", repo=failed)["name"] == "DOWNLOAD_FAILED"
        hub.rate = SLOW
        begin(first, hub, paused, "paused")
        first.call("pause_download", download_id=listed(first, paused)["download_id"])
        begin(first, hub, one, "one")
        came = listed(first, one)["received_bytes"]
    faults.resets.clear()
    sent = hub.settled()
    with start(own, hub) as second:
        found = {d["repo"]: d for d in second.call("list_downloads")}
        assert {repo: (d["state"], d["goes_on"]) for repo, d in found.items()} == {
            one: ("paused", True),
            paused: ("paused", False),
            failed: ("failed", False),
        }
        assert found[one]["received_bytes"] >= came
        assert found[paused]["received_bytes"] > 0
        assert found[failed]["error"]["data"]["name"] == "DOWNLOAD_FAILED"
        second.call("set_config", patch={"downloads": {"resume_at_start": False}})
        second.call("initialize")
        assert listed(second, one)["state"] == "paused"
        assert hub.settled() == sent  # not before a host has introduced itself, and the config allows it
        second.call("set_config", patch={"downloads": {"resume_at_start": True}})
        hub.rate = None
        second.call("subscribe", topics=["downloads"], channel="watch")
        second.call("initialize")
        second.until(lambda: any(e["event"]["download"]["state"] == "done" for e in second.events.get("watch", ())))
        assert listed(second, one)["state"] == "done"
        assert listed(second, paused)["state"] == "paused"
        second.call("resume_download", download_id=found[paused]["download_id"])
        assert second.call("download_model", repo=paused)["state"] == "done"
        assert second.call("download_model", repo=failed)["state"] == "done"
        assert names(second) == {"restarted-Q4_K_M", "rests-Q4_K_M", "fails-Q4_K_M"}
    left = sum(SIZE - download["received_bytes"] for download in found.values())
    assert hub.settled() - sent <= left + 3 * PROBE_BYTES
    assert left_over(own) == []


# --- secrets -----------------------------------------------------------------------------------------------------


@pytest.mark.case(39)
def test_the_token_opens_what_is_gated_and_is_written_nowhere(hub: HubServer, own: Path) -> None:
    repo = add(hub, "gated")
    hub.repos[repo].gated = True
    with start(own, hub, HF_TOKEN=TOKEN) as host:
        host.call("set_config", patch={"logs": {"level": "debug"}})
        hub.token = "hf_of_somebody_else"
        found = error_of(host, "download_model", repo=repo)
        assert found["name"] == "HUB_ACCESS_DENIED"
        hub.token = TOKEN
        assert host.call("download_model", repo=repo)["state"] == "done"
    written = [p for p in own.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
    assert written == []
    assert TOKEN.encode() not in host.stderr
    assert TOKEN not in json.dumps(found)
