import type { Remedy } from "@llama-sidecar/client";
import { Button } from "@mantine/core";
import { go, type PageName, parseRoute } from "../frame/route";
import { placesOf } from "./remedies";

const WORDS: Record<PageName, string> = {
  chat: "To the chats",
  servers: "To the servers",
  models: "To the models",
  monitor: "To the monitor",
  logs: "To the logs",
  settings: "To the settings",
};

/** A button for each page that has what helps. */
export function RemedyButtons({ remedies }: { remedies: readonly Remedy[] }) {
  return placesOf(remedies, parseRoute(location.hash).page).map((place) => (
    <Button key={place} size="xs" variant="default" onClick={() => go(place)}>
      {WORDS[place]}
    </Button>
  ));
}
