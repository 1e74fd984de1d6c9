/** Readings are taken from the first visit of Monitor on, so that going away and back leaves no hole. */

import type { Resources } from "@llama-sidecar/client";
import { create } from "zustand";
import { useLink } from "../../link/link";
import { reportUnlessGone } from "../../parts/problems";
import { useChat } from "../../state/chat";
import { added, type Point, pointOf } from "../../state/series";
import { isOver } from "../../state/turn";

export const useReadings = create<{ points: Point[]; now: Resources | null }>(() => ({ points: [], now: null }));

let started = false;

export function startReading(): void {
  if (started) return;
  started = true;
  const follow = (): void => {
    const { client } = useLink.getState();
    if (client === null || client === followed) return;
    followed = client;
    client
      .subscribe(
        { topics: ["resources"] },
        { onEvent: (event) => event.status === "resources" && take(event.resources) },
      )
      .catch(reportUnlessGone);
  };
  let followed: unknown = null;
  useLink.subscribe(({ client }) => {
    if (client === null) followed = null;
    follow();
  });
  follow();
}

function take(resources: Resources): void {
  const turns = Object.values(useChat.getState().turns).filter((turn) => !isOver(turn));
  const answering = {
    tokensPerSecond: turns.reduce(
      (sum, turn) => sum + speed(turn.content.length + turn.reasoning.length, turn.firstAt),
      0,
    ),
    waiting: turns.filter(({ phase }) => phase === "queued" || phase === "sending").length,
  };
  useReadings.setState(({ points }) => ({ now: resources, points: added(points, pointOf(resources, answering)) }));
}

/** About four characters are a token; the exact number comes with the end of the answer. */
function speed(characters: number, firstAt: number | null): number {
  if (firstAt === null) return 0;
  const seconds = (Date.now() - firstAt) / 1000;
  return seconds < 0.2 ? 0 : characters / 4 / seconds;
}
