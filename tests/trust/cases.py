"""The cases of trust: what is done to the sidecar, and what has to come of it.

A test says which cases it tries with `@pytest.mark.case(19, 24)`; `report` collects what came out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that goes wrong.

    Attributes:
        what: what is done.
        required: what has to come of it.
        untried: why it can not be tried on this system, where that is so.
    """

    what: str
    required: str
    untried: str | None = None


CASES: dict[int, Case] = {
    1: Case(
        "lines that are no JSON", "no success reply; one -32700 or -32600 for each line; the next ping is answered"
    ),
    2: Case(
        "valid JSON of every kind as a parameter", "taken as JSON, but for the documented policy on duplicate keys"
    ),
    3: Case("100,000 opening brackets", "-32700, less than 10 MB more memory"),
    4: Case("a line of 100 MB", "one -32700, reading goes on after its LF, less than 32 MB more memory"),
    5: Case("endless bytes without an LF", "bounded memory; ping after the LF"),
    6: Case("bytes that are not UTF-8", "-32700; nothing is replaced in silence"),
    7: Case("NUL, raw and escaped", "raw is refused; escaped comes back as it was"),
    8: Case("CRLF, blank lines, a byte order mark", "the first two are taken, the mark is refused"),
    9: Case("U+2028 in a text", "one line each way"),
    10: Case("half a surrogate pair", "refused without a traceback; the history is unchanged"),
    11: Case("NaN, Infinity, 1e999", "-32700"),
    12: Case("ids 2^63, 1.5, an empty string, null, {}, true", "echoed exactly or -32600, never changed"),
    13: Case("the same key twice in an object", "refused, always"),
    14: Case("an empty batch, [1,2], a batch of notifications", "as the JSON-RPC specification says"),
    15: Case("an id that is still under way", "the second is refused, the first goes on"),
    16: Case("half a line, then the end of stdin", "not executed, told on stderr, exit within 5 s"),
    17: Case("a host that does not read for 60 s", "bounded memory, no deadlock, the whole text afterwards"),
    18: Case("a library that prints to stdout", "the wire stays pure JSON"),
    19: Case("kill -9 of the host", "the sidecar and everything below it is gone"),
    20: Case("kill -9 of the sidecar while it answers", "its engines are gone; it starts again cleanly"),
    21: Case(
        "an engine that crashes in the middle of an answer", "one terminal error, the text so far kept, a new start"
    ),
    22: Case("an engine that crashes again and again", "at most five starts in three minutes, then failed"),
    23: Case("an engine that stands still (SIGSTOP)", "found by its health deadline, ended, a typed error"),
    24: Case("an engine that ignores SIGTERM and has children", "the whole tree is gone soon after the grace period"),
    25: Case("an engine that writes without end and without an LF", "no deadlock, bounded memory and log"),
    26: Case("a port that somebody else has taken", "never talk to the stranger"),
    27: Case("kill -9 of the sidecar at random points", "no acknowledged message lost, the database whole"),
    28: Case("a power cut that drops unsynced pages", "as before", untried="it takes a FUSE file system (LazyFS)"),
    29: Case("a full disk in a commit, a config write", "a typed error, the old data whole, work goes on with space"),
    30: Case("a read-only data folder", "a typed refusal, no crash"),
    31: Case("two sidecars on one data folder", "the second refuses within 2 s; nothing is changed"),
    32: Case("a damaged database page, half a config file", "put aside, what can be read is saved, and told"),
    33: Case("a history of a newer version", "refused; the file stays byte for byte"),
    34: Case("a kill in the middle of a migration", "the old or the new schema, never something between"),
    35: Case("hostile names and links wherever a path can be given", "not a byte outside the data folder"),
    36: Case("a download with a wrong hash, too short, redirected, killed", "never a model before it is one"),
    37: Case("damaged model headers, a payload in a chat template", "an error within 5 s, nothing is executed"),
    38: Case("another program asks an engine without the key", "401 for everything but its health"),
    39: Case("a canary key and a canary prompt", "in no argument, log, error or file but the history"),
    40: Case("a script swapped after it was approved", "asked again", untried="no scripts yet"),
    41: Case(
        "another user, with a stolen key; silent connections; another program on our port",
        "nobody in, the owner's page answered meanwhile, nothing given away",
    ),
    42: Case("no descriptor left", "a typed error, the servers are not given up, all works afterwards"),
}
