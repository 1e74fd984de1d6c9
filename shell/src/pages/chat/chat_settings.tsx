import type { Session, SessionConfig } from "@llama-sidecar/client";
import { Button, Drawer, Group, Loader, Select, Stack, Textarea } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { client } from "../../link/link";
import { type ConfigAndSchema, useConfig } from "../../link/use_schema";
import { ErrorCard } from "../../parts/error_card";
import { report } from "../../parts/problems";
import { SavePreset } from "../../parts/save_preset";
import { SchemaField } from "../../parts/schema_field";
import { useWorld } from "../../state/feed";
import { choosePreset, usePrefs } from "../../state/prefs";
import { fieldsOf } from "../../state/schema";

interface Props {
  session: Session | undefined;
  opened: boolean;
  onClose: () => void;
}

export function ChatSettings({ session, opened, onClose }: Props) {
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      position="right"
      title="Settings of this chat"
      size={380}
      returnFocus={false} // what opened it may be gone with the chat that was not there yet
    >
      {opened && (session ? <Settings session={session} /> : <Loader size="sm" aria-label="Loading" />)}
    </Drawer>
  );
}

/** A change is kept so long after the last key. */
const SAVING = { delay: 400, flushOnUnmount: true };

function Settings({ session }: { session: Session }) {
  const { value: both, error, reload } = useConfig();
  const [config, setConfig] = useState<SessionConfig>(session.config);
  const [system, setSystem] = useState(session.system ?? "");
  const id = session.session_id;
  const preset = usePrefs(({ presets }) => presets[id]);
  const save = (change: { config: SessionConfig } | { system: string }): void =>
    void client()
      .update_session({ session_id: id, ...change })
      .catch(report);
  // Each waits for itself: the one must not take the other's place.
  const saveConfig = useDebouncedCallback((config: SessionConfig) => save({ config }), SAVING);
  const saveSystem = useDebouncedCallback((system: string) => save({ system }), SAVING);
  // A button elsewhere may have changed them, such as "Leave out the oldest".
  useEffect(() => setConfig(session.config), [session.config]);
  if (error !== undefined) return <ErrorCard error={error} onRetry={reload} />;
  if (both === undefined) return null;
  const put = (name: string, value: unknown): void => {
    const next = { ...config, [name]: value ?? null }; // null removes a setting; left out it would stay
    setConfig(next);
    saveConfig(next);
  };
  return (
    <Stack gap="md">
      <PresetAndServer session={session} both={both} />
      <Textarea
        label="System prompt"
        description="Instructions for the model before the conversation."
        autosize
        minRows={3}
        maxRows={12}
        value={system}
        onChange={(event) => {
          setSystem(event.currentTarget.value);
          saveSystem(event.currentTarget.value);
        }}
      />
      {fieldsOf({ $ref: "#/$defs/SessionConfig" }, withSession(both)).map((field) => (
        <SchemaField
          key={field.name}
          field={field}
          value={config[field.name as keyof SessionConfig]}
          onChange={(value) => put(field.name, value)}
          inherited={inherited(both, preset, field.name)}
        />
      ))}
      <Group justify="space-between">
        <Button
          variant="default"
          size="xs"
          disabled={Object.keys(config).length === 0}
          onClick={() => {
            setConfig({});
            saveConfig({});
          }}
        >
          All back to the default
        </Button>
        <SavePreset
          label="Keep as a preset"
          kind="chat_presets"
          preset={{ ...config, ...(system === "" ? {} : { system }) }}
          onSaved={(name) => {
            choosePreset(id, name);
            reload();
          }}
        />
      </Group>
    </Stack>
  );
}

/** A session's settings are those of the config's chat part, without what only the config has. */
function withSession({ schema }: ConfigAndSchema) {
  const chat = schema.$defs?.["ChatConfig"]?.properties ?? {};
  const { system: _system, max_queue: _queue, ...properties } = chat;
  return { ...schema, $defs: { ...schema.$defs, SessionConfig: { properties } } };
}

/** What holds where the chat sets nothing: its preset's value, else the config's. */
function inherited({ config }: ConfigAndSchema, preset: string | undefined, name: string): string | null {
  const values = [preset === undefined ? undefined : config.chat_presets?.[preset], config.chat] as (
    | Record<string, unknown>
    | undefined
  )[];
  for (const from of values) {
    const value = from?.[name];
    if (value !== undefined && value !== null) return Array.isArray(value) ? value.join(", ") : String(value);
  }
  return "The engine's";
}

function PresetAndServer({ session, both }: { session: Session; both: ConfigAndSchema }) {
  const id = session.session_id;
  const preset = usePrefs(({ presets }) => presets[id] ?? null);
  const servers = useWorld((world) => world.servers);
  return (
    <>
      <Select
        label="Preset"
        description="A named set of chat settings; what is set below wins over it, but for its system prompt."
        placeholder="Default"
        data={Object.keys(both.config.chat_presets ?? {})}
        value={preset}
        onChange={(name) => choosePreset(id, name)}
        clearable
        clearButtonProps={{ "aria-label": "No preset" }}
      />
      <Select
        label="Server"
        description="Which one answers here."
        placeholder="The one that is ready"
        data={Object.values(servers).map(({ server_id, model }) => ({
          value: server_id,
          label: `${server_id} · ${model ?? "no model"}`,
        }))}
        value={session.server_id}
        onChange={(server_id) => {
          if (server_id !== null) client().update_session({ session_id: id, server_id }).catch(report);
        }}
        allowDeselect={false}
      />
    </>
  );
}
