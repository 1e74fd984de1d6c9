import { Skeleton, Stack } from "@mantine/core";
import { lazy, Suspense, useEffect } from "react";
import { Chat } from "../pages/chat/page";
import { Boundary } from "../parts/boundary";
import { OfflineNote } from "./offline_note";
import { Palette } from "./palette";
import { Rail } from "./rail";
import { type PageName, useRoute } from "./route";
import { StatusBar } from "./status_bar";

const Servers = lazy(() => import("../pages/servers/page"));
const Models = lazy(() => import("../pages/models/page"));
const Monitor = lazy(() => import("../pages/monitor/page"));
const Logs = lazy(() => import("../pages/logs/page"));
const Settings = lazy(() => import("../pages/settings/page"));

const PAGES = { chat: Chat, servers: Servers, models: Models, monitor: Monitor, logs: Logs, settings: Settings };

const TITLES: Record<PageName, string> = {
  chat: "Chat",
  servers: "Servers",
  models: "Models",
  monitor: "Monitor",
  logs: "Logs",
  settings: "Settings",
};

export function App() {
  const { page } = useRoute();
  const Page = PAGES[page];
  useEffect(() => {
    document.title = `${TITLES[page]} – llama-sidecar`;
  }, [page]);
  return (
    <div className="frame">
      <button type="button" className="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the page
      </button>
      <Rail page={page} />
      <main className="page" id="main" tabIndex={-1} aria-label={TITLES[page]}>
        <OfflineNote />
        <Boundary key={page}>
          <Suspense fallback={<Loading />}>
            <Page />
          </Suspense>
        </Boundary>
      </main>
      <StatusBar />
      <Palette />
    </div>
  );
}

function Loading() {
  return (
    <Stack className="content" aria-busy="true">
      <Skeleton height={28} width={180} />
      <Skeleton height={120} />
      <Skeleton height={120} />
    </Stack>
  );
}
