import type { ServerInfo, Session } from "@llama-sidecar/client";
import { ActionIcon, CloseButton, Group, Image, Textarea, Tooltip } from "@mantine/core";
import { IconArrowUp, IconPhotoPlus, IconPlayerStopFilled } from "@tabler/icons-react";
import { type KeyboardEvent, useEffect, useRef } from "react";
import { useLink } from "../../link/link";
import { focusMessage, MESSAGE_INPUT } from "../../parts/focus";
import { report } from "../../parts/problems";
import { stop } from "../../state/chat";
import { keepDraft, usePrefs } from "../../state/prefs";
import { takesMessages } from "../../state/world";
import { ContextGauge, ContextWarning } from "./context_gauge";
import { dataUrl, keepPictures, picturesOf, usePicturesOf } from "./pictures";
import { PresetChoice } from "./preset_choice";
import { useGauge } from "./use_gauge";

interface Props {
  id: string;
  session: Session | undefined;
  server: ServerInfo | null;
  busy: boolean;
  onSend: (text: string, images: string[]) => void;
  onSettings: () => void;
}

/** Where a message is written. Stop is where Send was. */
export function Composer({ id, session, server, busy, onSend, onSettings }: Props) {
  const draft = usePrefs((prefs) => prefs.drafts[id] ?? "");
  const images = usePicturesOf(id);
  const input = useRef<HTMLTextAreaElement>(null);
  const online = useLink(({ state }) => state === "online");
  const ready = online && server !== null && takesMessages(server);
  const vision = server?.actual?.vision ?? false;
  const sendable = ready && !busy && (draft.trim() !== "" || images.length > 0);
  const reading = useGauge(session, draft, ready ? server : null, busy);
  useEffect(() => {
    // Not on a touch screen, where the keyboard would cover what is read, nor out of a dialog that is open by now.
    const mayTake = window.matchMedia("(pointer: fine)").matches && !document.querySelector("[aria-modal=true]");
    if (!mayTake) return;
    input.current?.focus();
    input.current?.setSelectionRange(-1, -1); // behind what is there already
  }, []);
  const send = (): void => {
    if (!sendable) return;
    onSend(draft.trim(), images);
    keepDraft(id, "");
    keepPictures(id, []);
  };
  const add = (files: Iterable<File>): void => {
    const pictures = [...files].filter(({ type }) => type.startsWith("image/"));
    Promise.all(pictures.map(dataUrl)).then((urls) => keepPictures(id, [...picturesOf(id), ...urls]), report);
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
  };
  return (
    <div
      className="composer chat-column"
      role="group"
      aria-label="Write a message"
      onDragOver={(event) => vision && event.preventDefault()}
      onDrop={(event) => {
        if (!vision) return;
        event.preventDefault();
        add(event.dataTransfer.files);
      }}
    >
      {images.length > 0 && (
        <Group gap={8} mb={8}>
          {images.map((url, index) => (
            <div key={url.slice(-64)} style={{ position: "relative" }}>
              <Image src={url} alt={`Picture ${index + 1}`} h={64} w="auto" radius="sm" />
              <CloseButton
                size="xs"
                aria-label={`Remove picture ${index + 1}`}
                style={{ position: "absolute", top: 2, right: 2, background: "var(--mantine-color-body)" }}
                onClick={() =>
                  keepPictures(
                    id,
                    images.filter((other) => other !== url),
                  )
                }
              />
            </div>
          ))}
        </Group>
      )}
      <Textarea
        ref={input}
        id={MESSAGE_INPUT}
        aria-label="Message"
        placeholder={
          ready
            ? `Message to ${server.model ?? "the model"}`
            : `Write; it can be sent ${online ? "when a model is ready" : "with the connection"}`
        }
        autosize
        minRows={1}
        maxRows={10}
        variant="unstyled"
        value={draft}
        onChange={(event) => keepDraft(id, event.currentTarget.value)}
        onKeyDown={onKey}
        onPaste={(event) => vision && add(event.clipboardData.files)}
      />
      {reading && server && <ContextWarning reading={reading} session={session} serverId={server.server_id} />}
      <Group gap={8} wrap="nowrap" className="composer-row">
        {vision && <PictureButton onFiles={add} />}
        <PresetChoice id={id} onSettings={onSettings} />
        <Group gap={8} style={{ flex: 1, minWidth: 0 }} justify="flex-end">
          {reading && <ContextGauge reading={reading} />}
        </Group>
        {busy ? (
          <Tooltip label="Stop (Escape)">
            <ActionIcon
              size="lg"
              radius="xl"
              variant="filled"
              color="dark"
              aria-label="Stop the answer"
              onClick={() => {
                stop(id).catch(report);
                focusMessage();
              }}
            >
              <IconPlayerStopFilled size={16} />
            </ActionIcon>
          </Tooltip>
        ) : (
          <Tooltip label="Send (Enter)">
            <ActionIcon
              size="lg"
              radius="xl"
              variant="filled"
              color="blue"
              aria-label="Send"
              disabled={!sendable}
              onClick={send}
            >
              <IconArrowUp size={18} />
            </ActionIcon>
          </Tooltip>
        )}
      </Group>
    </div>
  );
}

function PictureButton({ onFiles }: { onFiles: (files: Iterable<File>) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        accept="image/*"
        multiple
        hidden
        onChange={(event) => {
          onFiles(event.currentTarget.files ?? []);
          event.currentTarget.value = "";
        }}
      />
      <Tooltip label="Add pictures; they can be pasted and dropped, too">
        <ActionIcon aria-label="Add pictures" onClick={() => input.current?.click()}>
          <IconPhotoPlus size={19} />
        </ActionIcon>
      </Tooltip>
    </>
  );
}
