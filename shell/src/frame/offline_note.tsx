import { SidecarError } from "@llama-sidecar/client";
import { Anchor, Group, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import { retryNow, useLink } from "../link/link";

/** How long a connection may be away before it is worth a word: a reconnection takes less. */
const WORTH_A_WORD_MS = 700;

export function OfflineNote() {
  const { state, reason } = useLink();
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(state !== "online"), state === "online" ? 0 : WORTH_A_WORD_MS);
    return () => clearTimeout(timer);
  }, [state]);
  if (!shown || state === "online") return null;
  return (
    <Group role="status" gap="sm" px="md" py={8} bg="light-dark(#fff4d6, #3a3117)" wrap="nowrap">
      <span className="dot" data-state="bad" aria-hidden />
      <Text size="sm" style={{ flex: 1 }} c="light-dark(#4d3800, #ffe7ad)">
        {wordsFor(state, reason)}
      </Text>
      {state !== "refused" && (
        <Anchor component="button" type="button" size="sm" c="inherit" onClick={() => void retryNow()}>
          Try now
        </Anchor>
      )}
    </Group>
  );
}

/** Shows what the app says of a sidecar that does not start; a closed socket means nothing to a person. */
function wordsFor(state: "connecting" | "offline" | "refused", reason: Error | null): string {
  if (state === "refused") return `The sidecar does not take this page: ${reason?.message ?? ""}`;
  if (reason instanceof SidecarError) return `${reason.message} ${reason.hint}`;
  return "Not connected to the sidecar. What you see is as it was. The page keeps trying.";
}
