"""Who may be sent to an engine now: by slots, and by tokens where the slots share one KV cache.

Pure. Owns the rule; `scheduler` owns the queues and `reservation` what a request asks for.

The rule's reason: llama-server with a unified KV cache (`--kv-unified`) lets each slot use the whole context, and when
the running ones have filled it together, `decode` finds no free cells and ends all of them with "Context size has been
exceeded" (server-context.cpp, `update_slots`; llama.cpp#23652). The caches of idle slots do not count: the engine
clears them when it needs the room (`try_clear_idle_slots`, and `--cache-idle-slots` at each new task). So:

- A request is sent once it has a slot and its reservation: the tokens of its prompt and those of its answer. The
  reservations of all running requests are never more than the cache.
- The order is that of arrival, for slots and for tokens: a large request waits until enough have ended, and no small
  one overtakes it. A request that is larger than the whole cache is refused before it waits.
- With `max_tokens`, the whole answer is reserved. Without, an answer could use all that is left, and nothing would run
  beside it: it reserves a part, and more as it grows (`ask`), ahead of those that wait.
- If there is no room to grow, the youngest of those without `max_tokens` ends: never one that is older than the one
  that grows. It ends with what it has, as at a full context, and says so; if it has nothing yet, it waits again, in
  its old place.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec


class Place(msgspec.Struct, eq=False):
    """One request's place in the order of arrival.

    Attributes:
        has_slot: it has a slot of the engine, or is about to use it.
        claim: tokens that it asks for; `None` as long as it does not know how many.
        held: tokens that are reserved for it; 0 before it runs.
        elastic: it can end early, since its request does not limit its answer.
        ending: it was chosen to end early; it still holds its tokens.
    """

    has_slot: bool = False
    claim: int | None = None
    held: int = 0
    elastic: bool = False
    ending: bool = False


class Decision(msgspec.Struct, frozen=True):
    """What the present places come to.

    Attributes:
        slots: places that get a slot now, by index.
        grants: places whose claim is reserved now: they run, or grow.
        positions: for each place, its position among those that wait then, from 1; 0 if it does not wait.
    """

    slots: list[int]
    grants: list[int]
    positions: list[int]


def decide(places: Sequence[Place], *, slots: int, tokens: int | None) -> Decision:
    """Who gets a slot, and whose claim is reserved.

    Args:
        places: all requests, in the order of arrival.
        slots: of the engine.
        tokens: that all slots share; `None` if they share none: then every claim is granted.
    """
    free_slots = slots - sum(place.has_slot for place in places)
    waiting = [i for i, place in enumerate(places) if not place.has_slot]
    new_slots = waiting[: max(free_slots, 0)]
    grants = _grants(places, tokens)
    positions: list[int] = []
    ahead = 0
    for i, place in enumerate(places):
        has_slot = place.has_slot or i in new_slots
        waits = not has_slot or (place.claim is not None and not place.held and i not in grants)
        ahead += waits
        positions.append(ahead if waits else 0)
    return Decision(new_slots, grants, positions)


def _grants(places: Sequence[Place], tokens: int | None) -> list[int]:
    free = sys.maxsize if tokens is None else tokens - sum(place.held for place in places)
    grants: list[int] = []
    for i, place in enumerate(places):  # those that run, first: they cannot wait
        if place.held and place.claim is not None and place.claim > place.held:
            if place.claim - place.held > free:
                return grants  # what becomes free is for it
            free -= place.claim - place.held
            grants.append(i)
    for i, place in enumerate(places):
        if place.held:
            continue
        if place.claim is None or place.claim > free:
            break  # in order: the first that waits, or does not know yet, holds up those behind it
        free -= place.claim
        grants.append(i)
    return grants


def who_ends(places: Sequence[Place], growing: int, *, tokens: int) -> list[int]:
    """Which answers must end so that one can grow to its claim: by index, the youngest first.

    None where enough is free, or becomes free by those that end already; the growing one itself where its juniors do
    not hold enough.
    """
    one = places[growing]
    missing = sum(place.held for place in places if not place.ending) + ((one.claim or 0) - one.held) - tokens
    chosen: list[int] = []
    for i in range(len(places) - 1, growing, -1):
        if missing <= 0:
            break
        place = places[i]
        if place.elastic and place.held and not place.ending:
            chosen.append(i)
            missing -= place.held
    return chosen if missing <= 0 else [growing]
