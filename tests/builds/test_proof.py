"""A build proves itself by a token, and one that can not says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.builds import proof as proofs
from sidecar.builds.proof import REQUEST, SOURCE, Prover
from sidecar.builds.proof_model import CONTEXT, proof_model
from sidecar.contract.errors import EngineNotFound, EngineStartFailed
from sidecar.library.inspection import inspect
from sidecar.logs.store import LogStore
from tests import fake_engine

pytestmark = pytest.mark.anyio


@pytest.fixture
def prover(tmp_path: Path) -> Iterator[Prover]:
    (tmp_path / "logs").mkdir()
    (tmp_path / "sockets").mkdir()
    logs = LogStore(tmp_path / "logs", max_file_bytes=65_536, kept_files=1)
    yield Prover(logs=logs, runtime_dir=tmp_path / "sockets", work=tmp_path / "work")
    assert not list((tmp_path / "work").glob("*"))
    logs.close()


def test_the_model_is_sound_small_and_always_the_same(tmp_path: Path) -> None:
    data = proof_model()
    assert data == proof_model()
    assert len(data) < 300_000
    (tmp_path / "proof.gguf").write_bytes(data)
    found = inspect(tmp_path / "proof.gguf")
    assert (found.architecture, found.layers, found.context_length, found.vocabulary) == ("llama", 1, CONTEXT, 259)


async def test_a_build_that_generates_a_token_is_proved(prover: Prover, fake_llama_cpp: Path) -> None:
    proof = await prover.prove(fake_llama_cpp)
    assert (proof.version, proof.backends) == ("fake (build 1)", ["CPU", "FAKE"])
    assert [device.name for device in proof.devices] == ["FAKE0"]
    assert proof.load_ms > 0
    assert proof.token_ms > 0
    assert any("listening on" in line for line in prover._logs.source(SOURCE).tail(50))


async def test_one_that_does_not_says_why(prover: Prover, tmp_path: Path) -> None:
    flags = ("--say-on-load", "E last words", "--die-on", "/v1/chat/completions")
    with pytest.raises(EngineStartFailed) as failed:
        await prover.prove(fake_engine.install(tmp_path / "b", *flags))
    assert (failed.value.data["cause"], failed.value.data["exit_code"]) == ("UNKNOWN", 43)
    assert any("last words" in line for line in failed.value.data["log_tail"])


async def test_an_answer_without_a_token_proves_nothing(
    prover: Prover, fake_llama_cpp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REQUEST, "max_tokens", 0)
    with pytest.raises(EngineStartFailed, match="no token"):
        await prover.prove(fake_llama_cpp)


async def test_one_that_never_ends_is_ended(prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "PROOF_SECONDS", 0.5)
    with pytest.raises(EngineStartFailed) as failed:
        await prover.prove(fake_engine.install(tmp_path / "b", "--hang-on", "/v1/chat/completions"))
    assert failed.value.data["cause"] == "TIMEOUT"


async def test_a_folder_without_a_build_has_nothing_to_prove(prover: Prover, tmp_path: Path) -> None:
    with pytest.raises(EngineNotFound):
        await prover.prove(tmp_path)
