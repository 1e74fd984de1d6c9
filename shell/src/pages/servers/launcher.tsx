import { Accordion, Select, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useConfig } from "../../link/use_schema";
import { ErrorCard } from "../../parts/error_card";
import { spoken } from "../../parts/format";
import { SchemaField } from "../../parts/schema_field";
import { useWorld } from "../../state/feed";
import { type Field, fieldsOf, mentions } from "../../state/schema";
import { COSTS, GROUPS, grouped } from "./groups";
import { Plan } from "./plan";
import { Recommend } from "./recommend";

export type Settings = Record<string, unknown>;

interface Props {
  /** Ids of servers that are there already. */
  taken: string[];
  onStarted: () => void;
}

/** The form of every start setting, with what it would take and the command it would run beside it. */
export function Launcher({ taken, onStarted }: Props) {
  const { value, error, reload } = useConfig();
  const [settings, setSettings] = useState<Settings>(() => (taken.length === 0 ? {} : { server_id: freeId(taken) }));
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
  const presets = Object.keys(value.config.server_presets ?? {});
  const found =
    query.trim() === "" ? null : fields.filter((field) => mentions(field, spoken(field.name), query.trim()));
  const draw = (field: Field) => (
    <Setting
      key={field.name}
      field={field}
      value={settings[field.name]}
      onChange={(next) => put(field.name, next)}
      presets={presets}
      defaults={{ ...value.config.server_defaults }}
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
          <Accordion
            multiple
            defaultValue={GROUPS.filter(({ folded }) => !folded).map(({ title }) => keyOf(title))}
            variant="separated"
          >
            {grouped(fields).map(({ group, fields: own }) => (
              <Accordion.Item key={group.title} value={keyOf(group.title)}>
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
      <Plan settings={settings} onChange={put} onStarted={onStarted} />
    </div>
  );
}

/** The two settings of a start that presets do not have. */
function withNames(fields: Field[]): Field[] {
  const text = { kind: "text" as const, default: null, nullable: true, choices: [] };
  return [
    ...fields,
    { ...text, name: "server_id", description: 'What to call the server. Default "default".' },
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

/** What a title is in an id, where a blank is not allowed. */
const keyOf = (title: string): string => title.toLowerCase().replace(/\W+/g, "-");

function freeId(taken: string[]): string {
  for (let number = 2; ; number++) if (!taken.includes(`server-${number}`)) return `server-${number}`;
}
