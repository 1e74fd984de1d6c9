import { Button, Drawer, Group, Stack } from "@mantine/core";
import { IconPlus, IconServer2 } from "@tabler/icons-react";
import { go } from "../../frame/route";
import { useLink } from "../../link/link";
import { Empty } from "../../parts/empty";
import { useWorld } from "../../state/feed";
import { freeId, useStarts } from "../../state/starts";
import { closeForm, openForm, useForm } from "./form";
import { Launcher } from "./launcher";
import { ServerCard } from "./server_card";
import "./servers.css";

export default function Servers() {
  const servers = useWorld((world) => world.servers);
  const none = useWorld(({ models, modelsKnown }) => modelsKnown && Object.keys(models).length === 0);
  const starts = useStarts((state) => state.starts);
  const online = useLink(({ state }) => state === "online");
  const ids = [...new Set([...Object.keys(servers), ...Object.keys(starts)])].sort();
  const form = useForm((state) => state.form);
  return (
    <div className="scroll">
      <div className="content">
        <div className="head">
          <h1>Servers</h1>
          {ids.length > 0 && (
            <Button
              leftSection={<IconPlus size={16} aria-hidden />}
              onClick={() => openForm({ server_id: freeId(ids) })}
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
        {ids.length === 0 && online && none && (
          <Empty
            icon={<IconServer2 size={26} />}
            title="No model yet"
            actions={
              <Group gap="sm">
                <Button onClick={() => go("chat")}>Get the starter model</Button>
                <Button variant="default" onClick={() => go("models", "hub")}>
                  Find a model
                </Button>
              </Group>
            }
          >
            A server needs a model to run. Once there is one, every setting of its start is here.
          </Empty>
        )}
        {ids.length === 0 && online && !none && <Launcher changes={null} settings={{}} onStarted={() => undefined} />}
        <Drawer
          opened={form !== null && ids.length > 0}
          onClose={closeForm}
          position="right"
          size="min(1180px, 100vw)"
          title={form?.changes ? `Change ${form.changes}` : "Start a server"}
        >
          {form && <Launcher {...form} onStarted={closeForm} />}
        </Drawer>
      </div>
    </div>
  );
}
