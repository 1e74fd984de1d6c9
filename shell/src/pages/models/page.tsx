import { Card, Tabs } from "@mantine/core";
import { create } from "zustand";
import { go, useRoute } from "../../frame/route";
import { isOpen } from "../../state/downloads";
import { useWorld } from "../../state/feed";
import { isHere } from "../../state/world";
import DownloadRows from "./download_rows";
import { Hub } from "./hub";
import { ImportButton } from "./import_model";
import { Library } from "./library";
import { Trash } from "./trash";
import "./models.css";

interface Hidden {
  hidden: ReadonlySet<string>;
  hide: (id: string) => void;
}

/** Finished downloads that were dismissed. The sidecar forgets them when it ends. */
const useHidden = create<Hidden>((set) => ({
  hidden: new Set(),
  hide: (id) => set(({ hidden }) => ({ hidden: new Set([...hidden, id]) })),
}));

const TABS = ["library", "hub", "trash"] as const;

export default function Models() {
  const { rest } = useRoute();
  const tab = TABS.find((name) => name === rest) ?? "library";
  const downloads = useWorld((world) => world.downloads);
  const models = useWorld((world) => world.models);
  const { hidden, hide } = useHidden();
  const listed = Object.values(downloads).filter((download) =>
    download.state === "done" ? isHere({ models }, download) && !hidden.has(download.download_id) : isOpen(download),
  );
  return (
    <div className="scroll">
      <div className="content">
        <div className="head">
          <h1>Models</h1>
          <ImportButton />
        </div>
        {listed.length > 0 && (
          <Card component="section" aria-label="Downloads" mb="lg">
            <DownloadRows downloads={listed} onHide={hide} />
          </Card>
        )}
        <Tabs value={tab} onChange={(name) => go("models", name === "library" ? "" : (name ?? ""))} keepMounted={false}>
          <Tabs.List mb="md" aria-label="Which models">
            <Tabs.Tab value="library">Library</Tabs.Tab>
            <Tabs.Tab value="hub">Find on the hub</Tabs.Tab>
            <Tabs.Tab value="trash">Deleted</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="library">
            <Library />
          </Tabs.Panel>
          <Tabs.Panel value="hub">
            <Hub />
          </Tabs.Panel>
          <Tabs.Panel value="trash">
            <Trash />
          </Tabs.Panel>
        </Tabs>
      </div>
    </div>
  );
}
