import type { SubscribeOptions, Topic, TopicEvent } from "@llama-sidecar/client";
import { useEffect, useRef } from "react";
import { reportUnlessGone } from "../parts/problems";
import { useLink } from "./link";

/** Follows topics while the component is there, over every new connection. `options` null: not at all. */
export function useSubscription(
  topics: Topic[],
  options: SubscribeOptions | null,
  onEvent: (event: TopicEvent) => void,
): void {
  const client = useLink((link) => link.client);
  const handler = useRef(onEvent);
  handler.current = onEvent;
  const key = JSON.stringify([topics, options]);
  useEffect(() => {
    const [topics, how] = JSON.parse(key) as [Topic[], SubscribeOptions | null];
    if (client === null || how === null) return undefined;
    const leave = new AbortController();
    client
      .subscribe(
        { topics, options: how },
        { signal: leave.signal, onEvent: (event) => leave.signal.aborted || handler.current(event) },
      )
      .catch(reportUnlessGone);
    return () => leave.abort();
  }, [client, key]);
}
