"""What a sidecar still owes a host, and what it has sent that it did not owe."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.trust.oracle import PARSE_ERROR, Answers

INTERNAL_ERROR = -32603

_Codes = tuple[int, ...]


class NotOwed(Exception):
    """A response that nothing asked for, or that says something else than it must."""


class Debts:
    """Counts responses against what must come."""

    def __init__(self) -> None:
        self._owed: dict[str, Counter[_Codes]] = {}
        self.count = 0

    def owe(self, answers: Answers) -> None:
        """One more response, or batch of them, must come."""
        if answers is None:
            return
        all_answers = answers if isinstance(answers, list) else [answers]
        known = tuple(sorted(answer.code for answer in all_answers if answer.code is not None))
        self._owed.setdefault(_key(answers, [a.id for a in all_answers]), Counter())[known] += 1
        self.count += 1

    def settle(self, message: Any) -> None:
        """A response, or a batch of them, has come.

        Raises:
            NotOwed: it must not.
        """
        responses = message if isinstance(message, list) else [message]
        codes = Counter(_code_of(response) for response in responses)
        key = _key(message, [response["id"] for response in responses])
        owed = self._owed.get(key, Counter())
        # Where a request was to be carried out any error is right, so those of which more is known go first.
        for known in sorted(owed, key=len, reverse=True):
            if _fits(known, codes):
                owed[known] -= 1
                if not owed[known]:
                    del owed[known]
                if not owed:
                    del self._owed[key]
                self.count -= 1
                return
        raise NotOwed(f"{json.dumps(message)[:2000]}; owed under these ids: {dict(owed)}")

    def __str__(self) -> str:
        return ", ".join(f"{n} of {key[:200]} {known}" for key, c in self._owed.items() for known, n in c.items())


def _key(shape: object, ids: list[Any]) -> str:
    written = sorted(json.dumps(id_) for id_ in ids)
    return f"[{','.join(written)}]" if isinstance(shape, list) else written[0]


def _fits(known: _Codes, found: Counter[int | None]) -> bool:
    expected: Counter[int | None] = Counter(known)
    return expected <= found and expected[PARSE_ERROR] == found[PARSE_ERROR]


def _code_of(response: Any) -> int | None:
    if response.get("jsonrpc") != "2.0" or "id" not in response:
        raise NotOwed(f"no response of JSON-RPC 2.0: {json.dumps(response)[:2000]}")
    if response.keys() == {"jsonrpc", "id", "result"}:
        return None
    error = response.get("error")
    if response.keys() != {"jsonrpc", "id", "error"} or not isinstance(error, dict):
        raise NotOwed(f"neither a result nor an error: {json.dumps(response)[:2000]}")
    code = error.get("code")
    if not isinstance(code, int) or not isinstance(error.get("message"), str) or code == INTERNAL_ERROR:
        raise NotOwed(f"an error that no host should see: {json.dumps(response)[:2000]}")
    return code
