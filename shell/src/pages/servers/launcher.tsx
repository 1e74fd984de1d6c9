import { Accordion, Select, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useConfig } from "../../link/use_schema";
import { ErrorCard } from "../../parts/error_card";
import { spoken } from "../../parts/format";
import { SavePreset } from "../../parts/save_preset";
import { SchemaField } from "../../parts/schema_field";
import { useWorld } from "../../state/feed";
import { type Field, fieldsOf, mentions } from "../../state/schema";
import type { Form, Settings } from "./form";
import { COSTS, GROUPS, grouped, idOf } from "./groups";
import { Plan } from "./plan";
import { Recommend } from "./recommend";

interface Props extends Form {
  onStarted: () => void;
}

/** The form of every start setting, with what it would take and the command it would run beside it. */
export function Launcher({ changes, settings: first, onStarted }: Props) {
  const { value, error, reload } = useConfig();
  const [settings, setSettings] = useState<Settings>(first);
  const [query, setQuery] = useState("");
  const fields = useMemo(
    () => (value ? withNames(fieldsOf({ $ref: "#/$defs/ServerSettings" }, value.schema)) : []),
    [value],
  );
  if (error !== undefined) return <ErrorCard error={error} onRetry={reload} />;
  if (value === undefined) return <Skeleton height={420} />;
  const put = (name: string, next: unknown): void =>
    setSettings(({ [name]: _old, ...others }) =>
      next === undefined || next === null ? others : { ...others, [name]: next },
    );
  const presets = value.config.server_presets ?? {};
  const preset: Settings = { ...presets[String(settings["preset"])] };
  const found =
    query.trim() === "" ? null : fields.filter((field) => mentions(field, spoken(field.name), query.trim()));
  const draw = (field: Field) => (
    <Setting
      key={field.name}
      field={field}
      value={settings[field.name]}
      onChange={(next) => put(field.name, next)}
      presets={Object.keys(presets)}
      defaults={{ ...value.config.server_defaults, ...preset }}
    />
  );
  return (
    <div className="launcher">
      <Stack gap="md" className="launcher-form">
        <TextInput
          aria-label="Search the settings"
          placeholder="Search the settings"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
        />
        {found !== null ? (
          <div className="fields">
            {found.length > 0 ? found.map(draw) : <Text c="dimmed">No setting has these words.</Text>}
          </div>
        ) : (
          <Accordion multiple defaultValue={GROUPS.filter(({ folded }) => !folded).map(idOf)} variant="separated">
            {grouped(fields).map(({ group, fields: own }) => (
              <Accordion.Item key={group.title} value={idOf(group)}>
                <Accordion.Control>
                  <Text fw={600} span>
                    {group.title}
                  </Text>
                  <Text size="sm" c="dimmed">
                    {group.about}
                  </Text>
                </Accordion.Control>
                <Accordion.Panel>
                  {group.title === "Model" && (
                    <Recommend settings={settings} onTake={(more) => setSettings((all) => ({ ...all, ...more }))} />
                  )}
                  <div className="fields">{own.map(draw)}</div>
                </Accordion.Panel>
              </Accordion.Item>
            ))}
          </Accordion>
        )}
      </Stack>
      <Plan settings={settings} changes={changes} onChange={put} onStarted={onStarted}>
        <SavePreset
          label="Save as preset"
          kind="server_presets"
          preset={{ ...preset, ...without(settings, NOT_OF_PRESETS) }}
          onSaved={reload}
        />
      </Plan>
    </div>
  );
}

/** The two settings of a start that presets do not have. */
const NOT_OF_PRESETS: readonly string[] = ["server_id", "preset"];

function withNames(fields: Field[]): Field[] {
  const text = { kind: "text" as const, default: null, nullable: true, choices: [] };
  return [
    ...fields,
    { ...text, name: "server_id", default: "default", description: "What to call the server." },
    { ...text, name: "preset", description: "A named set of start settings; what is set here wins over it." },
  ];
}

interface SettingProps {
  field: Field;
  value: unknown;
  onChange: (value: unknown) => void;
  presets: string[];
  defaults: Settings;
}

function Setting({ field, value, onChange, presets, defaults }: SettingProps) {
  const models = useWorld((world) => world.models);
  const names =
    field.name === "model" ? Object.values(models).flatMap(({ name, valid }) => (valid ? [name] : [])) : presets;
  if (field.name === "model" || field.name === "preset") {
    return (
      <Select
        label={spoken(field.name)}
        description={
          field.name === "model"
            ? "A model of the library. With none chosen: the default, else the one used last."
            : field.description
        }
        inputWrapperOrder={["label", "input", "description", "error"]}
        placeholder={names.length === 0 ? "None yet" : "Choose"}
        data={names}
        value={typeof value === "string" ? value : null}
        onChange={(next) => onChange(next ?? undefined)}
        searchable
        clearable
        clearButtonProps={{ "aria-label": "Choose none" }}
        nothingFoundMessage="None of this name"
      />
    );
  }
  const cost = COSTS[field.name];
  const normal = defaults[field.name];
  return (
    <SchemaField
      field={cost === undefined ? field : { ...field, description: `${field.description} ${cost}` }}
      value={value}
      onChange={onChange}
      inherited={normal === undefined || normal === null ? null : String(normal)}
    />
  );
}

const without = (settings: Settings, names: readonly string[]): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
