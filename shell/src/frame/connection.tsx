import { Text, Tooltip } from "@mantine/core";
import { useLink } from "../link/link";

const WORDS = { connecting: "Connecting", online: "Connected", offline: "Not connected", refused: "Refused" } as const;
const DOTS = { connecting: "busy", online: "good", offline: "bad", refused: "bad" } as const;

export function Connection() {
  const { state, hello } = useLink();
  const version = hello ? `${hello.server.name} ${hello.server.version}, data in ${hello.data_dir}` : WORDS[state];
  return (
    <Tooltip label={version} multiline maw={420}>
      <Text span size="sm" c="dimmed" role="status" style={{ display: "inline-flex", gap: 6, alignItems: "center" }}>
        <span className="dot" data-state={DOTS[state]} aria-hidden />
        <span className="wide-only">{WORDS[state]}</span>
        <span className="narrow-only visually-hidden">{WORDS[state]}</span>
      </Text>
    </Tooltip>
  );
}
