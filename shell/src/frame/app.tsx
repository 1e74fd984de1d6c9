import { Skeleton, Stack } from "@mantine/core";
import { lazy, Suspense, useEffect } from "react";
import { Chat } from "../pages/chat/page";
import { Boundary } from "../parts/boundary";
import { OfflineNote } from "./offline_note";
import { Palette } from "./palette";
import { Rail } from "./rail";
import { type PageName, useRoute } from "./route";
import { StatusBar } from "./status_bar";

const LATER = {
  servers: () => import("../pages/servers/page"),
  models: () => import("../pages/models/page"),
  monitor: () => import("../pages/monitor/page"),
  logs: () => import("../pages/logs/page"),
  settings: () => import("../pages/settings/page"),
};

const PAGES = {
  chat: Chat,
  servers: lazy(LATER.servers),
  models: lazy(LATER.models),
  monitor: lazy(LATER.monitor),
  logs: lazy(LATER.logs),
  settings: lazy(LATER.settings),
};

/** How long after the first paint the other pages are fetched: they are there then when the sidecar is not. */
const FETCH_AFTER_MS = 2_000;

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
  useEffect(() => {
    const fetchAll = (): void => {
      // A page that cannot be fetched now is fetched again when it is opened.
      for (const load of Object.values(LATER)) load().catch(() => undefined);
    };
    const timer = setTimeout(fetchAll, FETCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
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
