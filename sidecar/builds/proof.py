"""The proof that a llama.cpp build works on this machine: it runs a model and generates a token.

Owns the request and its bounds. The model is generated (`proof_model`), so that none need be installed; all of its
layers go to the GPU, so that the proof of a build for GPUs covers them. Knows nothing of archives or of the default
build.
"""

from __future__ import annotations

import logging
import secrets
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from sidecar.builds.proof_model import CONTEXT, proof_model
from sidecar.contract.config import EnginesConfig
from sidecar.contract.engines import EngineProof
from sidecar.contract.errors import Cancelled, EngineStartFailed, SidecarError
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.kinds.llama_server import LlamaServer, LlamaServers
from sidecar.engines.launch import Launch
from sidecar.engines.lifecycle.engine_errors import start_failed
from sidecar.engines.lifecycle.engine_run import EXIT_NOTICE_SECONDS, EngineRun
from sidecar.engines.protocols import ChatEngine
from sidecar.logs.store import LogStore
from sidecar.storage.atomic_files import refusal

logger = logging.getLogger(__name__)

START_SECONDS = 60.0
"""Start timeout without progress: the model loads in milliseconds, but a GPU's driver may be slow at its first use."""

PROOF_SECONDS = 180.0
"""Timeout of the whole proof: a CUDA build compiles its kernels once for an unknown GPU, which takes up to two
minutes."""

END_SECONDS = 1.0
"""How long the engine may take to end."""

SOURCE = "engine-proof"
"""The source of the log lines."""

REQUEST: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Say something."}],
    "max_tokens": 2,  # the first is computed with the prompt; the second in a step of its own, as all others
    "temperature": 0.0,
    "ignore_eos": True,
    "stream": True,
    "stream_options": {"include_usage": True},
}


class Prover:
    """Proves builds, one at a time.

    Args:
        logs: the logs of engines.
        runtime_dir: the folder for sockets.
        work: a folder for the temporary model; created if it does not exist.
    """

    def __init__(self, *, logs: LogStore, runtime_dir: Path, work: Path) -> None:
        self._logs = logs
        self._runtime_dir = runtime_dir
        self._work = work
        self._lock = anyio.Lock()

    async def prove(self, folder: Path) -> EngineProof:
        """Run the llama-server of a folder and have it generate a token.

        Raises:
            EngineNotFound: there is none in the folder.
            PathNotAllowed: the folder's path is not absolute.
            EngineStartFailed: it generates none; `cause` and `log_tail` say why.
            DiskFull, PermissionDenied, StorageError: the model cannot be written.
        """
        async with self._lock:
            server = await LlamaServers().in_folder(str(folder))  # without a cache: the build may have changed
            probe = await server.probe()
            model = self._work / f"{secrets.token_hex(8)}.gguf"
            try:
                await anyio.to_thread.run_sync(_write, model)
                run, token_ms = await self._generate(server, model)
            finally:
                model.unlink(missing_ok=True)
        actual = run.actual
        assert actual is not None  # noqa: S101 - it was ready
        proof = EngineProof(
            proved_at=time.time(),
            version=probe.version,
            backends=probe.backends,
            devices=probe.devices,
            gpu_layers=actual.gpu_layers,
            total_layers=actual.total_layers,
            load_ms=actual.load_ms,
            token_ms=token_ms,
        )
        logger.info("%s has generated a token in %.0f ms", server.program, token_ms)
        return proof

    async def _generate(self, server: LlamaServer, model: Path) -> tuple[EngineRun, float]:
        launch = Launch(
            engine=server,
            model_name="proof",
            model_path=model,
            ctx_size=CONTEXT,
            parallel=1,
            n_gpu_layers=-1,
            settings=ServerSettings(),
        )
        config = EnginesConfig(start_timeout_seconds=START_SECONDS)
        run = EngineRun(launch, source=self._logs.source(SOURCE), runtime_dir=self._runtime_dir, config=config)
        reason: SidecarError = Cancelled("The proof is over.")
        try:
            with anyio.move_on_after(PROOF_SECONDS):
                await run.spawn()
                async for _ in run.load():
                    pass  # a proof's load is not reported
                return run, await _time_tokens(run)
            raise _failed(run)
        except SidecarError as problem:
            reason = problem
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await run.end(reason, grace_seconds=END_SECONDS)


async def _tokens(engine: ChatEngine) -> int:
    """How many tokens an engine generates for REQUEST."""
    tokens = 0
    async with engine.stream_chat(REQUEST) as stream:
        async for chunks in stream:
            tokens = max(tokens, *(chunk.usage.completion_tokens for chunk in chunks if chunk.usage), 0)
    return tokens


async def _time_tokens(run: EngineRun) -> float:
    """Milliseconds until the engine has generated its tokens.

    Raises:
        EngineStartFailed: it generates none.
    """
    client, process = run.client, run.process
    assert client is not None  # noqa: S101 - it is ready
    assert process is not None  # noqa: S101
    began = time.perf_counter()
    try:
        tokens = await _tokens(client)
    except EngineGone:
        with anyio.move_on_after(EXIT_NOTICE_SECONDS):
            await process.ended.wait()
        raise _failed(run, "it closed the connection instead of generating a token") from None
    except SidecarError as problem:
        raise _failed(run, f"it did not generate a token: {problem.message}") from None
    if tokens < 1:
        raise _failed(run, "its answer has no tokens")
    return round((time.perf_counter() - began) * 1e3, 2)


def _failed(run: EngineRun, complaint: str | None = None) -> EngineStartFailed:
    if run.process is None:
        return EngineStartFailed("llama-server did not start in time.", cause="TIMEOUT", exit_code=None, log_tail=[])
    error = start_failed("llama-server", run.process, complaint)
    return type(error)(
        f"The build did not prove itself. {error.message}", hint=error.hint, remedies=error.remedies, **error.data
    )


def _write(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(proof_model())
    except OSError as error:
        raise refusal(error, "The build could not be proved") from error
