import { Button, Card, Group, Modal, Skeleton, Stack, Text } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { client } from "../../link/link";
import { useAnswer } from "../../link/use_answer";
import { Empty } from "../../parts/empty";
import { ErrorCard } from "../../parts/error_card";
import { ago, bytes, exact } from "../../parts/format";
import { report, toast } from "../../parts/problems";

/** Deleted models that can be brought back. */
export function Trash() {
  const { value, error, reload } = useAnswer("trash", (client) => client.list_deleted_models());
  const [asking, setAsking] = useState(false);
  if (error !== undefined) return <ErrorCard error={error} onRetry={reload} />;
  if (value === undefined) return <Skeleton height={120} />;
  if (value.length === 0) {
    return (
      <Empty icon={<IconTrash size={26} stroke={1.5} />} title="Nothing is deleted">
        A deleted model stays here for some days, and can be brought back.
      </Empty>
    );
  }
  const restore = (model: string): void => void client().restore_model({ model }).then(reload, report);
  const clear = (): void => {
    setAsking(false);
    client()
      .empty_trash()
      .then(({ freed_bytes }) => {
        toast(`${bytes(freed_bytes)} are free.`);
        reload();
      }, report);
  };
  return (
    <Stack gap="sm">
      {value.map(({ trash_id, model, size_bytes, deleted_at, purged_at }) => (
        <Card key={trash_id} padding="sm">
          <Group justify="space-between">
            <div>
              <Text fw={500}>{model}</Text>
              <Text size="sm" c="dimmed">
                {bytes(size_bytes)} · deleted {ago(deleted_at)} · for good on {exact(purged_at)}
              </Text>
            </div>
            <Button size="xs" variant="default" onClick={() => restore(trash_id)}>
              Bring back
            </Button>
          </Group>
        </Card>
      ))}
      <Group justify="flex-end">
        <Button variant="default" onClick={() => setAsking(true)}>
          Delete all of these for good
        </Button>
      </Group>
      <Modal opened={asking} onClose={() => setAsking(false)} title="Delete for good?">
        <Text mb="md">This cannot be undone.</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={() => setAsking(false)}>
            Keep them
          </Button>
          <Button color="red.9" onClick={clear}>
            Delete
          </Button>
        </Group>
      </Modal>
    </Stack>
  );
}
