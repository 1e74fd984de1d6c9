import { Button, Card, Group, Text } from "@mantine/core";
import { useRef, useState } from "react";
import { client } from "../../link/link";
import { spoken } from "../../parts/format";
import { report, toast } from "../../parts/problems";
import { SchemaField } from "../../parts/schema_field";
import { problemOf } from "../../state/problem";
import type { Field } from "../../state/schema";

interface Props {
  name: string;
  about: string;
  fields: Field[];
  values: Record<string, unknown>;
  onChanged: () => void;
}

/** How long after the last key a setting is kept. */
const SAVE_AFTER_MS = 600;

/** One part of the config. Each setting is kept by itself as it is changed, and what is refused says so beside it. */
export function Section({ name, about, fields, values, onChanged }: Props) {
  const [edited, setEdited] = useState<Record<string, unknown>>({});
  const [refused, setRefused] = useState<Record<string, string | null>>({});
  const timers = useRef<Record<string, number>>({});
  const save = async (field: Field, value: unknown): Promise<void> => {
    try {
      await client().set_config({ patch: { [name]: { [field.name]: value ?? null } } });
      setRefused((all) => ({ ...all, [field.name]: null }));
      onChanged();
    } catch (error) {
      const { title, hint } = problemOf(error);
      setRefused((all) => ({ ...all, [field.name]: `${title} ${hint}` }));
    }
  };
  const change = (field: Field, value: unknown): void => {
    setEdited((all) => ({ ...all, [field.name]: value ?? null }));
    clearTimeout(timers.current[field.name]);
    timers.current[field.name] = window.setTimeout(() => void save(field, value), SAVE_AFTER_MS);
  };
  const reset = (): void => {
    client()
      .reset_config({ keys: fields.map((field) => `${name}.${field.name}`) })
      .then(() => {
        setEdited({});
        setRefused({});
        onChanged();
        toast(`${spoken(name)}: back to the defaults.`, () =>
          client()
            .set_config({ patch: { [name]: values } })
            .then(onChanged),
        );
      }, report);
  };
  return (
    <Card component="section" aria-label={spoken(name)} mb="md">
      <Group justify="space-between" mb="md" align="flex-start">
        <div>
          <Text fw={600} component="h2" m={0}>
            {spoken(name)}
          </Text>
          <Text size="sm" c="dimmed">
            {about}
          </Text>
        </div>
        <Button size="xs" variant="default" onClick={reset}>
          All back to the defaults
        </Button>
      </Group>
      <div className="fields">
        {fields.map((field) => (
          <SchemaField
            key={field.name}
            field={field}
            value={differing(field, field.name in edited ? edited[field.name] : values[field.name])}
            onChange={(value) => change(field, value)}
            error={refused[field.name] ?? null}
          />
        ))}
      </div>
    </Card>
  );
}

/** A value that is the default is shown as not set. */
function differing(field: Field, value: unknown): unknown {
  return field.kind !== "switch" && JSON.stringify(value) === JSON.stringify(field.default) ? undefined : value;
}
