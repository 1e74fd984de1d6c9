import { Button, Card, Progress, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { useState } from "react";
import { go } from "../../frame/route";
import { client } from "../../link/link";
import { ErrorCard } from "../../parts/error_card";
import { report, toast } from "../../parts/problems";
import { lineOf, progressOf } from "../../state/downloads";
import { useWorld } from "../../state/feed";
import { STARTER, STARTER_SIZE } from "../../state/starter";
import { startServer } from "../../state/starts";

/** No model, no engine, no chats: three ways to the first answer. */
export function FirstRun() {
  const downloads = useWorld((world) => world.downloads);
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const current = Object.values(downloads).find(({ repo }) => repo === STARTER.repo);
  const starter = async (): Promise<void> => {
    setBusy(true);
    setFailed(null);
    try {
      const done = await client().download_model(STARTER);
      await startServer(done.model_path === null ? {} : { model_path: done.model_path });
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="scroll">
      <Stack className="content" maw={900} gap="lg" pt={48}>
        <div>
          <Title order={1} size="h2">
            A model first, then a conversation
          </Title>
          <Text c="dimmed">Everything stays on this machine.</Text>
        </div>
        {failed !== null && (
          <ErrorCard error={failed} onRetry={() => void starter()} onDismiss={() => setFailed(null)}>
            <Text size="sm" w="100%">
              Without a connection: a GGUF file that is on this machine already is all it takes. Name its folder below.
            </Text>
          </ErrorCard>
        )}
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <Way
            title="Use the starter model"
            text={`${STARTER_SIZE}, fetched once from the hub. Small and quick, good for a first try.`}
          >
            {busy ? (
              <div role="status">
                <Progress value={(current && progressOf(current)) ?? 100} animated aria-label="Download" mb={6} />
                <Text size="sm">{current ? lineOf(current) : "Starting"}</Text>
              </div>
            ) : (
              <Button onClick={() => void starter()}>Get it and start</Button>
            )}
          </Way>
          <Way title="Find a model" text="Search the hub; each file says whether it fits this machine.">
            <Button variant="default" onClick={() => go("models", "hub")}>
              Search
            </Button>
          </Way>
          <Way title="Use my own folder" text="GGUF files are used where they lie; nothing is copied.">
            <OwnFolder />
          </Way>
        </SimpleGrid>
      </Stack>
    </div>
  );
}

function Way({ title, text, children }: { title: string; text: string; children: React.ReactNode }) {
  return (
    <Card>
      <Stack h="100%" justify="space-between">
        <div>
          <Title order={2} size="h5">
            {title}
          </Title>
          <Text size="sm" c="dimmed">
            {text}
          </Text>
        </div>
        {children}
      </Stack>
    </Card>
  );
}

function OwnFolder() {
  const [folder, setFolder] = useState("");
  const add = async (): Promise<void> => {
    const { models } = await client().get_config();
    await client().set_config({ patch: { models: { folders: [...(models?.folders ?? []), folder.trim()] } } });
    const scan = await client().scan_models();
    toast(
      scan.models === 0
        ? "No GGUF file was found there."
        : scan.models === 1
          ? "One model was found."
          : `${scan.models} models were found.`,
    );
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        add().catch(report);
      }}
    >
      <TextInput
        aria-label="Folder"
        placeholder="/path/to/models"
        value={folder}
        onChange={(event) => setFolder(event.currentTarget.value)}
        mb={8}
      />
      <Button type="submit" variant="default" disabled={folder.trim() === ""} fullWidth>
        Use it
      </Button>
    </form>
  );
}
