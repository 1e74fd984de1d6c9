import {
  ActionIcon,
  Group,
  MultiSelect,
  NumberInput,
  Select,
  Switch,
  TagsInput,
  Textarea,
  TextInput,
  Tooltip,
} from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { defaultWords, type Field } from "../state/schema";
import { chosen, explained, spoken } from "./format";

interface Props {
  field: Field;
  /** `undefined` or null: not set. */
  value: unknown;
  onChange: (value: unknown) => void;
  /** Shown where nothing is set; else what the description says. */
  inherited?: string | null;
  /** In place of the name made from the field's. */
  label?: string;
  error?: string | null;
}

/** One setting of a schema, as the control that suits it. What is set can be set back alone. */
export function SchemaField({ field, value, onChange, inherited, label, error }: Props) {
  const set = value !== undefined && value !== null;
  const normal = inherited ?? defaultWords(field);
  const name = label ?? spoken(field.name);
  const differs = set && words(value) !== normal;
  const reset = set && (
    <Tooltip label={`Back to the default${normal ? `: ${normal}` : ""}`}>
      <ActionIcon size="sm" aria-label={`${name}: back to the default`} onClick={() => onChange(undefined)}>
        <IconArrowBackUp size={15} />
      </ActionIcon>
    </Tooltip>
  );
  const common = {
    label: (
      <Group gap={6} component="span" display="inline-flex">
        {name}
        {differs && <span className="changed" title="Differs from the default" role="img" aria-label="changed" />}
      </Group>
    ),
    description: explained(field.description),
    error: error ?? undefined,
    inputWrapperOrder: ["label", "input", "description", "error"] as ("label" | "input" | "description" | "error")[],
  };
  const placeholder = Array.isArray(value) && value.length === 0 ? "None" : chosen(normal ?? "Default");
  const end = reset ? { rightSection: reset, rightSectionPointerEvents: "all" as const } : {};
  return control(field, value, onChange, { ...common, placeholder, end });
}

type Common = Record<string, unknown> & { label: ReactNode; placeholder: string; end: object };

function control(field: Field, value: unknown, onChange: (value: unknown) => void, common: Common) {
  const { placeholder, end, ...wrapper } = common;
  switch (field.kind) {
    case "integer":
    case "number":
      return (
        <NumberInput
          {...wrapper}
          {...end}
          placeholder={placeholder}
          value={typeof value === "number" ? value : ""}
          onChange={(next) => onChange(next === "" ? undefined : Number(next))}
          allowDecimal={field.kind === "number"}
          {...(field.minimum !== undefined && { min: field.minimum })}
          {...(field.maximum !== undefined && { max: field.maximum })}
          clampBehavior="blur"
          hideControls={"rightSection" in end}
        />
      );
    case "switch":
      return field.nullable || field.default === null ? (
        <Select
          {...wrapper}
          placeholder={placeholder}
          data={YES_NO}
          value={typeof value === "boolean" ? String(value) : null}
          onChange={(next) => onChange(next === null ? undefined : next === "true")}
          clearable
          clearButtonProps={{ "aria-label": "Back to the default" }}
        />
      ) : (
        <Switch
          {...wrapper}
          checked={value === undefined || value === null ? field.default === true : value === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case "choice":
      return (
        <Select
          {...wrapper}
          placeholder={placeholder}
          data={field.choices.map((value) => ({ value, label: chosen(value) }))}
          value={value === undefined || value === null ? null : String(value)}
          onChange={(next) => onChange(next ?? undefined)}
          clearable
          clearButtonProps={{ "aria-label": "Back to the default" }}
        />
      );
    case "choices":
      return (
        <MultiSelect
          {...wrapper}
          placeholder={placeholder}
          data={field.choices}
          value={strings(value)}
          onChange={(next) => onChange(next)}
          {...end}
        />
      );
    case "lines":
      return (
        <TagsInput
          {...wrapper}
          {...end}
          placeholder={strings(value).length > 0 ? "" : "Type and press Enter"}
          value={strings(value)}
          onChange={(next) => onChange(next.length === 0 ? undefined : next)}
          allowDuplicates
          splitChars={[]}
          acceptValueOnBlur
        />
      );
    case "pairs":
      return (
        <TagsInput
          {...wrapper}
          {...end}
          placeholder="NAME=value, then Enter"
          value={Object.entries((value ?? {}) as Record<string, string>).map(([name, text]) => `${name}=${text}`)}
          onChange={(next) => onChange(next.length === 0 ? undefined : Object.fromEntries(next.map(pair)))}
          splitChars={[]}
          acceptValueOnBlur
        />
      );
    case "long-text":
      return (
        <Textarea
          {...wrapper}
          {...end}
          autosize
          minRows={2}
          maxRows={12}
          placeholder={placeholder}
          value={typeof value === "string" ? value : ""}
          onChange={(event) => onChange(event.currentTarget.value || undefined)}
        />
      );
    default:
      return (
        <TextInput
          {...wrapper}
          {...end}
          placeholder={placeholder}
          value={typeof value === "string" ? value : ""}
          onChange={(event) => onChange(event.currentTarget.value || undefined)}
        />
      );
  }
}

const words = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : String(value));

const YES_NO = [
  { value: "true", label: "Yes" },
  { value: "false", label: "No" },
];

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.map(String) : typeof value === "string" ? [value] : [];

function pair(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
