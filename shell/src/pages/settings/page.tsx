import {
  Button,
  Card,
  NavLink,
  SegmentedControl,
  Skeleton,
  Text,
  TextInput,
  useMantineColorScheme,
} from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { go, useRoute } from "../../frame/route";
import { useLink } from "../../link/link";
import { useConfig } from "../../link/use_schema";
import { ErrorCard } from "../../parts/error_card";
import { spoken } from "../../parts/format";
import { type Field, fieldsOf, mentions, resolved, type Schema } from "../../state/schema";
import { About } from "./about";
import { Presets } from "./presets";
import { Section } from "./section";
import "./settings.css";

export default function Settings() {
  const { value, error, reload } = useConfig();
  const { rest } = useRoute();
  const online = useLink(({ state }) => state === "online");
  const [query, setQuery] = useState("");
  const sections = value ? Object.entries(resolved({ $ref: "#/$defs/Config" }, value.schema).properties ?? {}) : [];
  const named = sections.filter(([, schema]) => resolved(schema, value?.schema ?? {}).properties !== undefined);
  const search = query.trim();
  const current = rest || "appearance";
  const fields = (schema: Schema): Field[] => (value ? fieldsOf(schema, value.schema) : []);
  const config = (value?.config ?? {}) as Record<string, Record<string, unknown>>;
  const section = (name: string, schema: Schema, shown: Field[]) => (
    <Section
      key={name}
      name={name}
      about={resolved(schema, value?.schema ?? {}).description ?? ""}
      fields={shown}
      values={config[name] ?? {}}
      onChanged={reload}
    />
  );
  return (
    <div className="scroll">
      <div className="content settings-page">
        <div className="head">
          <h1>Settings</h1>
          <TextInput
            aria-label="Search the settings"
            placeholder="Search the settings"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={query}
            onChange={(event) => setQuery(event.currentTarget.value)}
          />
        </div>
        {error !== undefined && <ErrorCard error={error} onRetry={reload} />}
        <div className="settings">
          <nav aria-label="Sections" className="settings-nav">
            {["appearance", ...named.map(([name]) => name), "presets", "about"].map((name) => (
              <NavLink
                key={name}
                component="button"
                label={spoken(name)}
                active={search === "" && current === name}
                aria-current={search === "" && current === name ? "page" : undefined}
                onClick={() => {
                  setQuery("");
                  go("settings", name);
                }}
              />
            ))}
          </nav>
          <div>
            {value === undefined &&
              error === undefined &&
              current !== "appearance" &&
              current !== "about" &&
              (online ? (
                <Skeleton height={320} />
              ) : (
                <Text c="dimmed">The settings are shown with the connection.</Text>
              ))}
            {search !== "" &&
              named.map(([name, schema]) => {
                const found = fields(schema).filter((field) => mentions(field, spoken(field.name), search));
                return found.length > 0 && section(name, schema, found);
              })}
            {search === "" && current === "appearance" && <Appearance />}
            {search === "" && named.map(([name, schema]) => current === name && section(name, schema, fields(schema)))}
            {search === "" && current === "presets" && value && <Presets config={value.config} onChanged={reload} />}
            {search === "" && current === "about" && <About />}
          </div>
        </div>
      </div>
    </div>
  );
}

function Appearance() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Card>
      <Text fw={600} component="h2" m={0} mb={4}>
        Colours
      </Text>
      <Text size="sm" c="dimmed" mb="md">
        More contrast and less motion follow the settings of your system.
      </Text>
      <SegmentedControl
        aria-label="Colours"
        value={colorScheme}
        onChange={(value) => setColorScheme(value as "light" | "dark" | "auto")}
        data={[
          { value: "light", label: "Light" },
          { value: "dark", label: "Dark" },
          { value: "auto", label: "As the system" },
        ]}
      />
      <Text size="sm" c="dimmed" mt="lg">
        <Button variant="subtle" size="compact-sm" onClick={() => window.dispatchEvent(new Event("show-shortcuts"))}>
          Keyboard shortcuts
        </Button>
      </Text>
    </Card>
  );
}
