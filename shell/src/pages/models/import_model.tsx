import { Button, Group, Modal, Progress, Radio, Stack, TextInput } from "@mantine/core";
import { IconFileImport } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { client } from "../../link/link";
import { ErrorCard } from "../../parts/error_card";
import { useFocusBack } from "../../parts/focus";
import { bytes } from "../../parts/format";
import { toast } from "../../parts/problems";
import { wasCancelled } from "../../state/problem";

type Mode = "link" | "copy" | "move";

const MODES: [Mode, string, string][] = [
  ["link", "Link", "Takes no room; the file stays where it is."],
  ["copy", "Copy", "A file of its own."],
  ["move", "Move", "The file itself comes into the library."],
];

/** Bring a GGUF file of this machine into the library. */
export function ImportButton() {
  const [opened, setOpened] = useState(false);
  return (
    <>
      <Button variant="default" leftSection={<IconFileImport size={16} aria-hidden />} onClick={() => setOpened(true)}>
        Import
      </Button>
      {opened && <ImportModel onClose={() => setOpened(false)} />}
    </>
  );
}

function ImportModel({ onClose }: { onClose: () => void }) {
  const [path, setPath] = useState("");
  const [mode, setMode] = useState<Mode>("link");
  const [work, setWork] = useState<{ done: number; total: number } | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  useFocusBack();
  const leave = useRef(new AbortController());
  const bring = async (): Promise<void> => {
    setFailed(null);
    setWork({ done: 0, total: 0 });
    leave.current = new AbortController();
    try {
      const model = await client().import_model(
        { path: path.trim(), mode },
        {
          signal: leave.current.signal,
          onEvent: (event) =>
            event.status === "working" && setWork({ done: event.done_bytes, total: event.total_bytes }),
        },
      );
      toast(`“${model.name}” is in the library.`);
      onClose();
    } catch (error) {
      setWork(null);
      if (!wasCancelled(error)) setFailed(error);
    }
  };
  return (
    <Modal opened onClose={onClose} title="Import a model" size="lg" closeOnClickOutside={work === null}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void bring();
        }}
      >
        <Stack>
          <TextInput
            data-autofocus
            label="Path of a GGUF file on this machine"
            placeholder="/home/me/model.gguf"
            value={path}
            onChange={(event) => setPath(event.currentTarget.value)}
          />
          <Radio.Group label="How" value={mode} onChange={(value) => setMode(value as Mode)}>
            <Stack gap={8} mt={6}>
              {MODES.map(([value, label, description]) => (
                <Radio key={value} value={value} label={label} description={description} />
              ))}
            </Stack>
          </Radio.Group>
          {failed !== null && <ErrorCard error={failed} />}
          {work !== null && (
            <Progress
              value={work.total > 0 ? (100 * work.done) / work.total : 100}
              animated
              aria-label={`${bytes(work.done)} of ${bytes(work.total)}`}
            />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => (work === null ? onClose() : leave.current.abort())}>
              Cancel
            </Button>
            <Button type="submit" disabled={path.trim() === ""} loading={work !== null}>
              Import
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
