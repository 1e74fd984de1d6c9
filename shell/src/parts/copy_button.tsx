import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { report } from "./problems";

interface Props {
  text: () => string;
  label: string;
  /** Without it: a button with its words. */
  icon?: boolean;
}

export function CopyButton({ text, label, icon = false }: Props) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = (): void => void navigator.clipboard.writeText(text()).then(() => setDone(true), report);
  const said = done ? "Copied" : label;
  const Icon = done ? IconCheck : IconCopy;
  if (!icon) {
    return (
      <Button size="xs" variant="default" leftSection={<Icon size={14} aria-hidden />} onClick={copy}>
        {said}
      </Button>
    );
  }
  return (
    <Tooltip label={said}>
      <ActionIcon aria-label={said} onClick={copy} size="sm">
        <Icon size={16} />
      </ActionIcon>
    </Tooltip>
  );
}
