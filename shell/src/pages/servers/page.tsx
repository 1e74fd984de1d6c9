import { Button, Drawer, Stack } from "@mantine/core";
import { IconPlus, IconServer2 } from "@tabler/icons-react";
import { useState } from "react";
import { useLink } from "../../link/link";
import { Empty } from "../../parts/empty";
import { useWorld } from "../../state/feed";
import { useStarts } from "../../state/starts";
import { Launcher } from "./launcher";
import { ServerCard } from "./server_card";
import "./servers.css";

export default function Servers() {
  const servers = useWorld((world) => world.servers);
  const starts = useStarts((state) => state.starts);
  const online = useLink(({ state }) => state === "online");
  const ids = [...new Set([...Object.keys(servers), ...Object.keys(starts)])].sort();
  const [another, setAnother] = useState(false);
  const form = ids.length === 0 || another;
  return (
    <div className="scroll">
      <div className="content">
        <div className="head">
          <h1>Servers</h1>
          {ids.length > 0 && (
            <Button
              leftSection={<IconPlus size={16} aria-hidden />}
              onClick={() => setAnother(true)}
              disabled={!online}
            >
              Start a server
            </Button>
          )}
        </div>
        {ids.length > 0 && (
          <Stack gap="md" mb="xl">
            {ids.map((id) => (
              <ServerCard key={id} id={id} server={servers[id]} start={starts[id]} />
            ))}
          </Stack>
        )}
        {ids.length === 0 && !online && (
          <Empty icon={<IconServer2 size={26} />} title="Not connected">
            Servers are shown again with the connection.
          </Empty>
        )}
        {form && online && ids.length === 0 && <Launcher taken={[]} onStarted={() => undefined} />}
        <Drawer
          opened={another && ids.length > 0}
          onClose={() => setAnother(false)}
          position="right"
          size="min(1180px, 100vw)"
          title="Start a server"
        >
          {another && <Launcher taken={ids} onStarted={() => setAnother(false)} />}
        </Drawer>
      </div>
    </div>
  );
}
