/** What of a JSON Schema a form is made of. Pure; knows the shapes that the contract's generator writes. */

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  title?: string;
  description?: string;
  type?: string;
  enum?: readonly unknown[];
  anyOf?: readonly Schema[];
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  default?: unknown;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  maxLength?: number;
}

export type Kind =
  | "text"
  | "long-text"
  | "integer"
  | "number"
  | "switch"
  | "choice"
  | "choices"
  | "lines"
  | "pairs"
  | "json";

export interface Field {
  name: string;
  kind: Kind;
  /** The sentence that explains it. */
  description: string;
  default: unknown;
  nullable: boolean;
  choices: string[];
  minimum?: number | undefined;
  maximum?: number | undefined;
}

/** Texts that have several lines. */
const LONG = new Set(["system", "chat_template"]);

/** Follow a reference into the document's definitions. */
export function resolved(schema: Schema, root: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.replace("#/$defs/", "");
  return resolved(root.$defs?.[name] ?? {}, root);
}

export function fieldsOf(schema: Schema, root: Schema): Field[] {
  return Object.entries(resolved(schema, root).properties ?? {}).map(([name, property]) =>
    fieldOf(name, property, root),
  );
}

export function fieldOf(name: string, given: Schema, root: Schema): Field {
  const outer = resolved(given, root);
  const options = (outer.anyOf ?? [outer]).map((option) => resolved(option, root));
  const nullable = options.some(({ type }) => type === "null");
  const real = options.filter(({ type }) => type !== "null");
  const choice = real.find((option) => option.enum !== undefined);
  const main = choice ?? real.find(({ type }) => type === "array") ?? real[0] ?? {};
  const range = real.find(({ minimum, exclusiveMinimum, maximum }) => minimum ?? exclusiveMinimum ?? maximum) ?? main;
  return {
    name,
    kind: kindOf(name, main, root),
    description: outer.description ?? main.description ?? "",
    default: outer.default,
    nullable,
    choices: (main.enum ?? resolved(main.items ?? {}, root).enum ?? []).map(String),
    minimum: range.minimum ?? lowestAbove(range),
    maximum: range.maximum,
  };
}

/** A number has none that comes next: what is too low is refused in words, then. */
function lowestAbove({ type, exclusiveMinimum }: Schema): number | undefined {
  return type === "integer" && exclusiveMinimum !== undefined ? exclusiveMinimum + 1 : undefined;
}

function kindOf(name: string, schema: Schema, root: Schema): Kind {
  if (schema.enum !== undefined) return "choice";
  switch (schema.type) {
    case "integer":
    case "number":
      return schema.type;
    case "boolean":
      return "switch";
    case "string":
      return LONG.has(name) ? "long-text" : "text";
    case "array": {
      const item = resolved(schema.items ?? {}, root);
      return item.enum !== undefined ? "choices" : item.type === "string" ? "lines" : "json";
    }
    case "object":
      return schema.additionalProperties && resolved(schema.additionalProperties as Schema, root).type === "string"
        ? "pairs"
        : "json";
    default:
      return "json";
  }
}

/** "Default 4096." of a description, where the schema itself has none: the sentence says it. */
export function defaultWords(field: Field): string | null {
  if (field.default !== null && field.default !== undefined && field.default !== "") {
    return typeof field.default === "object" ? null : String(field.default);
  }
  const said = /Default:? ([^.]+(?:\.\d+)*)\./.exec(field.description)?.[1];
  return said ?? null;
}

/** Whether all words stand somewhere in a setting's name or explanation. */
export function mentions(field: Pick<Field, "name" | "description">, spokenName: string, query: string): boolean {
  const text = `${field.name} ${spokenName} ${field.description}`.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
