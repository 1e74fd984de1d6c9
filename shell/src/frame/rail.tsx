import { Indicator } from "@mantine/core";
import {
  IconActivity,
  IconBox,
  IconFileText,
  IconMessageCircle,
  type IconProps,
  IconServer2,
  IconSettings,
} from "@tabler/icons-react";
import type { ComponentType } from "react";
import { isMoving } from "../state/downloads";
import { useWorld } from "../state/feed";
import type { PageName } from "./route";

const LINKS: [PageName, string, ComponentType<IconProps>][] = [
  ["chat", "Chat", IconMessageCircle],
  ["servers", "Servers", IconServer2],
  ["models", "Models", IconBox],
  ["monitor", "Monitor", IconActivity],
  ["logs", "Logs", IconFileText],
];

export function Rail({ page }: { page: PageName }) {
  const downloading = useWorld(({ downloads }) => Object.values(downloads).some(isMoving));
  const link = (name: PageName, title: string, Icon: ComponentType<IconProps>) => (
    <a key={name} href={`#/${name}`} aria-current={page === name ? "page" : undefined}>
      <Indicator disabled={name !== "models" || !downloading} size={8} processing>
        <Icon size={22} stroke={1.6} aria-hidden />
      </Indicator>
      {title}
    </a>
  );
  return (
    <nav className="rail" aria-label="Pages">
      {LINKS.map(([name, title, Icon]) => link(name, title, Icon))}
      <div className="space" />
      {link("settings", "Settings", IconSettings)}
    </nav>
  );
}
