import type { Client } from "@llama-sidecar/client";
import { useCallback, useEffect, useState } from "react";
import { useLink } from "./link";

export interface Answer<T> {
  value: T | undefined;
  error: unknown;
  loading: boolean;
  reload: () => void;
}

/** Asks on mount, on every new connection and when `key` changes; an answer that comes too late is not shown. */
export function useAnswer<T>(
  key: string,
  ask: (client: Client, signal: AbortSignal) => Promise<T>,
  delay = 0,
): Answer<T> {
  const client = useLink((link) => link.client);
  const [answer, setAnswer] = useState<{ value?: T; error?: unknown; loading: boolean }>({ loading: true });
  const [count, setCount] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the question is what `key` says it is
  useEffect(() => {
    if (client === null) return undefined;
    const leave = new AbortController();
    setAnswer((last) => ({ ...last, loading: true }));
    const timer = setTimeout(() => {
      ask(client, leave.signal).then(
        (value) => leave.signal.aborted || setAnswer({ value, loading: false }),
        (error: unknown) => leave.signal.aborted || setAnswer((last) => ({ ...last, error, loading: false })),
      );
    }, delay);
    return () => {
      clearTimeout(timer);
      leave.abort();
    };
  }, [client, key, count]);
  const reload = useCallback(() => setCount((n) => n + 1), []);
  return { value: answer.value, error: answer.error, loading: answer.loading, reload };
}
