import type { Client, Download } from "@llama-sidecar/client";
import { Button, CloseButton, Group, Progress, Stack, Text } from "@mantine/core";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { ErrorCard } from "../../parts/error_card";
import { report } from "../../parts/problems";
import { isMoving, lineOf, nameOf, progressOf } from "../../state/downloads";
import { startAnother } from "../../state/starts";

interface Props {
  downloads: Download[];
  /** Puts one that is done out of sight. */
  onHide?: (id: string) => void;
}

/** Downloads, each with how far it is and what can be done about it. */
export default function DownloadRows({ downloads, onHide }: Props) {
  return (
    <Stack gap="md">
      {downloads.map((download) => (
        <Row key={download.download_id} download={download} {...(onHide && { onHide })} />
      ))}
    </Stack>
  );
}

function Row({ download, onHide }: Pick<Props, "onHide"> & { download: Download }) {
  const { download_id, state, error } = download;
  const progress = progressOf(download);
  const act = (ask: (client: Client) => Promise<unknown>) => () => void ask(client()).catch(report);
  const rests = state === "paused" || state === "failed";
  const pause = act((client) => client.pause_download({ download_id }));
  const resume = act((client) => client.resume_download({ download_id }));
  const start = (): void => {
    if (download.model_path !== null) void startAnother({ model_path: download.model_path });
    go("servers");
  };
  return (
    <div>
      <Group justify="space-between" gap={8}>
        <div style={{ flex: "1 1 240px", minWidth: 0 }}>
          <Text fw={500} truncate>
            {nameOf(download)}
          </Text>
          <Text size="sm" c="dimmed">
            {lineOf(download)}
          </Text>
        </div>
        <Group gap={6}>
          {state !== "done" && (
            // One button for both: it keeps the focus when it is pressed.
            <Button size="xs" variant="default" onClick={rests ? resume : pause}>
              {state === "failed" ? "Try again" : rests ? "Resume" : "Pause"}
            </Button>
          )}
          {state === "done" ? (
            <Button size="xs" onClick={start}>
              Start it
            </Button>
          ) : (
            <Button size="xs" variant="default" onClick={act((client) => client.cancel_download({ download_id }))}>
              Give up
            </Button>
          )}
          {state === "done" && onHide && (
            <CloseButton size="sm" aria-label={`Hide ${nameOf(download)}`} onClick={() => onHide(download_id)} />
          )}
        </Group>
      </Group>
      {state !== "done" && (
        <Progress
          mt={6}
          value={progress ?? (isMoving(download) ? 100 : 0)}
          animated={isMoving(download) && progress === null}
          color={state === "failed" ? "red" : state === "paused" ? "gray.5" : "blue"}
          aria-label={`${nameOf(download)}: ${progress === null ? "not known how far" : `${Math.round(progress)} %`}`}
        />
      )}
      {error !== null && state === "failed" && (
        <div style={{ marginTop: 8 }}>
          <ErrorCard error={error} />
        </div>
      )}
    </div>
  );
}
