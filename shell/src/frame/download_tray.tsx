import { Button, Popover } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { lazy, Suspense } from "react";
import { isMoving, progressOf } from "../state/downloads";
import { useWorld } from "../state/feed";

const Rows = lazy(() => import("../pages/models/download_rows"));

/** What is being fetched, on every page: how far it is, and on a click all of it. */
export function DownloadTray() {
  const downloads = useWorld((world) => world.downloads);
  const open = Object.values(downloads).filter((download) => isMoving(download) || download.state === "paused");
  if (open.length === 0) return null;
  const known = open.map(progressOf).filter((progress) => progress !== null);
  const far = known.length === open.length ? known.reduce((sum, one) => sum + one, 0) / known.length : null;
  const words = `${open.length === 1 ? "1 download" : `${open.length} downloads`}${far === null ? "" : ` · ${Math.round(far)} %`}`;
  return (
    <Popover position="top-end" width="min(480px, 94vw)" shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <Button size="compact-xs" variant="default" leftSection={<IconDownload size={14} aria-hidden />}>
          {words}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Downloads under way">
        <Suspense fallback={null}>
          <Rows downloads={open} />
        </Suspense>
      </Popover.Dropdown>
    </Popover>
  );
}
