"""Random prompts in several sessions over one small context: does any answer end another?

    python -m tests.reports.admission_trial --rounds 1000 --model MODEL.gguf [--engine llama-server|embedded]
        [--llama-cpp FOLDER] [--ctx-size 1024] [--parallel 4] [--bounded 0.8] [--threads 1]
        [--template FILE] [--seed 1]

Runs a whole sidecar. In each step two to eight sessions send a message at the same time, of a random length from a few
tokens to more than the context, with or without tools and with or without `max_tokens`. Before that, each is counted
and previewed. Prints how many were answered, waited, were refused and ended early, and each that got an error or whose
figures disagree.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.app.talking import DirectTalk, Talking, prepare

MIN_SESSIONS, MAX_SESSIONS = 2, 8

TOO_LONG = 1.1
"""The longest prompts, as a part of the context: some do not fit, even alone."""

REPORT_EVERY = 50
"""Messages between two reports of the figures so far."""

WORDS = ("time", "tree", "river", "stone", "house", "green", "light", "water", "night", "paper", "music", "table")

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_time",
            "description": "What time it is in a time zone",
            "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
        },
    }
]


class Trial:
    """A sidecar's answers to random prompts.

    Args:
        host: the sidecar.
        server_id: the server to send to.
        max_context: of one message, in tokens.
        seed: the same seed makes the same prompts.
        bounded: the part of the messages with `max_tokens`; the others may fill the context.

    Attributes:
        sent: messages so far.
        answered, refused, waited, cut: how many were answered, were refused since they cannot fit, waited for others,
            and ended early since others had the rest of the context.
        killed: errors of messages that fit alone.
        disagreements: messages whose count, preview and prompt differ.
        takes_tools: whether its model's template has a place for tools; else none are sent.
    """

    def __init__(self, host: Talking, server_id: str, *, max_context: int, seed: int, bounded: float = 0.8) -> None:
        self.sent = self.answered = self.refused = self.waited = self.cut = 0
        self.killed: list[dict[str, Any]] = []
        self.disagreements: list[tuple[Any, ...]] = []
        self._host = host
        self._server_id = server_id
        self._max_context = max_context
        self._bounded = bounded
        counted = host.call("count_tokens", text=" ".join(WORDS), server_id=server_id)["tokens"]
        self._tokens_per_word = counted / len(WORDS)
        probe = host.answer(host.begin("count_tokens", message="Hi", tools=TOOLS, server_id=server_id))
        self.takes_tools = "result" in probe
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def run(self, rounds: int) -> None:
        """Send so many messages."""
        while self.sent < rounds:
            count = min(self._random.randint(MIN_SESSIONS, MAX_SESSIONS), rounds - self.sent)
            self._step([self._message() for _ in range(count)])

    def _message(self) -> dict[str, Any]:
        chance = self._random
        size = chance.randint(1, int(self._max_context * TOO_LONG))
        text = " ".join(chance.choice(WORDS) for _ in range(int(size / self._tokens_per_word)))
        given: dict[str, Any] = {"message": f"tokens={chance.randint(1, 60)} delay=0.001 {text}"}
        if chance.random() < 0.3 and self.takes_tools:
            given["tools"] = TOOLS
        if chance.random() < 0.3:
            given["system"] = "Be brief."
        if chance.random() < self._bounded:
            given["max_tokens"] = chance.randint(1, 60)
        return given

    def _step(self, messages: Sequence[dict[str, Any]]) -> None:
        host, server = self._host, {"server_id": self._server_id}
        asked = []
        for given in messages:
            session = host.call("create_session")["session_id"]
            shown = {name: value for name, value in given.items() if name != "max_tokens"} | server
            count = host.begin("count_tokens", **shown)
            asked.append((session, count, host.begin("preview_context", session_id=session, **shown)))
        figures = [(host.answer(count)["result"]["tokens"], host.answer(shown)["result"]) for _, count, shown in asked]
        sent = []
        for given, (session, _, _) in zip(messages, asked, strict=True):
            channel = host.new_channel()
            sent.append((host.begin("send_message", session_id=session, channel=channel, **given, **server), channel))
        for (request, channel), (counted, shown) in zip(sent, figures, strict=True):
            self._judge(counted, shown, host.answer(request))
            self.waited += any(host.positions(channel))
        self.sent += len(sent)

    def _judge(self, counted: int, shown: dict[str, Any], answer: dict[str, Any]) -> None:
        if "error" in answer:
            data = answer["error"]["data"]
            if data["name"] == "CONTEXT_TOO_LONG" and not shown["fits"]:
                self.refused += 1
                self._compare(counted, shown["input_length"], data["input_length"])
            else:
                self.killed.append(answer["error"])
            return
        result = answer["result"]
        self.answered += 1
        self.cut += any(warning["code"] == "CONTEXT_SHARED" for warning in result["warnings"])
        self._compare(counted, shown["input_length"], result["usage"]["prompt_tokens"])

    def _compare(self, *figures: int) -> None:
        if len(set(figures)) > 1:
            self.disagreements.append(figures)

    def report(self) -> str:
        """The figures, for people."""
        lines = [
            f"{self.sent} messages over {MIN_SESSIONS} to {MAX_SESSIONS} sessions at the same time, in a context of "
            f"{self._max_context} tokens, {'with and ' if self.takes_tools else ''}without tools:",
            f"  answered {self.answered}, waited {self.waited}, ended early {self.cut}, too long alone {self.refused}",
            f"  ended by another or failed: {len(self.killed)}",
            f"  count, preview and send disagree: {len(self.disagreements)}",
        ]
        lines += [f"    {error}" for error in self.killed[:5]]
        lines += [f"    {figures}" for figures in self.disagreements[:5]]
        return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; 1 if an answer was ended by another, or figures disagree."""
    parser = argparse.ArgumentParser(prog="python -m tests.reports.admission_trial", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--engine", choices=["llama-server", "embedded"], default="llama-server")
    parser.add_argument("--llama-cpp", type=Path, help="the folder of llama-server")
    parser.add_argument("--ctx-size", type=int, default=1024)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--template", type=Path, help="a chat template to use, such as one with tools")
    parser.add_argument("--threads", type=int, default=1, help="of the engine")
    parser.add_argument("--bounded", type=float, default=0.8, help="part of the messages with max_tokens")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="admission-") as folder:
        data_dir = Path(folder) / "data"
        prepare(data_dir, options.llama_cpp or Path(folder))
        with DirectTalk(data_dir) as host:
            more = {"llama_cpp_path": str(options.llama_cpp)} if options.engine == "llama-server" else {}
            more |= {"chat_template_file": str(options.template)} if options.template else {}
            server = host.call(
                "start_llama_server",
                model_path=str(options.model),
                engine=options.engine,
                ctx_size=options.ctx_size,
                parallel=options.parallel,
                threads=options.threads,
                **more,
            )
            print(f"{server['engine']}: {server['actual']}", flush=True)
            max_context = server["actual"]["context_per_message"]
            trial = Trial(
                host, server["server_id"], max_context=max_context, seed=options.seed, bounded=options.bounded
            )
            while trial.sent < options.rounds:
                trial.run(min(trial.sent + REPORT_EVERY, options.rounds))
                print(trial.report(), flush=True)
    return 1 if trial.killed or trial.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
