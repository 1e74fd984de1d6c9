import type { RecommendSettingsResult } from "@llama-sidecar/client";
import { Button, List, Spoiler, Text } from "@mantine/core";
import { useState } from "react";
import { client } from "../../link/link";
import { spoken } from "../../parts/format";
import { report } from "../../parts/problems";
import type { Settings } from "./form";

/** Settings that suit this machine, each with its reason; taken over with one click. */
export function Recommend({ settings, onTake }: { settings: Settings; onTake: (settings: Settings) => void }) {
  const [found, setFound] = useState<RecommendSettingsResult | null>(null);
  const [busy, setBusy] = useState(false);
  const ask = async (): Promise<void> => {
    setBusy(true);
    try {
      const model = typeof settings["model"] === "string" ? { model: settings["model"] } : {};
      const recommended = await client().recommend_settings(model);
      setFound(recommended);
      onTake(recommended.settings);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div style={{ marginBottom: 12 }}>
      <Button size="xs" variant="default" loading={busy} onClick={() => ask().catch(report)}>
        Set what suits this machine
      </Button>
      {found !== null && (
        <Spoiler maxHeight={84} showLabel="All reasons" hideLabel="Fewer" mt={8}>
          <List size="sm" styles={{ itemWrapper: { display: "inline" } }}>
            {found.reasons.map(({ setting, value, reason }) => (
              <List.Item key={setting}>
                <Text span fw={600} size="sm">
                  {spoken(setting)}: {String(value)}
                </Text>{" "}
                {reason}
              </List.Item>
            ))}
          </List>
        </Spoiler>
      )}
    </div>
  );
}
