import type { ModelInfo } from "@llama-sidecar/client";
import { Button, Group, List, Modal, Skeleton, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { client } from "../../link/link";
import { useAnswer } from "../../link/use_answer";
import { ErrorCard } from "../../parts/error_card";
import { useFocusBack } from "../../parts/focus";
import { bytes } from "../../parts/format";
import { report, toast } from "../../parts/problems";

/** Says what goes, what stays and who uses it, before anything is done. */
export function DeleteModel({ model, onClose }: { model: ModelInfo; onClose: () => void }) {
  const { value, error, reload } = useAnswer(`delete ${model.name}`, (client) =>
    client.delete_model({ model: model.name, dry_run: true }),
  );
  const [failed, setFailed] = useState<unknown>(null);
  useFocusBack();
  const inUse = (value?.used_by_servers.length ?? 0) > 0;
  const stop = (): void => {
    const stopping = value?.used_by_servers.map((server_id) => client().stop_llama_server({ server_id })) ?? [];
    Promise.all(stopping).then(reload, report);
  };
  const remove = (): void => {
    client()
      .delete_model({ model: model.name })
      .then((gone) => {
        onClose();
        toast(`“${gone.model}” was deleted.`, () => client().restore_model({ model: gone.trash_id ?? gone.model }));
      }, setFailed);
  };
  const problem = failed ?? error;
  return (
    <Modal opened onClose={onClose} title={`Delete ${model.name}?`} size="lg">
      <Stack>
        {problem ? <ErrorCard error={problem} /> : null}
        {value === undefined && !problem && <Skeleton height={80} />}
        {value && (
          <>
            <Text>
              Frees <b>{bytes(value.frees_bytes)}</b>, once it is gone for good. Until then it can be brought back under
              Deleted.
            </Text>
            <List size="sm" styles={{ itemWrapper: { display: "inline" } }}>
              {value.files.map(({ path, size_bytes, link }) => (
                <List.Item key={path} style={{ overflowWrap: "anywhere" }}>
                  {path} · {link ? "a link, whose target stays" : bytes(size_bytes)}
                </List.Item>
              ))}
            </List>
            {value.kept.map(({ path, used_by }) => (
              <Text key={path} size="sm">
                Stays, since {used_by.join(", ")} needs it: {path}
              </Text>
            ))}
            {value.other_paths.length > 0 && (
              <Text size="sm">The same content stays at {value.other_paths.join(", ")}.</Text>
            )}
            {inUse && (
              <Group gap="sm">
                <Text size="sm" c="var(--bad)">
                  In use by {value.used_by_servers.join(", ")}: stop it first.
                </Text>
                <Button size="xs" variant="default" onClick={stop}>
                  Stop it
                </Button>
              </Group>
            )}
          </>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Keep it
          </Button>
          <Button color="red.9" onClick={remove} disabled={value === undefined || inUse}>
            Delete
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
