"""The proof that a llama.cpp build works on this machine: it runs a model and generates a token.

Owns the question and its bounds. The model is one of our own (`proof_model`), so that none is needed; all of its layers
are to go to the GPU, so that a build for GPUs shows what it can do there. Knows nothing of archives or of which build
is used.
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
from sidecar.contract.servers import ServerSettings
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
"""Without a sign of progress: the model is read in no time, but a GPU's driver may take its time at its first use."""

PROOF_SECONDS = 180.0
"""For all of it: a CUDA build makes its kernels for a GPU that it does not know, once, which takes a minute or two."""

END_SECONDS = 1.0
"""That an engine may take to end."""

SOURCE = "engine-proof"
"""Of the log lines."""

QUESTION: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Say something."}],
    "max_tokens": 2,  # the first comes with the question; the second takes a step of its own, as all others do
    "temperature": 0.0,
    "ignore_eos": True,
    "stream": True,
    "stream_options": {"include_usage": True},
}


class Prover:
    """Lets builds prove themselves, one at a time.

    Args:
        logs: where engines log.
        runtime_dir: the folder of sockets.
        work: a folder for the model while it is used; made where it is missing.
    """

    def __init__(self, *, logs: LogStore, runtime_dir: Path, work: Path) -> None:
        self._logs = logs
        self._runtime_dir = runtime_dir
        self._work = work
        self._one = anyio.Lock()

    async def prove(self, folder: Path) -> EngineProof:
        """Let the llama-server of a folder generate a token.

        Raises:
            EngineNotFound: there is none in the folder.
            PathNotAllowed: the folder's path is not absolute.
            EngineStartFailed: it does not; `cause` and `log_tail` say why.
            DiskFull, PermissionDenied, StorageError: the model cannot be written.
        """
        async with self._one:
            server = await LlamaServers().in_folder(str(folder))  # asked again: it is in doubt
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
                return run, await _ask(run)
            raise _failed(run)
        except SidecarError as problem:
            reason = problem
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await run.end(reason, grace_seconds=END_SECONDS)


async def _tokens(engine: ChatEngine) -> int:
    """How many tokens an engine generates for QUESTION."""
    tokens = 0
    async with engine.stream_chat(QUESTION) as stream:
        async for chunks in stream:
            tokens = max(tokens, *(chunk.usage.completion_tokens for chunk in chunks if chunk.usage), 0)
    return tokens


async def _ask(run: EngineRun) -> float:
    """Milliseconds for the answer.

    Raises:
        EngineStartFailed: there is none.
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
        raise _failed(run, "it hung up when it was to generate a token") from None
    except SidecarError as problem:
        raise _failed(run, f"it did not generate a token: {problem.message}") from None
    if tokens < 1:
        raise _failed(run, "its answer has no token in it")
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
